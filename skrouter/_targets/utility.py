"""Utility, performance less what the cost is worth, and the trade-offs that it is taken at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def scalarization_weights(share, typical_cost_weight):
    """The trade-off at which costs count for a share of the utility, and the weight of its loss.

    With ``alpha = typical * share / (1 - share)`` and the weight ``2 (1 - share)`` utilities weigh
    as if they were ``2 ((1 - share) performance - share * typical * cost)``: all trade-offs, from
    performance alone to cost alone, have losses of one scale, and a mean weight of 1.
    """
    rest = (1 - share).clip(min=0.05)
    return typical_cost_weight * share / rest, 2 * rest


def utility(outcomes, cost_weight):
    """Utility of outcomes (n_queries, n_llms, 1 or 2): of performance alone, or less the cost."""
    if outcomes.shape[-1] == 1:
        return outcomes[..., 0]
    return outcomes[..., 0] - cost_weight * outcomes[..., 1]


def routing_utility(performance, cost, cost_weight):
    """Utility of each outcome, ``performance - cost_weight * cost`` (paper, section 4).

    Parameters
    ----------
    performance : ndarray of shape (n_queries, n_llms)
    cost : ndarray of shape (n_queries, n_llms) or None
        US dollars per 1,000 queries. None means that nothing is charged.
    cost_weight : float or ndarray of shape (n_queries, 1)
        The trade-off alpha: performance given up for one US dollar per 1,000 queries.

    Returns
    -------
    utility : ndarray of shape (n_queries, n_llms)
        NaN where an outcome that counts was not observed; at ``cost_weight=0`` a missing
        cost does not count.
    """
    if cost is None or np.all(cost_weight == 0):
        return performance
    if np.all(cost_weight != 0):
        return performance - cost_weight * cost
    return performance - np.where(cost_weight == 0, 0.0, cost_weight * cost)


class PredictedOutcomes(NamedTuple):
    """Predicted outcomes of each LLM on each query.

    Attributes
    ----------
    performance : ndarray of shape (n_queries, n_llms)
    cost : ndarray of shape (n_queries, n_llms) or None
        US dollars per 1,000 queries. None for a router fitted without costs.
    """

    performance: np.ndarray
    cost: np.ndarray | None


def expected_utility(outcomes, cost_weight):
    """Utility of :class:`PredictedOutcomes`; minus infinity where an outcome is not known.

    Fitted at a trade-off of 0, costs may be unknown: such an LLM cannot win where they count.
    """
    utility = routing_utility(outcomes.performance, outcomes.cost, cost_weight)
    return np.where(np.isnan(utility), -np.inf, utility)


def restrict(values, mask):
    """Values with minus infinity for LLMs that may not be called; a mask of None allows all.

    Raises
    ------
    ValueError
        If none of the LLMs that the router would call on a query is left.
    """
    if mask is not None:
        values = np.where(mask, values, -np.inf)
    infeasible = np.flatnonzero(np.isneginf(values).all(axis=1))
    if infeasible.size:
        where = f"on {infeasible.size} query(s), first {infeasible[:5].tolist()}"
        raise ValueError(
            f"This router knows the performance of no LLM, or the cost of none, {where}; with "
            "costs that were never observed only cost_weight=0 can be asked for."
            if mask is None
            else f"allowed leaves none of the LLMs that this router can call {where}."
        )
    return values
