"""Learners of outcomes that need no optimisation: ridge regressions, tables over clusters.

Each holds what it learnt without every fold, and from all queries. It has several settings; what it
predicts is an average over them, by weights that sum to one or less. Predictions are deviations
from the mean outcomes of the LLMs.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import randomized_svd

from skrouter._utils.vectors import unit_rows

# Of the ridge regressions, for features whose variances sum to 1. They are large: outcomes are
# noisy, and what shrinks all of a regression alike is put right where it is averaged with others.
PENALTIES = (30.0, 100.0, 300.0)

# Numbers of clusters, and how sharply a query belongs to the nearest: softmax over the clusters of
# this factor times the cosine. Infinity is the nearest cluster alone; many clusters need it less.
CLUSTERINGS = tuple((size, np.inf) for size in (3, 6, 12, 24)) + tuple(
    (size, sharpness) for size in (32, 128) for sharpness in (10.0, 20.0, 40.0)
)

_QUERIES_PER_CLUSTER = 10  # at least, on average
_FEW_CLUSTERS = 24
_STARTS = 5  # of k-means with few clusters, where one may be bad
_MAX_QUERIES = 5000  # that clusters are sought among

_MAX_FEATURES = 512  # of a regression; longer embeddings are first turned to their main directions

_MAX_STEPS = 8  # of conjugate gradients, where outcomes are missing
_TOLERANCE = 1e-3


class LinearLearners:
    """Ridge regressions of the deviations on the embedding, one for each penalty.

    Where all outcomes are known one decomposition serves all penalties and outcomes. Where some
    are missing it begins the conjugate gradients that solve for each outcome on the rows where
    it was observed.

    Parameters
    ----------
    embeddings : ndarray of shape (n_queries, n_features)
    deviations : ndarray of shape (n_queries, n_outcomes)
        NaN where not observed.
    weight : ndarray of shape (n_queries,)
    folds : list of ndarray of int
        The rows of each fold; all rows together.
    random_state : RandomState instance
        For the main directions of long embeddings, which are sought at random.
    penalties : tuple of float
        For features whose variances sum to 1.
    standardize : bool, default=True
        Whether each feature is brought to the same variance, or all are divided by one number.
    """

    def __init__(
        self,
        embeddings,
        deviations,
        weight,
        folds,
        random_state,
        penalties=PENALTIES,
        standardize=True,
    ):
        self._folds, self.settings = folds, penalties
        self._center = np.average(embeddings, axis=0, weights=weight)
        # In place, and without squares of their own: these are the largest arrays of a fit.
        self._features = embeddings - self._center
        square = np.einsum("i,ij,ij->j", weight, self._features, self._features)
        self._scale = np.sqrt(square / weight.sum())
        # Features that do not vary may seem to by rounding.
        flat = self._scale <= 1e-9 * np.abs(self._center)
        if standardize:
            self._scale = np.where(flat, 1.0, self._scale) * np.sqrt(embeddings.shape[1])
        else:
            total = np.sqrt((self._scale[~flat] ** 2).sum())
            self._scale = np.full(len(flat), total if total > 0 else 1.0)
        self._features /= self._scale
        self._features[:, flat] = 0.0
        self._directions = None
        if self._features.shape[1] > _MAX_FEATURES:
            weighted = np.sqrt(weight)[:, None] * self._features
            *_, directions = randomized_svd(weighted, _MAX_FEATURES, random_state=random_state)
            self._directions = directions.T
            self._features = self._features @ self._directions
        known = ~np.isnan(deviations)
        values = np.where(known, deviations, 0.0)
        parts = [_Moments(self._features, values, known, weight, rows) for rows in folds]
        self._parts, self._without = parts, []
        for part in parts:
            others = [other for other in parts if other is not part]
            self._without.append(_Moments.sum(others).solve(others, penalties))

    def out_of_fold(self, shares):
        """What the regressions without a query's fold say of it, (n_queries, n_outcomes)."""
        predictions = np.empty((len(self._features), self._without[0][1].shape[1]))
        for rows, (coefficients, intercepts) in zip(self._folds, self._without, strict=True):
            coefficient = np.tensordot(shares, coefficients, 1)
            predictions[rows] = self._features[rows] @ coefficient + shares @ intercepts
        return predictions

    def averaged(self, shares):
        """Coefficients and intercepts for embeddings as they come."""
        coefficients, intercepts = _Moments.sum(self._parts).solve(self._parts, self.settings)
        coefficient = np.tensordot(shares, coefficients, 1)
        if self._directions is not None:
            coefficient = self._directions @ coefficient
        coefficient = coefficient / self._scale[:, None]
        return coefficient, shares @ intercepts - self._center @ coefficient


