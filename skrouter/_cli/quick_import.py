"""Imports that do not wait for what a command that answers one query has no use for.

On import skops lists the estimators of scikit-learn that it trusts, and imports all of scikit-learn
for that, and torch along with it. `skrouter.load` looks at the estimators of scikit-learn itself,
so it does not need that list; without it skops trusts less, never more. scikit-learn imports pandas
if it is there, for a function that reads ARFF files.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def import_skops_quickly() -> None:
    """Import scikit-learn and skops, in a process that does nothing but route.

    Where either is imported already, it stays as it is.
    """
    with _left_out("pandas"):
        utils: Any = import_module("sklearn.utils")
    if "skops.io" in sys.modules:
        return
    all_estimators = utils.all_estimators
    utils.all_estimators = lambda *_, **__: []
    try:
        import_module("skops.io")
    except ImportError:
        return  # `load` says how to install it
    finally:
        utils.all_estimators = all_estimators


@contextmanager
def _left_out(package: str) -> Iterator[None]:
    """Let an import of an optional package fail, unless it is imported already."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]
