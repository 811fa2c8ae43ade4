"""A fitted router whose trade-off is fixed."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrouter._routers.routing import ScoreMethod
from skrouter._targets.utility import PredictedOutcomes
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.state import as_of_now
from skrouter._utils.types import AllowedLike, Floats, Names, QueriesLike


@with_shared_parts
class FixedTradeOffMixin(ScoreMethod):
    """Predictions of `router_` at the trade-off `cost_weight_`, whatever its own one is."""

    def predict(self, X: QueriesLike, *, allowed: AllowedLike | None = None) -> Names:
        """Choose an LLM for each query, at the trade-off `cost_weight_`.

        **The guarantee is for the whole pool.** With `allowed`, others are called instead of those
        left out, and may be more expensive or worse.

        Parameters
        ----------
        %(X)s
        %(allowed)s

        Returns
        -------
        %(llms)s

        Raises
        ------
        ValueError
            If the router was fitted again, or its pool or its costs were changed, after `fit`, or
            `allowed` is not as described.
        """
        return self._route(X, allowed=allowed).llms

    def predict_proba(self, X: QueriesLike, *, allowed: AllowedLike | None = None) -> Floats:
        """Share of each LLM, as the router gives it at the trade-off `cost_weight_`.

        The guarantee is for `predict`, not for a draw by these shares.

        Parameters
        ----------
        %(X)s
        %(allowed)s

        Returns
        -------
        %(probabilities)s
        """
        return self._route(X, allowed=allowed).shares

    def decision_function(self, X: QueriesLike, *, allowed: AllowedLike | None = None) -> Floats:
        """Value of each LLM, as the router gives it at the trade-off `cost_weight_`.

        Parameters
        ----------
        %(X)s
        %(allowed)s

        Returns
        -------
        %(values)s
        """
        return self._route(X, allowed=allowed).decision

    def predict_outcomes(self, X: QueriesLike) -> PredictedOutcomes:
        """Predict the performance and the cost of every LLM, as the router does.

        Parameters
        ----------
        %(X)s

        Returns
        -------
        %(outcomes)s
        """
        return self._unchanged_router().predict_outcomes(X)

    @property
    def _own_cost_weight(self):
        return self.cost_weight_

    def _route(self, X, cost_weight=None, allowed=None):
        router = self._unchanged_router()
        return router._route(X, self.cost_weight_ if cost_weight is None else cost_weight, allowed)

    def _read_scored_target(self, y, cost):
        return self._unchanged_router()._read_scored_target(y, cost)

    def _unchanged_router(self):
        """`router_`, which must still be the one that `cost_weight_` was chosen for."""
        check_is_fitted(self)
        router = as_of_now(self.router_)
        if not np.array_equal(router.classes_, self.classes_):
            raise ValueError(
                f"The pool of the router is {router.classes_.tolist()}, but was "
                f"{self.classes_.tolist()} at fit; the guarantee does not hold for another one. "
                "Fit again."
            )
        if router._state_id != self._router_state_id:
            raise ValueError(
                "The router was fitted again, or its pool or its costs were changed, after fit; "
                "the guarantee is for the router as it was. Fit again."
            )
        return router


def check_supports_any_trade_off(router, *, fitted):
    """Raise unless one fit of the router serves every trade-off.

    Parameters
    ----------
    router : BaseRouter
    fitted : bool
        Whether it is fitted; then it must be with costs.
    """
    if not router._any_trade_off:
        raise ValueError(
            f"router is a {type(router).__name__}, which serves one trade-off only; there is "
            "nothing to choose. Pass a router that predicts outcomes, such as KNNRouter."
        )
    if fitted and not router.uses_cost_:
        raise ValueError(
            "router was fitted without costs, so that it knows no trade-off; fit it with cost=."
        )
