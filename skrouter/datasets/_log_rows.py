"""Rows of a log, one per call, into one row per query and one column per LLM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skrouter.datasets._log_prices import PriceList, same_name
from skrouter.datasets._log_source import as_numbers, import_pandas
from skrouter.datasets._log_summary import LLMRows, LogSummary

if TYPE_CHECKING:
    import pandas as pd

QUERIES_PER_COST_UNIT = 1000  # a log has dollars per call
_TOKENS_PER_PRICE_UNIT = 1e6
# How people write that there is no name.
_NO_NAME = {"", "nan", "none", "null", "na", "n/a", "<na>"}
_NO_TASK = "unknown"


class LogRows(NamedTuple):
    """Columns of a log.

    Attributes
    ----------
    query, llm : ndarray of int, shape (n_rows,)
        Codes; -1 where there is none.
    performance : ndarray of shape (n_rows,)
        In [0, 1] or NaN.
    cost : ndarray of shape (n_rows,) or None
        US dollars of the call, or NaN.
    task : Series or None
    weight, propensity : ndarray of shape (n_rows,) or None
        The propensity may be NaN.
    """

    query: np.ndarray
    llm: np.ndarray
    performance: np.ndarray
    cost: np.ndarray | None
    task: pd.Series | None
    weight: np.ndarray | None
    propensity: np.ndarray | None

    def take(self, kept: np.ndarray) -> LogRows:
        """Some of the rows."""
        columns: Any = (None if column is None else column[kept] for column in self)
        return LogRows(*columns)


class Pool(NamedTuple):
    """The LLMs of a log.

    Attributes
    ----------
    names : list of str
        Sorted.
    codes : ndarray of int, shape (n_rows,)
        Position of each row's LLM in `names`; -1 where there is none.
    spellings : dict of str to list of str
        All ways in which each name is written.
    """

    names: list[str]
    codes: np.ndarray
    spellings: dict[str, list[str]]


def read_names(column: pd.Series) -> Pool:
    """Names of LLMs, those that differ by case or space taken for one."""
    codes, uniques = import_pandas().factorize(column)
    written = [_as_text(value) for value in list(uniques)]
    counts = np.bincount(codes[codes >= 0], minlength=len(written))
    alike: dict[str, list[int]] = {}
    for position, name in enumerate(written):
        key = same_name(name)
        if key not in _NO_NAME:
            alike.setdefault(key, []).append(position)
    spellings = {}
    chosen = np.full(len(written) + 1, None, dtype=object)  # the last one is that of code -1
    for positions in alike.values():
        most = max(positions, key=lambda position: counts[position])  # the first among equals
        name = " ".join(written[most].split())
        spellings[name] = list(dict.fromkeys(written[position] for position in positions))
        chosen[positions] = name
    names = sorted(spellings)
    rank = {name: position for position, name in enumerate(names)}
    ranks = np.array([rank.get(name, -1) for name in chosen])
    return Pool(names, ranks[codes], spellings)


def _as_text(value: Any) -> str:
    # In a column of integers with holes they are floats.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def read_performance(column: pd.Series, scale: tuple[float, float] | None) -> np.ndarray:
    """Performance in [0, 1], NaN where there is none."""
    name = str(column.name)
    values = as_numbers(column, name, "performance")
    known = values[~np.isnan(values)]
    if not known.size:
        raise ValueError(f"performance: the column {name!r} holds no number.")
    low, high = known.min(), known.max()
    if scale is None:
        if low < 0 or high > 1:
            raise ValueError(
                f"performance: the column {name!r} goes from {low:g} to {high:g}, but [0, 1] is "
                "wanted; give the worst and the best possible value: performance_range=(1, 5) for "
                "ratings from 1 to 5."
            )
        return values
    try:
        worst, best = (float(value) for value in scale)
    except (TypeError, ValueError) as error:
        raise ValueError(f"performance_range must be two numbers, got {scale!r}.") from error
    if not np.isfinite([worst, best]).all() or worst == best:
        raise ValueError(f"performance_range must be two different numbers, got {scale!r}.")
    if low < min(worst, best) or high > max(worst, best):
        raise ValueError(
            f"performance: the column {name!r} goes from {low:g} to {high:g}, beyond "
            f"performance_range={scale!r}."
        )
    return (values - worst) / (best - worst)


def read_amounts(column: pd.Series, what: str, *, required: bool = False) -> np.ndarray:
    """Numbers that are not negative, NaN where there is none unless they are required."""
    name = str(column.name)
    values = as_numbers(column, name, what)
    if (values < 0).any():
        raise ValueError(
            f"{what}: the column {name!r} is negative in row {int(np.argmax(values < 0))}."
        )
    if required and np.isnan(values).any():
        raise ValueError(
            f"{what}: the column {name!r} is missing in row {int(np.isnan(values).argmax())}."
        )
    return values


def read_propensities(column: pd.Series) -> np.ndarray:
    """Probabilities in (0, 1], NaN where there is none."""
    name = str(column.name)
    values = as_numbers(column, name, "propensity")
    wrong = (values <= 0) | (values > 1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"propensity: the column {name!r} is {values[row]:g} in row {row}; it is the "
            "probability with which the LLM was called, in (0, 1]."
        )
    return values


def charge(
    costs: np.ndarray | None,
    tokens_in: np.ndarray,
    tokens_out: np.ndarray,
    pool: Pool,
    prices: PriceList,
) -> tuple[np.ndarray, list[str]]:
    """Fill costs up by tokens and prices.

    Returns
    -------
    costs : ndarray of shape (n_rows,)
        US dollars of each call, or NaN.
    no_price : list of str
        The LLMs without a price that need one.
    """
    found = [prices.find([name, *pool.spellings[name]]) for name in pool.names]
    if costs is None:
        costs = np.full(len(tokens_in), np.nan)
        if not any(found):
            raise ValueError(
                f"prices has none of the LLMs of the log: {pool.names[:5]}; it has {prices.some()}."
            )
    table = np.array([price or (np.nan, np.nan) for price in [*found, None]])
    in_, out = table[pool.codes].T  # the last one is that of code -1
    charged = (tokens_in * in_ + tokens_out * out) / _TOKENS_PER_PRICE_UNIT
    needy = set(pool.codes[np.isnan(costs)].tolist())
    no_price = [
        name
        for code, (name, price) in enumerate(zip(pool.names, found, strict=True))
        if price is None and code in needy
    ]
    return np.where(np.isnan(costs), charged, costs), no_price


def align(rows: LogRows, queries: np.ndarray, pool: Pool, no_price: list[str]) -> dict[str, Any]:
    """Matrices and vectors of :class:`RoutingLog`, with its summary."""
    counts = {"n_rows": len(rows.query)}
    counts["n_no_query"] = int((rows.query < 0).sum())
    kept = (rows.query >= 0) & (rows.llm >= 0)
    counts["n_no_llm"] = int((~kept).sum()) - counts["n_no_query"]
    if rows.propensity is not None:
        counts["n_no_propensity"] = int(np.isnan(rows.propensity[kept]).sum())
        kept &= ~np.isnan(rows.propensity)
    rows = rows.take(kept)
    known = ~np.isnan(rows.performance)
    counts["n_no_performance"] = int((~known).sum())
    counts["n_repeated"] = len(rows.llm) - len(np.unique(_cells(rows, pool)))
    calls = rows.propensity is not None
    if calls:  # each one stays what it was
        queries = queries[rows.query]
        rows = rows._replace(query=np.arange(len(rows.query)))

    shape = len(queries), len(pool.names)
    performance = _cell_means(rows, rows.performance, shape)
    cost = None if rows.cost is None else _cell_means(rows, rows.cost, shape)
    complete = ~np.isnan(performance) & (True if cost is None else ~np.isnan(cost))
    row, column = complete.any(axis=1), complete.any(axis=0)
    if not row.any():
        what = "performance" if cost is None else "performance and a cost"
        raise ValueError(
            f"No row of the log has a query, the name of an LLM, a {what}"
            f"{' and a propensity' if calls else ''}: there is nothing to learn from."
        )
    counts["n_queries_left_out"] = int((~row).sum())
    n_rows_of = np.bincount(rows.llm, minlength=len(pool.names))
    left_out = [name for name, used in zip(pool.names, column, strict=True) if not used]
    rows_of = dict(zip(pool.names, n_rows_of.tolist(), strict=True))
    if rows.cost is not None:
        unpriced = np.isin(rows.llm, [pool.names.index(name) for name in no_price])
        counts["n_no_cost"] = int((known & np.isnan(rows.cost) & ~unpriced).sum())

    names = [name for name, used in zip(pool.names, column, strict=True) if used]
    frame = import_pandas().DataFrame
    performance = performance[row][:, column]
    cost = None if cost is None else cost[row][:, column] * QUERIES_PER_COST_UNIT
    tasks, counts["n_no_task"], counts["n_mixed_tasks"] = _tasks(rows, row)
    weight, counts["n_mixed_weights"] = _weights(rows, row)
    summary = LogSummary(
        n_queries=int(row.sum()),
        n_llms=len(names),
        llms=_by_llm(names, performance, cost),
        share_observed=float((~np.isnan(performance)).mean()),
        n_single=int((complete[row][:, column].sum(axis=1) == 1).sum()),
        spellings={name: ways for name, ways in pool.spellings.items() if len(ways) > 1},
        no_price={name: rows_of[name] for name in no_price},
        left_out={name: rows_of[name] for name in left_out},
        has_propensity=calls,
        **counts,
    )
    return {
        "queries": queries[row],
        "performance": frame(performance, columns=names),
        "cost": None if cost is None else frame(cost, columns=names),
        "llm_names": names,
        "tasks": tasks,
        "sample_weight": weight,
        "propensity": None if rows.propensity is None else rows.propensity[row],
        "logged": _logged(rows.take(row), pool) if calls else None,
        "summary": summary,
    }


def _cells(rows: LogRows, pool: Pool) -> np.ndarray:
    return rows.query * len(pool.names) + rows.llm


def _cell_means(rows: LogRows, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mean of the known values of each query and LLM; NaN where there is none."""
    known = ~np.isnan(values)
    cells, inverse = np.unique(rows.query[known] * shape[1] + rows.llm[known], return_inverse=True)
    means = np.full(shape[0] * shape[1], np.nan)
    means[cells] = np.bincount(inverse, weights=values[known]) / np.bincount(inverse)
    return means.reshape(shape)


