"""Routers after published ones, against small examples worked by hand or slow, direct versions."""

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrouter import make_routing_target
from skrouter.baselines import (
    CosineClassifierRouter,
    FrugalGPTRouter,
    GraphRouter,
    HybridLLMRouter,
    MLPRouter,
    RouterDCRouter,
    SVRRouter,
)
from skrouter.baselines._cascade_search import (
    all_orders,
    least_cost,
    search_cascade,
    threshold_grid,
)
from skrouter.baselines._cosine_classifier import best_by_mean
from skrouter.baselines._hybrid import best_shift
from skrouter.datasets import make_routing_problem
from skrouter.metrics import make_routing_scorer, routing_score
from skrouter.nn.cosine import CosineNetwork
from skrouter.nn.losses import best_llm_loss, draw_contrasts, sample_llm_loss, sample_sample_loss


@pytest.fixture(scope="module")
def numbers():
    """The sign of the first feature tells which of two LLMs is good; a third is expensive."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    performance = np.stack([X[:, 0] > 0, X[:, 0] <= 0, np.ones(120)], axis=1).astype(float)
    return X, performance, np.array([0.5, 1.0, 20.0])


def test_baselines_are_imported_without_torch():
    heavy = {"torch", "torch_geometric", "transformers"}
    code = f"import sys, skrouter.baselines; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# MLP and SVR


@pytest.mark.parametrize("router", [MLPRouter(random_state=0), SVRRouter()], ids=repr)
def test_where_there_is_nothing_to_learn_the_best_single_llm_is_not_left(router):
    """Embeddings of unit length that are independent of the outcomes."""
    losses = []
    for seed in range(6):
        problem = make_routing_problem(1000, signal=0.0, random_state=seed)
        X = np.random.default_rng(seed).normal(size=(1000, 64))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        utility = problem.performance - 0.02 * problem.cost
        fitted = clone(router).fit(X[:300], problem.performance[:300], problem.cost[:300])
        score = fitted.score(X[300:], problem.performance[300:], problem.cost[300:])
        losses.append(utility[300:].mean(axis=0)[utility[:300].mean(axis=0).argmax()] - score)
    assert np.mean(losses) < 0.005


@pytest.mark.parametrize("router", [MLPRouter(random_state=0), SVRRouter()], ids=repr)
def test_mean_predictions_are_mean_outcomes(router, numbers):
    X, performance, cost = numbers
    performance = np.column_stack([performance[:, 0], np.arange(120) % 10 > 0, np.ones(120)])
    outcomes = router.fit(X, performance, cost).predict_outcomes(X)
    # The median of the second column is 1, as is that of the third.
    np.testing.assert_allclose(
        outcomes.performance.mean(axis=0), performance.mean(axis=0), atol=1e-10
    )
    np.testing.assert_allclose(outcomes.cost.mean(axis=0), cost)


def test_to_stop_training_early_is_no_warning(numbers, recwarn):
    X, performance, _ = numbers
    assert MLPRouter(max_iter=2, random_state=0).fit(X, performance).n_iter_ == 2
    assert not [w for w in recwarn if issubclass(w.category, ConvergenceWarning)]


# Losses by cosine similarity


def softmax_of_first(values):
    """The plain softmax, at the first of the values."""
    values = np.exp(values)
    return values[0] / values.sum()


def test_best_llm_loss_is_the_cross_entropy():
    logits = np.array([[0.5, -0.2, 0.1], [0.3, 0.9, -0.4], [0.1, 0.2, 0.3]])
    utility = np.array([[1.0, 0.2, 0.9], [0.5, 0.5, 0.1], [np.nan, 0.1, 0.7]])
    p = np.exp(logits)
    expected = [
        -np.log(p[0, 0] / p[0].sum()),
        # Two are best: half the loss of each.
        -np.log(p[1, 0] / p[1].sum()) / 2 - np.log(p[1, 1] / p[1].sum()) / 2,
        -np.log(p[2, 2] / p[2, 1:].sum()),
    ]
    loss = best_llm_loss(torch.tensor(logits), torch.tensor(utility))
    np.testing.assert_allclose(loss, expected)


def test_ties_are_shared_or_go_to_the_best_by_mean():
    utility = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [np.nan, 0.0, 0.0], [0.2, 0.9, 0.1]])
    # Means of 2.2 / 3, 2.9 / 4 and 1.1 / 4: the first LLM was not observed where all fail.
    expected = [[1, 0, 0], [1, 0, 0], [np.nan, 1, 0], [0, 1, 0]]
    np.testing.assert_array_equal(best_by_mean(utility, np.ones(4)), expected)
    # By these weights the second LLM has the better mean: 2.9 / 3 against 2.2 / 3.
    expected = [[0, 1, 0], [0, 1, 0], [np.nan, 1, 0], [0, 1, 0]]
    np.testing.assert_array_equal(best_by_mean(utility, np.array([1, 1, 0, 1.0])), expected)
    same = np.ones((2, 2))
    np.testing.assert_array_equal(best_by_mean(same, np.ones(2)), same)


def test_ties_by_mean_stay_at_the_best_single_llm_where_most_llms_are_right():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    performance = (rng.random((300, 4)) < [0.95, 0.9, 0.9, 0.9]).astype(float)

    def share_of_best(ties):
        router = CosineClassifierRouter(ties=ties, max_iter=40, random_state=0)
        return np.mean(router.fit(X[:200], performance[:200]).predict(X[200:]) == 0)

    assert share_of_best("mean") > 0.95 > 0.7 > share_of_best("share")


def slow_sample_llm_loss(logits, scores, n_best, n_worst):
    """The sample-LLM loss with one loop per index."""
    losses = []
    for u, s in zip(logits, scores, strict=True):
        known = [j for j in range(len(s)) if not np.isnan(s[j])]
        best = sorted(known, key=lambda j: -s[j])[:n_best]
        worst = sorted(known, key=lambda j: s[j])[:n_worst]
        loss = 0.0
        for j in best:
            if s[j] > 0:
                against = [u[k] for k in worst if s[k] <= 0.5 and s[k] < s[j]]
                loss -= np.log(softmax_of_first(np.array([u[j], *against])))
        losses.append(loss)
    return losses


@pytest.mark.parametrize("n_best, n_worst", [(4, 4), (1, 2), (9, 9)])
def test_sample_llm_loss_is_the_slow_version(n_best, n_worst):
    rng = np.random.default_rng(0)
    logits = rng.uniform(-1, 1, size=(40, 7))
    # Distinct scores, for among equals either may be taken.
    scores = rng.permuted(np.tile(np.linspace(-0.3, 1, 7), (40, 1)), axis=1)
    scores[rng.random(scores.shape) < 0.2] = np.nan
    logits_tensor = torch.tensor(logits, requires_grad=True)
    loss = sample_llm_loss(logits_tensor, torch.tensor(scores), n_best, n_worst)
    expected = slow_sample_llm_loss(logits, scores, n_best, n_worst)
    np.testing.assert_allclose(loss.detach(), expected)
    loss.sum().backward()
    assert logits_tensor.grad.isfinite().all()


def test_sample_llm_loss_by_hand():
    logits = torch.tensor([[0.5, -0.5, 0.0]], dtype=torch.float64)
    # 0 is the only positive, 1 fails, 2 is neither.
    scores = torch.tensor([[1.0, 0.0, 0.6]], dtype=torch.float64)
    loss = sample_llm_loss(logits, scores, 1, 2)
    np.testing.assert_allclose(loss, [np.log(1 + np.exp(-1))])
    # No LLM above 0: nothing to pull towards. No LLM that fails: nothing to push away.
    nothing = torch.tensor([[0.0, -0.1, 0.0], [1.0, 0.9, 0.8]], dtype=torch.float64)
    np.testing.assert_allclose(sample_llm_loss(logits.expand(2, 3), nothing, 2, 2), 0, atol=1e-300)


def test_sample_sample_loss_is_the_slow_version():
    torch.manual_seed(0)
    states = torch.randn(30, 5, dtype=torch.float64)
    clusters = torch.randint(4, (30,))
    positive, negatives, usable = draw_contrasts(clusters, 3)
    loss = sample_sample_loss(states, positive, negatives, usable, 0.7)
    unit = (states / states.norm(dim=1, keepdim=True)).numpy()
    assert usable.all() and negatives.shape == (30, 3)
    for i in range(30):
        assert positive[i] != i and clusters[positive[i]] == clusters[i]
        assert (clusters[negatives[i]] != clusters[i]).all()
        assert len(set(negatives[i].tolist())) == 3
        others = [int(positive[i]), *negatives[i].tolist()]
        similarity = np.array([unit[i] @ unit[k] for k in others]) / 0.7
        assert loss[i].item() == pytest.approx(-np.log(softmax_of_first(similarity)))


def test_queries_without_contrasts_have_no_loss():
    # A cluster of one has no positive; the other has only one negative, and two are wanted.
    contrasts = draw_contrasts(torch.tensor([0, 0, 0, 1]), 2)
    assert contrasts[2].tolist() == [False] * 4
    assert sample_sample_loss(torch.eye(4), *contrasts, 1.0).tolist() == [0.0] * 4
    contrasts = draw_contrasts(torch.tensor([0, 0, 0, 1]), 1)
    assert contrasts[2].tolist() == [True] * 3 + [False]


@pytest.mark.parametrize("router", [CosineClassifierRouter, RouterDCRouter])
def test_arrays_predict_what_the_network_does(router, numbers):
    X, performance, cost = numbers
    router = router(8, temperature=0.5, max_iter=2, random_state=0).fit(X, performance, cost)
    network = CosineNetwork(4, 3, 8, 0.5).double()
    with torch.no_grad():
        network.projection.weight.copy_(torch.tensor(router.projection_.T))
        network.projection.bias.copy_(torch.tensor(router.intercept_))
        network.llm_embeddings.copy_(torch.tensor(router.llm_embeddings_))
        logits, _ = network(torch.tensor(X))
    np.testing.assert_allclose(router.decision_function(X), logits, atol=1e-12)
    assert router.n_iter_ == len(router.loss_curve_) == 2


@pytest.mark.parametrize("router", [CosineClassifierRouter, RouterDCRouter])
def test_training_leaves_the_global_random_states_alone(router, numbers):
    X, performance, _ = numbers
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    router(8, max_iter=1, random_state=0).fit(X, performance)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


def test_one_full_batch_is_weighted_as_repeated(numbers):
    X, performance, cost = numbers
    router = CosineClassifierRouter(8, batch_size=None, max_iter=3, random_state=0)
    count = np.arange(120) % 3
    weighted = clone(router).fit(X, performance, cost, count).decision_function(X)
    rows = np.repeat(np.arange(120), count)
    repeated = clone(router).fit(X[rows], performance[rows], cost).decision_function(X)
    np.testing.assert_allclose(weighted, repeated, atol=1e-8)


def test_routerdc_tells_positives_apart_by_cost_only_if_they_are_few(numbers):
    X, performance, cost = numbers
    expensive = {}
    for n_best in (1, 3):
        router = RouterDCRouter(8, n_best=n_best, learning_rate=1e-2, random_state=0)
        expensive[n_best] = (router.fit(X, performance, cost).predict(X) == 2).mean()
    # The third LLM is always right, with a utility of 0.6 behind the 0.98 of a cheap one.
    assert expensive[1] + 0.1 < expensive[3]


# HybridLLM


def slow_best_shift(gap, weight):
    """Pairs of queries, one by one."""
    best, found = 0.0, 0.0
    for shift in sorted({0.0, *(value for value in gap if value > 0)}):
        label = gap <= shift
        difference = sum(
            weight[i] * weight[k] * abs(int(label[i]) - int(label[k]))
            for i in range(len(gap))
            for k in range(len(gap))
        )
        if difference > best + 1e-9:
            best, found = difference, shift
    return found


def test_shift_is_the_one_of_largest_mean_difference():
    # The small LLM is never as good: without a shift all labels would be 0. At t = 0.3 they are
    # 1, 1, 0, 0, of which half of all pairs differ.
    assert best_shift(np.array([0.2, 0.3, 0.6, 0.9]), np.ones(4)) == 0.3
    rng = np.random.default_rng(0)
    for _ in range(5):
        gap, weight = rng.normal(size=15).round(1), rng.integers(1, 4, size=15)
        assert best_shift(gap, weight) == slow_best_shift(gap, weight)


def test_labels_by_hand():
    X = np.array([[0.0], [1.0], [2.0], [3.0]])
    performance = np.array([[0.7, 0.9], [0.5, 0.8], [0.3, 0.9], [0.0, 0.9]])
    router = HybridLLMRouter(0, 1, labels="det").fit(X, performance, [1.0, 9.0])
    assert router.classifier_ is None and router.predict_small(X).tolist() == [0.0] * 4
    router.set_params(labels="trans").fit(X, performance, [1.0, 9.0])
    assert router.shift_ == pytest.approx(0.3)
    assert (router.predict_small(X) > 0.5).tolist() == [True, True, False, False]
    # P(not: the small one wrong and the large one right) = 1 - 0.3 * 0.9, ...
    prob = router.set_params(labels="prob", C=1e9).fit(X[:1], performance[:1], [1.0, 9.0])
    assert prob.predict_small(X[:1])[0] == pytest.approx(0.73, abs=1e-4)
    with pytest.raises(ValueError, match="labels='prob' reads performance as a probability"):
        router.fit(X, 10 * performance, [1.0, 9.0])


def test_the_two_llms_are_the_best_and_the_best_among_cheaper_ones():
    X = np.arange(4.0)[:, None]
    performance = np.array([[0, 1, 1, 1], [1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1.0]])
    cost = [0.1, 0.1, 2.0, 20.0]
    router = HybridLLMRouter(llm_names=["a", "b", "c", "d"], random_state=0)
    router.fit(X, performance, cost)
    assert (router.small_, router.large_) == ("c", "d")
    router.set_params(cost_weight=0.5).fit(X, performance, cost)
    assert (router.small_, router.large_) == ("b", "d")
    router.set_params(cost_weight=0.02, small="a", large="b").fit(X, performance, cost)
    assert (router.small_, router.large_) == ("a", "b")
    unknown = [np.nan, 0.1, 2.0, 20.0]  # "a" may be cheaper, but nothing says so
    router.set_params(cost_weight=0, small=None, large="b").fit(X, performance, unknown)
    assert (router.small_, router.large_) == ("b", "b")
    router.set_params(cost_weight=0.02, small=None, large="b").fit(X, performance, cost)
    assert (router.small_, router.large_) == ("b", "b")
    assert set(router.predict(X)) == {"b"}
    with pytest.raises(ValueError, match="small='z' is not in the pool"):
        router.set_params(small="z").fit(X, performance, cost)
    with pytest.raises(ValueError, match="both 'b'"):
        router.set_params(small="b").fit(X, performance, cost)


@pytest.mark.filterwarnings("ignore:Performance cannot change a choice")
def test_threshold_is_the_trade_off(numbers):
    X, performance, _ = numbers
    performance = performance[:, [2, 0]]  # the large one is always right
    cost = [20.0, 0.5]
    router = HybridLLMRouter(random_state=0).fit(X, performance, cost)
    assert (router.small_, router.large_) == (1, 0)
    assert router.score(X, performance, cost) > 0.75
    p = router.predict_small(X)
    np.testing.assert_array_equal(router.predict(X) == 1, p >= router.threshold_)
    # At exactly the threshold the small one is called, though its column is the second.
    router.set_params(threshold=float(p[7])).fit(X, performance, cost)
    assert router.predict(X)[7] == 1  # all rows at once, as p: one alone may differ by rounding
    assert set(router.set_params(threshold=0.0).fit(X, performance, cost).predict(X)) == {1}
    # Where costs do not count, the small one is never called; where nothing else counts, always.
    router.set_params(threshold=None)
    without_costs = router.set_params(cost_weight=0).fit(X, performance, cost)
    assert without_costs.score(X, performance, cost) == pytest.approx(1.0)
    expensive = router.set_params(cost_weight=9).fit(X, performance, cost)
    assert set(expensive.predict(X)) == {1}


def test_queries_with_one_of_the_two_unobserved_are_left_out(numbers):
    X, performance, cost = numbers
    holes = performance.copy()
    holes[::3, 0] = np.nan
    kept = ~np.isnan(holes[:, 0])
    router = HybridLLMRouter(0, 2, random_state=0)
    with_holes = clone(router).fit(X, holes, cost)
    without = clone(router).fit(X[kept], performance[kept], cost)
    np.testing.assert_allclose(with_holes.predict_small(X), without.predict_small(X), atol=1e-6)
    holes[:, 0] = np.where(np.arange(120) < 60, 1.0, np.nan)
    holes[:, 2] = np.where(np.arange(120) < 60, np.nan, 1.0)
    with pytest.raises(ValueError, match="no query on which both 0 and 2"):
        clone(router).fit(X, holes, cost)


# FrugalGPT

# The estimates are linear in X and so exact: 1, 2/3, 1/3, 0 for "small".
TABLE = {
    "X": np.array([[0.0], [1.0], [2.0], [3.0]]),
    "y": np.array([[1.0, 1.0], [2 / 3, 1.0], [1 / 3, 1.0], [0.0, 0.0]]),
    "cost": np.array([[1.0, 10.0], [1.0, 20.0], [2.0, 30.0], [2.0, 40.0]]),
}


def frugal(**parameters):
    settings = {"alpha": 0.0, "cost_weight": 0.01, "llm_names": ["small", "large"]}
    return FrugalGPTRouter(**settings | parameters)


def test_cascade_by_hand():
    router = frugal(order=["small", "large"], thresholds=[0.5]).fit(**TABLE)
    X = TABLE["X"]
    both = ["small", "large"]
    assert router.predict_calls(X) == [["small"], ["small"], both, both]
    assert router.predict(X).tolist() == ["small", "small", "large", "large"]
    outcomes = router.cascade_outcomes(**TABLE)
    np.testing.assert_allclose(outcomes.performance, [1, 2 / 3, 1, 0])
    np.testing.assert_allclose(outcomes.cost, [1, 1, 32, 42])
    expected = np.array([1 - 0.01, 2 / 3 - 0.01, 1 - 0.32, -0.42])
    np.testing.assert_allclose(outcomes.utility, expected)
    assert router.score(**TABLE) == pytest.approx(expected.mean())
    weight = np.arange(4.0)
    weighted = router.score(**TABLE, sample_weight=weight)
    assert weighted == pytest.approx(np.average(expected, weights=weight))
    # As found in training: the estimates of other folds are exact as well.
    assert router.training_cost_ == pytest.approx(19.0)
    assert router.training_utility_ == pytest.approx(expected.mean())
    copy = pickle.loads(pickle.dumps(router))
    assert copy.predict_calls(X) == router.predict_calls(X)


def test_a_call_without_an_outcome_is_not_counted():
    router = frugal(order=["small", "large"], thresholds=[0.5]).fit(**TABLE)
    cost = TABLE["cost"].copy()
    cost[2, 0] = np.nan  # called, though its answer is not used
    cost[0, 1] = np.nan  # not called
    outcomes = router.cascade_outcomes(TABLE["X"], TABLE["y"], cost)
    assert np.isnan(outcomes.cost).tolist() == [False, False, True, False]
    expected = (1 - 0.01 + 2 / 3 - 0.01 - 0.42) / 3
    assert router.score(TABLE["X"], TABLE["y"], cost) == pytest.approx(expected)
    with pytest.raises(ValueError, match="cost is missing"):
        router.cascade_outcomes(TABLE["X"], TABLE["y"])


def test_the_scorer_charges_a_cascade_for_all_calls():
    router = frugal(order=["small", "large"], thresholds=[0.5]).fit(**TABLE)
    X, y = TABLE["X"], make_routing_target(TABLE["y"], TABLE["cost"])
    scorer = make_routing_scorer(0.03)  # not the router's own trade-off
    expected = np.array([1 - 0.03, 2 / 3 - 0.03, 1 - 0.96, -1.26])
    assert scorer(router, X, y) == pytest.approx(expected.mean())
    weight = np.arange(4.0)
    assert scorer(router, X, y, weight) == pytest.approx(np.average(expected, weights=weight))
    last_call = routing_score(y, router.predict(X), cost_weight=0.03, llm_names=router.classes_)
    assert scorer(router, X, y) < last_call.utility
    # What is not charged need not be known.
    assert make_routing_scorer(0)(router, X, TABLE["y"]) == pytest.approx(2 / 3)
    # Within a pipeline, and a search over one.
    steps = make_pipeline(StandardScaler(), "passthrough", clone(router)).fit(X, y)
    assert scorer(steps, X, y) == pytest.approx(expected.mean())
    search = GridSearchCV(steps, {"frugalgptrouter__alpha": [0.0]}, scoring=scorer, cv=2).fit(X, y)
    assert scorer(search, X, y) == pytest.approx(expected.mean())
    with pytest.raises(ValueError, match="no observed outcome for the called LLMs"):
        scorer(router, X, np.where([[[False, True]]], np.nan, y))


def test_thresholds_and_order_are_searched():
    # Gains of passing a query on: 1 - 0.11 - 0.99 = -0.1 for the first, then 0.133, 0.367, -0.4.
    # Those with the lowest estimates are passed on first: -0.4, -0.033, +0.1, 0.
    router = frugal(order=["small", "large"]).fit(**TABLE)
    assert 2 / 3 < router.thresholds_[0] < 1
    assert router.training_utility_ == pytest.approx((0.99 + 0.79 + 0.68 - 0.42) / 4)
    # Nothing charged: the large LLM alone is as good as can be.
    assert frugal(cost_weight=0).fit(**TABLE).order_ == ["large"]
    # Within a budget of 20 it cannot be called on all.
    within = frugal(cost_weight=0, budget=20).fit(**TABLE)
    assert within.order_ == ["small", "large"] and within.training_cost_ == pytest.approx(19)
    with pytest.raises(ValueError, match="No cascade has an observed mean cost within budget=1"):
        frugal(budget=1).fit(**TABLE)
    with pytest.raises(ValueError, match="budget was given, but no costs"):
        frugal(budget=1).fit(TABLE["X"], TABLE["y"])


def test_unknown_costs_do_no_harm_at_a_trade_off_of_zero():
    cost = TABLE["cost"].copy()
    cost[0, 1] = np.nan
    router = frugal(cost_weight=0)
    assert router.fit(**TABLE | {"cost": cost}).order_ == ["large"]
    assert np.isnan(router.training_cost_)
    assert router.fit(**TABLE).training_cost_ == pytest.approx(25.0)
    assert np.isnan(router.fit(TABLE["X"], TABLE["y"]).training_cost_)
    # Where they count, the query without it is left out.
    counted = frugal(order=["large"]).fit(**TABLE | {"cost": cost})
    assert counted.training_cost_ == pytest.approx(30.0)


def slow_search(outcomes, estimates, grids, cost_weight, budget):
    """Every cascade, query by query."""
    performance, cost, weight = outcomes
    n, m = performance.shape
    best = -np.inf
    for length in (1, 2, 3):
        for order in itertools.permutations(range(m), length):
            for thresholds in itertools.product(*(grids[llm] for llm in order[:-1])):
                total = np.zeros(3)
                for i in range(n):
                    if np.isnan(performance[i, order] + cost[i, order]).any():
                        continue
                    paid = 0.0
                    for llm, threshold in zip(order, [*thresholds, -np.inf], strict=True):
                        paid += cost[i, llm]
                        if estimates[i, llm] >= threshold:
                            break
                    total += weight[i] * np.array([performance[i, llm], paid, 1.0])
                if total[2] > 0 and total[1] / total[2] <= budget:
                    best = max(best, (total[0] - cost_weight * total[1]) / total[2])
    return best


@pytest.mark.parametrize("budget", [np.inf, 2.0])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_search_is_the_slow_version(budget, missing):
    rng = np.random.default_rng(0)
    performance, cost = rng.random((12, 3)), rng.random((12, 3)) * [1.0, 3.0, 9.0]
    performance[rng.random((12, 3)) < missing] = np.nan
    outcomes = (performance, cost, rng.random(12))
    estimates = rng.random((12, 3))
    grids = [threshold_grid(column, 4) for column in estimates.T]
    arguments = (outcomes, estimates, grids, 0.1, budget)
    best = search_cascade(all_orders(3, 3), *arguments)
    assert best.utility == pytest.approx(slow_search(*arguments))
    assert best.cost <= budget


def test_least_cost_is_that_of_the_first_llm():
    cost, one = np.array([[1.0, 4.0], [2.0, 6.0]]), np.ones((2, 2))
    outcomes = one, cost, np.array([1.0, 3.0])
    assert least_cost(None, outcomes) == pytest.approx(1.75)
    assert least_cost((1, 0), outcomes) == pytest.approx(5.5)
    holes = np.where([[True, False], [True, True]], cost, np.nan)
    assert least_cost((1, 0), (one, holes, outcomes[2])) == pytest.approx(6.0)
    # By the second query alone 0, 1 costs 2, by both 0 costs 1.75: it takes a search to know.
    assert least_cost(None, (one, holes, outcomes[2])) == -np.inf


def test_cascade_of_one_is_the_best_single_llm(numbers):
    X, performance, cost = numbers
    router = FrugalGPTRouter(1, random_state=0).fit(X, performance, cost)
    utility = (performance - 0.02 * cost).mean(axis=0)
    assert set(router.predict(X)) == {utility.argmax()}
    assert router.score(X, performance, cost) == pytest.approx(utility.max())


# GraphRouter


@pytest.fixture(scope="module")
def graph():
    """The module that needs torch-geometric."""
    pytest.importorskip("torch_geometric")
    from skrouter.nn import graph

    return graph


@pytest.fixture
def network(graph):
    """A network on 3 LLMs of known features, and all edges of 5 queries."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = graph.GraphNetwork(4, torch.randn(3, 6), 3, 2, 8, 2).double()
        network.llm_features = network.llm_features.double()
        X = torch.randn(5, 4, dtype=torch.float64)
        index = torch.cartesian_prod(torch.arange(5), torch.arange(3)).T
        features, weight = torch.rand(15, 2).double(), torch.rand(15).double() + 0.5
    return network, X, graph.Edges(index, features, weight)


