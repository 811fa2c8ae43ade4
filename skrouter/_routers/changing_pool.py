"""Methods that change the pool of a fitted router, without a new fit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from secrets import token_hex
from typing import Self

from numpy.typing import ArrayLike
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrouter._routers.explanation import Examples
from skrouter._routers.fitted_network import FittedNetwork
from skrouter._routers.new_llm import learn_new_llm
from skrouter._routers.outcomes import OutcomesMixin, serves_any_trade_off
from skrouter._routers.pool import Pool, check_new_name, check_new_outcomes, check_new_prices
from skrouter._targets.utility import PredictedOutcomes
from skrouter._utils.state import as_of_now, changed_at_once
from skrouter._utils.types import Floats, LLMName, QueriesLike


class ChangingPoolMethods(OutcomesMixin):
    """Mixin of a router that holds a :class:`Pool` as `_pool`, its names as `classes_`.

    It gives `_represent(embeddings)` and `_predict_trained(embeddings)`, and in `_examples` the
    training queries that it keeps.
    """

    _pool: Pool
    _network: FittedNetwork
    _examples: Examples

    @abstractmethod
    def _represent(self, embeddings: Floats) -> Floats:
        """Query representations, which a new LLM is learnt on."""

    @abstractmethod
    def _predict_trained(self, embeddings: Floats) -> PredictedOutcomes:
        """Predicted outcomes of the LLMs that were there in training."""

    @available_if(serves_any_trade_off)
    def add_llm(
        self,
        name: LLMName,
        performance: ArrayLike,
        cost: ArrayLike | None = None,
        X: QueriesLike | None = None,
    ) -> Self:
        """Add an LLM from a few scored queries, without training anything else.

        Predictions for the LLMs that are there already do not change.

        Parameters
        ----------
        name : str or int
            Its name, of the kind of those in `classes_`, and none of them.
        performance : array-like of shape (n_scored,)
            Its performance on each query. NaN where it was not observed.
        cost : float or array-like of shape (n_scored,), default=None
            Its cost in US dollars per 1,000 queries, measured or a list price. Needed if the
            router was fitted with costs.
        X : sequence of str or chats, or array-like of shape (n_scored, n_features)
            The queries, as text or ready embeddings, whichever they were at `fit`. Some dozens,
            drawn at random from what the router will see.

        Returns
        -------
        self : object
            The router, with `name` at the end of `classes_`.

        Raises
        ------
        ValueError
            If the name is taken or of another kind, or the input is not as described. The router
            stays as it was.
        RuntimeError
            If the router was fitted again by another thread meanwhile.

        Notes
        -----
        The new LLM is taken for a typical LLM of the pool until its own scores say otherwise: a
        logistic Gaussian process over the query representations moves it away from the mean of
        the others. With few queries this is all that can be known: a new fit with complete scores
        is better. It takes time and memory of the cube and the square of the number of queries;
        beyond some thousand, fit again.
        """
        check_is_fitted(self)
        now = as_of_now(self)
        check_new_name(name, now.classes_)
        scores, costs = check_new_outcomes(performance, cost, X, uses_cost=now.uses_cost_)
        known = scores == scores  # not NaN
        embeddings = now._read_queries(X)[known]
        llm = learn_new_llm(
            now._represent(embeddings),
            now._predict_trained(embeddings),
            scores[known],
            None if costs is None else costs[known],
            now._pool.performance_range,
        )
        with changed_at_once(self) as draft:
            if draft._network is not now._network:
                raise RuntimeError(
                    "The router was fitted again while an LLM was added; add it anew."
                )
            check_new_name(name, draft.classes_)
            draft._pool = draft._pool.with_llm(name, llm)
            draft.classes_ = draft._pool.names
            draft._examples = draft._examples.with_new_llm()
            draft._state_id = token_hex(8)
        return self

    def remove_llm(self, name: LLMName) -> Self:
        """Take an LLM out of the pool. Predictions for the others do not change.

        Parameters
        ----------
        name : str or int
            Its name, out of `classes_`.

        Returns
        -------
        self : object
            The router.

        Raises
        ------
        ValueError
            If it is not in the pool, or the only one there.
        """
        check_is_fitted(self)
        with changed_at_once(self) as draft:
            position = draft._pool.position(name)
            if len(draft.classes_) == 1:
                raise ValueError(f"{name!r} is the only LLM of the pool; it cannot be removed.")
            draft._pool = draft._pool.without_llm(name)
            draft.classes_ = draft._pool.names
            draft._examples = draft._examples.without_llm(position)
            draft._state_id = token_hex(8)
        return self

    @available_if(serves_any_trade_off)
    def update_cost(self, cost: Mapping[LLMName, float], *, relative: bool = False) -> Self:
        """Change what LLMs cost, as when prices change.

        Parameters
        ----------
        cost : mapping of names to float
            The new mean cost in US dollars per 1,000 queries over the queries of training (for
            an LLM added later, over those it was scored on). Predicted costs of the LLM are
            multiplied by the new mean over the old one; an LLM that cost nothing has the new cost
            on every query. With ``relative=True`` the factor itself: 0.5 after prices were
            halved.
        relative : bool, default=False
            Whether `cost` holds factors.

        Returns
        -------
        self : object
            The router.

        Raises
        ------
        ValueError
            If an LLM is not in the pool, a number is negative or not finite, or the router was
            fitted without costs. Nothing is changed then.
        """
        check_is_fitted(self)
        with changed_at_once(self) as draft:
            check_new_prices(cost, draft._pool)
            draft._pool = draft._pool.with_cost(cost, relative=relative)
            draft._state_id = token_hex(8)
        return self
