"""What all displays share: colours, and how routers are told apart."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from textwrap import fill
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from skrouter._utils.estimators import Classifier

T = TypeVar("T")

# Okabe and Ito's colours, told apart by the colour-blind; markers differ as well.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
_NOTE_WIDTH = 80  # characters below a picture of the usual width


def require_matplotlib(display: str) -> Any:
    """Return pyplot, or say how to install it for the named display."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f'{display} needs matplotlib: pip install "skrouter[plot]"') from error
    return plt


def with_note(label: str, note: str) -> str:
    """The label of an axis with a note on a line of its own below it."""
    return f"{label}\n{fill(note, _NOTE_WIDTH)}" if note else label


def named_estimators(estimator: T | Mapping[str, T], name: str | None) -> Mapping[str, T]:
    """Estimators as a dict by name; one alone is named after its class."""
    if isinstance(estimator, Mapping):
        return estimator
    return {type(estimator).__name__ if name is None else name: estimator}


def list_trade_offs(value: T | Mapping[Hashable, T]) -> list[T]:
    """What a router has: one entry for each trade-off of a dict, else the value alone."""
    return list(value.values()) if isinstance(value, Mapping) else [value]


def common_pool(estimators: Iterable[Classifier]) -> NDArray[Any]:
    """The `classes_` of all estimators, which must be the same."""
    pools = [np.asarray(estimator.classes_) for estimator in estimators]
    for pool in pools[1:]:
        if not np.array_equal(pool, pools[0]):
            raise ValueError(
                f"The estimators have different classes_: {pools[0].tolist()} and {pool.tolist()}."
            )
    return pools[0]
