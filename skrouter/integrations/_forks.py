"""What a forked process must make anew."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def after_fork(renew: Callable[[], None]) -> None:
    """Call a bound method in each forked child, as long as its object lives.

    Python never forgets what it is to call after a fork: the object is held weakly, for it may
    hold a router.
    """
    method = weakref.WeakMethod(renew)

    def call() -> None:
        alive = method()
        if alive is not None:
            alive()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)
