"""The best choice in hindsight, and what a router falls short of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions

from skrouter._targets.routing_target import RoutingTarget
from skrouter._targets.utility import routing_utility
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import CostLike, Names, NamesLike
from skrouter.metrics._score import (
    COST_WEIGHT,
    check_costs_given,
    check_scored_target,
    score_choices,
)


@with_shared_parts
@validate_params({"cost_weight": COST_WEIGHT, "ties": [StrOptions({"cheapest", "first"})]})
def oracle_llms(
    y_true: ArrayLike,
    *,
    cost: CostLike | None = None,
    cost_weight: float = 0.0,
    llm_names: NamesLike | None = None,
    ties: Literal["cheapest", "first"] = "cheapest",
) -> Names:
    """Choose the best LLM of each query in hindsight, knowing all outcomes.

    An upper bound that no router can be expected to reach: it also profits from the noise in the
    outcomes.

    Parameters
    ----------
    %(y_true_matrix)s
        Outcomes that were not observed are never chosen.
    %(cost)s
        Not together with a three-dimensional `y_true`.
    %(judged_cost_weight)s
    %(pool)s
    ties : {"cheapest", "first"}, default="cheapest"
        What is chosen among LLMs of equal utility. "cheapest" is what an oracle would pay: at
        ``cost_weight=0`` several LLMs are right on most queries. It is the first one where costs
        are equal or not given; an LLM of unknown cost comes last. "first" takes the first column
        whatever it costs; published oracle costs imply this (the paper's oracle at a trade-off
        of 0 costs more than a cheapest-tie oracle would).

    Returns
    -------
    llms : ndarray of shape (n_queries,)
        Names, as a router's `predict` returns them.

    Raises
    ------
    ValueError
        If a parameter is not as described, `cost_weight` is above 0 and there are no costs, or a
        query has no observed outcome.

    Examples
    --------
    >>> from skrouter.metrics import oracle_llms
    >>> performance = [[1.0, 0.0], [1.0, 1.0]]
    >>> oracle_llms(performance, cost=[5.0, 1.0])
    array([0, 1])
    >>> oracle_llms(performance, cost=[5.0, 1.0], ties="first")
    array([0, 0])
    """
    target = check_scored_target(y_true, cost, llm_names)
    return target.llm_names[best_columns(target, cost_weight, ties)]


def best_columns(
    target: RoutingTarget, cost_weight: float, ties: Literal["cheapest", "first"] = "cheapest"
) -> NDArray[np.int64]:
    """Column of the best LLM of each query of a checked target; see :func:`oracle_llms`."""
    check_costs_given(target, cost_weight)
    utility = routing_utility(target.performance, target.cost, cost_weight)
    unknown = np.isnan(utility)
    empty = np.flatnonzero(unknown.all(axis=1))
    if empty.size:
        raise ValueError(
            f"{empty.size} row(s) of y_true have no observed outcome, first {empty[:5].tolist()}; "
            "drop them."
        )
    utility = np.where(unknown, -np.inf, utility)
    if ties == "first" or target.cost is None:
        return utility.argmax(axis=1)
    best = utility == utility.max(axis=1, keepdims=True)
    price = np.where(np.isnan(target.cost), np.finfo(float).max, target.cost)
    return np.where(best, price, np.inf).argmin(axis=1)


@with_shared_parts
@validate_params({"cost_weight": COST_WEIGHT})
def oracle_regret(
    y_true: ArrayLike,
    llms: ArrayLike,
    *,
    cost: CostLike | None = None,
    cost_weight: float = 0.0,
    llm_names: NamesLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean utility that a router loses against the oracle.

    The utility of the best LLM of each query in hindsight (see :func:`oracle_llms`) minus that of
    the chosen one. No router can be expected to reach 0: the oracle also profits from the noise
    in the outcomes. Compare with the regret of the best single LLM.

    Parameters
    ----------
    %(y_true_matrix)s
        The oracle chooses among the observed outcomes of a query; queries whose chosen LLM has
        none are left out for both, as in :func:`routing_score`.
    %(chosen_llms)s
    %(cost)s
        Not together with a three-dimensional `y_true`.
    %(judged_cost_weight)s
    %(pool)s
    %(sample_weight)s

    Returns
    -------
    regret : float
        In the unit of the performance, at least 0, lower is better.

    Raises
    ------
    ValueError
        As :func:`routing_score`.

    Examples
    --------
    >>> from skrouter.metrics import oracle_regret
    >>> performance = [[1.0, 0.0], [1.0, 1.0]]
    >>> round(oracle_regret(performance, [1, 0], cost=[5.0, 1.0], cost_weight=0.1), 3)
    0.5
    """
    target = check_scored_target(y_true, cost, llm_names)
    check_costs_given(target, cost_weight)
    utility = routing_utility(target.performance, target.cost, cost_weight)
    best = np.where(np.isnan(utility), -np.inf, utility).max(axis=1, keepdims=True)
    # -inf - NaN is NaN: a query without any observed outcome is left out.
    lost = RoutingTarget(best - utility, None, target.llm_names)
    return score_choices(lost, llms, 0.0, sample_weight).performance
