"""Imports that do not wait for what a command that answers one query has no use for.

On import skops lists the estimators of scikit-learn that it trusts, and imports all of scikit-learn
for that, and torch along with it. `skrouter.load` looks at the estimators of scikit-learn itself,
so it does not need that list, nor the one type of scikit-learn's ensembles that skops wants to
see; without them skops trusts less, never more. scikit-learn imports pandas if it is there, for a
function that reads ARFF files, and all of scipy.stats for a few functions: neither is used here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


def import_skops_quickly() -> None:
    """Import scikit-learn and skops, in a process that does nothing but route.

    Where either is imported already, it stays as it is.
    """
    # skops looks for each function of scipy.special in one module after the other, in the order in
    # which they were imported.
    import_module("scipy.special")
    with _later("scipy.stats"):
        with _left_out("pandas"):
            utils: Any = import_module("sklearn.utils")
        if "skops.io" in sys.modules:
            return
        all_estimators = utils.all_estimators
        utils.all_estimators = lambda *_, **__: []
        try:
            with _left_out("sklearn.ensemble"):
                import_module("skops.io")
        except ImportError:
            return  # `load` says how to install it
        finally:
            utils.all_estimators = all_estimators


class _Later(ModuleType):
    """Stands in for a module while others are imported, which then get the real one from it.

    Whatever is imported by name from it meanwhile stands in as well, and is the real thing when it
    is called. (With `importlib.util.LazyLoader` each import statement would import the module, as
    Python asks for its specification; and so would skops, which asks every module for names.)
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            return _MemberLater(self.__name__, name)
        return getattr(import_module(self.__name__), name)


class _MemberLater:
    """Stands in for a function, or another thing, of a module that is imported later."""

    def __init__(self, module: str, name: str) -> None:
        self._where = module, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._real(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._real()(*args, **kwargs)

    def _real(self) -> Any:
        module, name = self._where
        return getattr(import_module(module), name)


@contextmanager
def _later(name: str) -> Iterator[None]:
    """Have a module imported when it is used, not now, unless it is imported already."""
    if name in sys.modules:
        yield
        return
    stand_in = sys.modules[name] = _Later(name)
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]


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
