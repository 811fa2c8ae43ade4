"""The description in a file of a router, read without anything else of it.

Imports nothing heavy: `skrouter inspect` answers at once.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

# Beside the members that skops writes, which reads past it.
METADATA = "skrouter.json"

# What every description has; "data" may be null.
_KINDS = {
    "format": int,
    "saved": str,
    "versions": dict,
    "router": dict,
    "encoders": list,
    "data": dict | None,
    "types": list,
    "extra": dict,
}


def read_metadata(path: str | os.PathLike) -> dict[str, Any]:
    """What a file says of its router; nothing of the router is loaded.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    description : dict

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is none that :func:`save` wrote.
    """
    return read_description(Path(path).read_bytes(), path)


def read_description(content: bytes, path: str | os.PathLike) -> dict[str, Any]:
    """The same, of the content of a file; its path is for messages."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            description = json.loads(archive.read(METADATA))
        if not all(isinstance(description[key], kind) for key, kind in _KINDS.items()):
            raise TypeError("its description is of another form")
        saved = description["versions"]
        if not all(isinstance(saved[package], str) for package in ("skrouter", "scikit-learn")):
            raise TypeError("its versions are no strings")
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{os.fspath(path)!r} is no file that skrouter.save wrote ({error}); nothing of it was "
            "loaded. Files of joblib and pickle run code when they are loaded: load them with "
            "joblib, and only if you trust them."
        ) from error
    return description