def as_array(linear, x):
    return x @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()


def test_graph_messages_are_those_of_a_slow_version(network):
    network, X, edges = network
    edges = edges.take(torch.arange(15) != 4)
    queries = as_array(network.query, X.numpy())
    llms = as_array(network.llm, network.llm_features.numpy())
    for number, convolve in enumerate(network.rounds):
        if number:
            queries = np.maximum(as_array(network.between[number - 1], queries), 0)
            llms = np.maximum(llms, 0)
        new = as_array(convolve.own, llms)
        for j in range(3):
            messages, weights = [], []
            for (i, llm), features, weight in zip(edges.index.T.tolist(), *edges[1:], strict=True):
                if llm == j:
                    gate = as_array(convolve.gate, features.numpy())
                    messages.append(
                        np.maximum(as_array(convolve.message_of_query, queries[i]) * gate, 0)
                    )
                    weights.append(weight.item())
            new[j] += np.average(messages, axis=0, weights=weights)
        llms = new
    states = network.llm_states(X, edges).detach().numpy()
    np.testing.assert_allclose(states, llms, rtol=1e-10, atol=1e-12)
    predicted = network(X, edges, torch.tensor([[2], [1]])).item()
    assert predicted == pytest.approx(as_array(network.query, X[2].numpy()) @ llms[1] / np.sqrt(8))


