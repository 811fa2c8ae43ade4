"""A pool that changes after training."""

import pickle

import numpy as np
import pytest

from skrouter import RadialRouterClassifier, make_routing_target

NAMES = ["a", "b", "c"]
COST = np.array([0.5, 1.0, 20.0])


@pytest.fixture(scope="module")
def numbers():
    """LLM a is good on one side, b on the other, c always, at a price; d is good where a is not."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    side = X[:, 0] > 0
    performance = np.stack([side, X[:, 1] > 0, rng.random(300) < 0.9, ~side], axis=1)
    return X, performance.astype(float)


@pytest.fixture(scope="module")
def saved(numbers):
    X, performance = numbers
    router = RadialRouterClassifier(
        expert_settings={"n_clusters": 2},
        hidden_dim=16,
        learning_rate=1e-2,
        batch_size=64,
        max_iter=6,
        cost_weight=0.05,
        cv=None,
        device="cpu",
        llm_names=NAMES,
        random_state=0,
    )
    return pickle.dumps(router.fit(X, performance[:, :3], cost=COST))


@pytest.fixture
def router(saved):
    return pickle.loads(saved)


def add_d(router, numbers, n_scored=100):
    X, performance = numbers
    return router.add_llm("d", performance[:n_scored, 3], 0.2, X[:n_scored])


def test_a_new_llm_is_called_where_it_is_good(router, numbers):
    X, performance = numbers
    router = add_d(router, numbers)
    assert router.classes_.tolist() == [*NAMES, "d"]
    called = router.predict(X[100:]) == "d"
    assert called[X[100:, 0] < -0.5].mean() > 0.9
    assert called[X[100:, 0] > 0.5].mean() < 0.1
    predicted = router.predict_outcomes(X[100:])
    assert np.corrcoef(predicted.performance[:, 3], performance[100:, 3])[0, 1] > 0.6
    np.testing.assert_allclose(predicted.cost[:, 3], 0.2)
    assert router.mean_cost_.tolist() == pytest.approx([*COST, 0.2])


def test_predictions_for_the_others_do_not_change(router, numbers):
    X, _ = numbers
    before = router.predict_outcomes(X)
    shares = router.predict_proba(X)
    after = add_d(router, numbers).predict_outcomes(X)
    np.testing.assert_array_equal(after.performance[:, :3], before.performance)
    np.testing.assert_array_equal(after.cost[:, :3], before.cost)
    allowed = router.predict_proba(X, allowed=NAMES)
    np.testing.assert_allclose(allowed[:, :3], shares)
    left = router.remove_llm("b").predict_outcomes(X)
    np.testing.assert_array_equal(left.performance, after.performance[:, [0, 2, 3]])
    router.remove_llm("d")
    np.testing.assert_array_equal(
        router.predict_outcomes(X).performance, before.performance[:, ::2]
    )


def test_few_scores_say_little(router, numbers):
    X, _ = numbers
    router.add_llm("one", [1.0], 0.2, X[:1])
    typical = router.predict_outcomes(X).performance
    one, others = typical[:, 3], typical[:, :3]
    assert (one > others.min(axis=1) - 0.05).all()
    assert (one < 1).all()


def test_a_cost_that_varies_follows_that_of_the_others(numbers):
    X, performance = numbers
    cost = COST * np.exp(X[:, 1:2])
    router = RadialRouterClassifier(
        learning_rate=1e-2, max_iter=6, cv=None, random_state=0, device="cpu"
    ).fit(X, performance[:, :3], cost=cost)
    own = 3 * np.exp(X[:50, 1])
    own[3] = np.nan
    router.add_llm(3, performance[:50, 3], own, X[:50])
    predicted = router.predict_outcomes(X).cost[:, 3]
    assert np.corrcoef(predicted, np.exp(X[:, 1]))[0, 1] > 0.6
    assert predicted[:50].mean() == pytest.approx(np.nanmean(own), rel=0.1)
    assert router.mean_cost_[3] == pytest.approx(np.nanmean(own))


def test_scores_are_read_for_the_pool_as_it_is(router, numbers):
    X, performance = numbers
    router = add_d(router, numbers)
    cost = [*COST, 0.2]
    before = router.score(X, performance, cost=cost)
    assert router.score(X, make_routing_target(performance, cost)) == before
    router.remove_llm("a")
    assert router.score(X, performance[:, 1:], cost=cost[1:]) <= before
    with pytest.raises(ValueError, match="the pool has 3 LLM"):
        router.score(X, performance, cost=cost)


def test_prices_change(router, numbers):
    X, _ = numbers
    before = router.predict_outcomes(X).cost
    assert "c" not in router.predict(X)
    router.update_cost({"c": 0.01})
    np.testing.assert_allclose(router.predict_outcomes(X).cost[:, 2], 0.01)
    assert "c" in router.predict(X)
    router.update_cost({"c": 2000.0, "a": 2.0}, relative=True)
    np.testing.assert_allclose(router.predict_outcomes(X).cost, before * [2, 1, 1])
    router.update_cost({"a": 0.0})
    np.testing.assert_array_equal(router.predict_outcomes(X).cost[:, 0], 0.0)
    router.update_cost({"a": 3.0})  # what cost nothing has no profile to scale
    np.testing.assert_array_equal(router.predict_outcomes(X).cost[:, 0], 3.0)


def test_the_changed_pool_is_saved(router, numbers):
    X, _ = numbers
    router = add_d(router, numbers).remove_llm("a").update_cost({"d": 7.0})
    again = pickle.loads(pickle.dumps(router))
    np.testing.assert_array_equal(again.predict_proba(X), router.predict_proba(X))
    assert again.explain(X[:2]) == router.explain(X[:2])
    assert again.classes_.tolist() == ["b", "c", "d"]


def test_explanations_know_the_changed_pool(router, numbers):
    X, performance = numbers
    router = add_d(router, numbers).remove_llm("a")
    (decision,) = router.explain(X[5:6], n_neighbors=1)
    assert set(decision.utility) == {"b", "c", "d"}
    assert decision.neighbors[0].performance == {"b": performance[5, 1], "c": performance[5, 2]}


def test_a_new_fit_begins_with_the_whole_pool(router, numbers):
    X, performance = numbers
    router = add_d(router, numbers).remove_llm("a").update_cost({"c": 1.0})
    router.fit(X, performance[:, :3], cost=COST)
    assert router.classes_.tolist() == NAMES
    assert router.mean_cost_.tolist() == pytest.approx(COST.tolist())


def test_without_costs(numbers):
    X, performance = numbers
    router = RadialRouterClassifier(max_iter=1, random_state=0).fit(X, performance[:, :3])
    router.add_llm(3, performance[:50, 3], X=X[:50])
    assert router.predict_outcomes(X).cost is None
    assert router.mean_cost_ is None
    with pytest.raises(ValueError, match="cost was given, but this router was fitted without"):
        router.add_llm(4, [1.0], 1.0, X[:1])
    with pytest.raises(ValueError, match="fitted without costs; there is none to update"):
        router.update_cost({0: 1.0})


def test_performance_of_another_range(numbers):
    X, performance = numbers
    router = RadialRouterClassifier(max_iter=3, cv=None, random_state=0)
    router.fit(X, 100 * performance[:, :3])
    router.add_llm(3, 120 * performance[:100, 3], X=X[:100])
    predicted = router.predict_outcomes(X).performance[:, 3]
    assert predicted.min() >= 0
    assert 60 < predicted[X[:, 0] < 0].mean() < 120


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, X: r.add_llm("a", [1.0], 1.0, X[:1]), "'a' is in the pool already"),
        (lambda r, X: r.add_llm(7, [1.0], 1.0, X[:1]), "name must be of the kind"),
        (lambda r, X: r.add_llm("d", [1.0], 1.0), "X is missing"),
        (lambda r, X: r.add_llm("d", [1.0], X=X[:1]), "cost is missing"),
        (lambda r, X: r.add_llm("d", [1.0], -1.0, X[:1]), "cost holds negative"),
        (lambda r, X: r.add_llm("d", [1.0], [np.nan], X[:1]), "cost is NaN on every query"),
        (lambda r, X: r.add_llm("d", [np.nan], 1.0, X[:1]), "performance must hold finite"),
        (lambda r, X: r.add_llm("d", [1.0, 1.0], 1.0, X[:1]), "X has 1, and performance has 2"),
        (lambda r, X: r.add_llm("d", [1.0], 1.0, X[:1, :2]), "2 features"),
        (lambda r, X: r.remove_llm("z"), "'z' is not in the pool"),
        (lambda r, X: r.update_cost({"z": 1.0}), "'z' is not in the pool"),
        (lambda r, X: r.update_cost({"a": -1.0}), r"cost\['a'\] must be a finite number"),
        (lambda r, X: r.update_cost([1.0]), "cost must be a dict"),
    ],
)
def test_bad_changes_are_refused_and_nothing_is_changed(router, numbers, change, message):
    X, _ = numbers
    before = router.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        change(router, X)
    assert router.classes_.tolist() == NAMES
    np.testing.assert_array_equal(router.predict_proba(X), before)


def test_the_last_llm_stays(router):
    router.remove_llm("a").remove_llm("b")
    with pytest.raises(ValueError, match="'c' is the only LLM of the pool"):
        router.remove_llm("c")


QUICK = {"cv": None, "max_iter": 1, "device": "cpu", "random_state": 0}


def test_a_price_may_become_known(numbers):
    X, performance = numbers
    cost = np.tile(COST, (len(X), 1))
    cost[:, 1] = np.nan
    router = RadialRouterClassifier(cost_weight=0.0, llm_names=NAMES, **QUICK)
    router.fit(X, performance[:, :3], cost=cost)
    with pytest.raises(ValueError, match="never observed"):
        router.update_cost({"b": 2.0}, relative=True)
    router.update_cost({"b": 3.0})
    assert router.mean_cost_[1] == 3.0
    np.testing.assert_array_equal(router.predict_outcomes(X).cost[:, 1], 3.0)


def test_an_llm_that_costs_can_join_free_ones(numbers):
    X, performance = numbers
    router = RadialRouterClassifier(llm_names=NAMES, **QUICK)
    router.fit(X, performance[:, :3], cost=[0.0, 0.0, 0.0])
    router.add_llm("d", performance[:, 3], X[:, 0] ** 2, X)
    np.testing.assert_allclose(router.predict_outcomes(X).cost[:, 3], np.mean(X[:, 0] ** 2))
