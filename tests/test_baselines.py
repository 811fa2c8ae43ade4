"""The routers to compare with: conventions, and what each of them chooses."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrouter import make_routing_target
from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    KNNRouter,
    LinearRouter,
    RandomRouter,
    RegressionRouter,
)
from skrouter.datasets import make_routing_problem
from skrouter.metrics import make_routing_scorer

LEARNED = [KNNRouter(), LinearRouter(), RegressionRouter()]


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
    return {}


@parametrize_with_checks(
    [BestSingleRouter(), RandomRouter(random_state=0), *LEARNED],
    expected_failed_checks=expected_failures,
    xfail_strict=True,
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def numbers():
    """The sign of the first feature tells which of two LLMs is good; a third is dear."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    performance = np.stack([X[:, 0] > 0, X[:, 0] <= 0, np.ones(300)], axis=1).astype(float)
    return X, performance, np.array([0.5, 1.0, 20.0])


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


@pytest.mark.parametrize("router", LEARNED, ids=lambda router: type(router).__name__)
def test_learned_routers_search_over_text(router, tiny_encoder_path):
    problem = make_routing_problem(n_queries=120, n_llms=4, random_state=0)
    y = make_routing_target(problem.performance, problem.cost)
    router = clone(router).set_params(encoder=tiny_encoder_path)
    search = GridSearchCV(
        router, {"cost_weight": [0.0, 0.1]}, cv=2, scoring=make_routing_scorer(0.05)
    ).fit(problem.queries, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


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


def test_random_router_is_uniform_and_seeded(numbers):
    X, performance, cost = numbers
    router = RandomRouter(random_state=0).fit(X, performance, cost=cost)
    np.testing.assert_array_equal(router.predict(X), router.predict(X))
    counts = np.bincount(router.predict(X), minlength=3)
    assert counts.min() > 60
    np.testing.assert_allclose(router.predict_proba(X), 1 / 3)


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
