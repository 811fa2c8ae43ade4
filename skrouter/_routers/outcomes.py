"""What routers that predict outcomes share: one fit of them serves every trade-off."""

from abc import abstractmethod

from sklearn.utils.validation import check_is_fitted


class OutcomesMixin:
    """Before :class:`BaseRouter` in the bases: `_predict_outcomes` says what is expected."""

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
