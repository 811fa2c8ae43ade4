"""Reduced-rank regression: what is expected of LLMs varies in a few directions only."""

import numpy as np

from skrouter._training.closed_form import LinearLearners


class RankReduction:
    """Keep the directions in which fitted outcomes vary most.

    LLMs differ from query to query in few ways: some are good at code, large ones at what is hard.
    The directions are the first right singular vectors of the fitted outcomes less their means,
    which makes the regression the best of its rank for these outcomes.

    Parameters
    ----------
    fitted : ndarray of shape (n_queries, n_llms)
        What was fitted to the training queries.
    weight : ndarray of shape (n_queries,)
    """

    def __init__(self, fitted, weight):
        self.mean = np.average(fitted, axis=0, weights=weight)
        deviations = fitted - self.mean
        _, directions = np.linalg.eigh(deviations.T @ (weight[:, None] * deviations))
        self.directions = directions[:, ::-1]

    def of_rank(self, fitted, rank):
        """Fitted outcomes of other queries, (n_queries, n_llms), in this many directions."""
        kept = self.directions[:, :rank]
        return self.mean + (fitted - self.mean) @ kept @ kept.T


class ReducedRankLearners(LinearLearners):
    """Ridge regressions of the deviations, one for each penalty and rank.

    Performance and cost are reduced apart from each other.

    Parameters
    ----------
    embeddings : ndarray of shape (n_queries, n_features)
    deviations : ndarray of shape (n_queries, n_llms, n_outcomes)
        NaN where not observed.
    weight : ndarray of shape (n_queries,)
    folds : list of ndarray of int
    random_state : RandomState instance
        For the main directions of long embeddings.
    penalties : tuple of float
        For features whose variances sum to 1.
    ranks : tuple of int
    """

    def __init__(self, embeddings, deviations, weight, folds, random_state, penalties, ranks):
        self._shape, self._weight, self._ranks = deviations.shape, weight, ranks
        flat = deviations.reshape(len(deviations), -1)
        super().__init__(embeddings, flat, weight, folds, random_state, penalties, False)

    @property
    def spread(self):
        """Sum of the variances of the features: embeddings as they come want penalties so large."""
        return float(self._scale[0] ** 2)

    def each_out_of_fold(self):
        """What is expected of held-out queries, an array like the deviations, for each setting.

        Yields
        ------
        setting : tuple of float and int
            Penalty and rank.
        expected : ndarray of shape (n_queries, n_llms, n_outcomes)
        """
        for position, penalty in enumerate(self.settings):
            found = np.empty((len(self._ranks), *self._shape))
            for rows, (coefficients, intercepts) in zip(self._folds, self._without, strict=True):
                fitted = self._features @ coefficients[position] + intercepts[position]
                found[:, rows] = self._reduced(fitted.reshape(self._shape), rows)
            for rank, expected in zip(self._ranks, found, strict=True):
                yield (penalty, rank), expected

    def _reduced(self, fitted, rows):
        """Of held-out rows, by directions of the others; one entry per rank."""
        others = np.ones(len(fitted), dtype=bool)
        others[rows] = False
        found = np.empty((len(self._ranks), len(rows), *self._shape[1:]))
        for outcome in range(self._shape[2]):
            values = fitted[..., outcome]
            reduction = RankReduction(values[others], self._weight[others])
            for position, rank in enumerate(self._ranks):
                found[position, ..., outcome] = reduction.of_rank(values[rows], rank)
        return found
