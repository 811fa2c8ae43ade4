"""What stands inside searches, pipelines and frozen estimators is found, everywhere alike."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skrouter import (
    ExploringRouter,
    FallbackRouter,
    GuaranteedRouter,
    RadialRouterClassifier,
    make_routing_target,
)
from skrouter._persistence.metadata import describe, encoders_of
from skrouter._utils.estimators import (
    estimator_layers,
    innermost_estimator,
    innermost_input,
    own_cost_weight,
)
from skrouter.baselines import FrugalGPTRouter, KNNRouter
from skrouter.metrics import (
    LossCurveDisplay,
    ReliabilityDisplay,
    decision_flips,
    make_routing_scorer,
)

NAMES = ["small", "large"]


@pytest.fixture(scope="module")
def problem():
    """The first feature tells whether "small" suffices."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    success = np.stack([0.9 - 0.8 * (X[:, 0] > 0), np.full(120, 0.9)], axis=1)
    performance = (rng.uniform(size=success.shape) < success).astype(float)
    return X, make_routing_target(performance, [0.5, 5.0])


def search(estimator):
    return GridSearchCV(estimator, {}, cv=2, error_score="raise")


def forms(router):
    """The router by itself and inside others, deeper and deeper."""
    return {
        "router": router,
        "pipeline": make_pipeline(StandardScaler(), router),
        "one step": make_pipeline(router),
        "skipped step": Pipeline([("none", "passthrough"), ("pca", PCA(2)), ("router", router)]),
        "search": search(router),
        "search of a pipeline": search(make_pipeline(StandardScaler(), router)),
        "pipeline of a search": make_pipeline(StandardScaler(), search(router)),
        "pipelines": make_pipeline(StandardScaler(), make_pipeline(PCA(2), search(router))),
    }


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("form", forms(None))
def test_what_is_inside_predicts_the_same(problem, form, frozen):
    X, y = problem
    fitted = forms(KNNRouter(5, llm_names=NAMES))[form].fit(X, y)
    if frozen:
        fitted = FrozenEstimator(fitted)
    router = innermost_estimator(fitted)
    assert type(router) is KNNRouter
    np.testing.assert_array_equal(router.predict(innermost_input(fitted, X)), fitted.predict(X))


def test_layers_run_from_the_outside_to_the_inside(problem):
    pipeline = make_pipeline(StandardScaler(), search(KNNRouter(5, llm_names=NAMES))).fit(*problem)
    frozen = FrozenEstimator(pipeline)
    inner = pipeline[-1].best_estimator_
    assert estimator_layers(frozen) == [frozen, pipeline, pipeline[-1], inner]
    assert estimator_layers(inner) == [inner]


@pytest.mark.parametrize("last", [None, "passthrough"])
def test_without_an_estimator_inside_the_outer_one_is_the_last(problem, last):
    X, _ = problem
    unfitted = search(KNNRouter())
    assert innermost_estimator(unfitted) is unfitted
    transformer = Pipeline([("scale", StandardScaler()), ("last", last)]).fit(X)
    assert innermost_estimator(transformer) is transformer
    assert innermost_input(transformer, X) is X


def test_own_trade_offs(problem):
    X, y = problem
    router = KNNRouter(5, cost_weight=0.1, llm_names=NAMES)
    for form in forms(router).values():
        assert own_cost_weight(form.fit(X, y)) == 0.1
    frozen = FrozenEstimator(KNNRouter(5, cost_weight=0.1, llm_names=NAMES).fit(X, y))
    assert own_cost_weight(frozen) == 0.1
    assert own_cost_weight(FallbackRouter(frozen, min_margin=0.1).fit(X, y)) == 0.1
    assert own_cost_weight(ExploringRouter(frozen).fit()) == 0.1
    guaranteed = GuaranteedRouter(frozen, max_cost=4.9, max_query_cost=5.0, random_state=0)
    guaranteed.fit(X, y)
    assert own_cost_weight(make_pipeline(guaranteed)) == guaranteed.cost_weight_
    assert own_cost_weight(StandardScaler()) is None


