"""Where skrouter keeps what it can make again, and how files come to be all at once."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex


def cache_folder(cache):
    """Resolve the ``cache`` parameter to a folder.

    Parameters
    ----------
    cache : "auto" or path-like
        "auto" is ``$SKROUTER_HOME``, else ``$XDG_CACHE_HOME/skrouter``, else
        ``~/.cache/skrouter``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    OSError
        If the folder lies in a home folder, and there is none.
    """
    if cache == "auto":
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        cache = os.environ.get("SKROUTER_HOME") or f"{base}/skrouter"
    try:
        return Path(cache).expanduser()
    except RuntimeError as error:
        raise OSError(
            f"{os.fspath(cache)!r} is in a home folder, and there is none: HOME is not set, and "
            "the user id is unknown on this machine. Set SKROUTER_HOME to a folder"
        ) from error


@contextmanager
def written_at_once(path):
    """Let a file appear when it is complete, or not at all.

    Parameters
    ----------
    path : pathlib.Path
        In a folder that is there. A file of this name is replaced.

    Yields
    ------
    part : pathlib.Path
        What to write: a hidden file beside it, which is gone afterwards.
    """
    part = path.with_name(f".{path.name}.{token_hex(8)}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
