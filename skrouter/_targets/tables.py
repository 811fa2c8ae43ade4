"""Tables of numbers as users hold them: arrays, lists, data frames of any library."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array


def column_labels(table: Any) -> list[Hashable] | None:
    """Names of the columns of a data frame of any library, or None."""
    if _is_arrow(table):
        return list(table.column_names)
    columns = getattr(table, "columns", None)
    return None if columns is None else list(columns)


def plain_array(table: Any) -> Any:
    """What scikit-learn can read of a table: masked entries as NaN, an arrow table as an array."""
    if _is_arrow(table):
        return np.column_stack([np.asarray(column.to_pylist(), float) for column in table.columns])
    if np.ma.isMaskedArray(table):
        return np.ma.filled(table.astype(np.float64), np.nan)
    return table if hasattr(table, "ndim") else np.asarray(table)


def as_floats(array: Any, argument: str) -> NDArray[np.float64]:
    """As float64; every mark of a missing value, also of pandas, becomes NaN."""
    try:
        return check_array(
            array,
            dtype=np.float64,
            ensure_all_finite=False,
            ensure_2d=False,
            allow_nd=True,
            ensure_min_samples=0,
            ensure_min_features=0,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{argument} must hold numbers: {error}") from error


def check_row_order(tables: dict[str, Any]) -> None:
    """Raise if two tables have the same row labels in another order.

    Rows are matched by place. Where both say by their labels that the places differ, one of them
    was sorted or shuffled alone.

    Parameters
    ----------
    tables : dict of str to object
        What errors call them, and the tables. Those without row labels are passed over.
    """
    labelled = [
        (name, index) for name, table in tables.items() if (index := _row_labels(table)) is not None
    ]
    for (first, one), (second, other) in pairwise(labelled):
        if len(one) != len(other) or one.equals(other) or not (one.is_unique and other.is_unique):
            continue
        if one.isin(other).all():
            raise ValueError(
                f"The rows of {second} have the labels of those of {first} in another order, but "
                f"rows are matched by place. Bring them into one order, "
                f"{second}.loc[{first}.index]; or, if they do belong together by place, drop the "
                "labels with reset_index(drop=True)."
            )


def check_not_masked(X: Any) -> None:
    """Raise if an array of embeddings has masked entries, which scikit-learn would read as any."""
    if np.ma.isMaskedArray(X) and np.ma.count_masked(X):
        raise ValueError(
            f"X is a masked array with {np.ma.count_masked(X)} masked value(s), but embeddings are "
            "complete; fill them."
        )


def _row_labels(table: Any) -> Any:
    """The index of a frame or series of pandas, or None."""
    index = getattr(table, "index", None)
    return index if hasattr(index, "is_unique") and hasattr(index, "isin") else None


def _is_arrow(table: Any) -> bool:
    return isinstance(getattr(table, "column_names", None), Sequence) and hasattr(
        table, "to_pylist"
    )
