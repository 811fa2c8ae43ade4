"""Parts on disk: each is computed once, also after an interruption."""

import hashlib
import json
import os
import time
from typing import NamedTuple

from joblib import Parallel, delayed, parallel_config

from reproduce.parts import KINDS


class Part(NamedTuple):
    """What to compute: the name of a function of :mod:`reproduce.parts`, and its settings."""

    kind: str
    settings: dict

    def __str__(self):
        shown = {key: value for key, value in self.settings.items() if not _is_long(value)}
        return f"{self.kind} {', '.join(f'{key}={value}' for key, value in shown.items())}"


class Store:
    """The results of parts in a folder, one small JSON file each.

    A file is named by a hash of the settings of its part and of `context`: whatever else the
    result depends on, such as the data.
    """

    def __init__(self, folder, context):
        self.folder = folder
        self.context = context
        folder.mkdir(parents=True, exist_ok=True)

    def __getitem__(self, part):
        return json.loads(self._path(part).read_text(encoding="utf-8"))["result"]

    def date(self):
        """The day on which the newest part was computed, as YYYY-MM-DD."""
        newest = max(path.stat().st_mtime for path in self.folder.glob("*.json"))
        return time.strftime("%Y-%m-%d", time.localtime(newest))

    def compute(self, parts, data, n_jobs):
        """Compute those parts that are not on disk yet, and say so one by one."""
        missing = {self._path(part): part for part in parts if not self._path(part).exists()}
        if not missing:
            return
        with parallel_config("loky", inner_max_num_threads=1):
            parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
            finished = parallel(
                delayed(_compute)(part, path, data) for path, part in missing.items()
            )
            for position, (part, seconds) in enumerate(finished, start=1):
                print(f"[{position}/{len(missing)}] {part}: {seconds:.1f} s", flush=True)

    def _path(self, part):
        text = json.dumps([self.context, part.kind, part.settings], sort_keys=True)
        return self.folder / f"{part.kind}-{hashlib.sha256(text.encode()).hexdigest()[:20]}.json"


def hash_files(files):
    """One hash over the contents of all files."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _compute(part, path, data):
    """Compute one part and write it; a file is there completely or not at all."""
    start = time.perf_counter()
    result = KINDS[part.kind](data, **part.settings)
    settings = {key: value for key, value in part.settings.items() if not _is_long(value)}
    text = json.dumps({"kind": part.kind, "settings": settings, "result": result})
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
    return part, time.perf_counter() - start


def _is_long(value):
    return isinstance(value, list) and len(value) > 20
