"""What routers that predict outcomes share: one fit of them serves every trade-off."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrouter._target import routing_utility


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


class OutcomesMixin:
    """Before :class:`~skrouter._base.BaseRouter`: `_predict_outcomes` says what is expected."""

    _any_trade_off = True

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
            fitted without costs. Predictions are not clipped: they can leave [0, 1].
        """
        check_is_fitted(self)
        return self._predict_outcomes(self._read_queries(X))

    @abstractmethod
    def _predict_outcomes(self, embeddings):
        """:class:`PredictedOutcomes` of checked embeddings."""


def expected_utility(outcomes, cost_weight):
    """Utility of :class:`PredictedOutcomes`; minus infinity where an outcome is not known.

    Fitted at a trade-off of 0, costs may be unknown: such an LLM cannot win where they count.
    """
    utility = routing_utility(outcomes.performance, outcomes.cost, cost_weight)
    return np.where(np.isnan(utility), -np.inf, utility)
