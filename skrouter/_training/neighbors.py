"""Similar queries: outcomes averaged over neighbours, and clusters for contrastive losses."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors

from skrouter._utils.vectors import unit_rows

# Neighbours are sought among so many queries at most, evenly spaced: time is then linear in the
# number of queries, and the nearest of so many are near enough.
_MAX_CANDIDATES = 10_000

# An outcome that was not observed has only its neighbours to say what it might be, and takes more.
_IMPUTATION_FACTOR = 2


def smooth_over_neighbors(outcomes, embeddings, weight, share, n_neighbors):
    """Average outcomes with those of the most similar queries, and fill in what is missing.

    For each outcome the neighbours are the most similar of the queries on which it was observed.

    Parameters
    ----------
    outcomes : ndarray of shape (n_queries, n_llms, n_outcomes)
        NaN where not observed.
    embeddings : ndarray of shape (n_queries, n_features)
        Similarity is their cosine.
    weight : ndarray of shape (n_queries,)
        Weights in the means over neighbours.
    share : float
        Share of the neighbours' mean where an outcome was observed. 0 leaves the outcomes as they
        are, gaps included. Otherwise these are filled with the mean over twice as many neighbours
        and as many typical queries: few neighbours are little evidence.
    n_neighbors : int
        The query itself included. At most the number of queries counts.

    Returns
    -------
    smooth : ndarray of shape (n_queries, n_llms, n_outcomes)
        NaN only where an outcome was never observed.
    """
    if share == 0:
        return outcomes
    # Of unit vectors the nearest have the largest cosine. In float64, where the number of threads
    # does not change who is near.
    unit = unit_rows(embeddings.astype(np.float64))
    columns = outcomes.reshape(len(outcomes), -1)
    smooth = columns.copy()
    # Columns that were observed on the same rows have the same neighbours.
    patterns, pattern_of = np.unique(~np.isnan(columns), axis=1, return_inverse=True)
    for position, known in enumerate(patterns.T):
        if not known.any():
            continue
        of_pattern = np.flatnonzero(pattern_of.reshape(-1) == position)
        candidates = np.flatnonzero(known)
        typical = np.average(columns[np.ix_(known, of_pattern)], axis=0, weights=weight[known])
        if len(candidates) > _MAX_CANDIDATES:
            every = np.linspace(0, len(candidates) - 1, _MAX_CANDIDATES).astype(int)
            candidates = candidates[every]
        values, weights = columns[np.ix_(candidates, of_pattern)], weight[candidates]
        n_near = min(_IMPUTATION_FACTOR * n_neighbors, len(values))
        neighbors = NearestNeighbors(n_neighbors=n_near, algorithm="brute").fit(unit[candidates])
        near = neighbors.kneighbors(unit, return_distance=False)
        own = columns[:, of_pattern]
        filled = (_mean(values, weights, near) + typical) / 2
        blend = own + share * (_mean(values, weights, near[:, :n_neighbors]) - own)
        smooth[:, of_pattern] = np.where(np.isnan(own), filled, blend)
    return smooth.reshape(outcomes.shape)


def _mean(values, weights, near):
    """Weighted means over the neighbours of each query, shape (n_queries, n_columns)."""
    n_queries, n_near = near.shape
    starts = np.arange(0, near.size + 1, n_near)
    shares = csr_array((weights[near].ravel(), near.ravel(), starts), (n_queries, len(values)))
    return (shares @ values) / shares.sum(axis=1)[:, None]


def cluster_queries(embeddings, weight, n_clusters, random_state):
    """k-means clusters of embeddings.

    Parameters
    ----------
    embeddings : ndarray of shape (n_queries, n_features)
    weight : ndarray of shape (n_queries,)
    n_clusters : int
        At most the number of queries counts.
    random_state : RandomState instance

    Returns
    -------
    clusters : ndarray of int, shape (n_queries,)
    """
    kmeans = KMeans(n_clusters=min(n_clusters, len(embeddings)), random_state=random_state)
    with warnings.catch_warnings():
        # With fewer distinct queries than clusters it finds fewer, which is as wanted.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # In float64 the order of summation, and so the number of threads, does not matter.
        return kmeans.fit_predict(embeddings.astype(np.float64), sample_weight=weight)
