"""Outcomes averaged over similar queries."""

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

_ROWS_AT_ONCE = 1024  # bounds the memory: rows times neighbours times LLMs


def smooth_over_neighbors(outcomes, embeddings, weight, share, n_neighbors):
    """Average outcomes with those of the most similar queries.

    Parameters
    ----------
    outcomes : ndarray of shape (n_queries, n_llms, n_outcomes)
        NaN where not observed; it stays so, and does not count for the neighbours.
    embeddings : ndarray of shape (n_queries, n_features)
        Similarity is their cosine.
    weight : ndarray of shape (n_queries,)
        Weights in the means over neighbours.
    share : float
        Share of the neighbours' mean; 0 leaves the outcomes as they are.
    n_neighbors : int
        The query itself included. At most the number of queries counts.

    Returns
    -------
    smooth : ndarray of shape (n_queries, n_llms, n_outcomes)
    """
    if share == 0:
        return outcomes
    # In float64, where the number of threads does not change who is near.
    embeddings = embeddings.astype(np.float64)
    n_neighbors = min(n_neighbors, len(outcomes))
    neighbors = NearestNeighbors(n_neighbors=n_neighbors, metric="cosine").fit(embeddings)
    known, filled = ~np.isnan(outcomes), np.nan_to_num(outcomes)
    smooth = np.empty_like(outcomes)
    for part in gen_batches(len(outcomes), _ROWS_AT_ONCE):
        near = neighbors.kneighbors(embeddings[part], return_distance=False)
        counted = weight[near][:, :, None, None] * known[near]
        total = (counted * filled[near]).sum(axis=1)
        count = counted.sum(axis=1)
        # A query is among its own neighbours, unless enough others equal it.
        mean = np.divide(total, count, out=outcomes[part].copy(), where=count > 0)
        smooth[part] = outcomes[part] + share * (mean - outcomes[part])
    return smooth
