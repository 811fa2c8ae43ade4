"""What a command needs at its end, checked before it begins; and errors in the words of options."""

from __future__ import annotations

import argparse
import os
import re
from importlib.util import find_spec
from pathlib import Path

from skrouter._cli.arguments import LOG_OPTIONS

# Names of parameters in messages of the library that are options here.
_OPTIONS = {name: "--" + name.replace("_", "-") for name in (*LOG_OPTIONS, "cost_weight", "budget")}
_OPTIONS |= {"share": "--quality", "period_queries": "--queries"}
_WORDS = "|".join(_OPTIONS)
_PAIR = re.compile(r"(?<![\w'\"-])performance_range=[(\[]([^,\s]+), ([^,\s]+)[)\]]")
# A parameter with its value, or at the start of a message; one of two words is no English anyway.
_WITH_VALUE = re.compile(rf"(?<![\w'\"-])({_WORDS})=(?=[\w.'\"-])")
_NAMED = re.compile(
    rf"(?<![\w'\"-])({'|'.join(name for name in _OPTIONS if '_' in name)})(?![\w'\"])"
)
_FIRST = re.compile(rf"^({_WORDS})(?=: | has | without )")


def in_options(message: str) -> str:
    """A message of the library with options in place of parameters."""
    message = _PAIR.sub(r"--performance-range \1 \2", message)
    message = _WITH_VALUE.sub(lambda match: f"{_OPTIONS[match[1]]} ", message)
    message = _FIRST.sub(lambda match: _OPTIONS[match[1]], message)
    return _NAMED.sub(lambda match: _OPTIONS[match[1]], message)


def check_output(option: str, path: Path | None) -> None:
    """Raise if a file cannot be written, as far as that can be told before."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{option}: there is no folder {str(path.parent)!r}.")
    if path.is_dir():
        raise IsADirectoryError(f"{option}: {str(path)!r} is a folder; give the name of a file.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise PermissionError(f"{option}: {str(path)!r} may not be written.")


def check_skops() -> None:
    """Raise if routers can be neither saved nor loaded; nothing heavy is imported."""
    if find_spec("skops") is None:
        raise ImportError('Saving and loading routers needs skops: pip install "skrouter[skops]"')


def check_plot(path: Path | None) -> None:
    """Raise if the picture of `--plot` cannot be drawn."""
    if path is None:
        return
    check_output("--plot", path)
    if not has_matplotlib():
        raise ImportError('--plot needs matplotlib: pip install "skrouter[plot]"')
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix.removeprefix(".").lower() not in known:
        raise ValueError(
            f"--plot: the name must end in .png, .svg or .pdf, or another of {known}; got "
            f"{str(path)!r}."
        )


def has_matplotlib() -> bool:
    """Whether pictures can be drawn."""
    return find_spec("matplotlib") is not None


def check_costs(arguments: argparse.Namespace, *, has_costs: bool) -> None:
    """Raise if costs are wanted of a log that has none."""
    if has_costs:
        return
    for option, wanted in (
        ("--plot", getattr(arguments, "plot", None)),
        ("--cost-weight", getattr(arguments, "cost_weight", None)),
        ("--budget", getattr(arguments, "budget", None)),
    ):
        if wanted:
            raise ValueError(f"{option} needs costs: give --cost, or --prices with tokens.")