def test_a_hidden_edge_does_not_tell_its_outcome(network):
    network, X, edges = network
    hidden, visible = torch.tensor([4, 9]), torch.tensor([e for e in range(15) if e not in (4, 9)])
    targets = edges.index[:, hidden]

    def predict(change):
        features = edges.features.clone()
        features[change] += 1.0
        return network(X, edges._replace(features=features).take(visible), targets)

    before = predict([])
    assert torch.equal(predict([4]), before) and torch.equal(predict([4, 9]), before)
    # Edge 1 is to the LLM of edge 4, edge 0 to that of edge 9.
    assert (predict([1])[0] != before[0]) and (predict([1])[1] == before[1])
    assert (predict([0])[0] == before[0]) and (predict([0])[1] != before[1])


def test_an_llm_without_visible_edges_keeps_its_own_state(network):
    network, X, edges = network
    states = network.llm_states(X, edges.take(edges.index[1] != 2))
    nothing = network.llm_states(X, edges.take(torch.zeros(15, dtype=torch.bool)))
    assert torch.isfinite(states).all()
    assert torch.equal(states[2], nothing[2]) and not torch.equal(states[1], nothing[1])


@pytest.mark.parametrize("n_edges, rate, n_hidden", [(10, 0.5, 5), (10, 0.01, 1), (1, 0.3, 1)])
def test_edges_are_either_hidden_or_visible(graph, n_edges, rate, n_hidden):
    hidden, visible = graph.hide(n_edges, rate)
    assert len(hidden) == n_hidden
    assert sorted([*hidden.tolist(), *visible.tolist()]) == list(range(n_edges))


