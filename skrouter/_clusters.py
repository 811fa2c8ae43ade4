"""Clusters of alike queries, for contrastive losses."""

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning


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
