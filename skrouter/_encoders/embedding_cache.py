"""Embeddings on disk, one row per string, shared by processes.

A search over parameters with cross-validation asks for the same strings again and again, in other
orders and from several processes. The cache therefore is keyed per string, and the writer's lock
of SQLite is held while a chunk is computed, so that no two processes compute the same string.
"""

import sqlite3
import time
import warnings
import zlib
from contextlib import closing

import numpy as np

# Strings computed under one hold of the lock: an interruption loses at most these, and other
# processes get their turn in between.
CHUNK_SIZE = 512

# The lock is free again at once when its holder dies, so waiting long only means that somebody is
# really computing.
_LOCK_TIMEOUT = 3600.0

# Seconds that SQLite itself waits, without Python getting a say: for a commit of others to end.
_BUSY_TIMEOUT = 5.0

_SELECT_SIZE = 500  # below SQLite's smallest default limit of 999 parameters


def cached_rows(file, keys, compute, n_columns, progress):
    """Return one row per key, computing those that the cache does not hold.

    Several processes may call this at once with overlapping keys: each key is computed by one of
    them, and the others wait and read it. A file that cannot be read or written is reported by a
    warning and the rows are computed without it; a stored row that does not match its checksum
    is treated the same way, so a damaged file never yields wrong numbers.

    Parameters
    ----------
    file : pathlib.Path or None
        The SQLite file, made with its folder when absent. None computes everything.
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
        If the cache cannot be used.
    """
    rows = np.empty((len(keys), n_columns), dtype=np.float32)
    missing = list(range(len(keys)))
    connection = None
    if file is not None:
        try:
            connection = _open(file)
        except (OSError, sqlite3.Error) as error:
            _warn(file, error)
    if connection is not None:
        with closing(connection):
            try:
                missing = _read(connection, keys, missing, rows)
                with progress(len(missing)) as advance:
                    while missing:
                        chunk = missing[:CHUNK_SIZE]
                        _lock(connection)
                        # Another process may have computed some while this one waited.
                        absent = _read(connection, keys, chunk, rows)
                        if absent:
                            rows[absent] = compute(absent)
                        del missing[:CHUNK_SIZE]
                        _write(connection, [(keys[i], rows[i]) for i in absent])
                        advance(len(chunk))
            except sqlite3.Error as error:
                _warn(file, error)
    with progress(len(missing)) as advance:
        for start in range(0, len(missing), CHUNK_SIZE):
            chunk = missing[start : start + CHUNK_SIZE]
            rows[chunk] = compute(chunk)
            advance(len(chunk))
    return rows


def _open(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    # isolation_level=None: transactions are begun and committed here, by hand. A transaction left
    # open by an exception is rolled back, and its lock released, when the connection is closed.
    connection = sqlite3.connect(file, timeout=_BUSY_TIMEOUT, isolation_level=None)
    try:
        # Not waiting for the disk makes writing a few rows tens of times faster. A power failure
        # may then damage the file, which the checksums tell.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS embedding"
            " (key BLOB PRIMARY KEY, value BLOB NOT NULL, checksum INTEGER NOT NULL)"
        )
    except BaseException:
        connection.close()
        raise
    return connection


def _lock(connection):
    """Take the writer's lock; waits in short steps so that Ctrl-C gets through."""
    deadline = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise


def _read(connection, keys, positions, rows):
    """Fill `rows` at the `positions` that are stored; return the others in order."""
    position_of = {keys[i]: i for i in positions}
    found = set()
    wanted = list(position_of)
    for start in range(0, len(wanted), _SELECT_SIZE):
        part = wanted[start : start + _SELECT_SIZE]
        marks = ",".join("?" * len(part))
        query = f"SELECT key, value, checksum FROM embedding WHERE key IN ({marks})"
        for key, blob, checksum in connection.execute(query, part):
            if len(blob) != 4 * rows.shape[1] or zlib.crc32(blob) != checksum:
                raise sqlite3.DatabaseError("a stored embedding does not match its checksum")
            position = position_of[bytes(key)]
            rows[position] = np.frombuffer(blob, dtype="<f4")
            found.add(position)
    return [i for i in positions if i not in found]


def _write(connection, items):
    stored = []
    for key, row in items:
        blob = row.astype("<f4").tobytes()
        stored.append((key, blob, zlib.crc32(blob)))
    connection.executemany("INSERT INTO embedding VALUES (?, ?, ?)", stored)
    connection.execute("COMMIT")


def _warn(file, error):
    warnings.warn(
        f"The embedding cache {str(file)!r} cannot be used ({type(error).__name__}: {error}); the "
        "texts are encoded without it. Delete the file if it is damaged, or choose another folder "
        "with the parameter cache (None for no cache).",
        RuntimeWarning,
        stacklevel=4,  # the line that called transform
    )
