"""An interval for the difference between two routers."""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d

# Numbers held at once while resampling: 80 MB, whatever the number of queries.
_NUMBERS_AT_ONCE = 10_000_000


class PairedDifference(NamedTuple):
    """The difference between two routers on the same queries.

    Parameters
    ----------
    difference : float
        Mean utility of the first router minus that of the second.
    low, high : float
        The ends of the confidence interval.
    n_queries : int
        Number of queries on which both have an observed outcome.
    """

    difference: float
    low: float
    high: float
    n_queries: int


def paired_bootstrap(
    utility_a,
    utility_b,
    *,
    groups=None,
    confidence_level=0.95,
    n_resamples=9999,
    method="BCa",
    random_state=None,
):
    """Bootstrap interval for the mean difference of two routers over the same queries.

    Resampling is done by :func:`scipy.stats.bootstrap` on the differences per query: most of the
    spread of outcomes is shared by both routers and cancels.

    Parameters
    ----------
    utility_a, utility_b : array-like of shape (n_queries,)
        Utility (or performance, or cost) received on each query, in the same order. Queries with
        NaN in one of them are left out.
    groups : array-like of shape (n_queries,), default=None
        Task of each query. With it the difference is the mean over tasks (macro), and queries
        are resampled within their task. None is the mean over queries (micro).
    confidence_level : float, default=0.95
        Coverage of the interval, in (0, 1).
    n_resamples : int, default=9999
        Number of resamples, as in scipy.
    method : {"BCa", "percentile"}, default="BCa"
        "BCa" corrects for bias and skewness; the differences of routers that mostly agree are
        very skewed.
    random_state : int, RandomState instance or None, default=None
        Seed of the resampling.

    Returns
    -------
    result : PairedDifference
        A named tuple ``(difference, low, high, n_queries)``. Where the differences do not vary,
        most often because both routers always chose the same, every resample is the same, and
        both ends are the difference itself.

    Raises
    ------
    ValueError
        If lengths differ, a parameter is not as described, values are infinite, or there are
        fewer than two queries (per group) with both outcomes.

    Notes
    -----
    The interval tells how much the difference would vary with other queries of the same kind.
    It does not contain what varies with other training data or seeds.

    Examples
    --------
    >>> from skrouter.metrics import paired_bootstrap
    >>> result = paired_bootstrap([1, 1, 0, 1, 1], [0, 1, 0, 0, 1], random_state=0)
    >>> round(result.difference, 3)
    0.4
    >>> paired_bootstrap([1, 0, 1], [1, 0, 1])
    PairedDifference(difference=0.0, low=0.0, high=0.0, n_queries=3)
    """
    check_resampling(confidence_level, n_resamples, method, "method")
    samples = _differences(utility_a, utility_b, groups)
    low, high = mean_interval(samples, confidence_level, n_resamples, method, random_state)
    difference = float(_macro_mean(*samples))
    return PairedDifference(difference, low, high, sum(map(len, samples)))


def check_resampling(confidence_level, n_resamples, method, method_name):
    """Raise unless the parameters of a bootstrap interval are usable."""
    if method not in ("BCa", "percentile"):
        raise ValueError(f"{method_name} must be 'BCa' or 'percentile', got {method!r}.")
    if not isinstance(confidence_level, Real) or not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must be in (0, 1), got {confidence_level!r}.")
    if not isinstance(n_resamples, Integral) or n_resamples < 2:
        raise ValueError(f"n_resamples must be an integer >= 2, got {n_resamples!r}.")


def mean_interval(samples, confidence_level, n_resamples, method, random_state):
    """Ends of the bootstrap interval for the mean of the means of `samples`.

    Where no sample varies, by more than rounding, every resample is the same, and both ends are
    the mean itself.
    """
    if all(np.ptp(sample) <= 1e-12 * np.abs(sample).max() for sample in samples):
        mean = float(_macro_mean(*samples))
        return mean, mean
    interval = bootstrap(
        samples,
        _macro_mean,
        n_resamples=n_resamples,
        batch=max(1, _NUMBERS_AT_ONCE // sum(map(len, samples))),
        vectorized=True,
        confidence_level=confidence_level,
        method=method,
        random_state=check_random_state(random_state),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _differences(utility_a, utility_b, groups):
    """The observed differences, one array per group."""
    first = column_or_1d(utility_a, dtype=np.float64, input_name="utility_a")
    second = column_or_1d(utility_b, dtype=np.float64, input_name="utility_b")
    check_consistent_length(first, second, groups)
    if np.isinf(first).any() or np.isinf(second).any():
        raise ValueError("utility_a or utility_b holds infinite values.")
    difference = first - second
    observed = ~np.isnan(difference)
    if groups is None:
        samples = {"": difference[observed]}
    else:
        groups = column_or_1d(groups, input_name="groups")
        samples = {
            f" in group {group!r}": difference[observed & (groups == group)]
            for group in np.unique(groups).tolist()
        }
    for where, sample in samples.items():
        if len(sample) < 2:
            raise ValueError(
                f"{len(sample)} query with both outcomes{where}; at least 2 are needed to tell "
                "how much the difference varies."
            )
    return tuple(samples.values())


def _macro_mean(*samples, axis=-1):
    return np.mean([np.mean(sample, axis=axis) for sample in samples], axis=0)