class _Moments:
    """Sums over some rows, of which those over more rows, or fewer, are made."""

    _SUMS = ("square", "cross", "feature_sum", "known_sum", "value_sum", "known_weight", "weight")

    def __init__(self, features, values, known, weight, rows):
        self._of, self._rows = (features, known, weight), rows
        features, values, known, weight = (x[rows] for x in (features, values, known, weight))
        weighted = weight[:, None] * features
        self.square = features.T @ weighted
        self.cross = weighted.T @ values
        self.feature_sum = weighted.sum(axis=0)
        self.known_sum = weighted.T @ known
        self.value_sum = weight @ values
        self.known_weight = weight @ known
        self.weight = weight.sum()

    def rows(self):
        """Features, and the weights of the outcomes: 0 where not observed."""
        features, known, weight = (part[self._rows] for part in self._of)
        return features, weight[:, None] * known

    @classmethod
    def sum(cls, parts):
        total = object.__new__(cls)
        for name in cls._SUMS:
            setattr(total, name, sum(getattr(part, name) for part in parts))
        return total

    def solve(self, parts, penalties):
        """Coefficients (n_penalties, n_features, n_outcomes) and intercepts, from these parts."""
        count = np.maximum(self.known_weight, np.finfo(float).tiny)
        # Each outcome is centered where it was observed.
        centers, levels = self.known_sum / count, self.value_sum / count
        target = self.cross - centers * self.value_sum
        weight = max(self.weight, np.finfo(float).tiny)
        mean = self.feature_sum / weight
        eigenvalues, basis = np.linalg.eigh(self.square - self.weight * np.outer(mean, mean))
        # As if the rows on which an outcome was observed were like the others.
        share = self.known_weight / weight
        spectrum = eigenvalues.clip(min=0.0)[:, None] * share
        coefficients = []
        for penalty in penalties:

            def precondition(right, penalty=penalty):
                return basis @ ((basis.T @ right) / (spectrum + penalty))

            def apply(coefficient, penalty=penalty):
                result = penalty * coefficient
                for features, weight in (part.rows() for part in parts):
                    fit = weight * (features @ coefficient - (centers * coefficient).sum(axis=0))
                    result += features.T @ fit - centers * fit.sum(axis=0)
                return result

            coefficient = precondition(target)
            if not np.allclose(share, 1.0, rtol=0.0, atol=1e-12):
                coefficient = _conjugate_gradients(apply, target, precondition, coefficient)
            coefficients.append(coefficient)
        coefficients = np.stack(coefficients)
        return coefficients, levels - (centers * coefficients).sum(axis=1)


def _conjugate_gradients(apply, target, precondition, start):
    """Solve for all columns at once, each with steps of its own; scipy's takes one at a time."""
    solution = start
    residual = target - apply(solution)
    direction = precondition(residual)
    product = (residual * direction).sum(axis=0)
    enough = _TOLERANCE**2 * (target * precondition(target)).sum(axis=0)
    tiny = np.finfo(float).tiny
    for _ in range(_MAX_STEPS):
        if (product <= enough).all():
            break
        image = apply(direction)
        step = product / np.maximum((direction * image).sum(axis=0), tiny)
        solution = solution + step * direction
        residual = residual - step * image
        changed = precondition(residual)
        before, product = product, (residual * changed).sum(axis=0)
        direction = changed + product / np.maximum(before, tiny) * direction
    return solution


