"""Spending a given sum over a batch of queries."""

import re
from itertools import product
from time import process_time

import numpy as np
import pytest
from scipy.optimize import linprog

from skrouter import GuaranteedRouter, SpendingPlan, spend_budget
from skrouter._targets.utility import PredictedOutcomes
from skrouter._utils.convex_hull import hull_steps
from skrouter.baselines import BestSingleRouter, KNNRouter, LinearRouter


class Oracle(LinearRouter):
    """A fitted router that predicts given outcomes, of the queries with these numbers."""

    def __init__(self, performance, cost):
        super().__init__()
        self.outcomes = PredictedOutcomes(np.asarray(performance, float), np.asarray(cost, float))
        self.classes_ = np.array(list("abcdefghijk"[: self.outcomes.cost.shape[1]]))
        self.takes_text_, self.uses_cost_, self.n_features_in_ = False, True, 1

    def _predict_outcomes(self, embeddings):
        rows = embeddings[:, 0].astype(int)
        return PredictedOutcomes(*(table[rows] for table in self.outcomes))


def batch(n_queries):
    return np.arange(float(n_queries))[:, None]


def problem(n_queries, n_llms, seed, *, coarse=False):
    """Predictions; coarse ones are full of ties in performance, cost and slope."""
    rng = np.random.default_rng(seed)
    performance, cost = rng.random((2, n_queries, n_llms))
    if coarse:
        performance, cost = np.round(performance * 4) / 4, np.round(cost * 3)
    return performance, cost * 10


def relaxed(performance, cost, budget):
    """Largest total performance with a fraction of each LLM on each query."""
    n_queries, n_llms = cost.shape
    result = linprog(
        -performance.ravel(),
        A_ub=cost.reshape(1, -1) / 1000,
        b_ub=[budget],
        A_eq=np.kron(np.eye(n_queries), np.ones(n_llms)),
        b_eq=np.ones(n_queries),
    )
    assert result.success
    return -result.fun


def columns(router, plan):
    return np.searchsorted(router.classes_, plan.llms)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_less_is_lost_than_the_gain_of_one_step(seed, coarse):
    performance, cost = problem(12, 4, seed, coarse=coarse)
    router, rows = Oracle(performance, cost), np.arange(12)
    least, most = cost.min(axis=1).sum() / 1000, cost.max(axis=1).sum() / 1000
    for budget in np.linspace(least, most, 9):
        plan = spend_budget(router, batch(12), budget)
        chosen = columns(router, plan)
        assert plan.cost == cost[rows, chosen].sum() / 1000 <= budget
        assert plan.performance == pytest.approx(performance[rows, chosen].sum())
        best = relaxed(performance, cost, budget)
        # The next step is at the dual price, and more expensive than what is left.
        largest_step = plan.cost_weight * (cost.max(axis=1) - cost[rows, chosen]).max()
        assert best - largest_step - 1e-9 <= plan.performance <= best + 1e-9
        # What the price is for: nobody gains by another LLM at it.
        utility = performance - plan.cost_weight * cost
        np.testing.assert_allclose(utility[rows, chosen], utility.max(axis=1), atol=1e-9)
        # Weak duality holds with equality, up to what is left over.
        dual = utility.max(axis=1).sum() + plan.cost_weight * budget * 1000
        assert dual == pytest.approx(best)


def test_where_every_step_fits_the_plan_is_the_best_of_all():
    """With equal steps nothing is left over, so that brute force finds nothing better."""
    rng = np.random.default_rng(0)
    performance = rng.random((5, 3))
    cost = np.tile([1.0, 2.0, 3.0], (5, 1))
    router, rows = Oracle(np.sort(performance, axis=1), cost), np.arange(5)
    performance = router.outcomes.performance
    concave = np.stack([performance[:, 0], performance[:, 2] - 0.01, performance[:, 2]], axis=1)
    router = Oracle(concave, cost)
    for budget in (0.005, 0.007, 0.011, 0.015):
        plan = spend_budget(router, batch(5), budget + 1e-12)
        best = max(
            concave[rows, list(chosen)].sum()
            for chosen in product(range(3), repeat=5)
            if cost[rows, list(chosen)].sum() <= budget * 1000
        )
        assert plan.performance == pytest.approx(best)


