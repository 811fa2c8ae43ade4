"""Decisions in a file, one JSON object per line, which `load_log` reads when rated."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

logger = logging.getLogger("skrouter.integrations")


def append_lines(path: str | os.PathLike, records: Iterable[Mapping[str, Any]]) -> None:
    """Add records to a file, in one write: other processes may add to it, too.

    A record that JSON or UTF-8 cannot hold is logged, and left out.

    Raises
    ------
    OSError
        If not all was written.
    """
    lines = []
    for record in records:
        try:
            lines.append(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        except (TypeError, ValueError):  # UnicodeEncodeError, for half a character, is one
            logger.exception("Decision %r cannot be written.", record.get("id"))
    data = b"".join(lines)
    # Opened each time, so that the file may be moved away meanwhile.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        written = os.write(descriptor, data)
    finally:
        os.close(descriptor)
    if written < len(data):  # as on a full disk
        raise OSError(f"{written} of {len(data)} bytes were written to {os.fspath(path)!r}.")
