r"""Tests and intervals for the mean of bounded numbers by betting.

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

from __future__ import annotations

import numpy as np
from scipy.optimize import bisect

# Largest share of the wealth that one gain can take; Waudby-Smith and Ramdas suggest 1/2 or 3/4.
# Costs are mostly far below their bound, and it takes high stakes to show it.
_LARGEST_STAKE = 0.9


def plug_in_bets(gains, level, width):
    r"""Bets that adapt to the variance of the gains seen so far.

    .. math::

        \lambda_t = \sqrt{\frac{2 \log(1 / \mathrm{level})}{n \, \hat\sigma_{t-1}^2}}, \qquad
        \hat\sigma_t^2 = \frac{r^2 / 4 + \sum_{i \leq t} (g_i - \hat\mu_i)^2}{t + 1},

    the predictable plug-in of Waudby-Smith and Ramdas (section 3.2) for a number of gains that is
    known beforehand; :math:`r` is the range and :math:`\hat\mu_i` the mean up to :math:`i`.

    Parameters
    ----------
    gains : ndarray of shape (..., n)
    level : float
        Where the p-value is wanted to be small; it is valid at any level.
    width : float
        Largest possible gain less the smallest.

    Returns
    -------
    bets : ndarray of shape (..., n)
        Each depends on the gains before it only.
    """
    n = gains.shape[-1]
    count = np.arange(1, n + 1)
    mean = np.cumsum(gains, axis=-1) / count
    squares = width**2 / 4 + np.cumsum((gains - mean) ** 2, axis=-1)
    variance = np.full(gains.shape, width**2 / 4)
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


def betting_interval(values, low, high, confidence_level):
    """Confidence interval for the mean of bounded numbers.

    It holds each mean that neither of two tests rules out, one that the mean is at most this, one
    that it is at least this, each at half the level.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Independent draws in random order, in [low, high].
    low, high : float
        The bounds, not equal.
    confidence_level : float
        In (0, 1).

    Returns
    -------
    ends : tuple of two floats
        Within the bounds.
    """
    level, width = (1 - confidence_level) / 2, high - low
    shares = (values - low) / width
    lower, upper = _largest_ruled_out(shares, level), _largest_ruled_out(1 - shares, level)
    return low + lower * width, high - upper * width


def _largest_ruled_out(shares, level):
    """The largest mean of numbers in [0, 1] such that it and all below it are ruled out."""
    # The bets do not depend on the mean, so that the p-value does not decrease in it.
    bets = plug_in_bets(shares, level, 1.0)

    def side(mean):
        ruled_out = mean == 0 or betting_p_value(shares - mean, bets, mean) <= level
        return -0.5 if ruled_out else 0.5

    return bisect(side, 0.0, 1.0)
