"""An interval for the difference between two routers."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import column_or_1d

from skrouter._utils.betting import betting_interval
from skrouter._utils.lengths import check_same_length
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import LabelsLike, Seed
from skrouter.metrics._intervals import (
    INTERVAL_CONSTRAINTS,
    UnseenQuery,
    bootstrap_interval,
    gaffke_interval,
    heavy_tail,
    macro_mean,
)


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
    max_difference : float or None, default=None
        The interval holds if the two differ by no more than this on any query, these and others.
        None for the methods "BCa" and "percentile", which assume that the sample is large.
    """

    difference: float
    low: float
    high: float
    n_queries: int
    max_difference: float | None = None


@validate_params(
    {
        "max_difference": [Interval(Real, 0, None, closed="neither"), None],
        "method": [StrOptions({"gaffke", "betting", "BCa", "percentile"})],
        **INTERVAL_CONSTRAINTS,
    }
)
def paired_bootstrap(
    utility_a: ArrayLike,
    utility_b: ArrayLike,
    *,
    groups: LabelsLike | None = None,
    max_difference: float | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 9999,
    method: Literal["gaffke", "betting", "BCa", "percentile"] = "gaffke",
    random_state: Seed = None,
) -> PairedDifference:
    r"""Interval for the mean difference of two routers over the same queries.

    It is made of the differences per query: most of the variation of outcomes is shared by both
    routers and cancels.

    Parameters
    ----------
    utility_a, utility_b : array-like of shape (n_queries,)
        Utility (or performance, or cost) realized on each query, in the same order. Queries with
        NaN in one of them are left out.
    groups : array-like of shape (n_queries,), default=None
        Task of each query. With it the difference is the mean over tasks (macro), and queries
        are resampled within their task. None is the mean over queries (micro).
    max_difference : float, default=None
        The most that the two can differ by on one query, either way, in units of the utility. For
        performance in [0, 1] it is 1; for utility ``1 + cost_weight * max_query_cost``, see
        :func:`~skrouter.largest_query_cost`; for cost the `max_query_cost` alone. None takes the
        range of all utilities given, as performance mostly shows its range. Give it for costs, of
        which the largest are rare. "betting", which proves, needs it; the methods of the
        bootstrap have no use for it.
    confidence_level : float, default=0.95
        Coverage of the interval, in (0, 1).
    n_resamples : int, default=9999
        Number of resamples. Not used by "betting".
    method : {"gaffke", "betting", "BCa", "percentile"}, default="gaffke"
        - "gaffke": Gaffke's bound [1]_, a Bayesian bootstrap with one more query, on which the
          difference is as large as it can be. It allows for what is possible but was not seen,
          for a few per cent of width more than the bootstrap where that holds.
        - "betting": the interval of Waudby-Smith and Ramdas [2]_. It is proved to cover at least
          as often as it says, and some 40 % wider. Not with `groups`.
        - "BCa", "percentile": :func:`scipy.stats.bootstrap`. They cover far less than they say
          where few queries differ, or a rare one differs much.
    random_state : int, RandomState instance or None, default=None
        Seed of the resampling; for "betting" of the order of the queries.

    Returns
    -------
    result : PairedDifference
        A named tuple ``(difference, low, high, n_queries, max_difference)``. With "BCa" and
        "percentile", where the differences do not vary, both ends are the difference itself.

    Raises
    ------
    ValueError
        If lengths differ, a parameter is not as described, values are infinite, there are fewer
        than two queries (per group) with both outcomes, or `max_difference` is exceeded.

    Warns
    -----
    UserWarning
        If `max_difference` is not given, and the utilities have so heavy a tail that what was seen
        does not bound them, as some costs do.

    Notes
    -----
    The interval tells how much the difference would vary with other queries of the same kind.
    It does not contain what varies with other training data or seeds. How often each method covers
    in small and skewed samples is on the page :doc:`/user_guide/coverage`.

    That Gaffke's bound covers for all distributions and sample sizes is a conjecture, which no
    simulation has contradicted; for differences of two values it is the exact limit of Clopper
    and Pearson. It rests on `max_difference`: nothing can be said of a mean to which one
    unheard-of query may add any sum.

    References
    ----------
    .. [1] E. Learned-Miller, P. S. Thomas, "A new confidence interval for the mean of a bounded
       random variable", 2020, arXiv:1905.06208.
    .. [2] I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting",
       Journal of the Royal Statistical Society B 86(1), 2024, arXiv:2010.09686.

    Examples
    --------
    >>> from skrouter.metrics import paired_bootstrap
    >>> result = paired_bootstrap([1, 1, 0, 1, 1], [0, 1, 0, 0, 1], random_state=0)
    >>> round(result.difference, 3)
    0.4

    Two routers that did the same on 50 queries may still differ on others:

    >>> same = paired_bootstrap([1, 0] * 25, [1, 0] * 25, max_difference=1.0, random_state=0)
    >>> round(same.low, 2), round(same.high, 2)
    (-0.07, 0.07)
    """
    samples, utilities = _differences(utility_a, utility_b, groups)
    if method in ("BCa", "percentile"):
        if max_difference is not None:
            raise ValueError(
                f"max_difference={max_difference!r} was given, but method={method!r} has no use "
                "for it; leave it out, or take method='gaffke'."
            )
        ends = bootstrap_interval(samples, confidence_level, n_resamples, method, random_state)
    else:
        max_difference = _check_bound(max_difference, samples, utilities, method)
        if method == "gaffke":
            pairs = [np.stack([sample, np.ones(len(sample))], axis=1) for sample in samples]
            unseen = UnseenQuery(-max_difference, max_difference)
            ends = gaffke_interval(pairs, unseen, confidence_level, n_resamples, random_state)
        else:
            if groups is not None:
                raise ValueError("groups was given, but method='betting' is for the mean over all.")
            in_random_order = check_random_state(random_state).permutation(samples[0])
            ends = betting_interval(
                in_random_order, -max_difference, max_difference, confidence_level
            )
    difference = float(macro_mean(*samples))
    low, high = ends
    return PairedDifference(difference, low, high, sum(map(len, samples)), max_difference)


def _check_bound(max_difference, samples, utilities, method):
    """The bound that is assumed."""
    largest = max(float(np.abs(sample).max()) for sample in samples)
    if max_difference is None:
        if method == "betting":
            raise ValueError(
                "max_difference is missing: method='betting' proves what it says from a known "
                "bound, such as 1 for performance in [0, 1]."
            )
        bound = max(float(np.ptp(utilities)), largest)
        index = heavy_tail(utilities)
        if index is not None:
            warnings.warn(
                f"Some utilities lie so far beyond the others (tail index {index:.2f}) that larger "
                f"ones must be expected than were seen: the interval allows for a difference of "
                f"{bound:.4g} and may be too narrow. Give max_difference; of costs it is the most "
                "that one query can cost.",
                UserWarning,
                stacklevel=4,  # beyond the check of parameters
            )
        return bound
    if largest > max_difference:
        raise ValueError(
            f"max_difference={max_difference!r} is no upper bound: the two differ by up to "
            f"{largest:g}. Give a true one, or leave it out."
        )
    return float(max_difference)


def _differences(utility_a, utility_b, groups):
    """The observed differences, one array per group, and the utilities of these queries."""
    first = column_or_1d(utility_a, dtype=np.float64, input_name="utility_a")
    second = column_or_1d(utility_b, dtype=np.float64, input_name="utility_b")
    check_same_length(utility_a=first, utility_b=second, groups=groups)
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
    return tuple(samples.values()), np.stack([first, second], axis=1)[observed]
