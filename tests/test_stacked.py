"""The router that averages several others by what each is worth out of fold."""

import warnings

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_html_repr

from skrouter import (
    FewOutcomesWarning,
    RadialRouterClassifier,
    compare_routers,
    make_routing_target,
    routing_report,
)
from skrouter.baselines import (
    BestSingleRouter,
    ClusterRouter,
    CosineClassifierRouter,
    KNNRouter,
    LinearRouter,
    RegressionRouter,
    StackedRouter,
    SVRRouter,
)
from skrouter.metrics import make_routing_scorer

nan = np.nan
TRAIN, TEST = slice(0, 400), slice(400, None)
COST = np.array([0.5, 1.0, 4.0])


def make(seed=0, signal=0.4):
    """The sign of the first feature tells which of two LLMs is good; a third is expensive."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1000, 6))
    chance = 0.5 + signal * np.sign(X[:, :1]) * [1, -1, 0] + [0, 0, 0.1]
    return X, (rng.random(chance.shape) < chance).astype(float)


def members():
    return [("linear", LinearRouter(1.0)), ("knn", KNNRouter(20)), ("svr", SVRRouter())]


def fit(router, data, rows=TRAIN, **options):
    X, performance = data
    return router.fit(X[rows], performance[rows], cost=COST, **options)


def test_it_is_the_weighted_average_of_its_members():
    X, performance = data = make()
    router = fit(StackedRouter(members(), random_state=0), data)
    assert sum(router.weights_.values()) == pytest.approx(1.0)
    assert all(weight > 0 for weight in router.weights_.values())
    mean, factor = performance[TRAIN].mean(axis=0), router.validation_.factors["performance"]
    assert 0.5 < factor < 2.0
    expected = np.zeros((600, 3))
    for name, member in members():
        alone = fit(clone(member), data).predict_outcomes(X[TEST]).performance
        inside = router.routers_[name].predict_outcomes(X[TEST]).performance
        np.testing.assert_allclose(inside, alone)
        expected += router.weights_[name] * (alone - mean)
    outcomes = router.predict_outcomes(X[TEST])
    np.testing.assert_allclose(outcomes.performance, mean + factor * expected)
    np.testing.assert_allclose(outcomes.cost, np.tile(COST, (600, 1)), atol=1e-9)


def test_members_weigh_what_they_are_worth():
    noise = RegressionRouter(DummyRegressor())
    router = StackedRouter([("nothing", noise), ("linear", LinearRouter(1.0))], random_state=0)
    X, performance = data = make()
    fit(router, data)
    assert router.weights_["linear"] > 0.99 and router.routers_.keys() == {"linear"}
    assert router.score(X[TEST], performance[TEST], COST) > 0.8


def test_where_nothing_can_be_learnt_it_stays_at_the_best_llm():
    X, _ = data = make(signal=0.0)
    router = fit(StackedRouter(members(), random_state=0), data)
    assert router.validation_.factors["performance"] == 0.0
    for cost_weight in (0.0, 0.05, 1.0):
        single = fit(BestSingleRouter(cost_weight=cost_weight), data).predict(X)
        np.testing.assert_array_equal(router.predict(X, cost_weight=cost_weight), single)


def test_one_fit_serves_every_trade_off_and_any_allowed_llms():
    X, _ = data = make()
    routers = [
        fit(StackedRouter(members(), cost_weight=weight, random_state=0), data)
        for weight in (0.0, 0.1)
    ]
    per_query = np.where(X[:, 0] > 0, 0.0, 0.1)
    chosen = routers[0].predict(X, cost_weight=per_query)
    for router, weight in zip(routers, (0.0, 0.1), strict=True):
        rows = per_query == weight
        np.testing.assert_array_equal(router.predict(X)[rows], chosen[rows])
    assert set(routers[0].predict(X, allowed=[1, 2])) <= {1, 2}


def test_parameters_of_members_are_reached_by_name():
    router = StackedRouter(members(), random_state=0)
    assert router.get_params()["knn__n_neighbors"] == 20
    assert "knn__n_neighbors" not in router.get_params(deep=False)
    other = SVRRouter(C=1.0)
    router.set_params(knn__n_neighbors=5, svr=other)
    assert router.get_params()["knn"].n_neighbors == 5 and router.get_params()["svr"] is other
    assert clone(router).get_params()["svr__C"] == 1.0
    with pytest.raises(ValueError, match="Invalid parameter"):
        router.set_params(table__n_clusters=3)


def test_it_can_be_searched_over():
    X, performance = make()
    y = make_routing_target(performance[TRAIN], COST)
    router = StackedRouter(members()[:1], random_state=0)
    search = GridSearchCV(
        router, {"linear__alpha": [1e6, 1.0]}, scoring=make_routing_scorer(0.02), cv=2
    ).fit(X[TRAIN], y)
    assert search.best_params_ == {"linear__alpha": 1.0}


@pytest.mark.parametrize("share", [0.1, 0.7])
def test_missing_outcomes(share):
    X, performance = make()
    hidden = np.random.default_rng(0).random(performance.shape) < share
    hidden[:, 2] = False
    holes = np.where(hidden, nan, performance)
    router = fit(StackedRouter(members(), random_state=0), (X, holes))
    assert router.score(X[TEST], performance[TEST], COST) > 0.7


def test_an_llm_that_some_fold_never_saw():
    """It is learnt of from the other folds, and warned of once."""
    X, performance = make()
    holes = performance.copy()
    holes[3:, 0] = nan
    router = StackedRouter(members(), cv=KFold(4), random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(router, (X, holes))
    assert [w.category for w in caught] == [FewOutcomesWarning]
    assert np.isfinite(router.predict_outcomes(X).performance).all()


def test_unknown_costs_do_no_harm_at_a_trade_off_of_zero():
    X, performance = make()
    unknown = np.tile([COST[0], COST[1], nan], (400, 1))
    router = StackedRouter(members(), cost_weight=0.0, random_state=0)
    router.fit(X[TRAIN], performance[TRAIN], cost=unknown)
    assert set(router.predict(X)) <= {0, 1, 2}
    assert set(router.predict(X, cost_weight=0.01)) == {0, 1}


def test_weights_are_passed_on_where_all_members_take_them():
    X, performance = data = make()
    kept = np.arange(400) % 2 == 0
    taking = StackedRouter([members()[0], members()[2]], random_state=0)
    masked = fit(clone(taking), data, sample_weight=kept)
    alone = clone(taking).fit(X[:400:2], performance[:400:2], cost=COST)
    np.testing.assert_allclose(
        masked.predict_outcomes(X).performance, alone.predict_outcomes(X).performance
    )
    weight = np.random.default_rng(0).uniform(0.1, 5.0, 400)
    heavy = fit(clone(taking), data, sample_weight=weight).predict_outcomes(X).performance
    assert np.abs(heavy - fit(taking, data).predict_outcomes(X).performance).max() > 1e-3
    knn = StackedRouter(members(), random_state=0)
    with pytest.raises(ValueError, match="takes none in fit"):
        fit(knn, data, sample_weight=weight)
    fit(knn, data, sample_weight=np.full(400, 3.0))


def test_folds_that_are_given():
    X, _ = data = make()
    groups = np.arange(400) // 10
    folds = list(GroupKFold(5).split(X[TRAIN], groups=groups))
    router = fit(StackedRouter(members(), cv=folds), data)
    again = fit(StackedRouter(members(), cv=folds), data)
    np.testing.assert_array_equal(router.predict_proba(X), again.predict_proba(X))
    with pytest.raises(ValueError, match="hold out every query once"):
        fit(StackedRouter(members(), cv=folds[:2]), data)
    zero = np.ones(400)
    zero[50:] = 0.0
    with pytest.raises(ValueError, match="positive weight to train on"):
        fit(
            StackedRouter(
                members()[:1],
                cv=[(np.arange(50, 400), np.arange(50)), (np.arange(50), np.arange(50, 400))],
            ),
            data,
            sample_weight=zero,
        )


@pytest.mark.parametrize("n_queries", [1, 2, 3, 5])
def test_few_queries(n_queries):
    data = make()
    router = fit(StackedRouter(members()[:2], random_state=0), data, slice(0, n_queries))
    assert router.predict(data[0]).shape == (1000,)
    assert router.weights_.keys() == {"linear", "knn"}
    if n_queries == 1:
        assert not router.routers_ and router.validation_.stays_at_one_llm


def test_labels_that_are_no_names():
    X, _ = make()
    labels = np.where(X[:, 0] > 0, 1.0, 0.0)
    router = StackedRouter(members(), random_state=0).fit(X, labels)
    assert (router.predict(X) == labels).mean() > 0.9


def test_radial_router_may_be_a_member():
    data = make()
    radial = RadialRouterClassifier(max_iter=2, device="cpu", random_state=0)
    router = StackedRouter([("radial", radial), ("linear", LinearRouter(1.0))], cv=2)
    router = fit(router.set_params(random_state=0), data)
    assert router.weights_["radial"] > 0


@pytest.mark.parametrize(
    ("routers", "error", "message"),
    [
        ([], ValueError, "list of pairs, at least one"),
        ([LinearRouter()], ValueError, "list of pairs"),
        ([("a", LinearRouter()), ("a", KNNRouter())], ValueError, "not unique"),
        ([("cv", LinearRouter())], ValueError, "conflict with constructor arguments"),
        ([("a__b", LinearRouter())], ValueError, "must not contain __"),
        ([(1, LinearRouter())], TypeError, "must be strings"),
        ([("a", BestSingleRouter())], TypeError, "must predict outcomes"),
        ([("a", CosineClassifierRouter())], TypeError, "'a' does not"),
        ([("a", RadialRouterClassifier(trade_off="fixed"))], TypeError, "for any trade-off"),
        ([("a", make_pipeline(LinearRouter()))], TypeError, "must predict outcomes"),
        ([("a", LinearRouter)], TypeError, "must predict outcomes"),
    ],
)
def test_members_that_cannot_be_stacked(routers, error, message):
    router = StackedRouter(routers, encoder="no-such-model")
    with pytest.raises(error, match=message):
        router.fit(["a", "b"], [[0.0, 1.0], [1.0, 0.0]])


def test_the_picture_shows_the_members():
    html = estimator_html_repr(StackedRouter(members()))
    for name, member in members():
        assert name in html and type(member).__name__ in html
    with config_context(print_changed_only=True):
        assert (
            repr(StackedRouter([("a", KNNRouter())]))
            == "StackedRouter(routers=[('a', KNNRouter())])"
        )


def test_text_is_encoded_once():
    calls = []

    def encode(texts):
        calls.append(len(texts))
        return np.array([[float(text)] for text in texts])

    queries = [str(i) for i in range(40)]
    performance = np.column_stack([np.arange(40) < 20, np.arange(40) >= 20])
    router = StackedRouter(
        [("linear", LinearRouter(1.0)), ("table", ClusterRouter(2, random_state=0))],
        encoder=FunctionTransformer(encode),
        llm_names=["a", "b"],
        random_state=0,
    ).fit(queries, performance)
    assert calls == [40]
    assert router.predict(["1", "39"]).tolist() == ["a", "b"]
    assert calls == [40, 2]


def test_reports_and_comparisons_take_it():
    X, performance = make()
    names = ["a", "b", "c"]
    router = StackedRouter(members()[:2], llm_names=names, random_state=0)
    router.fit(X[TRAIN], performance[TRAIN], cost=COST)
    report = routing_report(router, X[TEST], performance[TEST], cost=COST, random_state=0)
    assert report.router_name == "StackedRouter" and report.routing_pays
    found = compare_routers(
        [("stack", StackedRouter(members()[:2], random_state=0))],
        X[TRAIN],
        performance[TRAIN],
        COST,
        cv=3,
        random_state=0,
    )
    assert "stack" in str(found)


def test_a_scale_is_warned_of_once():
    X, performance = make()
    router = StackedRouter([("linear", LinearRouter(1.0)), ("knn", KNNRouter(20))], random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        router.fit(X[TRAIN], 100 * performance[TRAIN], cost=COST)
    messages = [str(warning.message) for warning in caught]
    assert [message[:30] for message in messages] == [
        "performance is from 0 to 100, ",
        "Costs can hardly change a choi",
    ]


def test_a_bad_member_is_refused_before_any_is_fitted_or_text_is_encoded():
    def encode(texts):
        raise AssertionError("encoded")

    _, performance = make()
    router = StackedRouter(
        [("knn", KNNRouter(20)), ("linear", LinearRouter(-1.0))],
        encoder=FunctionTransformer(encode),
    )
    texts = [str(row) for row in range(400)]
    with pytest.raises(ValueError, match="'alpha' parameter of LinearRouter"):
        router.fit(texts, performance[TRAIN], cost=COST)
