"""The queries on which several choices can be compared, where outcomes are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight

from skrouter._targets.routing_target import RoutingTarget
from skrouter.metrics._score import call_shares

# Of the queries that any of them has; with fewer in common most of what was observed is lost.
_ENOUGH = 0.25

Mask = NDArray[np.bool_]


def common_queries(known: Sequence[Mask]) -> Mask | None:
    """Queries on which all choices are known; None if they are too few to stand for all.

    Parameters
    ----------
    known : sequence of ndarray of bool, shape (n_queries,)
        For each choice, where the outcome of what it calls was observed.

    Returns
    -------
    mask : ndarray of bool, shape (n_queries,), or None
        At least a quarter of the queries on which any of them is known.
    """
    common = np.logical_and.reduce(known)
    total = np.logical_or.reduce(known).sum()
    return common if common.any() and common.sum() >= _ENOUGH * total else None


def on_common_queries(
    target: RoutingTarget,
    choices: Iterable[ArrayLike],
    sample_weight: ArrayLike | None = None,
    *,
    what: str,
) -> tuple[RoutingTarget, str]:
    """The outcomes by which choices and all single LLMs are to be compared, and a note on them.

    Parameters
    ----------
    target : RoutingTarget
    choices : iterable of array-like
        Names or probabilities, as :func:`routing_score` takes them.
    sample_weight : array-like of shape (n_queries,), default=None
        Queries without weight do not count.
    what : str
        What stands for a choice: "rows" of a table, "points" of a picture.

    Returns
    -------
    target : RoutingTarget
        Without the outcomes of queries on which something is missing, if enough are left.
    note : str
        Which queries these are, and if not the same for all, that they are not. Empty where
        nothing is missing.
    """
    observed = ~np.isnan(target.performance)
    if target.cost is not None:
        unknown = np.isnan(target.cost)
        observed &= ~unknown | unknown.all(axis=0)  # a cost that nobody knows is no hole
    weight = _check_sample_weight(sample_weight, target.performance, ensure_non_negative=True)
    counted = weight > 0
    observed &= counted[:, None]
    known = [column for column in observed.T if column.any()]
    for chosen in choices:
        called = call_shares(chosen, target) > 0
        known.append((observed | ~called).all(axis=1) & counted)
    if not known or all(np.array_equal(each, counted) for each in known):
        return target, ""
    common = common_queries(known)
    if common is None:
        n_common = int(np.logical_and.reduce(known).sum())
        return target, different_queries(what, n_common, int(counted.sum()))
    kept = np.where(common[:, None], target.performance, np.nan)
    note = same_queries(what, int(common.sum()), int(counted.sum()))
    return RoutingTarget(kept, target.cost, target.llm_names), note


def same_queries(what: str, n_common: int, n_queries: int) -> str:
    """Say that some queries were left out so that the others can be compared."""
    return (
        f"Outcomes are missing: all {what} are means over the {n_common:,} of {n_queries:,} "
        "queries on which all of them were observed."
    )


def different_queries(what: str, n_common: int, n_queries: int) -> str:
    """Say that what is shown together cannot be compared."""
    return (
        f"Outcomes are missing: {what} rest on different queries, as only {n_common:,} of "
        f"{n_queries:,} have all that are needed, and must not be subtracted from one another."
    )
