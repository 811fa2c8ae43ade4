"""A router that answers while its file is replaced."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from skrouter._encoders.sentence_encoder import SentenceEncoder
from skrouter._meta.fixed_trade_off import FixedTradeOffMixin
from skrouter._persistence.metadata import encoders_of
from skrouter._persistence.router_file import load
from skrouter._utils.estimators import innermost_estimator, innermost_input
from skrouter.integrations._forks import after_fork

logger = logging.getLogger("skrouter.integrations")

_JOBLIB = (".joblib", ".pkl", ".pickle")
FIRST_QUERY = "Which large language model should answer this?"


class ServedRouter:
    """The newest router of a file, or one that stays as it is.

    A new file is loaded, and asked for a first answer, in a thread of its own: meanwhile the old
    router goes on. One that cannot be loaded is logged, and the old router stays.

    Parameters
    ----------
    router : router, or str or path-like
    trusted : iterable of str or type
        As in :func:`skrouter.load`.
    check_every : float
        Seconds between two looks at the file.
    trade_offs : mapping of str to float
        Those that the router will be asked for, each by the words that stand before it in an error.
        A router that does not serve all of them is refused.
    """

    def __init__(
        self,
        router: Any,
        trusted: Iterable[str | type] = (),
        check_every: float = 1.0,
        trade_offs: Mapping[str, float] | None = None,
    ) -> None:
        self._trusted = tuple(trusted)
        self._check_every = check_every
        self._trade_offs = dict(trade_offs or {})
        self._loading = threading.Lock()
        # Absolute, so that messages say where it was looked for, and no change of folder matters.
        self._path = Path(router).absolute() if isinstance(router, str | os.PathLike) else None
        self._seen = None if self._path is None else _stamp(self._path)
        self._router = self._load() if self._path is not None else self._ready(router)
        self._next_look = time.monotonic() + check_every
        after_fork(self._renew)

    def _renew(self) -> None:
        if self._loading.locked():  # by a thread that is not in this child: look again
            self._loading, self._seen = threading.Lock(), None

    @property
    def router(self) -> Any:
        """The router as it is now; never waits for a new one."""
        now = time.monotonic()
        if self._path is not None and now >= self._next_look:
            self._next_look = now + self._check_every
            if self._loading.acquire(blocking=False):
                try:
                    threading.Thread(target=self._look, name="skrouter-reload", daemon=True).start()
                except RuntimeError:  # too many threads now; later there may be fewer
                    self._loading.release()
                    logger.exception("No thread to look at %s; the router stays.", self._path)
        return self._router

    def _look(self) -> None:
        try:
            stamp = _stamp(self._path)
            if stamp != self._seen:
                self._seen = stamp  # a broken file is not tried again and again
                self._router = self._load()
                logger.info("A new router serves, from %s.", self._path)
        except Exception:
            logger.exception("%s cannot be loaded; the router before stays.", self._path)
        finally:
            self._loading.release()

    def _load(self) -> Any:
        assert self._path is not None
        if self._path.suffix in _JOBLIB:
            import joblib

            router = joblib.load(self._path)
        else:
            router = load(self._path, trusted=self._trusted)
        return self._ready(off_the_disk(router))

    def _ready(self, router: Any) -> Any:
        warmed_up(router)
        for words, cost_weight in self._trade_offs.items():
            check_serves(router, cost_weight, words)
        return router


def _stamp(path: Any) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except FileNotFoundError as error:
        problem = "There is no file of a router (relative paths start from the current folder)"
        raise FileNotFoundError(errno.ENOENT, problem, str(path)) from error
    return found.st_mtime_ns, found.st_size, found.st_ino


def off_the_disk(router: Any) -> Any:
    """The router, whose encoder no longer writes down what it is asked: live queries."""
    for encoder in encoders_of(router):
        if isinstance(encoder, SentenceEncoder):
            encoder.set_params(cache=None)
    return router


def warmed_up(router: Any) -> Any:
    """The router, which has answered once: its encoder is in memory, and it takes text."""
    try:
        router.predict([FIRST_QUERY])
    except Exception as error:
        raise ValueError(
            f"router cannot answer a text: {error} Serving needs a fitted router with an encoder."
        ) from error
    return router


def check_serves(router: Any, cost_weight: float, words: str) -> None:
    """Refuse a router that cannot be asked for a trade-off.

    Parameters
    ----------
    router : router
        Warmed up.
    cost_weight : float
    words : str
        What the error begins with: who asks for the trade-off.
    """
    core = innermost_estimator(router)
    try:
        if isinstance(core, FixedTradeOffMixin):
            raise ValueError(
                f"a {type(core).__name__} has chosen its trade-off, and guarantees nothing at "
                "another one."
            )
        core._route(innermost_input(router, [FIRST_QUERY]), cost_weight)
    except ValueError as error:
        raise ValueError(
            f"{words} {cost_weight!r}, which the router does not serve: {error}"
        ) from error
