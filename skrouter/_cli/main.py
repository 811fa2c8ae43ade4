"""Entry of the command line: arguments, errors of one line, exit codes."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from skrouter._cli.arguments import make_parser
from skrouter._cli.checks import in_options

OK, FAILED, INTERRUPTED = 0, 1, 130  # argparse exits with 2 on wrong usage


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments after the name of the program; None takes them from the command line.

    Returns
    -------
    code : int
        0, or 1 after an error, which stands on the standard error in one line.
    """
    arguments = make_parser().parse_args(argv)
    module = import_module(f"skrouter._cli.{arguments.module}")
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            getattr(module, arguments.function)(arguments)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader, such as head, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except KeyboardInterrupt:
            return INTERRUPTED
        except (ValueError, TypeError, OSError, ImportError) as error:
            if arguments.traceback:
                raise
            print(f"skrouter: error: {in_options(_one_line(error))}", file=sys.stderr)
            return FAILED
    return OK


def run() -> NoReturn:
    """Run a command and leave the process with its code."""
    # Imports make hundreds of thousands of objects and hardly any garbage: looking for it takes as
    # long as they do. Commands that go on for long turn it on again.
    gc.disable()
    code = main()
    if threading.active_count() > 1 or _children():
        sys.exit(code)
    # What was imported is not taken apart object by object, which takes as long as torch's import:
    # the system frees memory at once. What others have registered for the end is run, as ever.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by who called
            stream.flush()
    os._exit(code)


def _children() -> bool:
    """Whether processes that this one has started go on."""
    processes = sys.modules.get("multiprocessing")
    return processes is not None and bool(processes.active_children())


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {str(error.filename)!r}"
    return " ".join(str(error).split()) or type(error).__name__


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"skrouter: warning: {' '.join(str(message).split())}", file=sys.stderr)
