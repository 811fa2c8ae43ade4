"""Columns of a log, wherever it is: data frames of pandas, polars or Arrow, and files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_CSV = (".csv", ".csv.gz")
_JSON_LINES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_PARQUET = (".parquet",)
SUFFIXES = (*_CSV, *_PARQUET, *_JSON_LINES)

_INSTALL = 'pip install "skrouter[data]"'
# Only a number can be missing by a word: a text such as "NA" or "null" is what it says.
_NO_NUMBER = ["", "NA", "N/A", "n/a", "NaN", "nan", "None", "none", "null", "NULL", "<NA>"]


def import_pandas() -> ModuleType:
    """Import pandas, or say how to install it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f"Reading tables needs pandas: {_INSTALL}") from error
    return pandas


def read_columns(
    source: Any, texts: Sequence[str], numbers: Sequence[str], name: str = "source"
) -> pd.DataFrame:
    """Read some columns of a table.

    Parameters
    ----------
    source : DataFrame, or str or path-like
        A data frame of pandas or polars, an Arrow table, or the path of a CSV, Parquet or JSON
        Lines file.
    texts, numbers : sequence of str
        Names of the columns. Those of texts are read from files as text, whatever they look like.
    name : str, default="source"
        What to call it in messages.

    Returns
    -------
    table : pandas.DataFrame
        These columns, with rows numbered from 0.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If pandas, or pyarrow where it is needed, is not installed.
    TypeError
        If `source` is neither a data frame nor a path.
    ValueError
        If a column is missing, or the format is unknown.
    """
    pandas = import_pandas()
    wanted = list(dict.fromkeys([*texts, *numbers]))
    if isinstance(source, str | os.PathLike):
        table = _read_file(Path(source), wanted, texts, name, pandas)
    elif isinstance(source, pandas.DataFrame):
        check_columns(source.columns, wanted, name)
        table = source
    else:
        table = _from_arrow(source, wanted, name)
    return table[wanted].reset_index(drop=True)


def check_columns(present: Sequence, wanted: Sequence[str], where: object) -> None:
    """Raise where a column is missing or there twice; name those that are there."""
    columns = [str(column) for column in present]
    missing = [column for column in wanted if column not in columns]
    if missing:
        like = difflib.get_close_matches(missing[0], columns, n=1)
        hint = f" Did you mean {like[0]!r}?" if like else ""
        raise ValueError(f"{where} has no column {missing[0]!r}; its columns: {columns}.{hint}")
    twice = [column for column in wanted if columns.count(column) > 1]
    if twice:
        raise ValueError(f"{where} has several columns {twice[0]!r}; one is wanted.")


def as_numbers(column: pd.Series, name: str, what: str) -> np.ndarray:
    """Numbers of a column, NaN where there is none; raise where there is something else.

    Parameters
    ----------
    column : pandas.Series
    name, what : str
        The name of the column and the argument that named it, for messages.

    Returns
    -------
    values : ndarray of shape (n_rows,)
        All finite or NaN.
    """
    pandas = import_pandas()
    numbers = pandas.to_numeric(column, errors="coerce")
    values = np.array(numbers, dtype=np.float64, copy=True)
    unread = np.isnan(values) & column.notna().to_numpy()
    if unread.any():
        found = [value for value in column[unread].unique().tolist() if value not in _NO_NUMBER]
        if found:
            raise ValueError(
                f"{what}: the column {name!r} holds values that are no numbers, such as "
                f"{found[0]!r} in row {int(np.flatnonzero(column == found[0])[0])}."
            )
    infinite = np.isinf(values)
    if infinite.any():
        raise ValueError(
            f"{what}: the column {name!r} is infinite in row {int(infinite.argmax())}."
        )
    return values


def _read_file(
    file: Path, wanted: list[str], texts: Sequence[str], name: str, pandas: ModuleType
) -> pd.DataFrame:
    lower = file.name.lower()
    if not lower.endswith(SUFFIXES):
        raise ValueError(f"{name} must end in one of {', '.join(SUFFIXES)}; got {str(file)!r}.")
    if not file.is_file():
        raise FileNotFoundError(f"{name}: there is no file {str(file)!r}.")
    if lower.endswith(_PARQUET):
        parquet = _import_pyarrow("pyarrow.parquet")
        check_columns(parquet.read_schema(file).names, wanted, file)
        return parquet.read_table(file, columns=wanted).to_pandas()
    if lower.endswith(_JSON_LINES):
        # What is a text, a number or a list is said by JSON; nothing is guessed.
        table = pandas.read_json(file, lines=True, dtype=False)
        check_columns(table.columns, wanted, file)
        return table
    try:
        header = pandas.read_csv(file, nrows=0).columns
        check_columns(header, wanted, file)
        return pandas.read_csv(
            file,
            usecols=wanted,
            dtype={column: str for column in texts},
            keep_default_na=False,
            na_values={c: [""] if c in texts else _NO_NUMBER for c in wanted},
        )
    except pandas.errors.EmptyDataError as error:
        raise ValueError(f"{name}: {str(file)!r} is empty.") from error


def _from_arrow(source: Any, wanted: list[str], name: str) -> pd.DataFrame:
    """Columns of a data frame that is not of pandas, by way of Arrow."""
    if not hasattr(source, "to_arrow") and not hasattr(source, "__arrow_c_stream__"):
        lazy = " Collect it first." if hasattr(source, "collect") else ""
        raise TypeError(
            f"{name} is a {type(source).__name__}; a data frame of pandas or polars, or the path "
            f"of a file that ends in {', '.join(SUFFIXES)} is wanted.{lazy}"
        )
    pyarrow = _import_pyarrow("pyarrow")
    # polars' own way knows older releases of pyarrow.
    table = source.to_arrow() if hasattr(source, "to_arrow") else pyarrow.table(source)
    check_columns(table.column_names, wanted, name)
    return table.select(wanted).to_pandas()


def _import_pyarrow(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"Reading Parquet and polars needs pyarrow: {_INSTALL}") from error
