"""Queries in Parquet files that are larger than memory: read, answered and written as a stream."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from skrouter._utils.paths import written_at_once
from skrouter._utils.progress import progress_bar
from skrouter._utils.types import LLMName
from skrouter.integrations._options import options_for_all

__all__ = ["predict_parquet"]

_COLUMN = "llm"
_KEY = b"skrouter"  # of what we say in the schema of a part
_READ_AHEAD = 1 << 20  # bytes of one column that are read at a time


def predict_parquet(
    router: Any,
    source: str | os.PathLike | Iterable[str | os.PathLike],
    destination: str | os.PathLike,
    *,
    query: str = "query",
    columns: Sequence[str] | None = None,
    cost_weight: float | None = None,
    allowed: Sequence[LLMName] | None = None,
    batch_size: int = 1024,
    resume: bool = False,
    show_progress: str | bool = "auto",
) -> int:
    """Choose an LLM for each row of Parquet files, a batch at a time.

    Of each file only a batch of rows is in memory. Its answers are a file of the same name in
    another folder, with the rows in the same order, which appears there when it is complete.

    Parameters
    ----------
    router : router
        A fitted router.
    source : str or path-like, or iterable of these
        Files, or folders in which all ``.parquet`` files are read, also those in folders below;
        names that begin with "." or "_" are left out, as other readers do.
    destination : str or path-like
        A folder, which is made if it is not there. Folders below `source` are kept.
    query : str, default="query"
        The column with the queries: text, chats (lists of structs with "role" and "content"), or
        embeddings (lists of numbers), whichever they were at `fit`.
    columns : sequence of str, default=None
        Columns to copy to the answers, which get a column "llm" in addition. None copies all but
        `query`.
    cost_weight : float, default=None
        The trade-off. None is the router's own.
    allowed : sequence of names, default=None
        The LLMs that may be called. None allows the whole pool.
    batch_size : int, default=1024
        Rows that are in memory.
    resume : bool, default=False
        Whether to go on where an earlier call was interrupted: files that are in `destination`
        already stay as they are. They must have been answered with the same options and a router
        of the same class and pool, which is compared; that it is the same router is not.
    show_progress : "auto" or bool, default="auto"
        Whether to show a progress bar on the standard error. "auto" shows it in a terminal.

    Returns
    -------
    n_rows : int
        How many rows were answered by this call.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    FileNotFoundError
        If there is no such file, or a folder holds none.
    FileExistsError
        If a file would be replaced.
    ValueError
        If a column is not there, two files have the same name, `batch_size` is less than 1, or
        the router refuses a query; a note says in which rows of which file.
    sklearn.exceptions.NotFittedError
        If the router is not fitted.

    See Also
    --------
    skrouter.integrations.dask.predict : On several cores or machines.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from skrouter.baselines import LinearRouter
    >>> from skrouter.integrations.parquet import predict_parquet
    >>> X = [[-1.0], [-0.9], [0.9], [1.0]]
    >>> router = LinearRouter(0.1, llm_names=["small", "large"])
    >>> router = router.fit(X, [[1, 1], [1, 1], [0, 1], [0, 1]], cost=[0.1, 5.0])
    >>> with TemporaryDirectory() as folder:
    ...     frame = pd.DataFrame({"id": [7, 8], "embedding": [[-1.0], [1.0]]})
    ...     queries, answers = Path(folder, "monday.parquet"), Path(folder, "answers")
    ...     frame.to_parquet(queries)
    ...     n_rows = predict_parquet(router, queries, answers, query="embedding")
    ...     print(pd.read_parquet(answers / "monday.parquet"))
       id    llm
    0   7  small
    1   8  large
    """
    pq = _import_parquet()
    check_is_fitted(router)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size!r}.")
    if isinstance(columns, str):
        raise ValueError(f"columns={columns!r}: a list of names is wanted.")
    if show_progress not in ("auto", True, False):
        raise ValueError(f"show_progress={show_progress!r}: 'auto', True or False is wanted.")
    work = _Work(
        router,
        query,
        None if columns is None else list(columns),
        options_for_all(router, cost_weight, allowed),
        batch_size,
    )
    todo, n_rows = [], 0
    for path, target in _pairs(source, Path(destination)):
        work.check(path)
        if target.exists():
            work.check_part(target, resume)
        else:
            todo.append((path, target))
            n_rows += pq.read_metadata(path).num_rows
    with progress_bar(show_progress, n_rows, "Routing", "query") as advance:
        for path, target in todo:
            target.parent.mkdir(parents=True, exist_ok=True)
            with written_at_once(target) as part:
                for n in work.answer(path, part):
                    advance(n)
    return n_rows


@dataclass(frozen=True)
class _Work:
    """What is the same for all files."""

    router: Any
    query: str
    columns: list[str] | None
    options: dict[str, Any]
    batch_size: int

    @property
    def said(self) -> bytes:
        """What the schema of an answer says of how it was made."""
        cls = type(self.router)
        made = {
            "router": f"{cls.__module__}.{cls.__qualname__}",
            "llm_names": self.router.classes_.tolist(),
            "query": self.query,
            "columns": self.columns,
            **self.options,
        }
        return json.dumps(made, sort_keys=True).encode()

    def kept(self, names: list[str]) -> list[str]:
        """The columns that are copied, of those that a file has."""
        if self.columns is None:
            return [name for name in names if name != self.query]
        return self.columns

    def check(self, path: Path) -> None:
        """Refuse a file that cannot be answered, before any is."""
        names = _import_parquet().read_schema(path).names
        kept = self.kept(names)
        missing = [name for name in (self.query, *kept) if name not in names]
        if missing:
            raise ValueError(f"{str(path)!r} has no column {missing[0]!r}; it has {names}.")
        if _COLUMN in kept:
            raise ValueError(
                f"{str(path)!r} has a column {_COLUMN!r}, the name of the answers; leave it out "
                "of columns."
            )

    def check_part(self, target: Path, resume: bool) -> None:
        """Refuse an answer that is there already, unless it is one of ours."""
        if not resume:
            raise FileExistsError(
                f"{str(target)!r} is there already; resume=True leaves it as it is and goes on "
                "with the others."
            )
        said = (_import_parquet().read_schema(target).metadata or {}).get(_KEY)
        if said != self.said:
            raise ValueError(
                f"resume=True, but {str(target)!r} was answered otherwise: "
                f"{(said or b'not by skrouter').decode()}, now {self.said.decode()}."
            )

    def answer(self, path: Path, part: Path) -> Iterator[int]:
        """Answer one file; yields the number of rows of each batch."""
        import pyarrow as pa

        pq = _import_parquet()
        type_ = pa.int64() if self.router.classes_.dtype.kind in "iu" else pa.string()
        # Without read-ahead of whole row groups, which may be as large as the file.
        with pq.ParquetFile(path, buffer_size=_READ_AHEAD, pre_buffer=False) as file:
            kept = self.kept(file.schema_arrow.names)
            fields = [file.schema_arrow.field(name) for name in kept]
            schema = pa.schema([*fields, pa.field(_COLUMN, type_)], {_KEY: self.said})
            wanted = list(dict.fromkeys([*kept, self.query]))
            first = 0
            with pq.ParquetWriter(part, schema) as writer:
                for batch in file.iter_batches(self.batch_size, columns=wanted):
                    last = first + len(batch) - 1
                    try:
                        queries = _queries(batch.column(self.query))
                        llms = self.router.predict(queries, **self.options)
                    except Exception as error:
                        error.add_note(f"This was in rows {first} to {last} of {str(path)!r}.")
                        raise
                    arrays = [*map(batch.column, kept), pa.array(llms.tolist(), type_)]
                    writer.write_batch(pa.record_batch(arrays, schema))
                    first += len(batch)
                    yield len(batch)


def _queries(column: Any) -> Any:
    """Queries of one batch: lists of numbers as rows of an array."""
    import pyarrow as pa

    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (is_list or pa.types.is_fixed_size_list(kind)) or not (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    ):
        return column.to_pylist()
    lengths = set(column.value_lengths().to_pylist()) if is_list else {kind.list_size}
    if column.null_count or len(lengths) != 1:
        raise ValueError("Embeddings must all have the same length, and none may be missing.")
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _pairs(source: Any, destination: Path) -> Iterator[tuple[Path, Path]]:
    """Each file to read, with the one to write; all are known before the first is read."""
    sources = [source] if isinstance(source, str | os.PathLike) else list(source)
    found: dict[Path, Path] = {}
    for path in map(Path, sources):
        if path.is_dir():
            if destination.resolve().is_relative_to(path.resolve()):
                raise ValueError(
                    f"destination {str(destination)!r} is in the folder {str(path)!r}, so that "
                    "answers would be taken for queries; choose a folder beside it."
                )
            below = (file.relative_to(path) for file in path.rglob("*.parquet") if file.is_file())
            names = sorted(
                name for name in below if not any(part[0] in "._" for part in name.parts)
            )
            files = [(path / name, destination / name) for name in names]
        else:
            files = [(path, destination / path.name)] if path.is_file() else []
        if not files:
            raise FileNotFoundError(f"source: {str(path)!r} is no file, nor a folder with any.")
        for file, target in files:
            if target in found:
                raise ValueError(
                    f"source: {str(found[target])!r} and {str(file)!r} would both be answered in "
                    f"{str(target)!r}; give the folder that holds them, or call for each."
                )
            found[target] = file
    return ((file, target) for target, file in found.items())


def _import_parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError('Parquet files need pyarrow: pip install "skrouter[data]"') from error
    return pyarrow.parquet
