"""Inputs that belong together row by row."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import _num_samples


def check_same_length(**inputs: Any) -> None:
    """Raise if inputs do not have one row each for the same queries, or points.

    Parameters
    ----------
    **inputs : array-like
        By the names that a user knows them by; those that are None were not given.

    Raises
    ------
    ValueError
        With the length of each; scikit-learn's ``check_consistent_length`` does not say which is
        which.
    """
    lengths = {name: _num_samples(rows) for name, rows in inputs.items() if rows is not None}
    if len(set(lengths.values())) > 1:
        *most, last = (f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(
            f"Inputs differ in their number of rows: {', '.join(most)}, and {last}; they belong "
            "together row by row."
        )
