"""Work in a thread of its own, beside what goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits  # scikit-learn needs it, too


@contextmanager
def in_thread(function: Callable[..., Any], *arguments: Any, beside: bool) -> Iterator[Future]:
    """Call a function in a thread of its own, which is waited for at the end of the block.

    The libraries that it calls (BLAS, OpenMP) take no threads beside it: where the other cores
    are busy, those wait for each other most of the time. The limit holds for BLAS in the whole
    process; so no other may be set in the block, as scikit-learn does in k-means and in searches
    for neighbours: before threadpoolctl 3.8, of limits that overlap one may stay.

    Parameters
    ----------
    function : callable
    *arguments
        Of the function.
    beside : bool
        Whether the block goes on meanwhile, or begins when the function has returned.

    Yields
    ------
    future : Future
        Has the result after the block.
    """

    def call() -> Any:
        with threadpool_limits(1):
            return function(*arguments)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call)
        if not beside:
            wait([future])
        yield future
