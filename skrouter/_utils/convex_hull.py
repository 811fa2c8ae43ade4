"""Upper convex hulls of cost and performance, one per query."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class HullSteps(NamedTuple):
    """Steps along the hulls of all queries, one entry per step.

    Attributes
    ----------
    query : ndarray of int, shape (n_steps,)
    rank : ndarray of int, shape (n_steps,)
        Position of the step along the hull of its query, from 0.
    llm : ndarray of int, shape (n_steps,)
        Where the step leads.
    cost : ndarray of shape (n_steps,)
        Cost that the step adds, in the unit of the costs given.
    slope : ndarray of shape (n_steps,)
        Performance gained per unit of cost.
    """

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
    start : ndarray of int, shape (n_queries,)
        The cheapest LLM, among equally cheap ones that of best performance.
    steps : HullSteps
        Slopes are positive and, along each hull, decrease.
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
        # Of several LLMs on one straight line the farthest, so that slopes decrease strictly.
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
