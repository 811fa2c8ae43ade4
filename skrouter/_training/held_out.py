"""What is held out to choose the settings of routers that predict outcomes, and the judge of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.model_selection import KFold

from skrouter._training.judge import Judge
from skrouter._training.outcomes import (
    mean_and_scale,
    performance_unit,
    stack_outcomes,
    typical_cost_weight,
)

_N_FOLDS = 4
_TEMPERATURE = 0.2


class LearntOutcomes(NamedTuple):
    """The outcomes of the queries that count, in units in which they can be compared.

    Attributes
    ----------
    used : ndarray of bool, shape (n_rows,)
        The queries of a weight above 0: what follows is of those alone.
    weight : ndarray of shape (n_queries,)
        With a mean of 1.
    outcomes : ndarray of shape (n_queries, n_llms, n_outcomes)
        Performance in its unit and, if there are any, costs.
    mean : ndarray of shape (n_llms, n_outcomes)
    units : ndarray of shape (n_outcomes,)
        What outcomes are multiplied by to be as they came.
    """

    used: np.ndarray
    weight: np.ndarray
    outcomes: np.ndarray
    mean: np.ndarray
    units: np.ndarray

    @classmethod
    def of(cls, data):
        """Those of :class:`TrainingData`."""
        used = data.sample_weight > 0
        weight = data.sample_weight[used] / data.sample_weight[used].mean()
        unit = performance_unit(data)
        outcomes = stack_outcomes(data, True, unit)[used]
        mean, _ = mean_and_scale(outcomes, weight, _TEMPERATURE)
        return cls(used, weight, outcomes, mean, np.array([unit, 1.0])[: mean.shape[1]])

    @property
    def deviations(self):
        """From the mean, shape (n_queries, n_llms, n_outcomes)."""
        return self.outcomes - self.mean

    def folds(self, random_state):
        """The rows of each of four folds; of one, with fewer queries than that."""
        n_queries = len(self.outcomes)
        if n_queries < _N_FOLDS:
            return [np.arange(n_queries)]
        folds = KFold(_N_FOLDS, shuffle=True, random_state=random_state)
        return [rows for _, rows in folds.split(np.empty(n_queries))]

    def judge(self, folds):
        """The judge of predictions for held-out queries, at several trade-offs."""
        typical = typical_cost_weight(self.outcomes, self.weight)
        return Judge(self.outcomes, self.mean, self.weight, folds, typical, _TEMPERATURE)

    def judge_of_all(self, folds):
        """The same over all LLMs: at 0 alone, where the cost of one was never observed.

        It may be the best LLM of a router that charges nothing.
        """
        scored, priced = np.isfinite(self.mean[:, 0]), np.isfinite(self.mean).all(axis=1)
        if np.array_equal(scored, priced):
            return self.judge(folds)
        performance = self.outcomes[..., :1], self.mean[:, :1]
        return Judge(*performance, self.weight, folds, None, _TEMPERATURE)
