"""The best choice in hindsight, and what a router falls short of it."""

import numpy as np

from skrouter._targets.routing_target import RoutingTarget
from skrouter._targets.utility import routing_utility
from skrouter.metrics._score import check_charged, read_outcomes, score_choices


def oracle_llms(y_true, *, cost=None, cost_weight=0.0, llm_names=None, ties="cheapest"):
    """Choose the best LLM of each query in hindsight, knowing all outcomes.

    An upper bound that no router can be expected to reach: it also profits from the noise in the
    outcomes.

    Parameters
    ----------
    y_true : array-like of shape (n_queries, n_llms) or (n_queries, n_llms, 2)
        Performance of each LLM on each query, or the result of
        :func:`~skrouter.make_routing_target`. Outcomes that were not observed (NaN) are never
        chosen.
    cost : array-like of shape (n_queries, n_llms) or (n_llms,), default=None
        US dollars per 1,000 queries. Not together with a three-dimensional `y_true`.
    cost_weight : float, default=0.0
        The trade-off: performance given up for one US dollar per 1,000 queries.
    llm_names : array-like of shape (n_llms,), default=None
        The pool, as for :func:`routing_score`.
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
    if ties not in ("cheapest", "first"):
        raise ValueError(f"ties must be 'cheapest' or 'first', got {ties!r}.")
    target = read_outcomes(y_true, cost, llm_names)
    return target.llm_names[best_columns(target, cost_weight, ties)]


def best_columns(target, cost_weight, ties="cheapest"):
    """Column of the best LLM of each query of a checked target; see :func:`oracle_llms`."""
    check_charged(target, cost_weight)
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


def oracle_regret(y_true, llms, *, cost=None, cost_weight=0.0, llm_names=None, sample_weight=None):
    """Mean utility that a router loses against the oracle.

    The utility of the best LLM of each query in hindsight (see :func:`oracle_llms`) less that of
    the chosen one. No router can be expected to reach 0: the oracle also profits from the noise
    in the outcomes. Compare with the regret of the best single LLM.

    Parameters
    ----------
    y_true : array-like of shape (n_queries, n_llms) or (n_queries, n_llms, 2)
        Performance of each LLM on each query, or the result of
        :func:`~skrouter.make_routing_target`. The oracle chooses among the observed outcomes of
        a query; queries whose chosen LLM has none (NaN) are left out for both, as in
        :func:`routing_score`.
    llms : array-like of shape (n_queries,) or (n_queries, n_llms)
        The chosen LLM of each query, or probabilities, as for :func:`routing_score`.
    cost : array-like of shape (n_queries, n_llms) or (n_llms,), default=None
        US dollars per 1,000 queries. Not together with a three-dimensional `y_true`.
    cost_weight : float, default=0.0
        The trade-off: performance given up for one US dollar per 1,000 queries.
    llm_names : array-like of shape (n_llms,), default=None
        The pool, as for :func:`routing_score`.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.

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
    target = read_outcomes(y_true, cost, llm_names)
    check_charged(target, cost_weight)
    utility = routing_utility(target.performance, target.cost, cost_weight)
    best = np.where(np.isnan(utility), -np.inf, utility).max(axis=1, keepdims=True)
    # -inf less NaN is NaN: a query without any observed outcome is left out.
    lost = RoutingTarget(best - utility, None, target.llm_names)
    return score_choices(lost, llms, 0.0, sample_weight).performance
