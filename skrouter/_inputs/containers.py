"""Containers of queries: arrays, Series, columns and frames of the libraries that people use.

Nothing is imported for it: pandas, polars, pyarrow and Hugging Face's datasets show what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from skrouter._inputs.chat import is_message


def text_like_columns(X: Any) -> Iterator[tuple[Any, Any]]:
    """Names and contents of a table's columns that are not declared as numbers.

    Parameters
    ----------
    X : array of shape (n, n_columns), frame or table

    Yields
    ------
    name : object
    column : 1-D container
    """
    if isinstance(X, np.ndarray):
        yield from () if _is_numeric(X.dtype) else enumerate(X.T)
        return
    names: Any = getattr(X, "column_names", None)  # pyarrow, datasets
    if names is None:
        names = getattr(X, "columns", ())  # pandas, polars; a sparse matrix has none
    types = list(getattr(X, "dtypes", [None] * len(names)))
    for i, name in enumerate(names):
        if not _is_numeric(types[i]):
            yield name, X.iloc[:, i] if hasattr(X, "iloc") else X[name]


def is_table(X: Any) -> bool:
    """Tell whether `X` has rows and columns; an array of chats of equal length has none."""
    shape = getattr(X, "shape", None)
    return isinstance(shape, tuple) and len(shape) == 2 and not _is_table_of_messages(X)


def elements_of(X: Any) -> Iterable[Any] | None:
    """The elements of a 1-D container, one after the other, as Python objects.

    Parameters
    ----------
    X : object

    Returns
    -------
    iterable or None
        None if `X` is no such container: one text or chat, a generator, a set, a number, a table.
    """
    if isinstance(X, str | bytes | bytearray | memoryview | Mapping) or is_table(X):
        return None
    for method in ("to_pylist", "to_list"):  # pyarrow; polars and pandas
        if hasattr(X, method):
            elements: list[Any] = getattr(X, method)()
            return elements
    shape = getattr(X, "shape", None)
    if shape is not None:
        return X if len(shape) == 1 or _is_table_of_messages(X) else None
    return X if isinstance(X, Sequence) else None


def is_numeric(X: Any) -> bool:
    """Tell whether a 1-D container is declared as of numbers, which spares the walk over it."""
    return _is_numeric(getattr(X, "dtype", None))


def _is_numeric(dtype: Any) -> bool:
    if hasattr(dtype, "is_numeric"):  # polars
        return bool(dtype.is_numeric())
    return getattr(dtype, "kind", "O") in "biufcmM"


def _is_table_of_messages(X: Any) -> bool:
    return (
        isinstance(X, np.ndarray)
        and X.ndim == 2
        and X.dtype == object
        and X.size > 0
        and is_message(X[0, 0])
    )
