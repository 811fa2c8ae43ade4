"""Where skrouter keeps what it can make again: embeddings and fetched data."""

import os
from pathlib import Path


def cache_folder(cache):
    """Resolve the ``cache`` parameter to a folder.

    Parameters
    ----------
    cache : "auto", None or path-like
        "auto" is ``$SKROUTER_HOME``, else ``$XDG_CACHE_HOME/skrouter``, else
        ``~/.cache/skrouter``.

    Returns
    -------
    pathlib.Path or None
        None when nothing is to be cached.
    """
    if cache is None:
        return None
    if cache != "auto":
        return Path(cache).expanduser()
    if home := os.environ.get("SKROUTER_HOME"):
        return Path(home).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "skrouter"
