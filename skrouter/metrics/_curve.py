"""Points of performance against cost: of a router over its settings, and of single LLMs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skrouter._targets.routing_target import RoutingTarget
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import CostLike, Floats, NamesLike
from skrouter.metrics._hull import non_decreasing_hull
from skrouter.metrics._score import check_scored_target, score_choices


class CostQualityCurve(NamedTuple):
    """Points of mean performance against mean cost.

    Parameters
    ----------
    cost : ndarray of shape (n_points,)
        Mean cost in US dollars per 1,000 queries.
    performance : ndarray of shape (n_points,)
        Mean performance.
    settings : tuple
        What gave each point: the trade-off, most often, or the name of an LLM.
    n_observed : ndarray of shape (n_points,)
        Number of queries that were counted for each point.
    """

    cost: Floats
    performance: Floats
    settings: tuple[Hashable, ...]
    n_observed: NDArray[np.int64]


@with_shared_parts
def cost_quality_curve(
    y_true: ArrayLike,
    llms: Mapping[Hashable, ArrayLike] | Iterable[ArrayLike],
    *,
    cost: CostLike | None = None,
    llm_names: NamesLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> CostQualityCurve:
    """Mean cost and mean performance of a router at each of its settings.

    One setting of a router is one point; a router is judged as a whole by the curve over all its
    settings (RouterBench [1]_). Give the result to :func:`non_decreasing_hull`, :func:`aiq` and
    the like.

    Parameters
    ----------
    %(y_true_matrix)s
    llms : dict or sequence
        What the router chose at each setting: a dict by setting, ``{0.0: llms, 0.1: llms}``, or a
        sequence, whose settings are then numbered 0, 1, ... Each choice is names of shape
        (n_queries,) or probabilities of shape (n_queries, n_llms), as for
        :func:`routing_score`.
    %(cost_of_pair)s
    %(pool)s
    %(sample_weight)s

    Returns
    -------
    curve : CostQualityCurve
        A named tuple ``(cost, performance, settings, n_observed)``, in the order of `llms`.

    Raises
    ------
    ValueError
        If there are no costs or no settings, or the input is not as :func:`routing_score` wants
        it.

    Notes
    -----
    As in :func:`routing_score` at a trade-off of 0, queries whose chosen LLM was not observed are
    left out. With many of them the points are means over different queries; `n_observed` tells.

    References
    ----------
    %(routerbench)s

    Examples
    --------
    >>> from skrouter.metrics import cost_quality_curve
    >>> performance = [[1.0, 0.0], [1.0, 1.0]]
    >>> choices = {0.0: [0, 1], 0.1: [1, 1]}
    >>> curve = cost_quality_curve(performance, choices, cost=[5.0, 1.0])
    >>> curve.cost.tolist(), curve.performance.tolist(), curve.settings
    ([3.0, 1.0], [1.0, 0.5], (0.0, 0.1))
    """
    target = check_target_with_costs(y_true, cost, llm_names)
    choices: Mapping[Hashable, ArrayLike]
    choices = llms if isinstance(llms, Mapping) else dict(enumerate(llms))
    return _curve(target, choices, sample_weight)


@with_shared_parts
def single_llm_points(
    y_true: ArrayLike,
    *,
    cost: CostLike | None = None,
    llm_names: NamesLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> CostQualityCurve:
    """Mean cost and mean performance of each LLM alone.

    What :func:`perf_gain`, :func:`cost_save` and :func:`quality_neutral_cost` compare a router
    with.

    Parameters
    ----------
    %(y_true_matrix)s
    %(cost_of_pair)s
    %(pool)s
    %(sample_weight)s

    Returns
    -------
    points : CostQualityCurve
        A named tuple ``(cost, performance, settings, n_observed)``; the settings are the names of
        the LLMs. Each is a mean over the queries on which the LLM was observed; those never
        observed are left out.

    Raises
    ------
    ValueError
        If there are no costs, nothing was observed, or the input is not as :func:`routing_score`
        wants it.

    Examples
    --------
    >>> from skrouter.metrics import single_llm_points
    >>> points = single_llm_points([[1.0, 0.0], [1.0, 1.0]], cost=[5.0, 1.0])
    >>> points.settings, points.performance.tolist()
    ((0, 1), [1.0, 0.5])
    """
    target = check_target_with_costs(y_true, cost, llm_names)
    observed = target.llm_names[~np.isnan(target.performance).all(axis=0)]
    always = {llm: np.full(len(target.performance), llm) for llm in observed.tolist()}
    if not always:
        raise ValueError("y_true holds no observed outcome.")
    return _curve(target, always, sample_weight)


@with_shared_parts
def zero_router_curve(
    y_true: ArrayLike,
    *,
    cost: CostLike | None = None,
    llm_names: NamesLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> CostQualityCurve:
    """Curve of the zero router: the best random mix of single LLMs at each cost.

    It knows nothing of the query, only the mean performance and cost of each LLM, and is what a
    router has to beat (RouterBench [1]_). It is the non-decreasing convex hull of the LLMs of the
    pool; :func:`mix_for_budget` gives the probabilities that meet a budget.

    Parameters
    ----------
    %(y_true_matrix)s
    %(cost_of_pair)s
    %(pool)s
    %(sample_weight)s

    Returns
    -------
    curve : CostQualityCurve
        A named tuple ``(cost, performance, settings, n_observed)`` of the LLMs that are corners
        of the hull, cheapest first; the settings are their names.

    Raises
    ------
    ValueError
        As :func:`single_llm_points`.

    Notes
    -----
    On the queries that judge a router this is the zero router in hindsight: it knows the true
    means. The difference is small where there are many more queries than LLMs.

    References
    ----------
    %(routerbench)s

    Examples
    --------
    >>> from skrouter.metrics import mix_for_budget, zero_router_curve
    >>> performance = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
    >>> zero = zero_router_curve(
    ...     performance, cost=[5.0, 1.0, 2.0], llm_names=["large", "small", "poor"]
    ... )
    >>> zero.settings, zero.cost.tolist()
    (('small', 'large'), [1.0, 5.0])
    >>> mix_for_budget(zero.cost, zero.performance, budget=2.0).tolist()
    [0.75, 0.25]
    """
    points = single_llm_points(y_true, cost=cost, llm_names=llm_names, sample_weight=sample_weight)
    corners = non_decreasing_hull(points.cost, points.performance).index
    return CostQualityCurve(
        points.cost[corners],
        points.performance[corners],
        tuple(points.settings[corner] for corner in corners),
        points.n_observed[corners],
    )


def check_target_with_costs(
    y_true: ArrayLike, cost: CostLike | None, llm_names: NamesLike | None
) -> RoutingTarget:
    """Check the true outcomes, which must have costs."""
    target = check_scored_target(y_true, cost, llm_names)
    if target.cost is None:
        raise ValueError(
            "cost is missing; pass cost=, or the result of make_routing_target as y_true."
        )
    return target


def _curve(
    target: RoutingTarget,
    choices: Mapping[Hashable, ArrayLike],
    sample_weight: ArrayLike | None,
) -> CostQualityCurve:
    if not choices:
        raise ValueError("llms is empty; at least one setting is needed.")
    # The trade-off only weighs the utility, which is not used.
    scores = [score_choices(target, llms, 0.0, sample_weight) for llms in choices.values()]
    return CostQualityCurve(
        np.array([score.cost for score in scores]),
        np.array([score.performance for score in scores]),
        tuple(choices),
        np.array([score.n_observed for score in scores]),
    )
