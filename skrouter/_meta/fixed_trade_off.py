"""A fitted router that is held at one trade-off."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrouter.metrics._score import score_choices


class FixedTradeOffMixin:
    """Predictions of `router_` at the trade-off `cost_weight_`, whatever its own one is."""

    def predict(self, X, *, allowed=None):
        """Choose an LLM for each query, at the trade-off `cost_weight_`.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called, as for other routers. **The guarantee is for the whole
            pool** (None): others are called instead of those left out, and may be dearer or worse.

        Returns
        -------
        llms : ndarray of shape (n_queries,)
            Names out of `classes_`.

        Raises
        ------
        ValueError
            If LLMs were added to the pool of the router, or removed, after `fit`, or `allowed` is
            not as described.
        """
        return self._ask("predict", X, allowed)

    def predict_proba(self, X, *, allowed=None):
        """Share of each LLM, as the router gives it at the trade-off `cost_weight_`.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called, without a guarantee.

        Returns
        -------
        probabilities : ndarray of shape (n_queries, n_llms)
            Columns follow `classes_`; the largest is what `predict` chooses. The guarantee is for
            `predict`, not for a draw by these shares.
        """
        return self._ask("predict_proba", X, allowed)

    def decision_function(self, X, *, allowed=None):
        """Value of each LLM, as the router gives it at the trade-off `cost_weight_`.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called, without a guarantee.

        Returns
        -------
        values : ndarray of shape (n_queries, n_llms) or (n_queries,)
            Columns follow `classes_`. With two LLMs the value of the second less that of the first.
        """
        return self._ask("decision_function", X, allowed)

    def predict_outcomes(self, X):
        """Predict the performance and the cost of every LLM, as the router does.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.

        Returns
        -------
        outcomes : PredictedOutcomes
            A named tuple ``(performance, cost)`` of arrays of shape (n_queries, n_llms).
        """
        return self._same_router().predict_outcomes(X)

    def score(self, X, y, cost=None, sample_weight=None):
        """Mean utility of the chosen LLMs, ``performance - cost_weight_ * cost``.

        To see whether a target is kept use :func:`skrouter.metrics.routing_score`, which gives
        the mean performance and cost.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        y : array-like
            True performance, in any form that `fit` accepts.
        cost : array-like of shape (n_queries, n_llms) or (n_llms,), default=None
            US dollars per 1,000 queries.
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the queries.

        Returns
        -------
        score : float
            Mean over the queries whose chosen LLM has an observed outcome.
        """
        target = self._same_router()._read_outcomes(y, cost)
        return score_choices(target, self.predict(X), self.cost_weight_, sample_weight).utility

    def _ask(self, method, X, allowed):
        router = self._same_router()
        return getattr(router, method)(X, cost_weight=self.cost_weight_, allowed=allowed)

    def _same_router(self):
        """`router_`, whose pool must still be the one that `cost_weight_` was chosen for."""
        check_is_fitted(self)
        if not np.array_equal(self.router_.classes_, self.classes_):
            raise ValueError(
                f"The pool of the router is {self.router_.classes_.tolist()}, but was "
                f"{self.classes_.tolist()} at fit; the guarantee does not hold for another one. "
                "Fit again."
            )
        return self.router_


def check_supports_any_trade_off(router, *, fitted):
    """Raise unless one fit of the router serves every trade-off.

    Parameters
    ----------
    router : router
    fitted : bool
        Whether it must be fitted, and with costs.
    """
    if not getattr(router, "_any_trade_off", False) or not hasattr(router, "predict_outcomes"):
        raise ValueError(
            f"router is a {type(router).__name__}, which serves one trade-off only; there is "
            "nothing to choose. Pass a router that predicts outcomes, such as KNNRouter."
        )
    if fitted:
        check_is_fitted(router)
        if not router.uses_cost_:
            raise ValueError(
                "router was fitted without costs, so that it knows no trade-off; fit it with cost=."
            )
