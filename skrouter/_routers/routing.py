"""Choosing an LLM: what a router makes of queries, and the methods that give it out."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.state import as_of_now
from skrouter.metrics._score import score_choices


class RoutedQueries(NamedTuple):
    """What a router makes of queries, all at one moment of its life.

    Attributes
    ----------
    names : ndarray of shape (n_llms,)
        The pool.
    embeddings : ndarray of shape (n_queries, n_features)
        Without columns where the router does not look at the queries.
    values : ndarray of shape (n_queries, n_llms)
        The largest is chosen; minus infinity for an LLM that may not be called.
    cost_weight : float or ndarray of shape (n_queries, 1)
        The trade-off that was asked for.
    to_shares : callable
        From values to the share of each LLM.
    """

    names: np.ndarray
    embeddings: np.ndarray
    values: np.ndarray
    cost_weight: float | np.ndarray
    to_shares: Callable[[np.ndarray], np.ndarray]

    @property
    def llms(self):
        """Names of the chosen LLMs, the first among equals."""
        return self.names[self.values.argmax(axis=1)]

    @property
    def decision(self):
        """Values in the shape that scikit-learn wants: one column for two classes."""
        values = self.values
        return values[:, 1] - values[:, 0] if values.shape[1] == 2 else values

    @property
    def shares(self):
        """Share of each LLM; 0 for one that may not be called."""
        return self.to_shares(self.values)


@with_shared_parts
class RoutingMethods:
    """Mixin that gives out what `_route` returns, a :class:`RoutedQueries`.

    `score` judges it at `_own_cost_weight`, by the target that `_read_scored_target` reads.
    """

    def predict(self, X, *, cost_weight=None, allowed=None):
        """Choose an LLM for each query.

        Parameters
        ----------
        %(X)s
        %(cost_weight)s
        %(allowed)s

        Returns
        -------
        %(llms)s

        Raises
        ------
        %(raises_predict)s
        """
        return self._route(X, cost_weight, allowed).llms

    def decision_function(self, X, *, cost_weight=None, allowed=None):
        """Value of each LLM on each query: `predict` chooses the largest.

        For routers that predict outcomes these are the expected utilities, in units of the
        performance, for others what they compare: similarities, for example. With
        ``trade_off="fixed"`` :class:`~skrouter.RadialRouterClassifier` knows utilities up to a
        constant per query. Where :class:`~skrouter.FallbackRouter` abstains it is minus infinity
        for all but the fallback.

        Parameters
        ----------
        %(X)s
        %(cost_weight)s
        %(allowed)s

        Returns
        -------
        %(values)s

        Raises
        ------
        %(raises_predict)s
        """
        return self._route(X, cost_weight, allowed).decision

    def predict_proba(self, X, *, cost_weight=None, allowed=None):
        """Share of each LLM: the softmax of its values.

        That is the form of the target distribution which the main router learns (paper, section
        3). For :class:`~skrouter.RadialRouterClassifier` it is
        ``softmax(decision_function / target_temperature)``; for other routers the temperature is
        1. It says how clear a choice is: a
        preference, not the probability of a correct answer. Of
        :class:`~skrouter.baselines.ZeroRouter` and :class:`~skrouter.baselines.RandomRouter`, which
        draw, it is the probability with which they call each LLM. Where
        :class:`~skrouter.FallbackRouter` abstains, it is 1 for the fallback.

        Parameters
        ----------
        %(X)s
        %(cost_weight)s
        %(allowed)s

        Returns
        -------
        %(probabilities)s

        Raises
        ------
        %(raises_predict)s
        """
        return self._route(X, cost_weight, allowed).shares

    def score(self, X, y, cost=None, sample_weight=None):
        """Mean utility of the chosen LLMs, ``performance - cost_weight * cost``.

        With labels as `y` this is the accuracy. To compare settings of `cost_weight`, use a
        scorer with a fixed trade-off, :func:`skrouter.metrics.make_routing_scorer`: this
        score moves with the router's own `cost_weight`.

        Parameters
        ----------
        %(X)s
        %(y_true)s
        %(cost)s
        %(sample_weight)s

        Returns
        -------
        %(score)s

        Raises
        ------
        %(raises_score)s
        """
        check_is_fitted(self)
        now = as_of_now(self)
        target = now._read_scored_target(y, cost)
        return score_choices(target, now.predict(X), now._own_cost_weight, sample_weight).utility
