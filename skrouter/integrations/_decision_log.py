"""Decisions in a file, one JSON object per line, which `load_log` reads when rated."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any


def append_lines(path: str | os.PathLike, records: Iterable[Mapping[str, Any]]) -> None:
    """Add records to a file, in one write: other processes may add to it, too."""
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    # Opened each time, so that the file may be moved away meanwhile.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