def test_the_units_are_dollars_for_the_whole_batch():
    """1,000 queries at 2 and 5 dollars per 1,000."""
    router = Oracle(np.tile([0.5, 1.0], (1000, 1)), np.tile([2.0, 5.0], (1000, 1)))
    for budget, n_large in [(2.0, 0), (3.5, 500), (5.0, 1000), (100.0, 1000)]:
        plan = spend_budget(router, batch(1000), budget)
        assert isinstance(plan, SpendingPlan)
        assert (plan.llms == "b").sum() == pytest.approx(n_large, abs=1)
        assert plan.cost <= budget
    assert plan.cost_weight == 0.0
    assert spend_budget(router, batch(1000), 3.5).cost_weight == pytest.approx(0.5 / 3)


@pytest.mark.parametrize("seed", range(20))
def test_the_budget_is_never_exceeded_by_a_rounding_error(seed):
    performance, cost = problem(50, 3, seed)
    router, rows = Oracle(performance, cost), np.arange(50)
    full = spend_budget(router, batch(50), 1e9)
    for budget in (full.cost, np.nextafter(full.cost, 0)):
        plan = spend_budget(router, batch(50), budget)
        assert plan.cost == cost[rows, columns(router, plan)].sum() / 1000 <= budget


def bill_by_price(router, X, plan, **options):
    """What the router's own choices at the price cost, as predicted, in US dollars."""
    llms = router.predict(X, cost_weight=plan.cost_weight, **options)
    cost = np.nan_to_num(router.predict_outcomes(X).cost.astype(float), nan=np.inf).clip(min=0)
    return cost[np.arange(len(X)), np.searchsorted(router.classes_, llms)].sum() / 1000


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_price_keeps_the_budget_of_its_batch(seed, coarse, dtype):
    performance, cost = problem(40, 4, seed, coarse=coarse)
    rng = np.random.default_rng(seed)
    cost[rng.random(cost.shape) < 0.05] *= -1
    performance, cost = performance.astype(dtype), cost.astype(dtype)
    cost[np.arange(40), rng.integers(4, size=40)] = np.nan
    router = Oracle(performance, cost)
    router.outcomes = PredictedOutcomes(performance, cost)
    clipped = np.where(np.isnan(cost), np.inf, np.maximum(cost, 0))
    least, most = (float(end.sum(dtype=float)) / 1000 for end in (clipped.min(1), cost.max(1)))
    mask = rng.random((40, 4)) < 0.7
    mask[np.arange(40), clipped.argmin(axis=1)] = True
    for budget in np.append(np.linspace(least, most if most > least else least, 9), 1.0) * 1.0001:
        for options in ({}, {"allowed": mask}):
            plan = spend_budget(router, batch(40), budget, **options)
            assert bill_by_price(router, batch(40), plan, **options) <= budget


def test_the_price_of_a_router_that_is_constant_keeps_the_budget():
    """All queries are alike: a price sends all of them to one LLM, the plan need not."""
    X = np.zeros((1000, 3))
    performance = np.stack([np.arange(1000) % 2, np.ones(1000)], axis=1)
    router = LinearRouter(10.0, llm_names=["a", "b"]).fit(X, performance, [1.0, 5.66])
    for budget, by_price in [(1.0, 1.0), (2.5, 1.0), (5.0, 1.0), (5.67, 5.66)]:
        plan = spend_budget(router, X, budget)
        assert bill_by_price(router, X, plan) == pytest.approx(by_price)
        assert plan.cost == pytest.approx(min(budget, 5.66), abs=0.005)
    assert plan.cost_weight == 0.0


def test_equals_are_told_apart_by_cost():
    """Nothing could be bought for more, but at a price of 0 the first LLM is as good."""
    router = Oracle(np.ones((10, 2)), np.tile([5.0, 1.0], (10, 1)))
    plan = spend_budget(router, batch(10), 0.02)
    assert set(plan.llms) == {"b"} and 0 < plan.cost_weight < 1e-9
    assert bill_by_price(router, batch(10), plan) == pytest.approx(0.01)
    assert spend_budget(router, batch(10), 0.06).cost_weight == 0.0


