"""What a caller may ask of one prediction: another trade-off, and which LLMs may be called."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils.validation import _num_samples

from skrouter._targets.llm_names import order_of_columns


def check_cost_weight(cost_weight, X):
    """Check a trade-off, one for all queries or one per query.

    Parameters
    ----------
    cost_weight : float or array-like of shape (n_queries,)
    X : sequence
        The queries, of which only the number matters.

    Returns
    -------
    cost_weight : float or ndarray of shape (n_queries, 1)
        Ready to be multiplied with costs of shape (n_queries, n_llms).
    """
    array = np.asarray(cost_weight)
    if array.dtype.kind not in "fiu" or not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError(
            f"cost_weight must be a finite number >= 0, or one per query, got {cost_weight!r}."
        )
    if array.ndim == 0:
        return float(array)
    if array.shape != (_num_samples(X),):
        raise ValueError(
            f"cost_weight has shape {array.shape}; wanted one number, or shape "
            f"({_num_samples(X)},), one per query in X."
        )
    return array.astype(np.float64)[:, None]


def check_allowed(allowed, llms, X):
    """Check which LLMs may be called.

    Parameters
    ----------
    allowed : sequence
        Names of LLMs; or one such sequence per query; or booleans of shape
        (n_queries, n_llms), whose columns, in a DataFrame, are those of the pool in any order.
    llms : ndarray of shape (n_llms,)
        The pool.
    X : sequence
        The queries, of which only the number matters.

    Returns
    -------
    mask : ndarray of bool, shape (1, n_llms) or (n_queries, n_llms)
    """
    if isinstance(allowed, str):
        raise ValueError(f"allowed is one string, {allowed!r}; pass a list of names.")
    mask = _as_booleans(allowed, llms)
    if mask is not None:
        if mask.shape != (_num_samples(X), len(llms)):
            raise ValueError(
                f"allowed has shape {mask.shape}; a boolean array must have shape "
                f"({_num_samples(X)}, {len(llms)}), one entry per query in X and LLM."
            )
    else:
        entries = list(allowed)
        # Names are strings or integers, so anything else is the list of one query.
        one_list = all(_is_name(entry) for entry in entries)
        lists = [entries] if one_list else entries
        if not one_list and len(lists) != _num_samples(X):
            raise ValueError(
                f"allowed has {len(lists)} lists for {_num_samples(X)} queries in X; pass one "
                "list of names for all, or one per query."
            )
        mask = np.stack([_members(names, llms, allowed) for names in lists])
    empty = np.flatnonzero(~mask.any(axis=1))
    if empty.size:
        where = "" if len(mask) == 1 else f" for query {empty[0]}"
        raise ValueError(f"allowed holds no LLM{where}; at least one is needed.")
    return mask


def _as_booleans(allowed, llms):
    """The array, if it is one of booleans; None if it is not."""
    order = order_of_columns(allowed, llms, "allowed")
    try:
        array = np.asarray(allowed)
    except ValueError:  # lists of unlike lengths: names
        return None
    # Nullable booleans come as objects.
    if array.dtype.kind == "O" and array.ndim == 2 and all(map(_is_bool, array.flat)):
        array = array.astype(bool)
    if array.dtype.kind == "b":
        return array[:, order] if array.ndim == 2 else array
    if hasattr(allowed, "columns"):
        raise ValueError("allowed is a DataFrame; it must hold True and False, and nothing else.")
    return None


def _is_bool(entry):
    return isinstance(entry, bool | np.bool_)


def _is_name(entry):
    return isinstance(entry, str | Real) and not _is_bool(entry)


def _members(names, llms, allowed):
    if isinstance(names, str | Real):
        raise ValueError(f"allowed mixes names and lists of names, got {allowed!r}.")
    names, pool = list(names), llms.tolist()
    # True is no name, though it equals 1.
    unknown = [name for name in names if not _is_name(name) or name not in pool]
    if unknown:
        raise ValueError(f"allowed names {unknown[:5]}, which are not in the pool {pool}.")
    return np.isin(llms, names) if names else np.zeros(len(llms), dtype=bool)


def check_own_cost_weight(router, cost_weight):
    """Refuse a trade-off that a router, trained for its own one, knows nothing of."""
    if np.any(cost_weight != router.cost_weight):
        raise ValueError(
            f"cost_weight={np.squeeze(cost_weight).tolist()} was asked for, but this "
            f"{type(router).__name__} was trained for its own cost_weight="
            f"{router.cost_weight!r}; fit it for another one, or take a router that predicts "
            "outcomes."
        )
