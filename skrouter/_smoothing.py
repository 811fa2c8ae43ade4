"""Outcomes averaged over similar queries."""

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

_ROWS_AT_ONCE = 1024  # bounds the memory: rows times neighbours times LLMs


def smooth_over_neighbors(utility, embeddings, weight, share, n_neighbors):
    """Average utilities with those of the most similar queries.

    Parameters
    ----------
    utility : ndarray of shape (n_queries, n_llms)
        NaN where not observed; it stays so, and does not count for the neighbours.
    embeddings : ndarray of shape (n_queries, n_features)
        Similarity is their cosine.
    weight : ndarray of shape (n_queries,)
        Weights in the means over neighbours.
    share : float
        Share of the neighbours' mean; 0 leaves the utilities as they are.
    n_neighbors : int
        The query itself included. At most the number of queries counts.

    Returns
    -------
    smooth : ndarray of shape (n_queries, n_llms)
    """
    if share == 0:
        return utility
    # In float64, where the number of threads does not change who is near.
    embeddings = embeddings.astype(np.float64)
    n_neighbors = min(n_neighbors, len(utility))
    neighbors = NearestNeighbors(n_neighbors=n_neighbors, metric="cosine").fit(embeddings)
    smooth = np.empty_like(utility)
    for part in gen_batches(len(utility), _ROWS_AT_ONCE):
        near = neighbors.kneighbors(embeddings[part], return_distance=False)
        counted = weight[near][:, :, None] * ~np.isnan(utility[near])
        total = (counted * np.nan_to_num(utility[near])).sum(axis=1)
        count = counted.sum(axis=1)
        # A query is among its own neighbours, unless enough others equal it.
        mean = np.divide(total, count, out=utility[part].copy(), where=count > 0)
        smooth[part] = utility[part] + share * (mean - utility[part])
    return smooth