@pytest.fixture
def spied(graph, monkeypatch):
    """What the network is given in training, and the network."""
    calls, made = [], []

    class Spy(graph.GraphNetwork):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

        def forward(self, embeddings, visible, targets):
            calls.append((embeddings, visible, targets))
            return super().forward(embeddings, visible, targets)

    monkeypatch.setattr(graph, "GraphNetwork", Spy)
    return calls, made


def test_every_step_hides_edges_and_missing_outcomes_are_no_edges(spied, numbers):
    X, performance, cost = numbers
    performance = performance.copy()
    performance[:30, 1] = np.nan
    weight = np.ones(120)
    weight[50:60] = 0
    router = GraphRouter(8, hidden_share=0.25, batch_size=64, max_iter=3, random_state=0)
    router.fit(X, performance, cost, weight)
    calls, _ = spied
    assert len(calls) == 3 * 2
    n_edges = 0
    for _, visible, targets in calls:
        shown, hidden = (set(map(tuple, e.T.tolist())) for e in (visible.index, targets))
        assert not shown & hidden
        n_edges += len(shown) + len(hidden)
        assert len(hidden) == pytest.approx(0.25 * (len(shown) + len(hidden)), abs=1)
    assert n_edges == 3 * (110 * 3 - 30)


def test_graph_predictions_are_those_of_the_network_on_the_training_graph(spied, numbers, graph):
    X, performance, cost = numbers
    router = GraphRouter(8, max_iter=3, random_state=0).fit(X, performance, cost)
    utility = performance - 0.02 * cost
    (network,) = spied[1]
    index = torch.cartesian_prod(torch.arange(120), torch.arange(3)).T
    scaled = torch.tensor((X - X.mean(axis=0)) / X.std(axis=0))
    # Performance is 0 or 1 already.
    share = np.broadcast_to((cost - 0.5) / 19.5, (120, 3))
    features = torch.tensor(np.stack([performance, share], axis=2)).reshape(-1, 2)
    edges = graph.Edges(index, features, torch.ones(360, dtype=torch.float64))
    expected = network(scaled, edges, index).detach().numpy().reshape(120, 3)
    np.testing.assert_allclose(
        router.decision_function(X), expected * utility.std() + utility.mean(), atol=1e-10
    )


