r"""Tests of the mean of bounded numbers by betting, and of trade-offs in sequence.

A test of "the mean gain is at most 0" for gains that are at least ``-b``: a gambler with wealth 1
stakes, on each gain in turn, a share of the wealth that depends on earlier gains only. Each round
multiplies the wealth by :math:`1 + \lambda_t g_t`. If the mean gain is at most 0 no strategy makes
money on average: the final wealth is non-negative with a mean of at most 1, so that by Markov's
inequality it reaches :math:`1/p` with a probability of at most :math:`p`. One over it is therefore
a valid p-value for any number of gains and any distribution, and a bettor who adapts to the
variance makes it a powerful one. I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random
variables by betting", JRSS B 86(1), 2024, arXiv:2010.09686.

The largest wealth on the way would be valid as well, by Ville's inequality. It is larger by the
luck of the order of the gains; the final wealth depends on the order through the bets only.
"""

from typing import NamedTuple

import numpy as np

from skrouter._targets.utility import routing_utility
from skrouter._utils.convex_hull import hull_steps

# Largest share of the wealth that one gain can take; Waudby-Smith and Ramdas suggest 1/2 or 3/4.
# Costs are mostly far below their bound, and it takes high stakes to show it.
_LARGEST_STAKE = 0.9


def plug_in_bets(gains, level, spread):
    r"""Bets that adapt to the variance of the gains seen so far.

    .. math::

        \lambda_t = \sqrt{\frac{2 \log(1 / \mathrm{level})}{n \, \hat\sigma_{t-1}^2}}, \qquad
        \hat\sigma_t^2 = \frac{r^2 / 4 + \sum_{i \leq t} (g_i - \hat\mu_i)^2}{t + 1},

    the predictable plug-in of Waudby-Smith and Ramdas (section 3.2) for a number of gains that is
    known beforehand; :math:`r` is the spread and :math:`\hat\mu_i` the mean up to :math:`i`.

    Parameters
    ----------
    gains : ndarray of shape (..., n)
    level : float
        Where the p-value is wanted to be small; it is valid at any level.
    spread : float
        Largest possible gain less the smallest.

    Returns
    -------
    bets : ndarray of shape (..., n)
        Each depends on the gains before it only.
    """
    n = gains.shape[-1]
    count = np.arange(1, n + 1)
    mean = np.cumsum(gains, axis=-1) / count
    squares = spread**2 / 4 + np.cumsum((gains - mean) ** 2, axis=-1)
    variance = np.full(gains.shape, spread**2 / 4)
    variance[..., 1:] = squares[..., :-1] / (count[:-1] + 1)
    return np.sqrt(-2 * np.log(level) / (n * variance))


def betting_p_value(gains, bets, largest_loss):
    """P-value of the hypothesis that the mean gain is at most 0.

    Parameters
    ----------
    gains : ndarray of shape (..., n)
        Independent draws in random order, none below ``-largest_loss``.
    bets : ndarray of shape (..., n)
        See :func:`plug_in_bets`. They are cut where a loss could take more than 0.9 of the wealth.
    largest_loss : float
        Above 0.

    Returns
    -------
    p_value : ndarray of shape (...)
        In (0, 1].
    """
    bets = np.minimum(bets, _LARGEST_STAKE / largest_loss)
    log_wealth = np.log1p(bets * gains).sum(axis=-1)
    return np.exp(-np.maximum(log_wealth, 0.0))


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
    free = cost_weights == 0
    changed = (np.diff(place, prepend=-1) != 0) | free | np.roll(free, 1)
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
