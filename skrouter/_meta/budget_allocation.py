"""Spending a given sum over a given set of queries."""

from __future__ import annotations

from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods, Interval, validate_params

from skrouter._targets.predict_options import check_allowed
from skrouter._targets.utility import expected_utility, restrict
from skrouter._utils.convex_hull import hull_steps
from skrouter._utils.types import AllowedLike, QueriesLike


class SpendingPlan(NamedTuple):
    """Which LLM to call on each query of a batch, and what that is predicted to bring.

    Parameters
    ----------
    llms : ndarray of shape (n_queries,)
        Names of the LLMs.
    cost_weight : float
        The trade-off at which the budget is spent, its dual price: the performance that one more
        US dollar per 1,000 queries would buy, spent where it buys most; by rounding above it, so
        that ``router.predict(X, cost_weight=plan.cost_weight)`` keeps the budget on this batch. 0
        if nothing more could be bought and the router keeps the budget without a price.
    cost : float
        Predicted total cost in US dollars, at most the budget.
    performance : float
        Predicted total performance, the sum over the queries.
    """

    llms: np.ndarray
    cost_weight: float
    cost: float
    performance: float


@validate_params(
    {
        "router": [HasMethods(["predict_outcomes"])],
        "budget": [Interval(Real, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def spend_budget(
    router: BaseEstimator, X: QueriesLike, budget: float, *, allowed: AllowedLike | None = None
) -> SpendingPlan:
    r"""Choose the LLM of each query of a batch so that the batch stays within a budget.

    Maximises the predicted total performance subject to a predicted total cost of at most `budget`.
    This is a multiple-choice knapsack, whose linear relaxation is solved exactly [1]_: every query
    starts at its cheapest LLM and has steps to more expensive ones along the upper convex hull of
    its LLMs; the steps of all queries are taken in the order of performance per dollar, until the
    next one does not fit. What is lost against the best possible plan is less than the gain of that
    one step, on one query out of all.

    Parameters
    ----------
    router : router
        A fitted router that predicts outcomes, fitted with costs.
    X : sequence of str, or array-like of shape (n_queries, n_features)
        Queries as text or ready embeddings, whichever they were at `fit`.
    budget : float
        US dollars, in total for all queries of `X`. Mind the units: costs are in US dollars per
        1,000 queries, so :math:`n` queries at a mean cost of :math:`c` cost :math:`n c / 1000`
        dollars.
    allowed : sequence of names, one per query of these, or bool array, default=None
        The LLMs that may be called, as for `predict`.

    Returns
    -------
    plan : SpendingPlan
        A named tuple ``(llms, cost_weight, cost, performance)``.

    Raises
    ------
    ValueError
        If the cheapest LLMs exceed the budget already, the router was fitted without costs, or
        `allowed` is not as described.

    Notes
    -----
    The budget is kept by the *predicted* cost; the bill will differ by what predictions are off.
    Negative predictions of a cost are taken as 0. For a promise about what is really spent, on
    average, see :class:`GuaranteedRouter`.

    Queries that come one by one can be routed with the price found on a batch of the same kind:
    ``router.predict(X, cost_weight=plan.cost_weight, allowed=allowed)``. On the batch itself that
    keeps the budget, too, by predicted cost. It never takes a step at the price itself: where many
    queries are alike to the router, as to one that is constant, the plan takes the step on some of
    them, and a price, which treats equals as equals, on none, so that it spends less.

    References
    ----------
    .. [1] P. Sinha, A. A. Zoltners, "The Multiple-Choice Knapsack Problem", Operations Research
       27(3), 1979, pp. 503-515.

    Examples
    --------
    >>> from skrouter import spend_budget
    >>> from skrouter.baselines import LinearRouter
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]]
    >>> router = LinearRouter(alpha=0.1, llm_names=["small", "large"])
    >>> router = router.fit(X, performance, cost=[1.0, 5.0])
    >>> plan = spend_budget(router, [[0.0], [0.8], [1.0]], budget=0.008)
    >>> plan.llms
    array(['small', 'small', 'large'], dtype='<U5')
    >>> round(plan.cost, 4)
    0.007
    """
    mask = None if allowed is None else check_allowed(allowed, router.classes_, X)
    predicted = router.predict_outcomes(X)
    performance, cost = predicted
    if cost is None:
        raise ValueError("router was fitted without costs, so it knows none; fit it with cost=.")
    cost = np.maximum(cost, 0.0, dtype=np.float64)
    usable = ~(np.isnan(performance) | np.isnan(cost))
    if mask is not None:
        usable = usable & mask
    stuck = np.flatnonzero(~usable.any(axis=1))
    if stuck.size:
        raise ValueError(
            f"No LLM that may be called has a predicted performance and cost on {stuck.size} "
            f"query(s), first {stuck[:5].tolist()}."
        )
    start, steps = hull_steps(performance, np.where(usable, cost, np.nan))
    rows = np.arange(len(start))
    least = float(cost[rows, start].sum()) / 1000
    if least > budget:
        raise ValueError(
            f"budget={budget!r} US dollars cannot be kept: the cheapest LLM on each of the "
            f"{len(start)} queries costs {least:.6g} in total, as predicted."
        )
    order = np.lexsort((steps.rank, -steps.slope))
    query, llm, slope = steps.query[order], steps.llm[order], steps.slope[order]
    n_taken = int(np.searchsorted(np.cumsum(steps.cost[order]) / 1000, budget - least, "right"))
    while True:
        chosen = start.copy()
        chosen[query[:n_taken]] = llm[:n_taken]  # of several steps of a query the last one stays
        total = float(cost[rows, chosen].sum()) / 1000
        if total <= budget:
            break
        n_taken -= 1  # by the rounding of sums in another order
    return SpendingPlan(
        llms=router.classes_[chosen],
        cost_weight=_clearing_price(predicted, mask, cost, slope, n_taken, budget),
        cost=total,
        performance=float(performance[rows, chosen].sum()),
    )


def _clearing_price(predicted, mask, cost, slope, n_taken, budget):
    """The lowest trade-off, but for rounding, at which the router's own choices keep the budget.

    Parameters
    ----------
    predicted : PredictedOutcomes
    mask : ndarray of bool, shape (n_queries, n_llms), or None
        The LLMs that may be called.
    cost : ndarray of shape (n_queries, n_llms)
        What is charged.
    slope : ndarray of shape (n_steps,)
        Performance per dollar of all steps, the best first.
    n_taken : int
        Number of steps of the plan. All choices at a price above the next one are within the plan.
    budget : float
        US dollars.

    Returns
    -------
    cost_weight : float
    """
    rows = np.arange(len(cost))

    def keeps(price):
        chosen = restrict(expected_utility(predicted, price), mask).argmax(axis=1)
        return cost[rows, chosen].sum() / 1000 <= budget

    price = float(slope[n_taken]) if n_taken < len(slope) else 0.0
    if price == 0 and keeps(price):
        return price
    # LLMs of one utility are not told apart, and the first is called: a little more than the price,
    # as much as utilities can resolve, and 0 not at all. Without a step, the unit is of no matter.
    smallest = float(slope[-1]) if len(slope) else 1.0
    extra = float(np.finfo(np.float64).eps) * (price or smallest)
    while not keeps(price + extra):
        extra *= 2
    return price + extra
