"""What a router loses against the best choice in hindsight."""

import numpy as np

from skrouter._target import RoutingTarget, routing_utility
from skrouter.metrics._score import check_charged, read_outcomes, score_choices


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
