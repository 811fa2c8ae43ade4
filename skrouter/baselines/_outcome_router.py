"""Routers that predict the performance and the cost of every LLM with regressors."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from sklearn.utils.validation import has_fit_parameter

from skrouter._routers.base import BaseRouter
from skrouter._routers.outcomes import OutcomesMixin
from skrouter._targets.utility import PredictedOutcomes
from skrouter.baselines._masked_regression import ColumnRegressors


class OutcomeRouter(OutcomesMixin, BaseRouter):
    """Base of the routers that choose the argmax of predicted performance minus weighted cost.

    A subclass gives a fresh regressor in :meth:`_make_regressor`.
    """

    def _predict_outcomes(self, embeddings):
        performance = self.performance_model_.predict(embeddings)
        cost = self.cost_model_.predict(embeddings) if self.uses_cost_ else None
        return PredictedOutcomes(performance, cost)

    @abstractmethod
    def _make_regressor(self, n_rows):
        """Return an unfitted regressor for training on `n_rows` queries."""

    def _read_training_data(self, X, y, cost, sample_weight, cautions=True):
        self._validate_params()  # a regressor is made of the parameters below
        # Before the queries are encoded. Any regressor serves where weights are equal or 0.
        weight = np.asarray([] if sample_weight is None else sample_weight)
        if len(np.unique(weight[weight != 0])) > 1:
            regressor = self._make_regressor(n_rows=1)
            if not has_fit_parameter(regressor, "sample_weight"):
                raise ValueError(f"sample_weight was given, but {regressor!r} takes none in fit.")
        return super()._read_training_data(X, y, cost, sample_weight, cautions)

    def _fit(self, data):
        arguments = (self._make_regressor, data.embeddings)
        target, weight = data.target, data.sample_weight
        self.performance_model_ = ColumnRegressors(*arguments, target.performance, weight)
        # Two models: in one, the range of dollars would outweigh that of performance in [0, 1].
        self.cost_model_ = None
        if self.uses_cost_:
            self.cost_model_ = ColumnRegressors(*arguments, target.cost, weight)
