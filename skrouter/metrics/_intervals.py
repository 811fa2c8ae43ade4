r"""Confidence intervals for means of bounded outcomes, and by resampling alone.

A bootstrap knows only what happened. Where a router mostly does as another one, saves a little
now and then and seldom loses an answer, most samples hold no loss, their resamples hold none
either, and the interval lies above 0 by luck. Gaffke's bound adds what did not happen: one more
query, at the worst possible outcome for the lower end and at the best for the upper one. With
outcomes :math:`x_1 \dots x_n` in [a, b] and :math:`(\omega_0, \dots, \omega_n)` uniform on the
simplex (Dirichlet with all parameters 1), the ends are quantiles of

.. math::

    \omega_0 a + \sum_i \omega_i x_i \qquad \text{and} \qquad \omega_0 b + \sum_i \omega_i x_i .

For outcomes of 0 and 1 these are the exact limits of Clopper and Pearson. That they cover in
general is a conjecture, which no simulation has contradicted; for large samples they tend to those
of the bootstrap. N. Gaffke, "Three test statistics for a nonparametric one-sided hypothesis on the
mean of a nonnegative variable", Mathematical Methods of Statistics 14(4), 2005; E. Learned-Miller
and P. S. Thomas, "A new confidence interval for the mean of a bounded random variable", 2020,
arXiv:1905.06208.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

# Numbers held at once while resampling: 80 MB, whatever the number of queries.
_NUMBERS_AT_ONCE = 10_000_000
# Above this tail index the largest of the outcomes seen is no bound. Normal numbers have some 0.2,
# exponential ones 0.4, lognormal costs 0.6 with sigma 1, where intervals still hold, and 0.8 to 1
# with 1.5 and 2 (benchmarks/coverage.py).
_HEAVY_TAIL = 0.7
_TAIL_SHARE = 0.1
# Unless it was nearly reached again and again, as by answers that are wrong.
_REACHED_BY, _NEARLY = 3, 0.8


# What the parameters of functions that make an interval may be.
INTERVAL_CONSTRAINTS = {
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    "n_resamples": [Interval(Integral, 2, None, closed="left")],
    "random_state": ["random_state"],
}


class UnseenQuery(NamedTuple):
    """The query that Gaffke's bound adds to a sample.

    Attributes
    ----------
    low, high : float
        The smallest and the largest numerator that it may have.
    weight : float
        Its denominator.
    """

    low: float
    high: float
    weight: float = 1.0


def bootstrap_interval(samples, confidence_level, n_resamples, method, random_state):
    """Ends of the bootstrap interval for the mean of the means of `samples`.

    Where no sample varies, by more than rounding, every resample is the same, and both ends are
    the mean itself.
    """
    if all(np.ptp(sample) <= 1e-12 * np.abs(sample).max() for sample in samples):
        mean = float(macro_mean(*samples))
        return mean, mean
    from scipy.stats import bootstrap  # slow to import

    interval = bootstrap(
        samples,
        macro_mean,
        n_resamples=n_resamples,
        batch=max(1, _NUMBERS_AT_ONCE // sum(map(len, samples))),
        vectorized=True,
        confidence_level=confidence_level,
        method=method,
        random_state=check_random_state(random_state),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def gaffke_interval(samples, unseen, confidence_level, n_resamples, random_state):
    """Ends of Gaffke's interval for the mean over samples of a weighted mean.

    Parameters
    ----------
    samples : sequence of ndarray of shape (n_queries, 2)
        Numerators, weight times outcome, and denominators, the weights. The weighted mean of a
        sample is the sum of the former over that of the latter.
    unseen : UnseenQuery
        What one more query of any sample could be.
    confidence_level : float
    n_resamples : int
    random_state : int, RandomState instance or None

    Returns
    -------
    ends : tuple of two floats
    """
    # The new generators draw these numbers five times as fast.
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    rng = np.random.default_rng(seed)
    draws = np.mean([_draws(sample, unseen, n_resamples, rng) for sample in samples], axis=0)
    tail = (1 - confidence_level) / 2
    return float(np.quantile(draws[:, 0], tail)), float(np.quantile(draws[:, 1], 1 - tail))


def heavy_tail(values):
    """Hill's estimate of the tail index of outcomes, if their largest cannot stand for a bound.

    Parameters
    ----------
    values : ndarray of shape (n_queries, n_values)

    Returns
    -------
    tail_index : float or None
        None where it is not heavy.
    """
    far = np.abs(values - np.median(values))
    n_near = np.count_nonzero(far.max(axis=1) >= _NEARLY * far.max())
    far = np.sort(far[far > 0])[::-1]
    count = min(max(3, int(np.ceil(_TAIL_SHARE * values.size))), len(far) - 1)
    if count < 2 or n_near >= _REACHED_BY:
        return None
    index = float(np.log(far[:count] / far[count]).mean())
    return index if index > _HEAVY_TAIL else None


def macro_mean(*samples, axis=-1):
    """Mean of the means of the samples."""
    return np.mean([np.mean(sample, axis=axis) for sample in samples], axis=0)


def _draws(sample, unseen, n_resamples, rng):
    """Weighted means under random weights, with the unseen query at its lowest and highest."""
    # Exponential numbers over their sum are uniform on the simplex. The numbers of equal queries
    # add up to one of a gamma distribution; it also makes the order of queries irrelevant.
    rows, count = np.unique(sample, axis=0, return_counts=True)
    batch = max(1, _NUMBERS_AT_ONCE // len(rows))
    parts = []
    for first in range(0, n_resamples, batch):
        n_draws = min(batch, n_resamples - first)
        sums = rng.standard_gamma(count, size=(n_draws, len(rows))) @ rows
        share = rng.standard_exponential(n_draws)[:, None]
        numerator = sums[:, :1] + share * [unseen.low, unseen.high]
        parts.append(numerator / (sums[:, 1:] + share * unseen.weight))
    return np.concatenate(parts)
