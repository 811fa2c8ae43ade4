"""What an operator sees of a router that serves, where nobody has set up logging.

LiteLLM's proxy sets up its own loggers alone. Of all others Python then writes warnings only, and
without time and name. That a router was replaced is no warning, for nothing is wrong; still it
changes what is called and what that costs, and should be seen.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

logger = logging.getLogger("skrouter.integrations")


class _LastResort(logging.StreamHandler):
    """Writes to the standard error, whatever that is then, what no other handler is given."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr

    def handle(self, record: logging.LogRecord) -> bool:
        parent = logger.parent if logger.propagate else None
        if len(logger.handlers) > 1 or (parent is not None and parent.hasHandlers()):
            return False
        return bool(super().handle(record))


_HANDLER = _LastResort()
_HANDLER.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))


def show_operators() -> None:
    """Let the logger say what it has to, from INFO on, unless it was told another level."""
    logger.addHandler(_HANDLER)  # once, however often this is called
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
