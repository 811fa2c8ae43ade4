"""Folds that users give."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import check_cv

Folds = list[tuple[NDArray[np.int_], NDArray[np.int_]]]


def given_folds(cv: Any, n_rows: int) -> Folds:
    """Rows to train on and rows to hold out, of a splitter or an iterable of splits.

    Raises
    ------
    ValueError
        If there are no folds, or not every row is held out once.
    """
    splits = check_cv(cv).split(np.empty(n_rows))
    folds = [(np.asarray(train), np.asarray(test)) for train, test in splits]
    if not folds:
        raise ValueError(
            f"cv gives no folds: {cv!r}. An iterator is used up by the first fit; pass a list."
        )
    held_out = np.sort(np.concatenate([test for _, test in folds]))
    if not np.array_equal(held_out, np.arange(n_rows)):
        raise ValueError(
            f"cv must hold out every query once, so that all of them count alike; got {cv!r}."
        )
    return folds


def used_folds(cv: Any, used: NDArray[np.bool_]) -> Folds:
    """Folds of all rows, as folds of those that count, by their positions among these.

    Raises
    ------
    ValueError
        As :func:`given_folds`, and if a fold has no row that counts to train on.
    """
    position = np.cumsum(used) - 1
    folds = [
        (position[train[used[train]]], position[test[used[test]]])
        for train, test in given_folds(cv, len(used))
    ]
    folds = [(train, test) for train, test in folds if len(test)]
    if not all(len(train) for train, _ in folds):
        raise ValueError(
            f"cv must leave queries of positive weight to train on in every fold; got {cv!r}."
        )
    return folds
