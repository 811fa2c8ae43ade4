"""Progress bars on the standard error."""

from __future__ import annotations

import sys
from contextlib import contextmanager


@contextmanager
def progress_bar(show, total, desc, unit, least=1):
    """Show a progress bar for the block.

    Parameters
    ----------
    show : "auto" or bool
        "auto" shows it in a terminal.
    total : int
        How much there is to do. For nothing there is no bar.
    desc, unit : str
        What is done, to what.
    least : int, default=1
        With "auto", less than this is no work to show.

    Yields
    ------
    advance : callable
        To be called with how much was done.
    """
    if show == "auto":
        show = total >= least and sys.stderr.isatty()
    if not show or total == 0:
        yield lambda n: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=desc, unit=unit) as bar:
        yield bar.update