def _tasks(rows: LogRows, kept: np.ndarray) -> tuple[np.ndarray | None, int, int]:
    """The first task of each query; how many have none, and how many several."""
    if rows.task is None:
        return None, 0, 0
    codes, names = import_pandas().factorize(rows.task)
    query, first = np.unique(rows.query[codes >= 0], return_index=True)
    task = np.full(len(kept), -1)
    task[query] = codes[codes >= 0][first]
    other = rows.query[(codes >= 0) & (codes != task[rows.query])]
    labels = np.array([*(str(name) for name in names), _NO_TASK], dtype=object)
    return labels[task[kept]], int((task[kept] < 0).sum()), int(kept[np.unique(other)].sum())


def _weights(rows: LogRows, kept: np.ndarray) -> tuple[np.ndarray | None, int]:
    """The mean weight of each query, and how many have several."""
    if rows.weight is None:
        return None, 0
    count = np.bincount(rows.query, minlength=len(kept))
    with np.errstate(invalid="ignore"):  # queries without a row are not kept
        mean = np.bincount(rows.query, weights=rows.weight, minlength=len(kept)) / count
    query, first = np.unique(rows.query, return_index=True)
    weight = np.zeros(len(kept))
    weight[query] = rows.weight[first]
    mixed = np.unique(rows.query[rows.weight != weight[rows.query]])
    weight[mixed] = mean[mixed]
    return weight[kept], int(kept[mixed].sum())


def _by_llm(
    names: list[str], performance: np.ndarray, cost: np.ndarray | None
) -> dict[str, LLMRows]:
    return {
        name: LLMRows(
            int((~np.isnan(performance[:, j])).sum()),
            float(np.nanmean(performance[:, j])),
            float("nan") if cost is None else float(np.nanmean(cost[:, j])),
        )
        for j, name in enumerate(names)
    }


def _logged(rows: LogRows, pool: Pool) -> dict[str, Any]:
    """The log as :func:`skrouter.metrics.off_policy_value` takes it, one call per row."""
    return {
        "logged_llms": np.array(pool.names)[rows.llm],
        "performance": rows.performance,
        "cost": None if rows.cost is None else rows.cost * QUERIES_PER_COST_UNIT,
        "propensity": rows.propensity,
    }
