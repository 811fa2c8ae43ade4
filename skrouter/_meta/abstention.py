"""How sure a router is, how well it knows a query, and what is called where it is not."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors


def margin(values):
    """The largest less the second largest value of each row; infinite if there is but one."""
    if values.shape[1] == 1:
        return np.full(len(values), np.inf)
    second, first = np.partition(values, -2, axis=1)[:, -2:].T
    return first - second


def keep_neighbors(router, X, embeddings, sample_weight):
    """Training queries to measure similarity to, in single precision.

    `embeddings` are those that the router was fitted on, or None if they are to be made of `X`.
    """
    # A router that trains its encoder along has other embeddings after than before.
    encoder = getattr(router, "encoder_", None)
    if embeddings is None or hasattr(encoder, "weights_"):
        embeddings = router._read_queries(X)
    if sample_weight is not None:
        embeddings = embeddings[np.asarray(sample_weight) > 0]
    return NearestNeighbors(n_neighbors=1, metric="cosine").fit(embeddings.astype(np.float32))


def similarity(neighbors, embeddings):
    """Cosine similarity of each embedding to the nearest of those that were kept."""
    distance, _ = neighbors.kneighbors(embeddings.astype(np.float32))
    return 1 - distance[:, 0]


def mask_all_but(values, rows, column):
    """Values with minus infinity on `rows`, but for `column`, which is then the largest there."""
    own = values[:, column]
    values = np.where(rows[:, None], -np.inf, values)
    # The router may hold that LLM impossible; it is called all the same.
    values[rows, column] = np.where(np.isneginf(own), 0.0, own)[rows]
    return values
