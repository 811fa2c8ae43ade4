"""The routers to compare with: conventions, and what each of them chooses."""

import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR
from sklearn.utils import check_array
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import _num_samples

from skrouter import SentenceEncoder, baselines, make_routing_target
from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    ClusterRouter,
    CosineClassifierRouter,
    FrugalGPTRouter,
    GraphRouter,
    HybridLLMRouter,
    KNNRouter,
    LinearRouter,
    MLPRouter,
    RandomRouter,
    RegressionRouter,
    RouterDCRouter,
    StackedRouter,
    SVRRouter,
    ZeroRouter,
)
from skrouter.datasets import make_routing_problem
from skrouter.metrics import make_routing_scorer, oracle_llms, routing_score

nan = np.nan

# One regressor per LLM, or one whose outputs do not share anything.
APART = [KNNRouter(), LinearRouter(10.0), RegressionRouter(), SVRRouter()]
QUICK = {"learning_rate": 1e-2, "random_state": 0}
LEARNED = [
    *APART,
    LinearRouter(),
    ClusterRouter(24, random_state=0),
    MLPRouter(**QUICK),
    CosineClassifierRouter(16, **QUICK, max_iter=20),
    RouterDCRouter(16, **QUICK, n_best=1, max_iter=20),
    GraphRouter(16, **QUICK, max_iter=50),
    StackedRouter([("linear", LinearRouter(10.0)), ("svr", SVRRouter())], random_state=0),
]
# Learned as well, but of a pool they do not call every LLM, or several on one query.
OTHER = [HybridLLMRouter(random_state=0), FrugalGPTRouter(random_state=0)]
NOT_LOOKING = [BestSingleRouter(), RandomRouter(random_state=0), ZeroRouter(random_state=0)]
ALL = [*NOT_LOOKING, BestPerTaskRouter(), *LEARNED, *OTHER]


@pytest.fixture(autouse=True)
def skip_without_torch_geometric(request):
    parameters = getattr(request.node, "callspec", None)
    if parameters and any(isinstance(x, GraphRouter) for x in parameters.params.values()):
        pytest.importorskip("torch_geometric")


class BestPerSign(BestPerTaskRouter):
    """The best LLM per task where scikit-learn's checks know of no tasks: the sign of a column."""

    def fit(self, X, y, cost=None, sample_weight=None):
        return super().fit(X, y, cost, sample_weight, tasks=signs(X))

    def predict(self, X, tasks=None):
        return super().predict(X, tasks=signs(X) if tasks is None else tasks)

    def decision_function(self, X):
        return super().decision_function(X, tasks=signs(X))

    def predict_proba(self, X):
        return super().predict_proba(X, tasks=signs(X))

    def score(self, X, y, cost=None, sample_weight=None):
        return super().score(X, y, cost, sample_weight, tasks=signs(X))


def signs(X):
    """Signs of the first column; one task for what is no table, which the router refuses."""
    try:
        return np.sign(check_array(X)[:, 0]).tolist()
    except (TypeError, ValueError):
        return ["none"] * _num_samples(X)


def expected_failures(router):
    if isinstance(router, RandomRouter):
        reason = "its choices do not follow its probabilities, which are equal"
        return {"check_classifiers_train": reason}
    if isinstance(router, KNNRouter):
        reason = "neighbours have no weights, and the router says so"
        return {
            "check_sample_weights_not_overwritten": reason,
            "check_sample_weight_equivalence_on_dense_data": reason,
        }
    if isinstance(router, ClusterRouter):
        reason = "k-means begins at queries drawn at random, of which repeated ones make more"
        return {"check_sample_weight_equivalence_on_dense_data": reason}
    if isinstance(router, LinearRouter) and router.alpha == "auto":
        reason = "the penalty is chosen by folds, into which repeated rows fall one by one"
        return {"check_sample_weight_equivalence_on_dense_data": reason}
    if isinstance(router, SVRRouter):
        reason = "scikit-learn scales the kernel by the unweighted variance, and stops at 1e-3"
        return {"check_sample_weight_equivalence_on_dense_data": reason}
    if isinstance(router, RouterDCRouter):
        reason = "positives and negatives are drawn from the rows, of which repeated ones make more"
        return {"check_sample_weight_equivalence_on_dense_data": reason}
    if isinstance(router, GraphRouter):
        reason = "edges are hidden at random, those of repeated rows one by one"
        return {"check_sample_weight_equivalence_on_dense_data": reason}
    if isinstance(router, StackedRouter):
        reason = "members are weighed by folds, into which repeated rows fall one by one"
        return {"check_sample_weight_equivalence_on_dense_data": reason}
    if isinstance(router, HybridLLMRouter | FrugalGPTRouter):
        reason = "thresholds are chosen by folds, into which repeated rows fall one by one"
        return {"check_sample_weight_equivalence_on_dense_data": reason}
    return {}


