"""Tests of trade-offs in sequence, each by betting."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrouter._targets.utility import routing_utility
from skrouter._utils.convex_hull import hull_steps

# They must not depend on the calibration queries. Steps of 0.08 %, as many queries may change
# their LLM within one per cent. The range is for costs per query as per million queries, in any
# currency.
_COST_WEIGHTS = np.append(0.0, np.logspace(-6, 6, 36001))


def order_hypotheses(cost_weights, *, ascending):
    """Check the trade-offs to choose from, and sort them.

    Parameters
    ----------
    cost_weights : "auto" or array-like of shape (n_candidates,)
    ascending : bool
        Whether small ones are safe, as they are for performance.

    Returns
    -------
    cost_weights : ndarray of shape (n_different_candidates,)
    """
    array = _COST_WEIGHTS if isinstance(cost_weights, str) else np.asarray(cost_weights)
    numbers = array.dtype.kind in "fiu" and array.ndim == 1 and array.size
    if not numbers or not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError(f"cost_weights must hold finite numbers >= 0, got {cost_weights!r}.")
    array = np.unique(array.astype(np.float64))
    return array if ascending else array[::-1]


class SequenceResult(NamedTuple):
    """Trade-offs in the order in which they were tested, up to the first that failed.

    Attributes
    ----------
    cost_weights, means, p_values : ndarray of shape (n_tested,)
    chosen : int
        The last one that passed; -1 if the first one failed.
    bound : float
        The confidence bound of that one, or of the first one if it failed.
    """

    cost_weights: np.ndarray
    means: np.ndarray
    p_values: np.ndarray
    chosen: int
    bound: float


def fixed_sequence_test(constraint, cost_weights, predicted, values, reference, weight):
    """Test trade-offs, each at the full level, until one fails (fixed-sequence testing).

    Parameters
    ----------
    constraint : RiskConstraint
    cost_weights : ndarray of shape (n_candidates,)
        The safest first.
    predicted : PredictedOutcomes
        By which LLMs are chosen.
    values : ndarray of shape (n_queries, n_llms)
        Of which the constraint limits the mean.
    reference, weight : ndarray of shape (n_queries,)

    Returns
    -------
    result : SequenceResult
    """
    rows, means, p_values, passed = np.arange(len(values)), [], [], None
    # Only where a step along a hull is taken do choices change, or at 0, where equals are not told
    # apart by cost; at a trade-off that is the slope of a step the first of two equals is chosen.
    slopes = np.sort(hull_steps(*predicted)[1].slope)
    place = np.searchsorted(slopes, cost_weights) + np.searchsorted(slopes, cost_weights, "right")
    uncharged = cost_weights == 0
    changed = (np.diff(place, prepend=-1) != 0) | uncharged | np.roll(uncharged, 1)
    for cost_weight, differs in zip(cost_weights, changed, strict=True):
        if differs:
            outcomes = (values[rows, chosen_columns(predicted, cost_weight)], reference, weight)
            mean, p_value = constraint.mean(outcomes), constraint.p_value(outcomes)
        means.append(mean)
        p_values.append(p_value)
        if p_value > constraint.level:
            break
        passed = outcomes
    return SequenceResult(
        cost_weights[: len(means)],
        np.array(means),
        np.array(p_values),
        sum(p_value <= constraint.level for p_value in p_values) - 1,
        constraint.bound(outcomes if passed is None else passed),
    )


def chosen_columns(predicted, cost_weight):
    """The LLM that a router of these predictions chooses on each query."""
    utility = routing_utility(predicted.performance, predicted.cost, cost_weight)
    # As routers do: an LLM of which nothing was ever observed is not chosen.
    return np.where(np.isnan(utility), -np.inf, utility).argmax(axis=1)
