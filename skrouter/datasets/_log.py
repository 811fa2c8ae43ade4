"""A log of LLM calls, as people have it: read into the matrices that routers take, and back."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from skrouter.datasets._log_prices import PriceList
from skrouter.datasets._log_queries import read_queries
from skrouter.datasets._log_rows import (
    QUERIES_PER_COST_UNIT,
    LogRows,
    align,
    charge,
    read_amounts,
    read_names,
    read_performance,
    read_propensities,
)
from skrouter.datasets._log_source import import_pandas, read_columns

if TYPE_CHECKING:
    import pandas as pd


class RoutingLog(Bunch):
    """What :func:`load_log` returns: a Bunch that prints its summary and goes back to a frame."""

    def to_frame(self) -> pd.DataFrame:
        """The other direction: one row per query and LLM, as a log has them.

        Returns
        -------
        frame : pandas.DataFrame
            The columns ``query``, ``llm``, ``performance`` in [0, 1], and, where the log has
            them, ``cost`` (US dollars of the call), ``task``, ``sample_weight`` and
            ``propensity``. Outcomes that were not observed have no row. Read by `load_log`, it
            gives the same matrices.
        """
        performance = self.performance.to_numpy()
        cost = None if self.cost is None else self.cost.to_numpy()
        known = ~np.isnan(performance)
        if cost is not None:
            known |= ~np.isnan(cost)
        query, llm = np.nonzero(known)
        columns = {
            "query": self.queries[query],
            "llm": np.array(self.llm_names, dtype=object)[llm],
            "performance": performance[query, llm],
        }
        if cost is not None:
            columns["cost"] = cost[query, llm] / QUERIES_PER_COST_UNIT
        for name, values in (
            ("task", self.tasks),
            ("sample_weight", self.sample_weight),
            ("propensity", self.propensity),
        ):
            if values is not None:
                columns[name] = values[query]
        return import_pandas().DataFrame(columns)

    def __str__(self) -> str:
        return str(self.summary)

    def __repr__(self) -> str:
        return (
            f"RoutingLog({len(self.queries)} queries, {len(self.llm_names)} LLMs, "
            f"{len(self.summary.notes)} notes; print it)"
        )


def load_log(
    source: Any,
    *,
    query: str,
    llm: str,
    performance: str,
    cost: str | None = None,
    prompt_tokens: str | None = None,
    completion_tokens: str | None = None,
    prices: Any = None,
    performance_range: tuple[float, float] | None = None,
    task: str | None = None,
    sample_weight: str | None = None,
    propensity: str | None = None,
) -> RoutingLog:
    r"""Read a log of LLM calls into aligned matrices.

    A log is long: it has one row per query and LLM, in any order, with holes and repetitions. A
    router takes one row per query and one column per LLM. Whatever is wrong with the log on the
    way is counted, and said in the `summary`: print it.

    It needs pandas, and for Parquet and polars pyarrow: ``pip install "skrouter[data]"``.

    Parameters
    ----------
    source : DataFrame, or str or path-like
        A data frame of pandas or polars, an Arrow table, or a file whose name ends in ``.csv``,
        ``.csv.gz``, ``.parquet``, ``.jsonl``, ``.jsonl.gz``, ``.ndjson`` or ``.ndjson.gz``.
        Columns that no other parameter names are not read.
    query : str
        Name of the column of the queries: texts; or chats, that is lists of messages with "role"
        and "content", bodies of requests that hold one as "messages", or either written as JSON.
        Rows of the same text, or of the same messages, are of one query.
    llm : str
        Name of the column of the LLM that answered. Names that differ by case or space are taken
        for one, in the spelling that most rows have.
    performance : str
        Name of the column of how well it did: a score, a rating, right or wrong (booleans).
        Higher is better, unless `performance_range` says otherwise.
    cost : str, default=None
        Name of the column of what the call cost, in US dollars.
    prompt_tokens, completion_tokens : str, default=None
        Names of the columns of the tokens of the prompt and of the answer. With `prices` they
        make the cost of each call for which `cost` has none.
    prices : mapping, DataFrame, str or path-like, default=None
        US dollars per **million** tokens, in and out, of each LLM: a mapping such as
        ``{"gpt-4": (30.0, 60.0)}``; a data frame, or the path of a CSV file, with the columns
        ``llm``, ``input`` and ``output``; or the path of a JSON file of such a mapping, or of
        LiteLLM's ``model_prices_and_context_window.json``, whose dollars per token
        (``input_cost_per_token``, ``output_cost_per_token``) are understood.
    performance_range : tuple of float, default=None
        The worst and the best possible performance, which become 0 and 1: ``(1, 5)`` for ratings
        from 1 to 5; ``(6, 1)`` where 1 is the best grade. None: the performance is in [0, 1].
    task : str, default=None
        Name of the column of the query's task.
    sample_weight : str, default=None
        Name of the column of the query's weight.
    propensity : str, default=None
        Name of the column of the probability with which the LLM was called on this query, in
        (0, 1], for logs of which calls were drawn at random; see :doc:`/user_guide/missing_scores`.
        Each row is then a call of its own: rows of the same query are not put together.

    Returns
    -------
    log : :class:`~sklearn.utils.Bunch`
        With the method ``to_frame()``, the other direction; ``print(log)`` shows the summary.

        queries : ndarray of shape (n_queries,), dtype object
            Texts, and chats as lists of messages, in the order in which they come first.
        performance : DataFrame of shape (n_queries, n_llms)
            In [0, 1], one column per LLM; NaN where not observed. The mean where there are
            several rows.
        cost : DataFrame of shape (n_queries, n_llms), or None
            US dollars per **1,000 queries**, as routers take it; NaN where not known. None for a
            log without costs.
        llm_names : list of str
            Names of the LLMs, sorted.
        tasks : ndarray of shape (n_queries,), dtype object, or None
            The task of each query.
        sample_weight : ndarray of shape (n_queries,), or None
            The weight of each query.
        propensity : ndarray of shape (n_queries,), or None
            The probability of each call.
        logged : dict, or None
            With `propensity` the log as :func:`~skrouter.metrics.off_policy_value` takes it,
            ``off_policy_value(choices, **log.logged, cost_weight=0.02)``: `logged_llms`,
            `performance`, `cost` and `propensity`, each of shape (n_queries,).
        summary : LogSummary
            What was counted, number by number.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ImportError
        If pandas, or pyarrow where it is needed, is not installed.
    TypeError
        If `source` or `prices` is of another type, or a query is neither a text nor a chat.
    ValueError
        If a column is missing or holds something else than it should; if a performance lies
        outside its range, a cost, a number of tokens or a weight is negative, or a propensity
        is not in (0, 1]; if tokens come without prices, or prices without tokens; or if no
        complete outcome is left.

    Warns
    -----
    UserWarning
        If LLMs are left out: the pool is then not that of the log.

    See Also
    --------
    load_routerbench : For tables that are wide already.
    skrouter.make_logged_target : From arrays, one called LLM per query.

    Notes
    -----
    Left out are rows without a query or a name; LLMs without any complete outcome, that is a
    performance and, in a log with costs, a cost; and queries without any: nothing could be learnt
    from them. All are counted.

    A mean over several rows of a query and an LLM is what a router should learn where answers
    vary. For off-policy estimates each call has to stay what it was, hence the rule for
    `propensity`.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrouter.datasets import load_log
    >>> calls = pd.DataFrame(
    ...     {
    ...         "prompt": ["What is 2 + 2?", "What is 2 + 2?", "Prove it.", "Prove it."],
    ...         "model": ["small", "large", "small", "Large "],
    ...         "rating": [5, 5, 1, 4],
    ...         "tokens_in": [10, 10, 5, 5],
    ...         "tokens_out": [8, 12, 90, 200],
    ...     }
    ... )
    >>> log = load_log(
    ...     calls,
    ...     query="prompt",
    ...     llm="model",
    ...     performance="rating",
    ...     performance_range=(1, 5),
    ...     prompt_tokens="tokens_in",
    ...     completion_tokens="tokens_out",
    ...     prices={"small": (0.1, 0.4), "large": (2.0, 8.0)},
    ... )
    >>> log.performance
       large  small
    0   1.00    1.0
    1   0.75    0.0
    >>> log.cost.round(4)
       large   small
    0  0.116  0.0042
    1  1.610  0.0365
    >>> print("\n".join(log.summary.notes))
    - Names that differ by case or space, taken for one: 'large' is also 'Large '.
    - LLMs with fewer than 30 scores: 'large' (2 scores), 'small' (2 scores).
    """
    if (prompt_tokens is None) != (completion_tokens is None):
        raise ValueError("prompt_tokens and completion_tokens belong together; give both.")
    if (prompt_tokens is None) != (prices is None):
        given, other = ("prices", "prompt_tokens and completion_tokens")
        if prices is None:
            given, other = other, given
        raise ValueError(f"{given} without {other}: pass both, as a cost needs both.")
    price_list = None if prices is None else PriceList(prices)
    texts = [name for name in (query, llm, task) if name is not None]
    numbers = [
        name
        for name in (performance, cost, prompt_tokens, completion_tokens, sample_weight, propensity)
        if name is not None
    ]
    table = read_columns(source, texts, numbers)
    if not len(table):
        raise ValueError("source has no rows.")

    query_of, queries = read_queries(table[query], query)
    pool = read_names(table[llm])
    costs = None if cost is None else read_amounts(table[cost], "cost")
    no_price: list[str] = []
    if price_list is not None:
        tokens_in = read_amounts(table[prompt_tokens], "prompt_tokens")
        tokens_out = read_amounts(table[completion_tokens], "completion_tokens")
        costs, no_price = charge(costs, tokens_in, tokens_out, pool, price_list)
    rows = LogRows(
        query=query_of,
        llm=pool.codes,
        performance=read_performance(table[performance], performance_range),
        cost=costs,
        task=None if task is None else table[task],
        weight=None
        if sample_weight is None
        else read_amounts(table[sample_weight], "sample_weight", required=True),
        propensity=None if propensity is None else read_propensities(table[propensity]),
    )
    log = RoutingLog(**align(rows, queries, pool, no_price))
    if log.summary.left_out:
        warnings.warn(
            f"LLMs of the log are not in the pool: {sorted(log.summary.left_out)}. The summary "
            "says why; print it.",
            UserWarning,
            stacklevel=2,
        )
    return log
