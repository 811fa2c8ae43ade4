"""What routers that predict outcomes share: one fit of them serves every trade-off."""

from __future__ import annotations

from abc import abstractmethod

from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrouter._routers.base import BaseRouter
from skrouter._targets.utility import PredictedOutcomes, expected_utility
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.state import as_of_now
from skrouter._utils.types import QueriesLike


def serves_any_trade_off(router):
    """For `available_if`: whether the router predicts outcomes, as `trade_off` may decide."""
    return router._any_trade_off


@with_shared_parts
class OutcomesMixin(BaseRouter):
    """Before :class:`BaseRouter` in the bases: `_predict_outcomes` says what is expected."""

    _any_trade_off = True

    @available_if(serves_any_trade_off)
    def predict_outcomes(self, X: QueriesLike) -> PredictedOutcomes:
        """Predict the performance and the cost of every LLM.

        Parameters
        ----------
        %(X)s

        Returns
        -------
        %(outcomes)s
        """
        check_is_fitted(self)
        now = as_of_now(self)
        return now._predict_outcomes(now._read_queries(X))

    @abstractmethod
    def _predict_outcomes(self, embeddings):
        """:class:`PredictedOutcomes` of checked embeddings."""

    def _utilities(self, embeddings, cost_weight):
        return expected_utility(self._predict_outcomes(embeddings), cost_weight)
