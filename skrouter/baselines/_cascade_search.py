"""The search for the best cascade: which LLMs in which order, and when to stop."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np


class Cascade(NamedTuple):
    """A cascade and its results on the training queries.

    Attributes
    ----------
    order : tuple of int
        Columns of the LLMs.
    thresholds : tuple of float
        One for each but the last.
    utility : float
        Mean utility; minus infinity if no cascade was within the budget.
    cost : float
        Mean cumulative cost in US dollars per 1,000 queries.
    """

    order: tuple
    thresholds: tuple
    utility: float
    cost: float


def threshold_grid(estimates, n_thresholds):
    """Thresholds to try for one LLM: quantiles of its estimates, and minus infinity.

    Parameters
    ----------
    estimates : ndarray of shape (n_queries,)
    n_thresholds : int

    Returns
    -------
    thresholds : ndarray of shape (at most n_thresholds,)
        Ascending: minus infinity, then midpoints between estimates, so that rounding errors
        decide nothing. None of them passes all queries on: a cascade without this LLM does the
        same at a lower cost.
    """
    values = np.unique(estimates)
    if len(values) > n_thresholds:
        values = np.unique(np.quantile(values, np.linspace(0, 1, n_thresholds), method="nearest"))
    return np.append(-np.inf, (values[:-1] + values[1:]) / 2)


def search_cascade(orders, outcomes, estimates, grids, cost_weight, budget=np.inf):
    """Find the cascade of largest mean utility among given orders, with all grid thresholds.

    A cascade a, b, c stops at a where the estimate of a reaches its threshold, else at b likewise,
    else at c. Its means are bilinear in the indicators of the queries that a and that b pass on,
    so that one matrix product evaluates all pairs of thresholds.

    Parameters
    ----------
    orders : iterable of tuple of int
        Of one to three columns.
    outcomes : tuple (performance, cost, weight)
        Arrays of shape (n_queries, n_llms) twice, and (n_queries,); NaN where not observed. A
        cascade is judged on the queries on which all of its LLMs were observed.
    estimates : ndarray of shape (n_queries, n_llms)
    grids : list of ndarray
        Thresholds to try for each LLM.
    cost_weight : float
    budget : float
        Largest mean cost.

    Returns
    -------
    best : Cascade
        The first among equals: a shorter cascade if `orders` lists the shorter ones first.
    """
    performance, cost, _ = outcomes
    # For each LLM and threshold, which queries are passed on.
    passed = [(estimates[:, llm] < grid[:, None]).astype(float) for llm, grid in enumerate(grids)]
    best = Cascade((), (), -np.inf, np.inf)
    for order in orders:
        share = observed_share(order, outcomes)
        if not share.any():
            continue
        mean_performance, mean_cost = _means(order, performance, cost, share, passed)
        utility = mean_performance - cost_weight * mean_cost
        utility = np.where(mean_cost <= budget, utility, -np.inf)
        place = np.unravel_index(utility.argmax(), utility.shape)
        # A gain below the precision of the sums is none.
        if utility[place] > best.utility + 1e-12:
            stops = zip(order, place, strict=False)
            thresholds = tuple(float(grids[llm][k]) for llm, k in stops)
            best = Cascade(order, thresholds, float(utility[place]), float(mean_cost[place]))
    return best


def observed_share(order, outcomes):
    """Share of each query on which all LLMs of `order` were observed; 0 on the others.

    Parameters
    ----------
    order : tuple of int
    outcomes : tuple (performance, cost, weight)

    Returns
    -------
    share : ndarray of shape (n_queries,)
        The weights as shares: their sum is 1, or 0 if there is no such query.
    """
    performance, cost, weight = outcomes
    columns = list(order)
    unknown = np.isnan(performance[:, columns]) | np.isnan(cost[:, columns])
    share = weight * ~unknown.any(axis=1)
    return share / (share.sum() or 1.0)


def least_cost(order, outcomes):
    """Least mean cost that a cascade can have, whatever the thresholds: that of its first LLM.

    Parameters
    ----------
    order : tuple of int or None
        None means any cascade.
    outcomes : tuple (performance, cost, weight)

    Returns
    -------
    cost : float
        Minus infinity if only the search can tell: where outcomes are missing, a longer cascade
        may be judged on cheaper queries than its first LLM alone.
    """
    performance, cost, _ = outcomes
    if order is None and np.isnan(performance + cost).any():
        return -np.inf
    orders = [(llm,) for llm in range(performance.shape[1])] if order is None else [order]
    return min(_mean_cost_of_first(order, outcomes) for order in orders)


def _mean_cost_of_first(order, outcomes):
    share = observed_share(order, outcomes)
    # Summed as in the search, so that both agree on a cost that equals the budget.
    return np.where(share > 0, share * outcomes[1][:, order[0]], 0.0).sum()


def _means(order, performance, cost, share, passed):
    """Mean performance and cumulative cost for all thresholds, one axis per threshold."""
    answered = [np.where(share > 0, share * performance[:, llm], 0.0) for llm in order]
    charged = [np.where(share > 0, share * cost[:, llm], 0.0) for llm in order]
    first, *rest = order
    if not rest:
        return np.array(answered[0].sum()), np.array(charged[0].sum())
    on = passed[first]
    if len(rest) == 1:
        performance = answered[0].sum() + on @ (answered[1] - answered[0])
        return performance, charged[0].sum() + on @ charged[1]
    on_again = passed[rest[0]]
    performance = (answered[0].sum() + on @ (answered[1] - answered[0]))[:, None]
    performance = performance + on @ (on_again * (answered[2] - answered[1])).T
    cost = (charged[0].sum() + on @ charged[1])[:, None] + on @ (on_again * charged[2]).T
    return performance, cost


def all_orders(n_llms, max_length):
    """All orders of 1 to `max_length` different LLMs, the shortest first."""
    for length in range(1, min(max_length, n_llms) + 1):
        yield from permutations(range(n_llms), length)
