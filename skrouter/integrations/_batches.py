"""Work for one thread: what arrives while it is busy is done together next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from skrouter.integrations._forks import after_fork


class Batches:
    """Answer single requests, many at a time, in a thread of its own.

    An encoder takes hardly longer for a few texts than for one, and two threads in it would wait
    for each other. So nobody waits for a batch to fill: whoever finds the thread idle is answered
    alone.

    Parameters
    ----------
    answer : callable
        ``answer(requests)`` returns one result for each.
    max_size : int
        Largest number of requests that are answered together.
    """

    def __init__(self, answer: Callable[[Sequence[Any]], Sequence[Any]], max_size: int) -> None:
        self._answer = answer
        self._max_size = max_size
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        # A forked child has no thread, and what waits is answered by its parent.
        self._waiting: deque[tuple[Any, Future]] = deque()
        self._thread = _one_thread()

    def submit(self, request: Any) -> Future:
        """Take a request, from any thread; the result comes in the future."""
        future: Future = Future()
        self._waiting.append((request, future))
        self._thread.submit(self._work)
        return future

    def close(self) -> None:
        """Answer what waits, then end the thread; a later request starts another."""
        old, self._thread = self._thread, _one_thread()
        old.shutdown()

    def _work(self) -> None:
        # One such call per request; most find that an earlier one has taken theirs.
        size = min(len(self._waiting), self._max_size)
        batch = [self._waiting.popleft() for _ in range(size)]
        batch = [pair for pair in batch if pair[1].set_running_or_notify_cancel()]
        if not self._together(batch):
            for pair in batch:
                self._together([pair])

    def _together(self, batch: list[tuple[Any, Future]]) -> bool:
        """Answer a batch; False if it failed and might not, one by one."""
        if not batch:
            return True
        try:
            results = self._answer([request for request, _ in batch])
        except Exception as error:
            if len(batch) > 1:
                return False
            batch[0][1].set_exception(error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                future.set_result(result)
        return True


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="skrouter")
