"""RouterBench (Hu et al., arXiv 2403.12031): load files in its layout."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

if TYPE_CHECKING:
    import pandas as pd

_TEXT_COLUMNS = ("sample_id", "prompt", "eval_name")
_COST_SUFFIX = "|total_cost"
_RESPONSE_SUFFIX = "|model_response"
_ORACLE_COLUMN = "oracle_model_to_route_to"
_SUFFIXES = (".csv", ".csv.gz", ".parquet", ".pkl")
_NO_NUMBER = ["", "NA", "NaN", "nan", "None", "null"]
_QUERIES_PER_COST_UNIT = 1000  # the files hold dollars per query

# A list of strings as Python writes it. The expressions never go back (``+`` after the count), so
# that a text of any length which only looks like one costs no more than a walk over it.
_STRING = r"""u?(?:'(?:[^'\\\n\r\0]++|\\.)*+'|"(?:[^"\\\n\r\0]++|\\.)*+")"""
_LIST = re.compile(rf"\[\s*+(?:{_STRING}\s*+(?:,\s*+{_STRING}\s*+)*+,?\s*+)?+\]")
_STRINGS = re.compile(_STRING)
_ESCAPED_BEYOND_ASCII = re.compile(r"\\[^\x00-\x7f]")


def load_routerbench(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, trusted: bool = False
) -> Bunch:
    r"""Load one or several files in the layout of RouterBench.

    The layout has one row per query and the columns ``sample_id``, ``prompt``, ``eval_name``, one
    performance column ``<llm>`` and one cost column ``<llm>|total_cost`` (US dollars per query)
    for each LLM. The columns ``<llm>|model_response`` and ``oracle_model_to_route_to`` may be
    there and are ignored: the first are not needed to route, the second follows from performance
    and cost. Any other column is an error, since it could be an LLM whose cost column is missing.

    Reading tables needs pandas, and Parquet needs pyarrow: ``pip install "skrouter[data]"``.

    Parameters
    ----------
    path : str, path-like, or list of them
        One file, or several whose rows are put one after the other. The name ends in ``.csv``,
        ``.csv.gz``, ``.parquet`` or ``.pkl`` (a pickled DataFrame, as in the official release).
        All files have the same LLMs; the order of their columns may differ.

    trusted : bool, default=False
        Whether the pickles among the files come from a trusted source. Unpickling can run any
        code, so pickles are refused unless this is true. It has no bearing on the other formats.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With these attributes:

        queries : ndarray of shape (n_queries,), dtype object
            The text of each query. ``prompt`` is the ``repr`` of a Python list of strings in the
            official files; it is decoded and the strings are joined by a line break. A prompt
            that is no such ``repr`` is kept as it stands.
        performance : DataFrame of shape (n_queries, n_llms)
            Performance of each LLM on each query, in [0, 1]; NaN where it is missing.
        cost : DataFrame of shape (n_queries, n_llms)
            Cost in US dollars per 1,000 queries, columns as in ``performance``; NaN where it is
            missing. A cost can be there although the performance is missing, as in the source.
        tasks : ndarray of shape (n_queries,), dtype object
            ``eval_names`` with all ``mmlu-...`` subjects grouped as ``"mmlu"``. This gives the
            six tasks that papers on RouterBench average over (MMLU, HellaSwag, GSM8K, named
            ``"grade-school-math"`` in the files, ARC-Challenge, WinoGrande, MBPP); the few rows
            of other evaluations keep their own names.
        eval_names : ndarray of shape (n_queries,), dtype object
            ``eval_name`` as in the file.
        sample_ids : ndarray of shape (n_queries,), dtype object
            ``sample_id`` as in the file; not unique in the official 5-shot release.
        llm_names : list of str
            Names of the LLMs, in the order of the (first) file.
        DESCR : str
            Description: source, rows, tasks, missing values.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ImportError
        If pandas, or pyarrow for Parquet, is not installed.
    ValueError
        If the format is unknown or is a pickle that is not `trusted`; if columns are missing or
        unknown; if a performance lies outside [0, 1] or a cost is negative or infinite; if the
        files have different LLMs; if there are no rows.

    Notes
    -----
    Rows with missing performance are kept. The 5-shot release holds some queries of ARC-Challenge
    in two half-empty rows each.

    References
    ----------
    Q. J. Hu et al., "RouterBench: A Benchmark for Multi-LLM Routing System", arXiv 2403.12031.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skrouter.datasets import load_routerbench
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "rows.csv")
    ...     _ = file.write_text(
    ...         "sample_id,prompt,eval_name,small,large,small|total_cost,large|total_cost\n"
    ...         "a.1,\"['Is 7 prime?', 'Yes or no.']\",mmlu-math,1.0,1.0,0.0001,0.002\n"
    ...     )
    ...     data = load_routerbench(file)
    >>> data.queries[0]
    'Is 7 prime?\nYes or no.'
    >>> data.cost.loc[0, "small"].item()
    0.1
    >>> data.tasks.tolist(), data.llm_names
    (['mmlu'], ['small', 'large'])
    """
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    if not given:
        raise ValueError("path is an empty list; pass at least one file.")
    paths = [Path(p) for p in given]
    for file in paths:
        _check_file(file, trusted=trusted)

    pandas = _import_pandas()
    tables = []
    llm_names: list[str] = []
    for file in paths:
        frame = _read(file, pandas)
        names = _check_columns(frame, file)
        if not llm_names:
            llm_names = names
        elif set(names) != set(llm_names):
            raise ValueError(
                f"All files must have the same LLMs: {file} lacks "
                f"{sorted(set(llm_names) - set(names))} and has "
                f"{sorted(set(names) - set(llm_names))} beyond those of {paths[0]}."
            )
        tables.append(pandas.DataFrame(_check_values(frame, llm_names, file)))

    table = pandas.concat(tables, ignore_index=True)
    cost = table[[name + _COST_SUFFIX for name in llm_names]] * _QUERIES_PER_COST_UNIT
    performance = table[llm_names]
    eval_names = table["eval_name"].to_numpy(dtype=object)
    tasks = np.array(
        ["mmlu" if name.startswith("mmlu-") else name for name in eval_names], dtype=object
    )
    return Bunch(
        queries=_decode_prompts(table["prompt"]),
        performance=performance,
        cost=cost.set_axis(llm_names, axis="columns"),
        tasks=tasks,
        eval_names=eval_names,
        sample_ids=table["sample_id"].to_numpy(dtype=object),
        llm_names=llm_names,
        DESCR=_describe(paths, performance, tasks),
    )