def test_graph_weight_of_zero_is_no_query(graph, numbers):
    X, performance, cost = numbers
    kept = X[:, 1] > 0
    masked = GraphRouter(8, max_iter=3, random_state=0).fit(X, performance, cost, kept)
    alone = GraphRouter(8, max_iter=3, random_state=0).fit(X[kept], performance[kept], cost)
    np.testing.assert_array_equal(masked.decision_function(X), alone.decision_function(X))
    heavy = clone(alone).fit(X, performance, cost, 1 + 9.0 * kept).decision_function(X)
    plain = clone(alone).fit(X, performance, cost).decision_function(X)
    assert np.abs(heavy - plain).max() > 1e-3


def test_descriptions_make_the_nodes_of_llms(graph, tiny_encoder_path):
    data = make_routing_problem(60, n_llms=3, random_state=0)
    names = data.llm_names
    plain = GraphRouter(8, max_iter=3, encoder=tiny_encoder_path, llm_names=names, random_state=0)

    def states(descriptions):
        router = clone(plain).set_params(llm_descriptions=descriptions)
        return router.fit(list(data.queries), data.performance, data.cost).llm_states_

    texts = dict.fromkeys([*names, "another"], "write a poem")
    texts[names[0]] = "prove the theorem"
    first = states(texts)
    np.testing.assert_array_equal(states(dict(texts)), first)
    other = states({**texts, names[2]: "compute an integral in python"})
    assert np.abs(other - first).max(axis=1).min() > 1e-6
    # Without descriptions the names are read.
    np.testing.assert_array_equal(states(None), states({name: str(name) for name in names}))


