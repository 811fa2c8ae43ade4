"""One fit of RadialRouter serves every trade-off, and says what it rests on."""

import pickle

import numpy as np
import pytest
from scipy.special import softmax

from skrouter import RadialRouterClassifier
from skrouter.baselines import BestSingleRouter
from skrouter.metrics import routing_score

NAMES = ["a", "b", "c"]
COST = np.array([0.5, 1.0, 20.0])
QUICK = dict(
    expert_settings={"n_clusters": 2},
    hidden_dim=16,
    learning_rate=1e-2,
    max_iter=6,
    cv=None,
    device="cpu",
    llm_names=NAMES,
    random_state=0,
)


@pytest.fixture(scope="module")
def numbers():
    """The sign of the first feature tells which of two LLMs is good; a third is expensive."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    performance = np.stack([X[:, 0] > 0, X[:, 0] <= 0, np.ones(300)], axis=1).astype(float)
    return X, performance


@pytest.fixture(scope="module")
def router(numbers):
    X, performance = numbers
    return RadialRouterClassifier(**QUICK).fit(X, performance, cost=COST)


def test_every_trade_off_is_served(router, numbers):
    X, performance = numbers
    # At 0 the expensive LLM, at 0.05 the good one of the cheap two, then the cheapest.
    for weight, least in ((0.0, 0.95), (0.05, 0.85), (5.0, -2.1)):
        llms = router.predict(X, cost_weight=weight)
        score = routing_score(
            performance, llms, cost=COST, cost_weight=weight, llm_names=NAMES
        ).utility
        assert score > least
    assert set(router.predict(X, cost_weight=50.0)) == {"a"}


def test_decisions_are_those_of_the_predicted_outcomes(router, numbers):
    X, _ = numbers
    performance, cost = router.predict_outcomes(X)
    weights = np.linspace(0, 0.2, len(X))
    utility = performance - weights[:, None] * cost
    np.testing.assert_allclose(router.decision_function(X, cost_weight=weights), utility)
    np.testing.assert_allclose(
        router.predict_proba(X, cost_weight=weights), softmax(utility / 0.2, axis=1)
    )
    np.testing.assert_array_equal(
        router.predict(X, cost_weight=weights), np.array(NAMES)[utility.argmax(axis=1)]
    )


def test_predicted_outcomes_are_near_the_true_ones(router, numbers):
    X, performance = numbers
    predicted = router.predict_outcomes(X)
    np.testing.assert_allclose(predicted.cost, np.tile(COST, (300, 1)))  # list prices
    constant = np.mean((performance - performance.mean(axis=0)) ** 2)
    assert np.mean((performance - predicted.performance) ** 2) < 0.5 * constant


def test_costs_that_vary_are_predicted(numbers):
    X, performance = numbers
    cost = COST * (2 + np.tanh(X[:, 1:2]))
    parameters = {**QUICK, "max_iter": 40, "hidden_dim": 32, "dropout": 0.1}
    router = RadialRouterClassifier(**parameters).fit(X, performance, cost=cost)
    predicted = router.predict_outcomes(X).cost
    spread = np.mean((cost - cost.mean(axis=0)) ** 2, axis=0)
    assert (np.mean((cost - predicted) ** 2, axis=0) < 0.3 * spread).all()


def test_without_costs_performance_is_predicted(numbers):
    X, performance = numbers
    router = RadialRouterClassifier(**QUICK).fit(X, performance)
    predicted = router.predict_outcomes(X)
    assert predicted.cost is None
    np.testing.assert_allclose(router.decision_function(X), predicted.performance)


def test_fixed_knows_its_own_trade_off_only(numbers):
    X, performance = numbers
    router = RadialRouterClassifier(trade_off="fixed", cost_weight=0.05, **QUICK)
    router.fit(X, performance, cost=COST)
    assert routing_score(performance, router.predict(X), llm_names=NAMES).performance > 0.9
    with pytest.raises(ValueError, match="was trained for its own cost_weight=0.05"):
        router.predict(X, cost_weight=0.0)
    for method in ("predict_outcomes", "explain", "update_cost", "add_llm"):
        assert not hasattr(router, method)
        with pytest.raises(AttributeError, match=method):
            getattr(router, method)


def test_what_is_set_after_training_changes_nothing_until_the_next_fit(router, numbers):
    X, _ = numbers
    later = pickle.loads(pickle.dumps(router))
    later.set_params(trade_off="fixed", target_temperature=5.0)
    np.testing.assert_array_equal(later.predict_proba(X), router.predict_proba(X))
    assert later.explain(X[:2]) == router.explain(X[:2])


def test_where_nothing_can_be_learnt_every_trade_off_has_its_best_llm():
    skill, lost, stays = np.array([0.5, 0.6, 0.8]), [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(300, 8))
        performance = (rng.random((300, 3)) < skill).astype(float)
        router = RadialRouterClassifier(batch_size=64, random_state=0)
        router.fit(X, performance, cost=COST)
        stays.append(router.validation_.stays_at_one_llm)
        for weight in (0.0, 0.02, 1.0):
            single = BestSingleRouter(cost_weight=weight).fit(X, performance, cost=COST)
            called, wanted = router.predict(X, cost_weight=weight), single.predict(X)
            if stays[-1]:
                np.testing.assert_array_equal(called, wanted)
            utility = skill - weight * np.array(COST)
            lost.append(utility[wanted].mean() - utility[called].mean())
    # In about one of ten problems chance is believed: what comes of that is little.
    assert np.mean(stays) >= 0.5
    assert np.mean(lost) < 0.005


@pytest.mark.parametrize("cv", [4, None])
def test_one_observed_llm_per_query_is_enough(numbers, cv):
    X, performance = numbers
    called = np.random.default_rng(1).integers(3, size=300)
    logs = np.where(called[:, None] == np.arange(3), performance, np.nan)
    parameters = {**QUICK, "cv": cv, "max_iter": 15}
    router = RadialRouterClassifier(**parameters).fit(X, logs, cost=COST)
    assert router.n_iter_ > 5
    llms = router.predict(X, cost_weight=0.05)
    assert routing_score(performance, llms, llm_names=NAMES).performance > 0.85


def test_an_llm_whose_cost_was_never_observed_is_not_called_where_it_counts(numbers):
    X, performance = numbers
    cost = np.tile(COST, (300, 1))
    cost[:, 2] = np.nan
    router = RadialRouterClassifier(**{**QUICK, "cost_weight": 0.0}).fit(X, performance, cost=cost)
    assert "c" in router.predict(X, cost_weight=0.0)
    assert "c" not in router.predict(X, cost_weight=0.1)
    assert np.isnan(router.predict_outcomes(X).cost[:, 2]).all()


# Explanations


def test_an_explanation_agrees_with_the_predictions(router, numbers):
    X, _ = numbers
    for weight in (0.0, 0.03, 0.2):
        decisions = router.explain(X[:40], cost_weight=weight)
        np.testing.assert_array_equal(
            [decision.llm for decision in decisions], router.predict(X[:40], cost_weight=weight)
        )
        shares = router.predict_proba(X[:40], cost_weight=weight)
        for i, decision in enumerate(decisions):
            assert [decision.probability[name] for name in NAMES] == pytest.approx(shares[i])
            best, second, *_ = decision.utility.values()
            assert decision.margin == pytest.approx(best - second)
            assert [decision.llm, decision.runner_up] == list(decision.utility)[:2]


def test_choices_flip_where_it_is_said_and_not_before(router, numbers):
    X, _ = numbers
    seen = 0
    for i, decision in enumerate(router.explain(X[:40], cost_weight=0.03)):
        for flip, beyond in ((decision.flip_below, -1), (decision.flip_above, 1)):
            if flip is None:
                end = 0.0 if beyond < 0 else 1e6
                assert router.predict(X[i : i + 1], cost_weight=end) == decision.llm
                continue
            seen += 1
            step = 1e-6 * beyond
            before, after = flip.cost_weight - step, max(flip.cost_weight + step, 0.0)
            assert router.predict(X[i : i + 1], cost_weight=before) == decision.llm
            assert router.predict(X[i : i + 1], cost_weight=after) == flip.llm
    assert seen > 20


def test_neighbours_are_training_queries_with_their_outcomes(router, numbers):
    X, performance = numbers
    (decision,) = router.explain(X[7:8], n_neighbors=3)
    assert len(decision.neighbors) == 3
    nearest = decision.neighbors[0]
    assert nearest.row == 7
    assert nearest.similarity == pytest.approx(1)
    assert list(nearest.performance.values()) == performance[7].tolist()
    assert nearest.cost == dict(zip(NAMES, COST, strict=True))
    assert "Training query 7, similarity 1.00" in str(decision)


def test_only_allowed_llms_are_explained(router, numbers):
    X, _ = numbers
    (decision,) = router.explain(X[:1], allowed=["b"], n_neighbors=0)
    assert (decision.llm, decision.runner_up, decision.margin) == ("b", None, np.inf)
    assert list(decision.utility) == ["b"]
    assert decision.neighbors == []
    assert "b is called" in str(decision)


def test_unobserved_outcomes_of_neighbours_are_left_out(numbers):
    X, performance = numbers
    holes = performance.copy()
    holes[7, 1] = np.nan
    router = RadialRouterClassifier(**QUICK).fit(X, holes)
    (decision,) = router.explain(X[7:8], n_neighbors=1)
    assert list(decision.neighbors[0].performance) == ["a", "c"]
    assert decision.cost is None
    assert decision.flip_above is None


def test_the_number_of_kept_examples_is_bounded(numbers):
    X, performance = numbers
    router = (
        RadialRouterClassifier(**QUICK)
        .set_params(expert_settings__max_examples=20)
        .fit(X, performance)
    )
    (decision,) = router.explain(X[:1], n_neighbors=50)
    assert len({neighbor.row for neighbor in decision.neighbors}) == 20
    none = (
        RadialRouterClassifier(**QUICK)
        .set_params(expert_settings__max_examples=0)
        .fit(X, performance)
    )
    assert none.explain(X[:1])[0].neighbors == []
    assert len(pickle.dumps(none)) < len(pickle.dumps(router))


def test_explanations_survive_saving(router, numbers):
    X, _ = numbers
    again = pickle.loads(pickle.dumps(router))
    assert again.explain(X[:3]) == router.explain(X[:3])


def test_bad_number_of_neighbours_is_refused(router, numbers):
    with pytest.raises(ValueError, match="n_neighbors must be an integer >= 0, got -1"):
        router.explain(numbers[0], n_neighbors=-1)
