"""Areas under curves of performance against cost."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import trapezoid
from sklearn.utils._param_validation import Interval

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import Floats
from skrouter.metrics._hull import check_points, non_decreasing_hull

_COST = [Interval(Real, 0, None, closed="left")]
_COST_ABOVE_0 = [Interval(Real, 0, None, closed="neither")]


@with_shared_parts
@validate_params({"c_min": _COST, "c_max": _COST_ABOVE_0})
def aiq(cost: ArrayLike, performance: ArrayLike, *, c_min: float, c_max: float) -> float:
    r"""Average improvement in quality, as in RouterBench's paper.

    The mean height of the non-decreasing convex hull :math:`h` of a router's points over a fixed
    range of costs [1]_:

    .. math::

        \text{AIQ} = \frac{1}{c_{\max} - c_{\min}} \int_{c_{\min}}^{c_{\max}} h(c) \, dc.

    It is in the unit of the performance, and higher is better. It compares routers only over the
    same bounds; compare with that of :func:`zero_router_curve`.

    Parameters
    ----------
    %(mean_costs)s
    %(mean_performances)s
    c_min, c_max : float
        Bounds of the cost in US dollars per 1,000 queries, ``0 <= c_min < c_max``: the same for
        every router that is compared, and so without defaults. The mean costs of the cheapest and
        the most expensive LLM of the pool are a good choice.

    Returns
    -------
    aiq : float
        In the unit of the performance, higher is better.

    Raises
    ------
    ValueError
        If the points are not as :func:`non_decreasing_hull` wants them, or the bounds are not as
        described.

    See Also
    --------
    aiq_routerbench : What RouterBench's code computes. Never mix the two.

    Notes
    -----
    The hull is flat beyond its most expensive corner. Below its cheapest corner it counts as 0, for
    nothing can be had there; this is our choice. A router that may fall back on the cheapest LLM
    has that LLM's point among its own: append it.

    References
    ----------
    %(routerbench)s

    Examples
    --------
    >>> from skrouter.metrics import aiq
    >>> aiq([1.0, 3.0], [0.5, 0.9], c_min=1.0, c_max=5.0)
    0.8
    """
    if not c_min < c_max:
        raise ValueError(f"c_max={c_max!r} must be above c_min={c_min!r}.")
    hull = non_decreasing_hull(cost, performance)
    return _area(hull.cost, hull.performance, c_min, c_max) / float(c_max - c_min)


@with_shared_parts
@validate_params({"c_max": _COST_ABOVE_0})
def aiq_routerbench(cost: ArrayLike, performance: ArrayLike, *, c_max: float) -> float:
    r"""Average improvement in quality, as RouterBench's code computes it.

    The area under the non-decreasing convex hull, from the router's **own** cheapest point
    :math:`c_0` to :math:`c_{\max}`, divided by :math:`c_{\max}` (``evaluation/AIQ.py`` of [1]_):

    .. math::

        \frac{1}{c_{\max}} \int_{c_0}^{c_{\max}} h(c) \, dc.

    For comparison with figures from that code only. A router with expensive settings alone scores
    less than it would by :func:`aiq` over bounds that it can meet.

    Parameters
    ----------
    %(mean_costs)s
    %(mean_performances)s
    c_max : float
        Cost of the most expensive corner of the hulls of all routers that are compared, in US
        dollars per 1,000 queries.

    Returns
    -------
    aiq : float
        In the unit of the performance, higher is better.

    Raises
    ------
    ValueError
        If the points are not as :func:`non_decreasing_hull` wants them, or `c_max` is not above
        zero or below the most expensive corner of this router's hull.

    See Also
    --------
    aiq : The form of the paper. Never mix the two.

    References
    ----------
    %(routerbench)s
       Code: https://github.com/withmartian/routerbench.

    Examples
    --------
    >>> from skrouter.metrics import aiq_routerbench
    >>> aiq_routerbench([1.0, 3.0], [0.5, 0.9], c_max=5.0)
    0.64
    """
    hull = non_decreasing_hull(cost, performance)
    if c_max < hull.cost[-1]:
        raise ValueError(
            f"c_max={c_max!r} is below the most expensive corner of the hull, "
            f"{hull.cost[-1]:.6g}; wanted is the largest of all routers that are compared."
        )
    return _area(hull.cost, hull.performance, 0, c_max) / float(c_max)


@with_shared_parts
@validate_params({"max_cost": _COST_ABOVE_0})
def deferral_curve_area(cost: ArrayLike, performance: ArrayLike, *, max_cost: float) -> float:
    r"""Area under the deferral curve: performance against relative cost.

    The points of a router, joined by straight lines, with cost as a share of that of the most
    expensive LLM, from 0 to 1 (UniRoute [1]_). Unlike :func:`aiq`, it takes the points as they
    are, not their hull: a setting that is worse than a cheaper one lowers it.

    Parameters
    ----------
    %(mean_costs)s
    %(mean_performances)s
        Of several at one cost only the best counts.
    max_cost : float
        Mean cost of the most expensive LLM of the pool in US dollars per 1,000 queries, above 0.

    Returns
    -------
    area : float
        In the unit of the performance, higher is better.

    Raises
    ------
    ValueError
        If the points are not as :func:`non_decreasing_hull` wants them, or `max_cost` is not
        above zero and finite.

    Notes
    -----
    Left of the cheapest point the curve counts as 0 and right of the most expensive one it is flat.
    These ends are our choice.

    References
    ----------
    %(uniroute)s

    Examples
    --------
    >>> from skrouter.metrics import deferral_curve_area
    >>> deferral_curve_area([0.0, 5.0, 10.0], [0.5, 0.9, 0.9], max_cost=10.0)
    0.8
    """
    return _area(*deferral_curve(cost, performance), 0, max_cost) / float(max_cost)


def deferral_curve(cost: ArrayLike, performance: ArrayLike) -> tuple[Floats, Floats]:
    """Points by cost, with the best one of those at the same cost."""
    cost, performance = check_points(cost, performance)
    order = np.lexsort((-performance, cost))
    cost, first = np.unique(cost[order], return_index=True)
    return cost, performance[order][first]


def _area(cost: Floats, performance: Floats, low: float, high: float) -> float:
    """Area under straight lines between points sorted by cost; flat right of them, 0 left."""
    low = max(low, cost[0])
    if low >= high:
        return 0.0
    inside = cost[(cost > low) & (cost < high)]
    grid = np.concatenate([[low], inside, [high]])
    return float(trapezoid(np.interp(grid, cost, performance), grid))