def test_only_allowed_llms_are_planned_with():
    performance, cost = problem(30, 4, 0)
    router = Oracle(performance, cost)
    plan = spend_budget(router, batch(30), 0.15, allowed=["a", "c"])
    assert set(plan.llms) == {"a", "c"}
    alone = spend_budget(Oracle(performance[:, [0, 2]], cost[:, [0, 2]]), batch(30), 0.15)
    assert plan[1:] == alone[1:]
    mask = np.ones((30, 4), dtype=bool)
    mask[3] = [False, False, True, False]
    assert spend_budget(router, batch(30), 0.15, allowed=mask).llms[3] == "c"
    with pytest.raises(ValueError, match="allowed names"):
        spend_budget(router, batch(30), 0.15, allowed=["z"])


def test_unknown_and_negative_predictions():
    performance = np.array([[0.2, np.nan, 0.9], [0.2, 0.8, 0.9]])
    cost = np.array([[1.0, 0.5, 5.0], [-1.0, 2.0, np.nan]])
    plan = spend_budget(Oracle(performance, cost), batch(2), 1.0)
    assert plan.llms.tolist() == ["c", "b"]
    assert plan.cost == pytest.approx(0.007)
    assert spend_budget(Oracle(performance, cost), batch(2), 0.001).cost == 0.001
    cost[0] = np.nan
    with pytest.raises(ValueError, match=r"No LLM .* on 1 query\(s\), first \[0\]"):
        spend_budget(Oracle(performance, cost), batch(2), 1.0)


def test_one_llm():
    plan = spend_budget(Oracle([[0.5], [0.7]], [[1.0], [2.0]]), batch(2), 0.003)
    assert plan.llms.tolist() == ["a", "a"]
    assert plan[1:] == (0.0, pytest.approx(0.003), pytest.approx(1.2))


def test_what_cannot_be_done_is_refused():
    router = Oracle(*problem(10, 3, 0))
    least = router.outcomes.cost.min(axis=1).sum() / 1000
    with pytest.raises(ValueError, match=re.escape(f"queries costs {least:.6g} in total")):
        spend_budget(router, batch(10), least * 0.99)
    for budget in (-1.0, np.inf, np.nan, "1"):
        with pytest.raises(ValueError, match="'budget' parameter of spend_budget"):
            spend_budget(router, batch(10), budget)
    X, performance = np.zeros((10, 2)), np.tile([0.0, 1.0], (10, 1))
    with pytest.raises(ValueError, match="router was fitted without costs"):
        spend_budget(LinearRouter(10.0).fit(X, performance), X, 1.0)
    with pytest.raises(ValueError, match="'router' parameter of spend_budget"):
        spend_budget(BestSingleRouter().fit(X, performance), X, 1.0)


def test_with_fitted_routers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    performance = np.stack([X[:, 0] > 0, np.ones(300)], axis=1).astype(float)
    router = KNNRouter(20, llm_names=["small", "large"]).fit(X, performance, [1.0, 5.0])
    plan = spend_budget(router, X, 0.9)  # 3 dollars per 1,000: half of the calls may be large
    assert plan.cost == pytest.approx(0.9, abs=0.005)
    assert np.mean(plan.llms[X[:, 0] < -0.3] == "large") > 0.95
    # Queries that come later are sent by the price.
    later = router.predict(X, cost_weight=plan.cost_weight)
    assert np.mean(later == plan.llms) > 0.9
    held = GuaranteedRouter(router, max_cost=4.0, random_state=0).fit(X, performance, [1.0, 5.0])
    assert spend_budget(held, X, 0.9).cost <= 0.9


def test_steps_are_those_of_the_hull():
    start, steps = hull_steps(
        np.array([[0.1, 0.3, 0.5, 0.6, 0.4], [0.5, 0.4, 0.4, 0.4, 0.6]]),
        np.array([[1.0, 2.0, 3.0, 5.0, 6.0], [1.0, 1.0, 2.0, 3.0, np.nan]]),
    )
    assert start.tolist() == [0, 0]
    # 1 lies on the line from 0 to 2, 4 is more expensive and worse; the other query has nothing.
    assert (steps.query.tolist(), steps.llm.tolist()) == ([0, 0], [2, 3])
    np.testing.assert_allclose(steps.cost, [2.0, 2.0])
    np.testing.assert_allclose(steps.slope, [0.2, 0.05])


def test_a_large_batch_is_fast():
    router = Oracle(*problem(20_000, 11, 0))
    began = process_time()
    plan = spend_budget(router, batch(20_000), 60.0)
    assert process_time() - began < 1.0
    assert 59.99 < plan.cost <= 60.0
