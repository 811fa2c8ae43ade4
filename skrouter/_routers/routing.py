"""Choosing an LLM: what a router makes of queries, and the methods that give it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skrouter._targets.routing_target import RoutingTarget
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.state import as_of_now
from skrouter._utils.types import AllowedLike, CostLike, Floats, Names, QueriesLike, TargetLike
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
    draws : bool, default=False
        Whether the values are drawn anew for each prediction, so that `shares` are the
        probabilities with which LLMs are called.
    exploration : float, default=0.0
        Share of the queries whose LLM is not the router's choice, but drawn from all that may be
        called.
    """

    names: np.ndarray
    embeddings: np.ndarray
    values: np.ndarray
    cost_weight: float | np.ndarray
    to_shares: Callable[[np.ndarray], np.ndarray]
    draws: bool = False
    exploration: float = 0.0

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

    @property
    def usual_propensities(self):
        """Probability with which each LLM is called where nothing is explored."""
        if self.draws:
            return self.shares
        columns = np.arange(self.values.shape[1])
        return (columns == self.values.argmax(axis=1)[:, None]).astype(np.float64)


@with_shared_parts
class ScoreMethod(ABC):
    """Mixin that judges what `predict` chooses at `_own_cost_weight`."""

    @property
    @abstractmethod
    def _own_cost_weight(self) -> float:
        """The trade-off where none is asked for."""

    @abstractmethod
    def _route(
        self,
        X: QueriesLike,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> RoutedQueries:
        """Value every LLM on every query."""

    @abstractmethod
    def _read_scored_target(self, y: TargetLike, cost: CostLike | None) -> RoutingTarget:
        """Read the target of `score`."""

    def score(
        self,
        X: QueriesLike,
        y: TargetLike,
        cost: CostLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
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
        return score_choices(
            target, now._route(X).llms, now._own_cost_weight, sample_weight
        ).utility


@with_shared_parts
class RoutingMethods(ScoreMethod):
    """Mixin that gives out what `_route` returns, a :class:`RoutedQueries`."""

    def predict(
        self,
        X: QueriesLike,
        *,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> Names:
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

    def decision_function(
        self,
        X: QueriesLike,
        *,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> Floats:
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

    def predict_proba(
        self,
        X: QueriesLike,
        *,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> Floats:
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