def test_only_the_described_llm_changes_before_training(network):
    network, X, edges = network
    before = network.llm_states(X, edges)
    network.llm_features[2] += 1.0
    changed = (network.llm_states(X, edges) != before).any(dim=1)
    assert changed.tolist() == [False, False, True]


@pytest.mark.parametrize(
    "X, descriptions, message",
    [
        ([[0.0], [1.0]], {"a": "small", "b": "large"}, "X holds ready embeddings"),
        (["x", "y"], {"a": "small", "c": "large"}, r"no text for \['b'\]"),
        (["x", "y"], {"a": "small", "b": None}, r"llm_descriptions\['b'\] must be a str"),
    ],
)
def test_descriptions_that_cannot_be_read_are_refused(graph, X, descriptions, message):
    router = GraphRouter(
        llm_descriptions=descriptions, llm_names=["a", "b"], encoder="no-such-model"
    )
    with pytest.raises(ValueError, match=message):
        router.fit(X, [[0.0, 1.0], [1.0, 0.0]])


def test_without_torch_geometric_it_says_how_to_install_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "skrouter.nn.graph", raising=False)
    monkeypatch.setitem(sys.modules, "torch_geometric.nn", None)
    with pytest.raises(ImportError, match=r'pip install "skrouter\[graph\]"'):
        GraphRouter(encoder="no-such-model").fit(["a", "b"], [[0.0, 1.0], [1.0, 0.0]])


