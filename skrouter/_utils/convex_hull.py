"""What each query can have for its money: the upper convex hull of its LLMs."""

from typing import NamedTuple

import numpy as np


class HullSteps(NamedTuple):
    """Steps along the hulls, one entry each: of which query, its rank there, to which LLM."""

    query: np.ndarray
    rank: np.ndarray
    llm: np.ndarray
    cost: np.ndarray
    slope: np.ndarray


def hull_steps(performance, cost):
    """Cheapest LLM of each query, and the steps from there along its upper convex hull.

    Parameters
    ----------
    performance, cost : ndarray of shape (n_queries, n_llms)
        An LLM with NaN in one of them is left out.

    Returns
    -------
    start : ndarray of shape (n_queries,)
        The best of several that are cheapest.
    steps : HullSteps
        Slopes are above 0 and, for each query, decrease.
    """
    n_queries, n_llms = cost.shape
    unknown = np.isnan(performance) | np.isnan(cost)
    performance, cost = np.where(unknown, -np.inf, performance), np.where(unknown, np.inf, cost)
    cheapest = cost == cost.min(axis=1, keepdims=True)
    start = np.where(cheapest, performance, -np.inf).argmax(axis=1)
    active, at, parts = np.arange(n_queries), start, []
    for rank in range(n_llms - 1):
        rise = performance[active] - performance[active, at][:, None]
        run = cost[active] - cost[active, at][:, None]
        slope = np.full(run.shape, -np.inf)
        np.divide(rise, run, out=slope, where=(run > 0) & np.isfinite(run))
        best = slope.max(axis=1)
        # Of several LLMs on the same straight line the farthest, so that slopes do decrease.
        to = np.where(slope == best[:, None], run, -np.inf).argmax(axis=1)
        up = best > 0
        active, to, best, run = active[up], to[up], best[up], run[up]
        parts.append(
            HullSteps(active, np.full(len(active), rank), to, run[np.arange(len(to)), to], best)
        )
        at = to
    if not parts:
        empty = np.empty(0, dtype=int)
        return start, HullSteps(empty, empty, empty, empty, empty.astype(float))
    return start, HullSteps(*map(np.concatenate, zip(*parts, strict=True)))
