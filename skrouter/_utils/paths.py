"""Where skrouter keeps what it can make again: embeddings and fetched data."""

import os
from pathlib import Path


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
