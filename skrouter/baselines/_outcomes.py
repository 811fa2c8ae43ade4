"""Routers that predict the performance and the cost of every LLM with regressors."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skrouter._base import BaseRouter
from skrouter._target import routing_utility
from skrouter.baselines._columns import ColumnRegressors


class PredictedOutcomes(NamedTuple):
    """Predicted outcomes of each LLM on each query.

    Attributes
    ----------
    performance : ndarray of shape (n_queries, n_llms)
    cost : ndarray of shape (n_queries, n_llms) or None
        US dollars per 1,000 queries. None for a router fitted without costs.
    """

    performance: np.ndarray
    cost: np.ndarray | None


class OutcomeRouter(BaseRouter):
    """Base of the routers that choose the argmax of predicted performance minus weighted cost.

    A subclass gives a fresh regressor in :meth:`_make_regressor`.
    """

    def predict_outcomes(self, X):
        """Predict the performance and the cost of every LLM.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.

        Returns
        -------
        outcomes : PredictedOutcomes
            A named tuple ``(performance, cost)`` of arrays of shape (n_queries, n_llms), columns
            as in `classes_`, cost in US dollars per 1,000 queries; `cost` is None for a router
            fitted without costs. Predictions are not clipped: a linear model can leave [0, 1].
        """
        check_is_fitted(self)
        return self._predict_outcomes(self._read_queries(X))

    def _predict_outcomes(self, embeddings):
        performance = self.performance_model_.predict(embeddings)
        cost = self.cost_model_.predict(embeddings) if self.uses_cost_ else None
        return PredictedOutcomes(performance, cost)

    @abstractmethod
    def _make_regressor(self, n_rows):
        """Return an unfitted regressor for training on `n_rows` queries."""

    def _read_training_data(self, X, y, cost, sample_weight):
        self._validate_params()  # a regressor is made of the parameters below
        # Before the queries are encoded. Equal weights, and zeros, need nothing of a regressor.
        weight = np.asarray([] if sample_weight is None else sample_weight)
        if len(np.unique(weight[weight != 0])) > 1:
            regressor = self._make_regressor(n_rows=1)
            if not has_fit_parameter(regressor, "sample_weight"):
                raise ValueError(f"sample_weight was given, but {regressor!r} takes none in fit.")
        return super()._read_training_data(X, y, cost, sample_weight)

    def _fit(self, data):
        arguments = (self._make_regressor, data.embeddings)
        target, weight = data.target, data.sample_weight
        self.performance_model_ = ColumnRegressors(*arguments, target.performance, weight)
        # Two models, so that the spread of dollars does not drown that of scores in [0, 1].
        self.cost_model_ = None
        if self.uses_cost_:
            self.cost_model_ = ColumnRegressors(*arguments, target.cost, weight)

    def _utilities(self, embeddings):
        outcomes = self._predict_outcomes(embeddings)
        utility = routing_utility(outcomes.performance, outcomes.cost, self.cost_weight)
        # Fitted at a trade-off of 0, costs may be unknown; they cannot then win on cost later.
        return np.where(np.isnan(utility), -np.inf, utility)