def test_unknown_costs_are_features_at_the_mean_where_they_do_not_count(graph, numbers):
    X, performance, cost = numbers
    router = GraphRouter(8, cost_weight=0, max_iter=3, random_state=0)
    unknown = np.tile(cost, (120, 1))
    unknown[:, 2] = np.nan
    mean = np.tile([*cost[:2], cost[:2].mean()], (120, 1))
    np.testing.assert_allclose(
        clone(router).fit(X, performance, unknown).decision_function(X),
        clone(router).fit(X, performance, mean).decision_function(X),
    )
    none = np.full((120, 3), np.nan)
    assert np.isfinite(clone(router).fit(X, performance, none).decision_function(X)).all()


def test_a_fitted_graph_router_predicts_without_torch(graph, numbers, tmp_path):
    X, performance, cost = numbers
    state = torch.get_rng_state()
    router = GraphRouter(8, max_iter=3, random_state=0).fit(X, performance, cost)
    assert torch.equal(torch.get_rng_state(), state)
    (tmp_path / "router.pkl").write_bytes(pickle.dumps((router, X, router.predict(X))))
    code = (
        "import pickle, sys; router, X, chosen = pickle.load(open(sys.argv[1], 'rb'));"
        "assert (router.predict(X) == chosen).all();"
        "assert not {'torch', 'torch_geometric'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "router.pkl")], check=True, timeout=120
    )