class ClusterLearners:
    """Mean deviations over clusters of similar queries, shrunk towards none.

    The clusters are those of all queries: k-means knows nothing of outcomes, so that one
    clustering serves all folds. Only the tables are made without a fold.

    Parameters
    ----------
    embeddings : ndarray of shape (n_queries, n_features)
        Similarity is their cosine.
    deviations : ndarray of shape (n_queries, n_outcomes)
        NaN where not observed.
    weight : ndarray of shape (n_queries,)
    folds : list of ndarray of int
    random_state : RandomState instance
    sizes : tuple of int, default=None
        Numbers of clusters, each query belonging to one. None is for the sets of `CLUSTERINGS` that
        there are queries enough for.
    prior_queries : float, default=5.0
        A cluster's table counts so many typical queries beside its own.

    Attributes
    ----------
    settings : list of tuple
        Number of clusters and sharpness. With few queries there are fewer, or none.
    """

    def __init__(
        self, embeddings, deviations, weight, folds, random_state, sizes=None, prior_queries=5.0
    ):
        self._folds, self._n_outcomes = folds, deviations.shape[1]
        self._embeddings = unit_rows(embeddings.astype(np.float64, copy=False))
        self._prior_queries = prior_queries
        most = len(embeddings) // _QUERIES_PER_CLUSTER
        self.settings = [(size, sharpness) for size, sharpness in CLUSTERINGS if size <= most]
        if sizes is not None:
            self.settings = [(size, np.inf) for size in sizes]
        centers = {
            size: _find_centers(self._embeddings, weight, size, random_state)
            for size in dict.fromkeys(size for size, _ in self.settings)
        }
        self._centers = [centers[size] for size, _ in self.settings]
        known = weight[:, None] * ~np.isnan(deviations)
        values = known * np.nan_to_num(deviations)
        self._sums = []
        for position in range(len(self.settings)):
            centers, sharpness = self._centers[position], self.settings[position][1]
            members = [membership(self._embeddings[rows] @ centers.T, sharpness) for rows in folds]
            pairs = list(zip(members, folds, strict=True))
            self._sums.append(
                (
                    np.stack([member.T @ values[rows] for member, rows in pairs]),
                    np.stack([member.T @ known[rows] for member, rows in pairs]),
                )
            )

    def out_of_fold(self, shares):
        """What the tables without a query's fold say of it, (n_queries, n_outcomes)."""
        predictions = np.zeros((len(self._embeddings), self._n_outcomes))
        for position in np.flatnonzero(shares):
            sums, counts = self._sums[position]
            tables = (sums.sum(axis=0) - sums) / (counts.sum(axis=0) - counts + self._prior_queries)
            for rows, table in zip(self._folds, tables, strict=True):
                similarity = self._embeddings[rows] @ self._centers[position].T
                predictions[rows] += shares[position] * look_up(
                    table, similarity, self.settings[position][1]
                )
        return predictions

    def averaged(self, shares):
        """Of each set of clusters that has a share: centers, and sharpness and table of each."""
        tables = {}
        for position in np.flatnonzero(shares):
            size, sharpness = self.settings[position]
            sums, counts = (part.sum(axis=0) for part in self._sums[position])
            table = shares[position] * sums / (counts + self._prior_queries)
            tables.setdefault(size, (self._centers[position], []))[1].append((sharpness, table))
        return list(tables.values())


def membership(similarity, sharpness):
    """How much each query belongs to each cluster, (n_queries, n_clusters); rows sum to one.

    Parameters
    ----------
    similarity : ndarray of shape (n_queries, n_clusters)
        Cosine with the centers.
    sharpness : float
    """
    if np.isinf(sharpness):
        return np.eye(similarity.shape[1])[similarity.argmax(axis=1)]
    return softmax(sharpness * similarity, axis=1)


def look_up(table, similarity, sharpness):
    """What a table says of queries by their clusters, (n_queries, n_outcomes)."""
    if np.isinf(sharpness):
        return table[similarity.argmax(axis=1)]
    # The softmax, divided where there are fewer columns.
    shares = np.exp(sharpness * (similarity - similarity.max(axis=1, keepdims=True)))
    return shares @ table / shares.sum(axis=1, keepdims=True)


def _find_centers(embeddings, weight, size, random_state):
    if len(embeddings) > _MAX_QUERIES:
        rows = random_state.choice(len(embeddings), _MAX_QUERIES, replace=False)
        embeddings, weight = embeddings[rows], weight[rows]
    n_starts = _STARTS if size <= _FEW_CLUSTERS else 1
    kmeans = KMeans(n_clusters=size, n_init=n_starts, random_state=random_state)
    with warnings.catch_warnings():
        # With fewer distinct queries than clusters it finds fewer, which is as wanted.
        warnings.simplefilter("ignore", ConvergenceWarning)
        centers = kmeans.fit(embeddings, sample_weight=weight).cluster_centers_
    centers = unit_rows(centers)
    # Of copies of a center rounding would decide which one is the nearest.
    _, first = np.unique(centers.round(9), axis=0, return_index=True)
    return centers[np.sort(first)]