@parametrize_with_checks(
    [*NOT_LOOKING, BestPerSign(), *LEARNED, *OTHER],
    expected_failed_checks=expected_failures,
    xfail_strict=True,
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_every_public_router_is_tested_here():
    assert {getattr(baselines, name) for name in baselines.__all__} == set(map(type, ALL))


def test_every_public_router_is_in_the_user_guide():
    page = Path(__file__).parents[1] / "docs" / "user_guide" / "routers.rst"
    named = set(re.findall(r"baselines\.(\w+)`", page.read_text(encoding="utf-8")))
    assert named == set(baselines.__all__)


@pytest.fixture(scope="module")
def numbers():
    """The sign of the first feature tells which of two LLMs is good; a third is expensive."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    performance = np.stack([X[:, 0] > 0, X[:, 0] <= 0, np.ones(300)], axis=1).astype(float)
    return X, performance, np.array([0.5, 1.0, 20.0])


# What all share


def options_for(router, X):
    return {"tasks": signs(X)} if isinstance(router, BestPerTaskRouter) else {}


def fit_on(router, X, y, **data):
    return router.fit(X, y, **data, **options_for(router, X))


def every(*routers):
    return pytest.mark.parametrize("router", routers, ids=lambda router: type(router).__name__)


@every(*ALL)
def test_copies_and_pickles_choose_the_same(router, numbers):
    X, performance, cost = numbers
    router = clone(router).set_params(llm_names=["a", "b", "c"])
    options = options_for(router, X)
    chosen = fit_on(router, X, performance, cost=cost).predict(X, **options)
    assert set(chosen) <= {"a", "b", "c"}
    again = fit_on(clone(router), X, performance, cost=cost)
    for other in (again, pickle.loads(pickle.dumps(router))):
        np.testing.assert_array_equal(other.predict(X, **options), chosen)


@every(*[router for router in ALL if not isinstance(router, FrugalGPTRouter)])
def test_score_is_the_routing_score_of_what_is_predicted(router, numbers):
    X, performance, cost = numbers
    router = fit_on(clone(router).set_params(cost_weight=0.1), X, performance, cost=cost)
    options, weight = options_for(router, X), np.arange(300.0)
    expected = routing_score(
        performance, router.predict(X, **options), cost=cost, cost_weight=0.1, sample_weight=weight
    ).utility
    assert router.score(X, performance, cost, weight, **options) == pytest.approx(expected)
    y = make_routing_target(performance, cost)
    assert router.score(X, y, sample_weight=weight, **options) == pytest.approx(expected)
    with pytest.raises(ValueError, match="cost is missing"):
        router.score(X, performance, **options)


@every(*ALL)
def test_fitted_without_costs_nothing_is_charged(router, numbers):
    X, performance, _ = numbers
    router = fit_on(clone(router).set_params(cost_weight=0.5), X, performance)
    options = options_for(router, X)
    received = routing_score(performance, router.predict(X, **options)).performance
    assert router.score(X, performance, **options) == pytest.approx(received)


@every(*ALL)
def test_one_llm_is_always_chosen(router, numbers):
    X, performance, _ = numbers
    router = fit_on(clone(router).set_params(llm_names=["only"]), X, performance[:, :1], cost=[2.0])
    options = options_for(router, X)
    assert set(router.predict(X, **options)) == {"only"}
    np.testing.assert_array_equal(router.predict_proba(X, **options), np.ones((300, 1)))


@every(BestSingleRouter(), BestPerTaskRouter(), *LEARNED, *OTHER)
@pytest.mark.parametrize("n_llms", [2, 3])
def test_decision_and_probabilities_agree_with_the_choice(router, n_llms, numbers):
    X, performance, cost = numbers
    router = fit_on(clone(router), X, performance[:, :n_llms], cost=cost[:n_llms])
    options = options_for(router, X)
    chosen = router.predict(X, **options)
    decision = router.decision_function(X, **options)
    probabilities = router.predict_proba(X, **options)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), chosen)
    if n_llms == 2:
        np.testing.assert_array_equal(decision > 0, chosen == 1)
        np.testing.assert_allclose(np.diff(np.log(probabilities))[:, 0], decision, atol=1e-12)
    else:
        np.testing.assert_array_equal(decision.argmax(axis=1), chosen)


@every(*ALL)
def test_names_come_from_the_columns_of_a_frame(router, numbers):
    X, performance, cost = numbers
    frame = pd.DataFrame(performance, columns=["a", "b", "c"])
    assert fit_on(clone(router), X, frame, cost=cost).classes_.tolist() == ["a", "b", "c"]


@every(*ALL)
@pytest.mark.parametrize("cost_weight", [-0.1, np.nan, "much", None])
def test_bad_trade_off_is_refused(router, cost_weight, numbers):
    X, performance, cost = numbers
    with pytest.raises(ValueError, match="'cost_weight' parameter"):
        fit_on(clone(router).set_params(cost_weight=cost_weight), X, performance, cost=cost)


@every(*ALL)
def test_a_failed_fit_leaves_the_router_as_it_was(router, numbers):
    X, performance, cost = numbers
    router = fit_on(clone(router), X, performance, cost=cost)
    before = router.predict(X, **options_for(router, X))
    with pytest.raises(ValueError, match="negative"):
        fit_on(router, X, performance, cost=-cost)
    np.testing.assert_array_equal(router.predict(X, **options_for(router, X)), before)


@every(*ALL)
def test_an_llm_that_no_weight_counts_is_refused(router, numbers):
    """A query of weight 0 is as if it were not there."""
    X, performance, cost = numbers
    performance, weight = performance.copy(), np.ones(len(X))
    performance[5:, 2], weight[:5] = np.nan, 0.0
    with pytest.raises(ValueError, match=r"NaN on every query for \[2\]"):
        fit_on(clone(router), X, performance, cost=cost, sample_weight=weight)
    with pytest.raises(ValueError, match="at least one non-zero number"):
        fit_on(clone(router), X, performance, cost=cost, sample_weight=np.zeros(len(X)))


@every(*ALL)
def test_negative_weights_are_refused_by_score(router, numbers):
    X, performance, cost = numbers
    router = fit_on(clone(router), X, performance, cost=cost)
    weight = np.r_[-1.0, np.ones(len(X) - 1)]
    with pytest.raises(ValueError, match="[Nn]egative"):
        router.score(X, performance, cost=cost, sample_weight=weight, **options_for(router, X))


@every(*ALL)
@pytest.mark.parametrize("method", ["predict", "predict_proba", "score"])
def test_using_before_fitting_is_refused(router, method):
    arguments = ([[1.0]], [[1.0, 0.0]])[: 2 if method == "score" else 1]
    with pytest.raises(NotFittedError):
        getattr(clone(router), method)(*arguments, **options_for(router, [[1.0]]))


@every(*ALL)
def test_transformers_that_return_frames_change_nothing(router, numbers):
    X, performance, cost = numbers
    performance = performance.copy()
    performance[:5, 0] = nan
    options = options_for(router, X)
    plain = fit_on(clone(router), X, performance, cost=cost).predict_proba(X, **options)
    with config_context(transform_output="pandas"):
        again = fit_on(clone(router), X, performance, cost=cost).predict_proba(X, **options)
    np.testing.assert_array_equal(again, plain)


class Slow(FunctionTransformer):
    """An encoder during whose work something may happen to the router."""

    meanwhile = None

    def transform(self, X):
        if Slow.meanwhile:
            meanwhile, Slow.meanwhile = Slow.meanwhile, None
            meanwhile()
        return np.array([[float(text)] for text in X])


@pytest.mark.parametrize(
    ("router", "method", "change"),
    [
        (FrugalGPTRouter(order=["a", "b"]), "predict_calls", {"order": ["b"]}),
        (HybridLLMRouter("a", "b", C=10.0), "predict_small", {"C": 0.1}),
    ],
    ids=["cascade", "hybrid"],
)
def test_a_refit_during_a_prediction_does_not_change_it(router, method, change):
    router = clone(router).set_params(encoder=Slow(), llm_names=["a", "b"])
    queries = [str(i) for i in range(20)]
    performance = np.column_stack([np.arange(20) < 10, np.ones(20)])
    router.fit(queries, performance, [0.1, 5.0])
    before = getattr(router, method)(queries)
    Slow.meanwhile = lambda: router.set_params(**change).fit(queries, performance, [0.1, 5.0])
    during = getattr(router, method)(queries)
    after = getattr(router, method)(queries)
    np.testing.assert_equal(during, before)
    with pytest.raises(AssertionError):
        np.testing.assert_equal(after, before)


def test_a_refit_while_a_cascade_is_scored_does_not_change_it():
    router = FrugalGPTRouter(order=["a", "b"], encoder=Slow(), llm_names=["a", "b"])
    queries = [str(i) for i in range(20)]
    performance = np.column_stack([np.arange(20) < 10, np.ones(20)])
    data = (queries, performance, [0.1, 5.0])
    before = router.fit(*data).cascade_outcomes(*data)
    Slow.meanwhile = lambda: router.set_params(order=["b"]).fit(*data)
    np.testing.assert_equal(router.cascade_outcomes(*data), before)
    assert set(router.cascade_outcomes(*data).cost) == {5.0}


# Learned routers


@pytest.mark.parametrize("router", LEARNED, ids=lambda router: type(router).__name__)
def test_learned_routers_route_by_query_and_cost(router, numbers):
    X, performance, cost = numbers
    router = clone(router).set_params(cost_weight=0.05).fit(X, performance, cost=cost)
    assert router.score(X, performance, cost=cost) > 0.8
    assert 2 not in router.predict(X)
    proba = router.predict_proba(X)
    np.testing.assert_array_equal(router.classes_[proba.argmax(axis=1)], router.predict(X))
    loaded = pickle.loads(pickle.dumps(router))
    np.testing.assert_array_equal(loaded.predict(X), router.predict(X))


@pytest.mark.parametrize("router", LEARNED, ids=lambda router: type(router).__name__)
def test_learned_routers_take_missing_outcomes(router, numbers):
    X, performance, cost = numbers
    holes = np.random.default_rng(0).random(performance.shape) < 0.2
    holes[:, 2] = False
    router = clone(router).set_params(cost_weight=0.05)
    router.fit(X, np.where(holes, np.nan, performance), cost=cost)
    assert router.score(X, performance, cost=cost) > 0.8


@every(*LEARNED, *OTHER)
def test_learned_routers_search_over_text(router, tiny_encoder_path):
    problem = make_routing_problem(n_queries=120, n_llms=4, random_state=0)
    y = make_routing_target(problem.performance, problem.cost)
    router = clone(router).set_params(encoder=tiny_encoder_path)
    search = GridSearchCV(
        router, {"cost_weight": [0.0, 0.1]}, cv=2, scoring=make_routing_scorer(0.05)
    ).fit(problem.queries, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_search_over_text_in_a_pipeline(tiny_encoder_path):
    data = make_routing_problem(80, random_state=0)
    pipeline = Pipeline([("encode", SentenceEncoder(tiny_encoder_path)), ("route", KNNRouter())])
    search = GridSearchCV(
        pipeline,
        {"route__n_neighbors": [1, 40], "route__cost_weight": [0.0, 0.1]},
        scoring=make_routing_scorer(0.1),
        cv=3,
        error_score="raise",
    ).fit(list(data.queries), make_routing_target(data.performance, data.cost))
    assert search.best_params_ == {"route__n_neighbors": 40, "route__cost_weight": 0.1}


def test_predicted_outcomes_are_those_of_the_regressor(numbers):
    X, performance, cost = numbers
    router = RegressionRouter(Ridge(1.0)).fit(X, performance, cost=cost)
    outcomes = router.predict_outcomes(X)
    np.testing.assert_allclose(
        outcomes.performance, Ridge(1.0).fit(X, performance).predict(X), atol=1e-10
    )
    np.testing.assert_allclose(outcomes.cost, np.tile(cost, (300, 1)), atol=1e-6)


def test_any_regressor_will_do(numbers):
    X, performance, cost = numbers
    forest = RandomForestRegressor(n_estimators=10, random_state=0)
    router = RegressionRouter(forest, cost_weight=0.05).fit(X, performance, cost=cost)
    assert router.score(X, performance, cost=cost) > 0.9
    assert not hasattr(forest, "estimators_")


def test_knn_with_fewer_queries_than_neighbours():
    X, performance = np.eye(3), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.5]])
    router = KNNRouter(n_neighbors=40).fit(X, performance)
    assert router.predict(X).tolist() == [0, 0, 0]


def test_neighbours_are_the_nearest_by_angle():
    X = [[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.1, 5.0]]
    router = KNNRouter(n_neighbors=2).fit(X, [[1, 0], [0, 0], [0, 1], [1, 1]], cost=[9.0, 0.1])
    outcomes = router.predict_outcomes([[9.0, 0.0], [0.0, 0.5]])
    np.testing.assert_allclose(outcomes.performance, [[0.5, 0.0], [0.5, 1.0]])
    np.testing.assert_allclose(outcomes.cost, [[9.0, 0.1], [9.0, 0.1]])


@pytest.mark.parametrize(
    "router",
    [*LEARNED, *map(RegressionRouter, [SVR(), make_pipeline(StandardScaler(), SVR())])],
    ids=str,
)
def test_learned_routers_beat_every_single_llm_on_new_queries(router, numbers):
    X, performance, cost = numbers
    router = clone(router).set_params(cost_weight=0.02).fit(X[:200], performance[:200], cost=cost)
    oracle = oracle_llms(performance[200:], cost=cost, cost_weight=0.02)
    best = routing_score(performance[200:], oracle, cost=cost, cost_weight=0.02).utility
    singles = (performance[200:] - 0.02 * cost).mean(axis=0)
    assert singles.max() + 0.1 < router.score(X[200:], performance[200:], cost) <= best


@every(*APART)
def test_missing_outcomes_of_one_llm_leave_the_others_as_they_are(router, numbers):
    X, performance, cost = numbers
    holes = performance.copy()
    holes[:50, 1] = np.nan
    outcomes = clone(router).fit(X, holes, cost).predict_outcomes(X)
    complete = clone(router).fit(X, performance, cost).predict_outcomes(X)
    np.testing.assert_allclose(outcomes.performance[:, [0, 2]], complete.performance[:, [0, 2]])
    observed = clone(router).fit(X[50:], performance[50:], cost).predict_outcomes(X)
    np.testing.assert_allclose(outcomes.performance[:, 1], observed.performance[:, 1])


@pytest.mark.parametrize("regressor", [LinearRegression(), SVR()])
def test_llms_observed_on_the_same_queries_share_a_regressor(regressor, numbers):
    X, performance, cost = numbers
    router = RegressionRouter(regressor).fit(X, performance, cost)
    assert len(router.performance_model_.parts) == len(router.cost_model_.parts) == 1
    holes = performance.copy()
    holes[:5, :2] = np.nan
    parts = router.fit(X, holes, cost).performance_model_.parts
    assert sorted(columns.tolist() for columns, _ in parts) == [[0, 1], [2]]


def test_unknown_costs_do_no_harm_at_a_trade_off_of_zero(numbers):
    X, performance, cost = numbers
    unknown = np.tile([cost[0], cost[1], np.nan], (300, 1))
    router = LinearRouter(10.0, cost_weight=0).fit(X, performance, unknown)
    assert set(router.predict(X)) == {0, 1, 2}
    # once costs count, an LLM whose cost was never seen cannot win on it
    assert set(router.set_params(cost_weight=0.02).predict(X)) == {0, 1}


@every(LinearRouter(cost_weight=0), ClusterRouter(cost_weight=0, random_state=0))
def test_settings_are_chosen_with_an_llm_of_unknown_cost_among_the_good_ones(router):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    performance = np.column_stack([X[:, 0] > 0, X[:, 0] <= 0]).astype(float)
    cost = np.tile([1.0, np.nan], (400, 1))
    router.fit(X[:300], performance[:300], cost=cost[:300])
    assert router.score(X[300:], performance[300:], cost=cost[300:]) > 0.7


@every(LinearRouter(), RegressionRouter(SVR()), MLPRouter(**QUICK), SVRRouter())
def test_weights_reach_the_regressor(router, numbers):
    X, performance, cost = numbers
    kept = X[:, 1] > 0
    masked = clone(router).fit(X, performance, cost, kept).predict_outcomes(X).performance
    alone = clone(router).fit(X[kept], performance[kept], cost).predict_outcomes(X).performance
    np.testing.assert_allclose(masked, alone)
    heavy = clone(router).fit(X, performance, cost, 1 + 9.0 * kept).predict_outcomes(X).performance
    plain = clone(router).fit(X, performance, cost).predict_outcomes(X).performance
    assert np.abs(heavy - plain).max() > 1e-3


@pytest.mark.parametrize(
    "router", [KNNRouter(), RegressionRouter(make_pipeline(StandardScaler(), Ridge()))]
)
def test_weights_that_a_regressor_cannot_take_are_refused(router, numbers):
    X, performance, cost = numbers
    with pytest.raises(ValueError, match="sample_weight was given, but .* takes none in fit"):
        clone(router).fit(X, performance, cost, sample_weight=np.arange(300))
    plain = clone(router).fit(X, performance, cost).predict(X)
    equal = clone(router).fit(X, performance, cost, sample_weight=np.full(300, 2.0)).predict(X)
    np.testing.assert_array_equal(equal, plain)
    kept = X[:, 1] > 0
    masked = clone(router).fit(X, performance, cost, sample_weight=kept).predict(X)
    alone = clone(router).fit(X[kept], performance[kept], cost).predict(X)
    np.testing.assert_array_equal(masked, alone)


@pytest.mark.parametrize(
    "router, name",
    [
        (RegressionRouter("ridge"), "regressor"),
        (RegressionRouter(StandardScaler()), "regressor"),
        (RegressionRouter(encoder=3), "encoder"),
        (LinearRouter(alpha=-1.0), "alpha"),
        (LinearRouter(alpha="large"), "alpha"),
        (LinearRouter(rank=0), "rank"),
        (LinearRouter(rank="full"), "rank"),
        (MLPRouter(hidden_dim=0), "hidden_dim"),
        (MLPRouter(alpha=-1.0), "alpha"),
        (SVRRouter(C=0), "C"),
        (SVRRouter(kernel="cosine"), "kernel"),
        (CosineClassifierRouter(temperature=0), "temperature"),
        (CosineClassifierRouter(batch_size=0), "batch_size"),
        (CosineClassifierRouter(ties="first"), "ties"),
        (RouterDCRouter(n_best=0), "n_best"),
        (RouterDCRouter(contrastive_weight=-1), "contrastive_weight"),
        (GraphRouter(n_layers=0), "n_layers"),
        (GraphRouter(hidden_share=1.0), "hidden_share"),
        (GraphRouter(llm_descriptions=["large"]), "llm_descriptions"),
        (FrugalGPTRouter(max_length=4), "max_length"),
        (FrugalGPTRouter(budget=0), "budget"),
        (HybridLLMRouter(labels="soft"), "labels"),
        (HybridLLMRouter(threshold=1.5), "threshold"),
        (StackedRouter("linear"), "routers"),
        (StackedRouter([("linear", LinearRouter())], cv=1), "cv"),
        (StackedRouter([("linear", LinearRouter())], cv=None), "cv"),
        (KNNRouter(n_neighbors=0), "n_neighbors"),
        (KNNRouter(n_neighbors=2.5), "n_neighbors"),
        (KNNRouter(metric="similarity"), "metric"),
        (KNNRouter(weights="heavy"), "weights"),
    ],
    ids=repr,
)
def test_bad_parameters_are_refused_by_name_before_any_encoding(router, name):
    if name != "encoder":
        router = clone(router).set_params(encoder="no-such-model")
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        router.fit(["a", "b"], [[0.0, 1.0], [1.0, 0.0]], sample_weight=[1.0, 2.0])


@pytest.mark.parametrize(
    "router, message",
    [
        (HybridLLMRouter("c"), "small='c' is not in the pool"),
        (HybridLLMRouter("a", "a"), "small and large are both 'a'"),
        (FrugalGPTRouter(order=["b", "z"]), "order names ['z'], which are not in the pool"),
        (FrugalGPTRouter(order=["b", "b"]), "one to three different LLMs"),
        (FrugalGPTRouter(order=["b", "a"], thresholds=[0.1, 0.2]), "thresholds has 2 entries"),
        (FrugalGPTRouter(order=["b", "a"], thresholds=["x"]), "thresholds must hold numbers"),
        (FrugalGPTRouter(thresholds=[0.1]), "thresholds was given without order"),
    ],
    ids=repr,
)
def test_unknown_llms_are_refused_before_any_encoding(router, message):
    router = clone(router).set_params(encoder="no-such-model", llm_names=["a", "b"])
    with pytest.raises(ValueError, match=re.escape(message)):
        router.fit(["a", "b"], [[0.0, 1.0], [1.0, 0.0]], [1.0, 2.0])


@pytest.mark.parametrize(
    "router, performance, message",
    [
        (HybridLLMRouter(labels="prob"), [[0, 2], [1, 0]], "labels='prob' reads performance"),
        (HybridLLMRouter("a", "b"), [[0, nan], [nan, 1]], "on which both 'a' and 'b' were obse"),
        (FrugalGPTRouter(order=["a", "b"]), [[0, nan], [nan, 1]], "all of order=['a', 'b'] were"),
        (FrugalGPTRouter(budget=0.9), [[0, 1], [1, 0]], "mean cost within budget=0.9"),
        (FrugalGPTRouter(order=["b", "a"], budget=1.9), [[0, 1], [1, 0]], "within budget=1.9"),
    ],
    ids=repr,
)
def test_outcomes_that_do_not_suit_are_refused_before_any_encoding(router, performance, message):
    router = clone(router).set_params(encoder="no-such-model", llm_names=["a", "b"])
    with pytest.raises(ValueError, match=re.escape(message)):
        router.fit(["a", "b"], performance, [1.0, 2.0])


@every(*ALL)
def test_the_global_random_state_of_numpy_is_left_alone(router, numbers):
    X, performance, cost = numbers
    before = np.random.get_state()
    router = fit_on(clone(router), X, performance, cost=cost)
    router.predict(X, **options_for(router, X))
    np.testing.assert_equal(np.random.get_state(), before)


# References


def test_best_single_weighs_performance_and_cost(numbers):
    X, performance, cost = numbers
    assert (BestSingleRouter(cost_weight=0.0).fit(X, performance, cost=cost).predict(X) == 2).all()
    cheap = BestSingleRouter(cost_weight=0.1).fit(X, performance, cost=cost)
    assert 2 not in cheap.predict(X)
    assert len(set(cheap.predict(X))) == 1


def test_best_single_uses_weights_and_skips_missing():
    X, performance = np.zeros((3, 1)), np.array([[1.0, 0.0], [np.nan, 0.9], [0.0, 0.9]])
    assert BestSingleRouter().fit(X, performance).predict(X[:1]) == [1]
    weighted = BestSingleRouter().fit(X, performance, sample_weight=[1.0, 1.0, 0.0])
    assert weighted.predict(X[:1]) == [0]


def test_best_single_does_not_encode_text(monkeypatch):
    from skrouter import SentenceEncoder

    monkeypatch.setattr(SentenceEncoder, "fit_transform", None)
    router = BestSingleRouter().fit(["a", "b"], [[0.0, 1.0], [0.0, 1.0]])
    assert router.predict(["c"]).tolist() == [1]


def test_zero_router_mixes_neighbours_on_the_hull():
    X = np.zeros((1000, 1))
    # "c" lies below the line from "b" to "d"; "e" is more expensive than "d" and worse.
    mean = np.array([0.2, 0.6, 0.65, 0.8, 0.7])
    cost = np.array([1.0, 2.0, 4.0, 6.0, 20.0])
    fit = {"X": X, "y": np.tile(mean, (1000, 1)), "cost": cost}
    shares = {
        1.0: [1, 0, 0, 0, 0],
        1.5: [0.5, 0.5, 0, 0, 0],
        2.0: [0, 1, 0, 0, 0],
        3.0: [0, 0.75, 0, 0.25, 0],
        6.0: [0, 0, 0, 1, 0],
        50.0: [0, 0, 0, 1, 0],
    }
    for budget, expected in shares.items():
        router = ZeroRouter(budget, random_state=0).fit(**fit)
        np.testing.assert_allclose(router.predict_proba(X[:2]), [expected] * 2)
        assert router.shares_ @ cost == pytest.approx(min(budget, 6.0))
    router = ZeroRouter(3.0, random_state=0).fit(**fit)
    counts = np.bincount(router.predict(X), minlength=5)
    assert counts.tolist() == [0, 1000 - counts[3], 0, counts[3], 0]
    assert 200 < counts[3] < 300
    np.testing.assert_array_equal(router.predict(X), router.predict(X))
    with pytest.raises(ValueError, match="budget=0.5 cannot be met; the cheapest .* is 1"):
        router.set_params(budget=0.5).fit(**fit)
    with pytest.raises(ValueError, match="budget was given, but no costs"):
        router.fit(X, fit["y"])
    with pytest.raises(ValueError, match="cost is NaN for every LLM"):
        ZeroRouter(1.0, cost_weight=0).fit(X, fit["y"], np.full(5, np.nan))
    with pytest.raises(ValueError, match="'budget' parameter"):
        clone(router).set_params(budget=-1).fit(**fit)
    assert router.predict_proba(X[:1])[0, 1] == 0.75


def test_zero_router_without_a_budget_is_the_best_single(numbers):
    X, performance, cost = numbers
    for cost_weight in (0.0, 0.1):
        zero = ZeroRouter(cost_weight=cost_weight).fit(X, performance, cost)
        single = BestSingleRouter(cost_weight=cost_weight).fit(X, performance, cost)
        np.testing.assert_array_equal(zero.predict(X), single.predict(X))


def test_random_router_is_uniform_and_seeded(numbers):
    X, performance, cost = numbers
    router = RandomRouter(random_state=0).fit(X, performance, cost=cost)
    np.testing.assert_array_equal(router.predict(X), router.predict(X))
    counts = np.bincount(router.predict(X), minlength=3)
    assert counts.min() > 60
    np.testing.assert_allclose(router.predict_proba(X), 1 / 3)


def test_random_is_reported_as_its_expectation(numbers):
    X, performance, cost = numbers
    shares = RandomRouter().fit(X, performance, cost).predict_proba(X)
    score = routing_score(performance, shares, cost=cost)
    assert score.performance == pytest.approx(performance.mean())
    assert score.cost == pytest.approx(cost.mean())


def test_seeded_random_leaves_the_global_state_alone(numbers):
    X, performance, _ = numbers
    before = np.random.get_state()[1].copy()
    RandomRouter(random_state=0).fit(X, performance).predict(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.fixture(scope="module")
def tasks():
    X = np.zeros((6, 1))
    performance = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 3)
    return X, performance, np.array(["code"] * 3 + ["chat"] * 3)


def test_best_per_task_chooses_by_task(tasks):
    X, performance, names = tasks
    router = BestPerTaskRouter(llm_names=["coder", "talker"]).fit(X, performance, tasks=names)
    assert router.predict(X[:2], tasks=["chat", "code"]).tolist() == ["talker", "coder"]
    assert router.score(X, performance, tasks=names) == 1.0


def test_best_per_task_takes_the_best_single_for_an_unknown_task(tasks):
    X, performance, names = tasks
    performance = performance.copy()
    performance[3:, 0] = 0.9
    router = BestPerTaskRouter().fit(X, performance, tasks=names)
    assert router.predict(X[:1], tasks=["unheard of"]).tolist() == [0]


@pytest.mark.parametrize("bad", [None, ["code"], ["code"] * 5 + [None]])
def test_best_per_task_needs_a_task_for_each_query(tasks, bad):
    X, performance, names = tasks
    router = BestPerTaskRouter().fit(X, performance, tasks=names)
    with pytest.raises(ValueError, match="task"):
        router.fit(X, performance, tasks=bad)
    with pytest.raises(ValueError, match="task"):
        router.predict(X, tasks=bad)
    assert router.predict(X, tasks=names).tolist() == [0] * 3 + [1] * 3


def test_best_per_task_with_one_task_is_the_best_single(numbers):
    X, performance, cost = numbers
    for cost_weight in (0.0, 0.1):
        router = BestPerTaskRouter(cost_weight=cost_weight)
        router.fit(X, performance, cost, tasks=["all"] * 300)
        single = BestSingleRouter(cost_weight=cost_weight).fit(X, performance, cost)
        np.testing.assert_array_equal(router.predict(X, tasks=["all"] * 300), single.predict(X))


def test_best_per_task_skips_what_was_not_observed_or_has_no_weight():
    X, nan = np.zeros((3, 1)), np.nan
    performance = [[0.1, nan], [0.1, nan], [0.1, 1.0]]
    router = BestPerTaskRouter().fit(X, performance, tasks=[1, 1, 2])
    assert router.predict(X, tasks=[1, 2, 3]).tolist() == [0, 1, 1]
    performance = [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    router.fit(X, performance, sample_weight=[3, 1, 0], tasks=pd.Series(["x", "x", "y"]))
    assert router.tasks_ == ["x"]
    np.testing.assert_allclose(router.task_utility_, [[0.75, 0.25]])
    assert router.predict(X[:1], tasks=["y"]) == [0]


@pytest.mark.filterwarnings("ignore:Performance cannot change a choice")
def test_tasks_are_routed_through_pipelines_and_searches(numbers):
    X, performance, cost = numbers
    y, tasks = make_routing_target(performance, cost), signs(X)
    with config_context(enable_metadata_routing=True):
        router = (
            BestPerTaskRouter(cost_weight=0.1)
            .set_fit_request(tasks=True)
            .set_predict_request(tasks=True)
            .set_score_request(tasks=True)
        )
        pipeline = make_pipeline(StandardScaler(), router).fit(X, y, tasks=tasks)
        chosen = pipeline.predict(X, tasks=tasks)
        np.testing.assert_array_equal(chosen, np.where(X[:, 0] > 0, 0, 1))
        search = GridSearchCV(router, {"cost_weight": [0.1, 5.0]}, cv=3, error_score="raise")
        search.fit(X, y, tasks=tasks)
        assert search.best_params_ == {"cost_weight": 0.1}


def test_clusters_are_as_many_as_serve_held_out_queries_best():
    """Four groups of queries, each with an LLM of its own; no labels are told."""
    rng = np.random.default_rng(0)
    group = rng.integers(4, size=400)
    X = 3 * np.eye(4)[group] + rng.normal(scale=0.3, size=(400, 4))
    success = np.where(np.arange(4) == group[:, None], 0.9, 0.3)
    performance = (rng.random((400, 4)) < success).astype(float)
    router = ClusterRouter(cost_weight=0, random_state=0).fit(X, performance)
    assert router.n_clusters_ >= 4
    assert (router.predict(X) == group).mean() > 0.98


def test_a_table_is_shrunk_toward_the_mean():
    X = np.repeat([[1.0, 0.0], [0.0, 1.0]], [3, 5], axis=0)
    performance = np.repeat([[1.0, 0.0], [0.0, 0.0]], [3, 5], axis=0)
    router = ClusterRouter(2, shrinkage=2.0, random_state=0).fit(X, performance)
    mean = 3 / 8
    expected = [mean + 3 * (1 - mean) / (3 + 2), mean - 5 * mean / (5 + 2)]
    found = router.predict_outcomes([[2.0, 0.0], [0.0, 0.5]]).performance[:, 0]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("n_queries", [1, 3, 12])
def test_few_queries_make_few_clusters(n_queries):
    X, performance = np.eye(12)[:n_queries], np.ones((n_queries, 2))
    assert ClusterRouter(random_state=0).fit(X, performance).n_clusters_ == 1
    assert ClusterRouter(50, random_state=0).fit(X, performance).n_clusters_ == n_queries
