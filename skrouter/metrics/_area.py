"""Areas under curves of performance against cost."""

from numbers import Real

import numpy as np
from scipy.integrate import trapezoid

from skrouter.metrics._hull import check_points, non_decreasing_hull


def aiq(cost, performance, *, c_min, c_max):
    r"""Average improvement in quality, as in RouterBench's paper.

    The mean height of the non-decreasing convex hull :math:`h` of a router's points over a fixed
    range of costs [1]_:

    .. math::

        \text{AIQ} = \frac{1}{c_{\max} - c_{\min}} \int_{c_{\min}}^{c_{\max}} h(c) \, dc.

    It is in the unit of the performance, and higher is better. It compares routers only over the
    same bounds; compare with that of :func:`zero_router_curve`.

    Parameters
    ----------
    cost : array-like of shape (n_points,)
        Mean cost of each setting in US dollars per 1,000 queries, as from
        :func:`cost_quality_curve`.
    performance : array-like of shape (n_points,)
        Mean performance of each setting.
    c_min, c_max : float
        Bounds of the cost in US dollars per 1,000 queries, ``0 <= c_min < c_max``: the same for
        every router that is compared, and so without defaults. The mean costs of the cheapest and
        the dearest LLM of the pool are a good choice.

    Returns
    -------
    aiq : float

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
    The hull is flat beyond its dearest corner. Below its cheapest corner it counts as 0, for
    nothing can be had there; this is our choice. A router that may fall back on the cheapest LLM
    has that LLM's point among its own: append it.

    References
    ----------
    .. [1] Q. J. Hu et al., "RouterBench: A Benchmark for Multi-LLM Routing System", 2024,
       arXiv:2403.12031.

    Examples
    --------
    >>> from skrouter.metrics import aiq
    >>> aiq([1.0, 3.0], [0.5, 0.9], c_min=1.0, c_max=5.0)
    0.8
    """
    _check_cost("c_min", c_min)
    _check_cost("c_max", c_max, above=c_min)
    hull = non_decreasing_hull(cost, performance)
    return _area(hull.cost, hull.performance, c_min, c_max) / float(c_max - c_min)


def aiq_routerbench(cost, performance, *, c_max):
    r"""Average improvement in quality, as RouterBench's code computes it.

    The area under the non-decreasing convex hull, from the router's **own** cheapest point
    :math:`c_0` to :math:`c_{\max}`, divided by :math:`c_{\max}` (``evaluation/AIQ.py`` of [1]_):

    .. math::

        \frac{1}{c_{\max}} \int_{c_0}^{c_{\max}} h(c) \, dc.

    For comparison with figures from that code only. A router with dear settings alone scores
    less than it would by :func:`aiq` over bounds that it can meet.

    Parameters
    ----------
    cost : array-like of shape (n_points,)
        Mean cost of each setting in US dollars per 1,000 queries.
    performance : array-like of shape (n_points,)
        Mean performance of each setting.
    c_max : float
        The dearest corner of the hulls of all routers that are compared, in US dollars per 1,000
        queries.

    Returns
    -------
    aiq : float

    Raises
    ------
    ValueError
        If the points are not as :func:`non_decreasing_hull` wants them, or `c_max` is not above
        zero or below the dearest corner of this router's hull.

    See Also
    --------
    aiq : The form of the paper. Never mix the two.

    References
    ----------
    .. [1] Q. J. Hu et al., "RouterBench: A Benchmark for Multi-LLM Routing System", 2024,
       arXiv:2403.12031, https://github.com/withmartian/routerbench.

    Examples
    --------
    >>> from skrouter.metrics import aiq_routerbench
    >>> aiq_routerbench([1.0, 3.0], [0.5, 0.9], c_max=5.0)
    0.64
    """
    _check_cost("c_max", c_max, above=0)
    hull = non_decreasing_hull(cost, performance)
    if c_max < hull.cost[-1]:
        raise ValueError(
            f"c_max={c_max!r} is below the dearest corner of the hull, {hull.cost[-1]:.6g}; "
            "wanted is the dearest of all routers that are compared."
        )
    return _area(hull.cost, hull.performance, 0, c_max) / float(c_max)


def deferral_curve_area(cost, performance, *, max_cost):
    r"""Area under the deferral curve: performance against relative cost.

    The points of a router, joined by straight lines, with cost as a share of that of the dearest
    LLM, from 0 to 1 (UniRoute [1]_). Unlike :func:`aiq`, it takes the points as they are, not
    their hull: a setting that is worse than a cheaper one lowers it.

    Parameters
    ----------
    cost : array-like of shape (n_points,)
        Mean cost of each setting in US dollars per 1,000 queries.
    performance : array-like of shape (n_points,)
        Mean performance of each setting. Of several at one cost only the best counts.
    max_cost : float
        Mean cost of the dearest LLM of the pool in US dollars per 1,000 queries, above 0.

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
    Left of the cheapest point the curve counts as 0 and right of the dearest one it is flat.
    These ends are our choice.

    References
    ----------
    .. [1] W. Jitkrittum et al., "Universal Model Routing for Efficient LLM Inference", 2025,
       arXiv:2502.08773.

    Examples
    --------
    >>> from skrouter.metrics import deferral_curve_area
    >>> deferral_curve_area([0.0, 5.0, 10.0], [0.5, 0.9, 0.9], max_cost=10.0)
    0.8
    """
    _check_cost("max_cost", max_cost, above=0)
    return _area(*deferral_curve(cost, performance), 0, max_cost) / float(max_cost)


def deferral_curve(cost, performance):
    """Points by cost, with the best one of those at the same cost."""
    cost, performance = check_points(cost, performance)
    order = np.lexsort((-performance, cost))
    cost, first = np.unique(cost[order], return_index=True)
    return cost, performance[order][first]


def _area(cost, performance, low, high):
    """Area under straight lines between points sorted by cost; flat right of them, 0 left."""
    low = max(low, cost[0])
    if low >= high:
        return 0.0
    inside = cost[(cost > low) & (cost < high)]
    grid = np.concatenate([[low], inside, [high]])
    return float(trapezoid(np.interp(grid, cost, performance), grid))


def _check_cost(name, value, above=None):
    if not isinstance(value, Real) or not 0 <= value < np.inf:
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}.")
    if above is not None and not value > above:
        raise ValueError(f"{name} must be above {above!r}, got {value!r}.")
