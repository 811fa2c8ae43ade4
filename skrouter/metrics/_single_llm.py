"""What a router gains over the best single LLM, in quality and in cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import Floats
from skrouter.metrics._area import deferral_curve
from skrouter.metrics._hull import check_points
from skrouter.metrics._weak_strong import first_crossing

_SINGLES = ("single_cost", "single_performance")


@with_shared_parts
def perf_gain(performance: ArrayLike, single_performance: ArrayLike) -> float:
    r"""LLMRouterBench's PerfGain: the most a router gains in quality over the best single LLM.

    .. math::

        \text{PerfGain} = \frac{\max_k \text{performance}_k}
            {\max_j \text{performance}_j} - 1

    over settings :math:`k` of the router and single LLMs :math:`j` [1]_. Cost does not count.

    Parameters
    ----------
    performance : float or array-like of shape (n_points,)
        Mean performance of the router at each setting, as from :func:`cost_quality_curve`.
    single_performance : float or array-like of shape (n_llms,)
        Mean performance of each single LLM, or of the best one, on the same queries, as from
        :func:`single_llm_points`.

    Returns
    -------
    gain : float
        Relative: 0.02 is 2 % better. Negative where the best single LLM is out of reach.

    Raises
    ------
    ValueError
        If a value is NaN or infinite, there are none, or the best single performance is not
        above 0.

    Notes
    -----
    The maximum is over the queries that judge it: with many settings some are good by luck.

    References
    ----------
    %(llmrouterbench)s

    Examples
    --------
    >>> from skrouter.metrics import perf_gain
    >>> round(perf_gain([0.70, 0.84], [0.80, 0.60]), 3)
    0.05
    """
    best = _as_vector(single_performance, "single_performance").max()
    if not best > 0:
        raise ValueError(
            f"single_performance must be above 0 for the best LLM, got {best:.6g}; a relative gain "
            "has no meaning otherwise."
        )
    return float(_as_vector(performance, "performance").max() / best - 1)


@with_shared_parts
def cost_save(
    cost: ArrayLike,
    performance: ArrayLike,
    *,
    single_cost: ArrayLike,
    single_performance: ArrayLike,
) -> float:
    r"""LLMRouterBench's CostSave: what a router saves while as good as the best single LLM.

    .. math::

        \text{CostSave} = 1 - \frac{\min \{ c_k : \text{performance}_k \ge
            \text{performance}_{j^*} \}}{c_{j^*}}

    over settings :math:`k` of the router, with the best single LLM :math:`j^*` [1]_. Only the
    settings count, not mixes of them; see :func:`quality_neutral_cost` for those.

    Parameters
    ----------
    %(router_points)s
    %(single_llms)s
        The best is the reference, the cheapest one among equals.

    Returns
    -------
    saved : float
        Share of the cost of the best single LLM: 0.3 is 30 % cheaper; negative where the router
        is as good only for more money. NaN if no setting is as good.

    Raises
    ------
    ValueError
        If the points are not as :func:`non_decreasing_hull` wants them, or the best single LLM
        costs nothing.

    References
    ----------
    %(llmrouterbench)s

    Examples
    --------
    >>> from skrouter.metrics import cost_save
    >>> single = {"single_cost": [10.0, 1.0], "single_performance": [0.8, 0.6]}
    >>> cost_save([2.0, 7.0, 9.0], [0.7, 0.8, 0.85], **single).__round__(3)
    0.3
    >>> cost_save([2.0], [0.7], **single)
    nan
    """
    cost, performance = check_points(cost, performance)
    best_cost, best_performance = _best_single(single_cost, single_performance)
    if best_cost == 0:
        raise ValueError("The best single LLM costs nothing; there is nothing to save.")
    as_good = performance >= best_performance
    return float(1 - cost[as_good].min() / best_cost) if as_good.any() else float("nan")


@with_shared_parts
def quality_neutral_cost(
    cost: ArrayLike,
    performance: ArrayLike,
    *,
    single_cost: ArrayLike,
    single_performance: ArrayLike,
) -> float:
    """Relative cost at which a router is as good as the best single LLM (QNC).

    The cost at which the deferral curve (see :func:`deferral_curve_area`) first reaches the
    performance of the best single LLM, as a share of the cost of the most expensive LLM (UniRoute
    [1]_).

    Parameters
    ----------
    %(router_points)s
    %(single_llms)s
        Give all of them: costs are relative to that of the most expensive one.

    Returns
    -------
    qnc : float
        Lower is better. For the zero router it is the relative cost of the best single LLM, 1 if
        that is also the most expensive. NaN if the router is never as good.

    Raises
    ------
    ValueError
        If the points are not as :func:`non_decreasing_hull` wants them, or all single LLMs cost
        nothing.

    Notes
    -----
    Between points the curve is straight, as if neighbouring settings were mixed at random.

    References
    ----------
    %(uniroute)s

    Examples
    --------
    >>> from skrouter.metrics import quality_neutral_cost
    >>> single = {"single_cost": [10.0, 1.0], "single_performance": [0.8, 0.6]}
    >>> round(quality_neutral_cost([2.0, 6.0], [0.7, 0.9], **single), 3)
    0.4
    """
    curve = deferral_curve(cost, performance)
    _, best_performance = _best_single(single_cost, single_performance)
    highest_cost = float(np.max(single_cost))
    if highest_cost == 0:
        raise ValueError("All single LLMs cost nothing; there is no relative cost.")
    return first_crossing(*curve, best_performance) / highest_cost


def _best_single(single_cost: ArrayLike, single_performance: ArrayLike) -> tuple[float, float]:
    """Cost and performance of the best LLM, the cheapest among equals."""
    cost, performance = check_points(single_cost, single_performance, _SINGLES)
    best = np.lexsort((cost, -performance))[0]
    return cost[best], performance[best]


def _as_vector(values: ArrayLike, name: str) -> Floats:
    """One or several finite numbers as an array."""
    return check_points(np.zeros(np.size(values)), values, ("cost", name))[1]
