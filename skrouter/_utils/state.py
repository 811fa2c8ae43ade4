"""The state of an estimator, replaced in one assignment and read in one.

A router answers in some threads while another one fits it again or changes its pool. So nothing of
what is fitted is changed in place: a draft is changed, and its attributes take the place of the old
ones at once. Whoever predicts reads them at once, too, and sees the state before or after.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from skrouter._utils.locks import ForkSafeLock

E = TypeVar("E")

# Changes that read a state before they replace it wait for each other, so that none gets lost.
_CHANGES = ForkSafeLock()


def as_of_now(estimator: E) -> E:
    """The estimator as it is at this moment, whatever becomes of it meanwhile.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    same : estimator
        Of the same class and with the same attributes, which are not copied.
    """
    same = object.__new__(type(estimator))
    same.__dict__.update(estimator.__dict__)
    return same


@contextmanager
def replaced_at_once(estimator: E) -> Iterator[E]:
    """Change a draft of the estimator, which takes its place if the block ends well.

    Parameters
    ----------
    estimator : estimator
        It stays as it was until then, and for good if the block fails.

    Yields
    ------
    draft : estimator
    """
    draft = as_of_now(estimator)
    yield draft
    estimator.__dict__ = draft.__dict__


@contextmanager
def changed_at_once(estimator: E) -> Iterator[E]:
    """As :func:`replaced_at_once`, for quick changes of what is there, one after the other."""
    with _CHANGES, replaced_at_once(estimator) as draft:
        yield draft