def test_a_cascade_is_charged_for_all_calls_wherever_it_stands(problem):
    X, y = problem
    cascade = FrugalGPTRouter(order=NAMES, thresholds=[0.5], llm_names=NAMES, random_state=0)
    scorer = make_routing_scorer(0.05)
    bare = scorer(cascade.fit(X, y), X, y)
    assert scorer(FrozenEstimator(cascade), X, y) == bare
    assert scorer(FrozenEstimator(make_pipeline(search(cascade)).fit(X, y)), X, y) == bare
    outcomes = cascade.cascade_outcomes(X, y)
    assert bare == pytest.approx(np.mean(outcomes.performance - 0.05 * outcomes.cost))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_file_names_the_router_inside_and_each_step_once(problem, frozen):
    fitted = make_pipeline(StandardScaler(), search(make_pipeline(PCA(2), KNNRouter(5)))).fit(
        *problem
    )
    router = FrozenEstimator(fitted) if frozen else fitted
    description = describe(router, None, None)
    assert description["router"]["core"].endswith("KNNRouter")
    assert description["router"]["cost_weight"] == 0.02
    assert encoders_of(router) == [fitted[0], fitted[-1].best_estimator_[0]]


# Displays


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.mark.parametrize("form", forms(None))
def test_reliability_is_that_of_the_router_inside(pyplot, problem, form):
    X, y = problem
    fitted = forms(KNNRouter(5, llm_names=NAMES))[form].fit(X, y)
    curve = ReliabilityDisplay.from_estimator(fitted, X, y, name="mine").curves["mine"]
    predicted = innermost_estimator(fitted).predict_outcomes(innermost_input(fitted, X))
    expected = ReliabilityDisplay.from_predictions(y, predicted.performance).curves["router"]
    for got, wanted in zip(curve, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("form", ["search", "search of a pipeline", "pipeline of a search"])
def test_the_loss_is_that_of_the_router_inside(pyplot, problem, form):
    X, y = problem
    router = RadialRouterClassifier(max_iter=2, cv=None, llm_names=NAMES, random_state=0)
    fitted = forms(router)[form].fit(X, y)
    display = LossCurveDisplay.from_estimator(fitted)
    assert len(display.loss_curve) == 2
    assert display.loss_curve == innermost_estimator(fitted).loss_curve_
    assert display.name == "RadialRouterClassifier"


def test_the_loss_of_what_is_not_fitted_is_refused(pyplot):
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(search(RadialRouterClassifier()))


# Decision flips


class Lengths:
    """Text as numbers, without anything to be fitted."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([[len(text), text.count(" ")] for text in X], dtype=float)


def test_flips_of_a_search_are_judged_at_its_own_trade_off():
    queries = ["a b", "a b c d", "a", "what is it", "a b c", "tell me why it is so"] * 2
    performance = np.tile([[1.0, 0.5], [0.0, 1.0], [1.0, 1.0]], (4, 1))
    y = make_routing_target(performance, [0.5, 5.0])
    router = make_pipeline(Lengths(), KNNRouter(1, cost_weight=0.2, llm_names=NAMES))
    router.fit(queries, y)
    kwargs = {"y": y, "edits": ["spacing", "politeness"], "random_state": 0}
    lost = decision_flips(router, queries, **kwargs).utility_lost
    charged = make_routing_target(performance - 0.2 * np.array([0.5, 5.0]), [0.0, 0.0])
    expected = decision_flips(router, queries, **(kwargs | {"y": charged[..., 0]})).utility_lost
    np.testing.assert_allclose(lost, expected)
    assert np.abs(lost).max() > 0
    searched = search(router).fit(queries, y)
    np.testing.assert_array_equal(decision_flips(searched, queries, **kwargs).utility_lost, lost)
