"""Embeddings on disk, one row per string, shared by processes and bounded in size.

A search over parameters with cross-validation asks for the same strings again and again, in other
orders and from several processes. The cache therefore is keyed per string. It is a help and never
a condition: nothing is computed while it is locked, a cache that is busy or broken is done
without, and a row that is not what was written is computed again.

SQLite keeps its rollback journal, as a write-ahead log serves neither folders on a network nor
folders that can only be read.
"""

from __future__ import annotations

import os
import random
import sqlite3
import warnings
import zlib
from contextlib import closing, contextmanager

import numpy as np

from skrouter._utils.paths import cache_folder

# Strings computed between two looks into the cache: an interruption loses at most these.
CHUNK_SIZE = 512

# Seconds that one call waits for locks of other processes. Writing a chunk takes milliseconds, so
# a lock that is held for longer is held by something else.
_PATIENCE = 0.8

# A million texts with the default encoder.
_DEFAULT_GB = 2
_SIZE_VARIABLE = "SKROUTER_CACHE_GB"

_SELECT_SIZE = 500  # below SQLite's smallest default limit of 999 parameters
_DELETE_OLDEST = (
    "DELETE FROM embedding WHERE rowid IN"
    f" (SELECT rowid FROM embedding ORDER BY rowid LIMIT {CHUNK_SIZE})"
)


def cached_rows(cache, keys, compute, n_columns, progress):
    """Return one row per key, computing those that the cache does not hold.

    Several processes may call this at once with overlapping keys. None waits for what another one
    computes; each looks before every chunk whether another one has stored it meanwhile.

    Parameters
    ----------
    cache : "auto", None or path-like
        The parameter of :class:`~skrouter.SentenceEncoder`.
    keys : list of bytes
        Distinct keys.
    compute : callable
        ``compute(positions)`` returns the float32 rows, of shape (len(positions), n_columns), of
        the keys at these positions.
    n_columns : int
        Length of a row.
    progress : callable
        ``progress(total)`` returns a context manager that yields a function ``advance(n)``.

    Returns
    -------
    ndarray of shape (len(keys), n_columns), dtype float32

    Warns
    -----
    RuntimeWarning
        If the cache cannot be used, or some of its rows are damaged.
    """
    rows = np.empty((len(keys), n_columns), dtype=np.float32)
    with closing(_Store(cache)) as store:
        missing = store.read(keys, range(len(keys)), rows)
        chunks = [missing[i : i + CHUNK_SIZE] for i in range(0, len(missing), CHUNK_SIZE)]
        # In an order of its own: processes that want the same texts share the work.
        random.Random().shuffle(chunks)
        with progress(len(missing)) as advance:
            for n, chunk in enumerate(chunks):
                absent = store.read(keys, chunk, rows) if n else chunk
                if absent:
                    rows[absent] = compute(absent)
                    store.write([(keys[i], rows[i]) for i in absent])
                advance(len(chunk))
    return rows


class _Store:
    """The file of rows, for one call: what fails costs a warning, and is done without."""

    def __init__(self, cache):
        self._connection, self._warned = None, False
        if cache is None:
            return
        self._file = cache
        with self._or_without():
            self._limit = _read_limit()
            self._file = cache_folder(cache) / "embeddings" / "embeddings.sqlite"
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # isolation_level=None: transactions are begun here, by hand.
            self._connection = sqlite3.connect(self._file, _PATIENCE, isolation_level=None)
            self._connection.text_factory = bytes  # text has no place here, but must not raise
            # Not waiting for the disk makes writing a few rows tens of times faster. A power
            # failure may then damage the file, which the checksums tell.
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS embedding"
                " (key BLOB PRIMARY KEY, value BLOB NOT NULL, checksum INTEGER NOT NULL)"
            )

    def read(self, keys, positions, rows):
        """Fill `rows` at the `positions` that are stored; return the others in order."""
        if self._connection is None:
            return list(positions)
        position_of = {keys[i]: i for i in positions}
        wanted, found, n_damaged = list(position_of), set(), 0
        with self._or_without():
            for start in range(0, len(wanted), _SELECT_SIZE):
                part = wanted[start : start + _SELECT_SIZE]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, value, checksum FROM embedding WHERE key IN ({marks})"
                for key, value, checksum in self._connection.execute(query, part):
                    row = _decode(key, value, checksum, rows.shape[1])
                    if row is None:
                        n_damaged += 1
                    else:
                        rows[position_of[key]] = row
                        found.add(position_of[key])
        if n_damaged:
            self._warn(f"has {n_damaged} damaged embedding(s), which are computed again.")
        return [i for i in positions if i not in found]

    def write(self, items):
        """Store rows; where the file is full, those go that have been in it for the longest."""
        if self._connection is None:
            return
        stored = []
        for key, row in items:
            if np.isfinite(row).all():
                value = row.astype("<f4").tobytes()
                stored.append((key, value, _checksum(key, value)))
        with self._or_without(), self._connection as connection:  # commits, or rolls back
            connection.execute("BEGIN IMMEDIATE")
            # Another process may have stored some of them meanwhile, or a row is damaged.
            connection.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?, ?)", stored)
            # A limit that was lowered is reached step by step, to hold the lock for short.
            limit = max(self._limit, _size(connection) - 4 * sum(len(row[1]) for row in stored))
            while _size(connection) > limit and connection.execute(_DELETE_OLDEST).rowcount:
                pass

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _or_without(self):
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                self._connection.execute("PRAGMA busy_timeout = 0")  # to wait once is enough
            else:
                self.close()
            self._warn(
                f"cannot be used ({type(error).__name__}: {error}); the texts are encoded without "
                "it. Delete the file if it is damaged, or choose another folder with the "
                "parameter cache (None for no cache)."
            )

    def _warn(self, problem):
        if not self._warned:
            self._warned = True
            message = f"The embedding cache {str(self._file)!r} {problem}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)


def _checksum(key, value):
    return zlib.crc32(value, zlib.crc32(key))  # a row of another key does not pass


def _decode(key, value, checksum, n_columns):
    """Return a stored row, or None if it is not what was written."""
    if not isinstance(value, bytes) or len(value) != 4 * n_columns:
        return None
    row = np.frombuffer(value, dtype="<f4")
    return row if _checksum(key, value) == checksum and np.isfinite(row).all() else None


def _size(connection):
    """Bytes of the file that hold something."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _read_limit():
    given = os.environ.get(_SIZE_VARIABLE) or _DEFAULT_GB
    try:
        return float(given) * 1e9
    except ValueError as error:
        raise OSError(f"${_SIZE_VARIABLE} is {given!r}; a number is wanted") from error