def _import_pandas() -> ModuleType:
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            'Reading RouterBench files needs pandas: pip install "skrouter[data]"'
        ) from error
    return pandas


def check_trusted(name: object, trusted: bool) -> None:
    if not trusted:
        raise ValueError(
            f"{name} is a pickle, and unpickling can run any code. Pass trusted=True only if you "
            "trust its source, or convert the file to CSV or Parquet."
        )


def _check_file(file: Path, *, trusted: bool) -> None:
    if not file.name.lower().endswith(_SUFFIXES):
        raise ValueError(f"path must end in one of {', '.join(_SUFFIXES)}; got {file}.")
    if file.name.lower().endswith(".pkl"):
        check_trusted(file, trusted)
    if not file.is_file():
        raise FileNotFoundError(f"path: there is no file {file}.")


def _read(file: Path, pandas: ModuleType) -> pd.DataFrame:
    name = file.name.lower()
    if name.endswith(".parquet"):
        try:
            import pyarrow  # noqa: F401  (pandas' engine; asked for here for a plain error)
        except ImportError as error:
            raise ImportError(
                'Reading Parquet files needs pyarrow: pip install "skrouter[data]"'
            ) from error
        return pandas.read_parquet(file, engine="pyarrow")
    if name.endswith(".pkl"):
        frame = pandas.read_pickle(file)
        if not isinstance(frame, pandas.DataFrame):
            raise ValueError(
                f"{file} must hold a pandas DataFrame; it holds a {type(frame).__name__}."
            )
        return frame
    columns = [c for c in pandas.read_csv(file, nrows=0).columns if not _is_ignored(c)]
    # Only a number can be missing: a text such as "null" or "NA" is what it says.
    return pandas.read_csv(
        file,
        usecols=columns,
        dtype={c: str for c in columns if c in _TEXT_COLUMNS},
        keep_default_na=False,
        na_values={c: _NO_NUMBER for c in columns if c not in _TEXT_COLUMNS},
    )


