"""Logs in which one LLM was called per query: reading them, and a training target from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.validation import column_or_1d

from skrouter._targets.llm_names import columns_of
from skrouter._targets.routing_target import RoutingTarget, check_routing_target
from skrouter._utils.types import CostLike, NamesLike


def make_logged_target(
    logged_llms: ArrayLike,
    performance: ArrayLike,
    cost: CostLike | None = None,
    *,
    llm_names: NamesLike | None = None,
) -> RoutingTarget:
    """Turn logs with one called LLM per query into matrices with NaN for what was not seen.

    Parameters
    ----------
    logged_llms : array-like of shape (n_queries,)
        Names of the LLMs that were called, strings or integers.
    performance : array-like of shape (n_queries,)
        Their observed performance, higher is better. NaN where no feedback came; `fit` refuses
        such rows, so leave them out.
    cost : array-like of shape (n_queries,), default=None
        Their observed cost, in US dollars per 1,000 queries. With list prices leave it out here,
        and give the prices to `fit`.
    llm_names : array-like of shape (n_llms,), default=None
        The pool, in the order of the columns. None are the LLMs that were called, sorted.

    Returns
    -------
    target : RoutingTarget
        A named tuple ``(performance, cost, llm_names)``: matrices of shape (n_queries, n_llms),
        NaN but for one LLM per row, the cost None without costs; and the names of the columns.
        Give them to a router as ``Router(llm_names=target.llm_names)`` and
        ``fit(X, target.performance, cost=target.cost)``.

    Raises
    ------
    ValueError
        If lengths differ, a called LLM is not in `llm_names`, or outcomes are not as described.

    See Also
    --------
    skrouter.metrics.off_policy_value : What a router would have achieved, from logs.

    Notes
    -----
    **Weights.** If LLMs were called with unequal probabilities (propensities) that depend on the
    query, each LLM is learnt from the queries that it was sent, which are not mixed as all
    queries are. With ``sample_weight=1 / propensity`` in `fit` its queries count as if it had
    been called on all of them: inverse propensity weighting. Divide the weights by their mean,
    as the strength of a penalty is relative to their sum. A few very small propensities make few
    queries count for all; clip the weights before that, at the price of some bias.

    Examples
    --------
    >>> from skrouter import make_logged_target
    >>> target = make_logged_target(["small", "large", "small"], [1.0, 0.8, 0.0])
    >>> target.llm_names
    array(['large', 'small'], dtype='<U5')
    >>> target.performance
    array([[nan, 1. ],
           [0.8, nan],
           [nan, 0. ]])
    """
    logged, *outcomes = read_log(logged_llms, performance, cost)
    pool = np.unique(logged) if llm_names is None else column_or_1d(llm_names)
    columns = columns_of(logged, pool, "logged_llms")

    def one_per_row(values):
        table = np.full((len(logged), len(pool)), np.nan)
        table[np.arange(len(logged)), columns] = values
        return table

    tables = [None if values is None else one_per_row(values) for values in outcomes]
    return check_routing_target(*tables, llm_names=pool, allow_labels=False)


def read_log(logged_llms, performance, cost):
    """Check a log: the called LLMs by name, their performance, and their cost if there is one.

    Returns
    -------
    logged, performance, cost : ndarray of shape (n_queries,)
        Outcomes may be NaN; `cost` may be None.
    """
    logged = column_or_1d(logged_llms, input_name="logged_llms")
    # Among strings in a list, NaN would have become "nan".
    names = logged_llms if isinstance(logged_llms, list | tuple) else logged
    missing = [name is None or is_scalar_nan(name) or is_pandas_na(name) for name in names]
    if any(missing):
        raise ValueError(
            f"logged_llms holds a missing name at {missing.index(True)}; leave such rows out."
        )
    outcomes = []
    for name, values in (("performance", performance), ("cost", cost)):
        if values is None and name == "cost":
            outcomes.append(None)
            continue
        values = column_or_1d(values, dtype=np.float64, input_name=name)
        if len(values) != len(logged):
            raise ValueError(
                f"{name} has {len(values)} entries for {len(logged)} logged_llms; it holds the "
                "outcome of each logged call."
            )
        outcomes.append(values)
    return logged, *outcomes
