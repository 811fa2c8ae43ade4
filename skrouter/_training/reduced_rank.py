"""Reduced-rank regression: what is expected of LLMs varies in a few directions only."""

from __future__ import annotations

import numpy as np

from skrouter._training.closed_form import LinearLearners


class RankReduction:
    """Keep the directions in which fitted outcomes vary most.

    LLMs differ from query to query in few ways: some are good at code, large ones at what is hard.
    The directions are the first right singular vectors of the fitted outcomes less their means,
    which makes the regression the best of its rank for these outcomes.

    Parameters
    ----------
    mean : ndarray of shape (n_llms,)
        Of what was fitted to the training queries.
    covariance : ndarray of shape (n_llms, n_llms)
        Of the same, or any multiple of it.
    """

    def __init__(self, mean, covariance):
        self.mean, self.directions = mean, np.linalg.eigh(covariance)[1][:, ::-1]

    @classmethod
    def of_fitted(cls, fitted, weight):
        """From fitted outcomes, (n_queries, n_llms), and the weights of the queries."""
        mean = np.average(fitted, axis=0, weights=weight)
        deviations = fitted - mean
        return cls(mean, deviations.T @ (weight[:, None] * deviations))

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
        self._shape, self._ranks = deviations.shape, ranks
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
        others = [self._moments_without(fold) for fold in range(len(self._folds))]
        for position, penalty in enumerate(self.settings):
            fitted, reductions = np.empty(self._shape), []
            for rows, (mean, covariance), (coefficients, intercepts) in zip(
                self._folds, others, self._without, strict=True
            ):
                coefficient, intercept = coefficients[position], intercepts[position]
                values = self._features[rows] @ coefficient + intercept
                fitted[rows] = values.reshape(-1, *self._shape[1:])
                reductions.append([*self._reductions(mean, covariance, coefficient, intercept)])
            for rank in self._ranks:
                expected = np.empty(self._shape)
                for rows, each in zip(self._folds, reductions, strict=True):
                    for outcome, reduction in enumerate(each):
                        values = fitted[rows, :, outcome]
                        expected[rows, :, outcome] = reduction.of_rank(values, rank)
                yield (penalty, rank), expected

    def _moments_without(self, fold):
        """Mean and covariance of the features of all queries but those of a fold."""
        parts = [part for position, part in enumerate(self._parts) if position != fold]
        square, total, weight = (
            sum(getattr(part, name) for part in parts)
            for name in ("square", "feature_sum", "weight")
        )
        mean = total / weight
        return mean, square - weight * np.outer(mean, mean)

    def _reductions(self, mean, covariance, coefficient, intercept):
        """Of what was fitted to all queries but those of a fold, one for each outcome."""
        n_outcomes = self._shape[2]
        level = mean @ coefficient + intercept
        for outcome in range(n_outcomes):
            columns = coefficient[:, outcome::n_outcomes]
            yield RankReduction(level[outcome::n_outcomes], columns.T @ covariance @ columns)