def _is_ignored(column: object) -> bool:
    return column == _ORACLE_COLUMN or str(column).endswith(_RESPONSE_SUFFIX)


def _check_columns(frame: pd.DataFrame, file: Path) -> list[str]:
    """Return the LLM names in file order; raise where a column is missing or unknown."""
    columns = [column for column in frame.columns if not _is_ignored(column)]
    if len(set(columns)) < len(columns):
        raise ValueError(f"{file} has duplicate columns.")
    missing = [column for column in _TEXT_COLUMNS if column not in columns]
    rest = [str(column) for column in columns if column not in _TEXT_COLUMNS]
    priced = [c.removesuffix(_COST_SUFFIX) for c in rest if c.endswith(_COST_SUFFIX)]
    names = [c for c in rest if not c.endswith(_COST_SUFFIX)]
    missing += [name for name in priced if name not in names]
    missing += [name + _COST_SUFFIX for name in names if name not in priced]
    if missing or not names:
        raise ValueError(
            f"{file} lacks the columns {missing or ['<llm>', '<llm>' + _COST_SUFFIX]}. Wanted are "
            f"{', '.join(_TEXT_COLUMNS)} and, for each LLM, <llm> and <llm>{_COST_SUFFIX}; drop "
            "columns that are no LLM."
        )
    return names


def _check_values(frame: pd.DataFrame, llm_names: list[str], file: Path) -> dict[str, NDArray[Any]]:
    """Return the columns as arrays: texts, then performance and cost as `llm_names` orders them."""
    if not len(frame):
        raise ValueError(f"{file} has no rows.")
    checked = {}
    for column in _TEXT_COLUMNS:
        texts = frame[column].to_numpy(dtype=object)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{file}: column {column!r} must hold a text in each row.")
        checked[column] = texts
    for column in [*llm_names, *(name + _COST_SUFFIX for name in llm_names)]:
        try:
            values = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file}: column {column!r} must hold numbers: {error}") from error
        is_cost = column.endswith(_COST_SUFFIX)
        wrong = (values < 0) | (values > (np.finfo(np.float64).max if is_cost else 1))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            wanted = "a finite cost, not negative" if is_cost else "a performance in [0, 1]"
            raise ValueError(
                f"{file}: column {column!r}, row {row} is {values[row]}, not {wanted}."
            )
        checked[column] = values
    return checked


def _decode_prompts(prompts: pd.Series) -> NDArray[np.object_]:
    queries = np.empty(len(prompts), dtype=object)
    with warnings.catch_warnings():
        # A plain text in brackets may hold a backslash that is no valid escape in a literal.
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        queries[:] = [_decode_prompt(prompt) for prompt in prompts]
    return queries


def _decode_prompt(prompt: str) -> str:
    if not _LIST.fullmatch(prompt):
        return prompt  # a text that merely looks like a list is a query like any other
    try:
        return "\n".join(map(_decode_string, _STRINGS.findall(prompt)))
    except (ValueError, SyntaxError):  # such as \x without two digits
        return prompt


def _decode_string(literal: str) -> str:
    """The value of a string as Python writes it; many times as fast as Python's parser."""
    if "\\" not in literal:
        return literal.removeprefix("u")[1:-1]
    if _ESCAPED_BEYOND_ASCII.search(literal):
        value: str = ast.literal_eval(literal)
        return value
    escaped = literal.removeprefix("u")[1:-1].encode("latin-1", "backslashreplace")
    return escaped.decode("unicode_escape")


def _describe(paths: list[Path], performance: pd.DataFrame, tasks: NDArray[np.object_]) -> str:
    names, counts = np.unique(tasks.astype(str), return_counts=True)
    counted = [f"{name} ({count})" for name, count in zip(names, counts, strict=True)]
    missing = int(performance.isna().any(axis=1).sum())
    return (
        "RouterBench (Hu et al., arXiv 2403.12031), loaded from "
        f"{', '.join(file.name for file in paths)}.\n"
        f"{len(performance)} queries, {performance.shape[1]} LLMs; {missing} queries lack the "
        "performance of at least one LLM (NaN).\n"
        f"Tasks: {', '.join(counted)}.\n"
        "Performance is in [0, 1]; cost is in US dollars per 1,000 queries."
    )
