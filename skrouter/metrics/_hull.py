"""The best that mixing a set of points can buy at each cost."""

from __future__ import annotations

from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import column_or_1d

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.lengths import check_same_length
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import Floats


class NonDecreasingHull(
    # With its fields here, as tuples have a method `index` of their own.
    NamedTuple(
        "NonDecreasingHull",
        [("cost", Floats), ("performance", Floats), ("index", NDArray[np.int64])],
    )
):
    """Corners of a non-decreasing convex hull, cheapest first.

    Parameters
    ----------
    cost : ndarray of shape (n_corners,)
        Cost of each corner in US dollars per 1,000 queries, strictly increasing.
    performance : ndarray of shape (n_corners,)
        Performance of each corner, strictly increasing.
    index : ndarray of shape (n_corners,)
        Positions of the corners among the points that were given.
    """

    __slots__ = ()

    def performance_at(self, budget: ArrayLike) -> float | Floats:
        """Performance that can be bought for a budget.

        Parameters
        ----------
        budget : float or array-like
            US dollars per 1,000 queries.

        Returns
        -------
        performance : float or ndarray
            Straight between corners, flat beyond the most expensive one, and NaN below the
            cheapest one: nothing can be had for that.
        """
        value = np.interp(
            np.asarray(budget, dtype=np.float64), self.cost, self.performance, left=np.nan
        )
        return float(value) if np.ndim(value) == 0 else value


@with_shared_parts
def non_decreasing_hull(cost: ArrayLike, performance: ArrayLike) -> NonDecreasingHull:
    r"""Non-decreasing convex hull of points of performance against cost.

    Two settings of a router, called at random with probabilities :math:`w` and :math:`1 - w`,
    reach every point on the straight line between them. So the upper convex hull of its points is
    what a router can reach by mixing its settings. Points that are not better than a cheaper one,
    which dominates them, are dropped from it. Beyond the most expensive corner the hull is flat
    [1]_.

    Parameters
    ----------
    %(mean_costs)s
    %(mean_performances)s
        Of several points at one cost only the best counts.

    Returns
    -------
    hull : NonDecreasingHull
        A named tuple ``(cost, performance, index)`` with the method ``performance_at(budget)``.
        A point on the straight line between two corners is no corner. One point is a hull of
        itself.

    Raises
    ------
    ValueError
        If there are no points, lengths differ, a value is NaN or infinite, or a cost is negative.

    References
    ----------
    %(routerbench)s

    Examples
    --------
    >>> from skrouter.metrics import non_decreasing_hull
    >>> hull = non_decreasing_hull([1.0, 2.0, 3.0, 4.0], [0.5, 0.5, 0.8, 0.7])
    >>> hull.index.tolist()
    [0, 2]
    >>> hull.performance_at([0.5, 2.0, 9.0]).round(3).tolist()
    [nan, 0.65, 0.8]
    """
    cost, performance = check_points(cost, performance)
    corners: list[int] = []
    # By cost, and the best first among equals. Sorting is stable: then the first given.
    for point in np.lexsort((-performance, cost)).tolist():
        if corners and performance[point] <= performance[corners[-1]]:
            continue
        while len(corners) > 1 and not _lies_above_line(
            cost, performance, corners[-2], corners[-1], point
        ):
            corners.pop()
        corners.append(point)
    index = np.array(corners)
    return NonDecreasingHull(cost[index], performance[index], index)


def _lies_above_line(
    cost: Floats, performance: Floats, first: int, middle: int, last: int
) -> np.bool_:
    """Whether the middle of three points lies above the line between the others."""
    rise = (performance[middle] - performance[first]) * (cost[last] - cost[first])
    return rise > (performance[last] - performance[first]) * (cost[middle] - cost[first])


@with_shared_parts
@validate_params({"budget": [Interval(Real, None, None, closed="both")]})
def mix_for_budget(cost: ArrayLike, performance: ArrayLike, budget: float) -> Floats:
    """Probabilities of calling each of several LLMs, or settings, that meet a budget.

    The best mix of a set of points calls the two neighbours on their non-decreasing hull between
    which the budget lies, at random: for single LLMs this is RouterBench's zero router [1]_.

    Parameters
    ----------
    %(mean_costs)s
    %(mean_performances)s
    budget : float
        Mean cost that must not be exceeded, in US dollars per 1,000 queries.

    Returns
    -------
    probabilities : ndarray of shape (n_points,)
        In the order of the points; at most two are above zero. Their mean cost is the budget, or
        that of the most expensive corner of the hull where the budget is higher: more money would
        buy nothing.

    Raises
    ------
    ValueError
        If the points are not as :func:`non_decreasing_hull` wants them, or the budget is not a
        number or below the cheapest point.

    Notes
    -----
    The budget is met in expectation on queries like those that gave the points. To spend no more
    on other queries, choose the points on training data and leave a margin.

    References
    ----------
    %(routerbench)s

    Examples
    --------
    >>> from skrouter.metrics import mix_for_budget
    >>> mix_for_budget([1.0, 5.0, 3.0], [0.5, 0.9, 0.6], 2.0).tolist()
    [0.75, 0.25, 0.0]
    """
    hull = non_decreasing_hull(cost, performance)
    if budget < hull.cost[0]:
        raise ValueError(
            f"budget={budget!r} cannot be met; the cheapest that can be reached is "
            f"{hull.cost[0]:.6g} US dollars per 1,000 queries."
        )
    # Position on the hull: its whole part is a corner, the rest the probability of the next one.
    place = float(np.interp(budget, hull.cost, np.arange(len(hull.cost))))
    corner = int(place)
    probabilities = np.zeros(np.size(cost))
    probabilities[hull.index[corner]] = 1 - (place - corner)
    if place > corner:
        probabilities[hull.index[corner + 1]] = place - corner
    return probabilities


def check_points(
    cost: ArrayLike, performance: ArrayLike, names: tuple[str, str] = ("cost", "performance")
) -> tuple[Floats, Floats]:
    """Return points as two arrays of float64, or raise ValueError; see the functions above."""
    arrays = []
    for name, values in zip(names, (cost, performance), strict=True):
        array = column_or_1d(np.atleast_1d(values), dtype=np.float64, input_name=name)
        bad = np.flatnonzero(~np.isfinite(array))
        if bad.size:
            raise ValueError(
                f"{name} holds {bad.size} NaN or infinite value(s), the first at {int(bad[0])}; "
                "leave out points that were not observed."
            )
        arrays.append(array)
    check_same_length(**dict(zip(names, arrays, strict=True)))
    if not len(arrays[0]):
        raise ValueError(f"{names[0]} and {names[1]} are empty; at least one point is needed.")
    if (arrays[0] < 0).any():
        raise ValueError(f"{names[0]} holds negative values, the least is {arrays[0].min():.6g}.")
    return arrays[0], arrays[1]
