"""What a router learns from: the performance and the cost of every LLM on every query.

Every form in which users hold it is turned into one :class:`RoutingTarget` here; no other
module unpacks a target.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from skrouter._targets.cautions import warn_of_number_labels
from skrouter._targets.llm_names import check_llm_names, column_names, name_llms
from skrouter._targets.named_target import NamedTarget
from skrouter._targets.tables import as_floats, check_row_order, column_labels, plain_array
from skrouter._utils.lengths import check_same_length
from skrouter._utils.types import CostLike


class RoutingTarget(NamedTuple):
    """A checked target.

    Attributes
    ----------
    performance : ndarray of shape (n_queries, n_llms)
        Quality of each LLM's answer, higher is better; NaN where it was not observed.
    cost : ndarray of shape (n_queries, n_llms) or None
        US dollars per 1,000 queries; NaN where it was not observed; None without costs.
    llm_names : ndarray of shape (n_llms,)
        Names of the LLMs, in column order.
    """

    performance: np.ndarray
    cost: np.ndarray | None
    llm_names: np.ndarray

    def rows(self, rows):
        """The same of some queries, by their numbers or a boolean mask."""
        cost = None if self.cost is None else self.cost[rows]
        return RoutingTarget(self.performance[rows], cost, self.llm_names)


def make_routing_target(performance: ArrayLike, cost: CostLike) -> NDArray[np.float64]:
    """Bind performance and cost into one array that survives model selection.

    Searches and cross-validation split `y` by rows and know nothing of a second matrix. A
    three-dimensional `y` passes through :class:`~sklearn.model_selection.GridSearchCV`,
    :func:`~sklearn.model_selection.cross_val_score` and
    :class:`~sklearn.pipeline.Pipeline` unharmed, missing scores included.

    Parameters
    ----------
    performance : array-like of shape (n_queries, n_llms)
        Quality of each LLM on each query, usually in [0, 1]; NaN where not observed.
    cost : array-like of shape (n_queries, n_llms) or (n_llms,), or dict
        US dollars per 1,000 queries, measured per query or as list prices, these also by name;
        NaN where not observed. Columns of a DataFrame, or the index of a Series, are matched by
        name to those of a DataFrame `performance`.

    Returns
    -------
    y : ndarray of shape (n_queries, n_llms, 2)
        ``y[..., 0]`` is the performance, ``y[..., 1]`` the cost. Column names of a DataFrame go
        along as long as only rows are taken, as cross-validation does. An array has no names:
        give them to the router as ``llm_names``.

    Raises
    ------
    ValueError
        If the shapes or names do not fit, or a cost is negative or infinite.

    Examples
    --------
    >>> from skrouter import make_routing_target
    >>> y = make_routing_target([[1.0, 0.0], [1.0, 1.0]], cost=[5.0, 0.2])
    >>> y.shape
    (2, 2, 2)
    """
    target = check_routing_target(performance, cost, allow_labels=False)
    if target.cost is None:
        raise ValueError("cost is None; without costs pass the performance itself as y.")
    both = np.stack([target.performance, target.cost], axis=-1)
    if column_names(performance) is None:
        return both
    return NamedTarget.of(both, target.llm_names.tolist())


def check_routing_target(y, cost=None, *, llm_names=None, known_llms=None, allow_labels=True):
    """Turn any accepted form of `y` into a :class:`RoutingTarget`.

    Parameters
    ----------
    y : array-like
        A performance matrix of shape (n_queries, n_llms), an array of shape
        (n_queries, n_llms, 2) from :func:`make_routing_target`, or labels of shape
        (n_queries,): the best LLM of each query, taken as performance 1 for that LLM and 0
        for the others; or a :class:`RoutingTarget`, which is not checked again.
    cost : array-like of shape (n_queries, n_llms) or (n_llms,), default=None
        US dollars per 1,000 queries. Not together with a three-dimensional `y`. Columns of a
        DataFrame, or the index of a Series, are matched by name to the LLMs where both have names.
    llm_names : sequence of str, default=None
        Names of the columns of a `y` that carries none. Without them such LLMs are named
        0, 1, ...
    known_llms : ndarray of shape (n_llms,), default=None
        The pool of a fitted router, against which names are checked. The result then has these
        columns, in this order.
    allow_labels : bool, default=True
        Whether a one-dimensional `y`, or a bare column, may be labels.

    Returns
    -------
    target : RoutingTarget

    Raises
    ------
    ValueError
        If `y` or `cost` has a wrong shape, infinite values, negative costs, or names that
        are repeated or do not match.
    """
    if isinstance(y, RoutingTarget):
        return _as_read_before(y, cost, known_llms)
    if y is None:
        raise ValueError(
            "This router requires y to be passed, but the target y is None; pass the performance "
            "of each LLM on each query, shape (n_queries, n_llms)."
        )
    columns = column_names(y)
    array = plain_array(y)
    check_row_order({"y": y, "cost": cost if np.ndim(cost) == 2 else None})
    if array.ndim == 3:
        if cost is not None:
            raise ValueError(
                "cost was given together with a three-dimensional y, which holds the cost "
                "already; pass one of the two."
            )
        if array.shape[2] != 2:
            raise ValueError(
                f"y has shape {array.shape}; a three-dimensional y must come from "
                "make_routing_target and have shape (n_queries, n_llms, 2)."
            )
        array = as_floats(array, "y")
        performance, cost = array[..., 0], array[..., 1]
    elif allow_labels and _holds_labels(array, columns, cost, llm_names, known_llms):
        performance, columns = _one_hot(array, llm_names, known_llms)
    elif array.ndim == 2:
        performance = as_floats(array, "y")
    else:
        raise ValueError(f"The performance must have shape (n_queries, n_llms), got {array.shape}.")

    names = name_llms(performance.shape[1], columns, llm_names, known_llms)
    if cost is not None:
        cost = _check_cost(cost, performance.shape, names)
    _refuse(np.isinf(performance), "performance (in y)", "infinite", "finite numbers")
    return _in_order(RoutingTarget(performance, cost, names), known_llms)


def _as_read_before(target, cost, known_llms):
    """A target that was checked before; it is checked against the pool alone."""
    if cost is not None:
        raise ValueError(
            "cost was given together with a RoutingTarget as y; give the costs to the function "
            "that makes it."
        )
    if known_llms is not None and set(target.llm_names.tolist()) != set(known_llms.tolist()):
        raise ValueError(
            f"y names the LLMs {target.llm_names.tolist()}, but the pool is {known_llms.tolist()}."
        )
    return _in_order(target, known_llms)


def _in_order(target, known_llms):
    """Columns in the order of a pool of the same names."""
    if known_llms is None or np.array_equal(target.llm_names, known_llms):
        return target
    order = [int(np.flatnonzero(target.llm_names == name)[0]) for name in known_llms]
    cost = None if target.cost is None else target.cost[:, order]
    return RoutingTarget(target.performance[:, order], cost, known_llms)


def check_trainable(target, cost_weight):
    """Raise if a query or an LLM of `target` has no outcome to learn from.

    Parameters
    ----------
    target : RoutingTarget
    cost_weight : float
        Above 0, an outcome counts only if its cost was observed.

    Raises
    ------
    ValueError
        Naming the first few rows or LLMs without any observation.
    """
    performed = ~np.isnan(target.performance)
    empty_rows = np.flatnonzero(~performed.any(axis=1))
    if empty_rows.size:
        raise ValueError(
            f"The performance is NaN for every LLM in {empty_rows.size} row(s) of y, first "
            f"{empty_rows[:5].tolist()}; drop queries on which no LLM was scored."
        )
    empty_llms = np.flatnonzero(~performed.any(axis=0))
    if empty_llms.size:
        raise ValueError(
            f"The performance is NaN on every query for {target.llm_names[empty_llms].tolist()}; "
            "leave LLMs that were never scored out of the pool."
        )
    if target.cost is not None and cost_weight > 0:
        _check_charged(performed & ~np.isnan(target.cost), target.llm_names, cost_weight)


def _check_charged(charged, names, cost_weight):
    """Where costs count, an outcome without a cost is none."""
    fix = f"at cost_weight={cost_weight!r} it counts; give it where there is a performance"
    empty_llms = np.flatnonzero(~charged.any(axis=0))
    if empty_llms.size:
        raise ValueError(
            f"The cost of {names[empty_llms].tolist()} is missing (NaN) on every query, and {fix}."
        )
    empty_rows = np.flatnonzero(~charged.any(axis=1))
    if empty_rows.size:
        raise ValueError(
            f"The cost is NaN for every LLM with a performance in {empty_rows.size} row(s), first "
            f"{empty_rows[:5].tolist()}, and {fix}."
        )


def _holds_labels(array, columns, cost, llm_names, known_llms):
    """Whether y is one label per query; scikit-learn reads a bare (n, 1) column so, too."""
    if array.ndim == 1:
        return True
    if array.ndim != 2 or array.shape[1] != 1 or columns is not None or cost is not None:
        return False
    pool = known_llms if known_llms is not None else llm_names
    return pool is None or len(pool) != 1


def _one_hot(labels, llm_names, known_llms):
    labels = column_or_1d(labels, warn=True)
    if labels.dtype.kind == "O":
        missing = [label is None or is_scalar_nan(label) or is_pandas_na(label) for label in labels]
        if any(missing):
            raise ValueError(f"y holds labels, and the one at {missing.index(True)} is missing.")
        if all(isinstance(label, str) for label in labels):
            labels = labels.astype(np.str_)  # as in a plain list of them
    else:
        assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    warn_of_number_labels(labels)
    if known_llms is not None:
        # A label that is new is merely never right; one of another type can never be right.
        names = known_llms
        if labels.size and isinstance(labels[0], str) != isinstance(names[0], str):
            raise ValueError(
                f"y holds labels like {labels[0]!r}, but the LLMs are named like "
                f"{names.tolist()[0]!r}; pass labels of the same type."
            )
    elif llm_names is not None:
        names = check_llm_names(llm_names)
        unknown = sorted(set(labels.tolist()) - set(names.tolist()), key=str)
        if unknown:
            raise ValueError(
                f"y holds labels that are not in llm_names: {unknown}. (Some of scikit-learn's "
                "meta-estimators, VotingClassifier and StackingClassifier for example, and "
                "cross_val_predict for probabilities, turn labels into numbers: leave llm_names "
                "out there, or pass the performance of every LLM.)"
            )
    else:
        names = np.unique(labels)
    return (labels[:, None] == names[None, :]).astype(np.float64), names


def _check_cost(cost, shape, names):
    if isinstance(cost, Mapping):
        cost = _prices_by_name(cost, names)
    array = as_floats(plain_array(cost), "cost")
    n_queries, n_llms = shape
    if array.ndim not in (1, 2) or array.shape[-1] != n_llms:
        raise ValueError(
            f"cost has shape {array.shape}; wanted ({n_queries}, {n_llms}), one per query and LLM, "
            f"or ({n_llms},), one list price per LLM."
        )
    if array.ndim == 2:
        check_same_length(performance=np.empty(n_queries), cost=array)
    array = array[..., _order_of_costs(cost, names)]
    _refuse(np.isinf(array), "cost", "infinite", "finite numbers")
    _refuse(array < 0, "cost", "negative", "numbers >= 0")
    return np.broadcast_to(array, shape)


def _prices_by_name(cost, names):
    """List prices, given by name, in the order of `names`."""
    missing = [name for name in names.tolist() if name not in cost]
    unknown = [name for name in cost if name not in names.tolist()]
    if missing or unknown:
        raise ValueError(
            f"cost must have a price for each of {names.tolist()}: missing {missing}, unknown "
            f"{unknown}."
        )
    prices = [cost[name] for name in names.tolist()]
    if not all(isinstance(price, Real) for price in prices):
        raise ValueError(f"cost must have one number for each LLM, got {cost!r}.")
    return np.array(prices, dtype=np.float64)


def _order_of_costs(cost, names):
    """Columns of the cost in the order of `names`; by place if either side has no names."""
    labels = column_labels(cost)
    if labels is None and not isinstance(cost, list | tuple):
        labels = getattr(cost, "index", None)
    if labels is None or callable(labels):
        return slice(None)
    labels, names = list(labels), names.tolist()
    if set(labels) == set(names) and len(labels) == len(names):
        return [labels.index(name) for name in names]
    numbers = list(range(len(names)))
    if numbers in (labels, names):
        return slice(None)
    raise ValueError(f"cost names the LLMs {labels}, but y names {names}.")


def _refuse(bad, name, what, wanted):
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name} holds {int(bad.sum())} {what} value(s), the first at {place}; wanted "
            f"{wanted}, or NaN where not observed."
        )
