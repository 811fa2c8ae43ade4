"""Names of the LLMs: what they may be, and the order of columns by name."""

from __future__ import annotations

from collections import Counter
from numbers import Integral

import numpy as np

from skrouter._targets.tables import column_labels


def order_of_columns(table, pool, argument):
    """Where the LLMs of the pool stand: by name if `table` has names, else by place.

    An error calls the table `argument`.
    """
    names = column_labels(table)
    if names is None:
        return slice(None)
    if set(names) != set(pool.tolist()):
        raise ValueError(f"The columns of {argument} are {names}, but the pool is {pool.tolist()}.")
    return [names.index(name) for name in pool.tolist()]


def columns_of(llms, pool, argument):
    """The column of each named LLM; an error calls the array of names `argument`."""
    position = {name: column for column, name in enumerate(pool.tolist())}
    columns = np.array([position.get(llm, -1) for llm in llms.tolist()])
    if (columns < 0).any():
        unknown = list(dict.fromkeys(llms[columns < 0].tolist()))
        raise ValueError(
            f"{argument} holds {unknown[:5]}, which are not in the pool {pool.tolist()}; "
            "pass the names of the pool as llm_names."
        )
    return columns


def column_names(table):
    """Names of the LLMs that a table carries, or None."""
    columns = getattr(table, "llm_names", None)
    if columns is None:
        columns = column_labels(table)
    return None if columns is None else _plain(columns, "The columns of y")


def name_llms(n_llms, columns, llm_names, known_llms):
    """Names of the columns of y."""
    pool = known_llms
    if pool is None and llm_names is not None:
        pool = check_llm_names(llm_names)
    if columns is None:
        names = np.arange(n_llms) if pool is None else pool
        if len(names) != n_llms:
            raise ValueError(f"y has {n_llms} column(s), but the pool has {len(names)} LLM(s).")
    else:
        names = columns
        if pool is not None and set(names.tolist()) != set(pool.tolist()):
            raise ValueError(
                f"The columns of y are {names.tolist()}, but the pool is {pool.tolist()}."
            )
    return names


def check_llm_names(llm_names):
    if np.ndim(llm_names) != 1:
        raise ValueError(f"llm_names must be a sequence of names, got {llm_names!r}.")
    return _plain(list(llm_names), "llm_names")


def _plain(names, what):
    """Names as an array of strings or of integers, so that predictions are of that type."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"LLM names must be distinct; repeated: {repeated}.")
    for kind, dtype in ((str, str), (Integral, int)):
        if all(isinstance(name, kind) for name in names):
            return np.asarray(names, dtype=dtype)
    raise ValueError(f"{what} must be all strings or all integers, got {names}.")
