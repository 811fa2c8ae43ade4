"""Exploration: a share of the calls goes to LLMs drawn at random, with known probabilities."""

from __future__ import annotations

from numbers import Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from skrouter._meta.around_router import AroundRouter
from skrouter._meta.exploration import check_exploration, draw, propensities
from skrouter._meta.inner_router import read_inner_router
from skrouter._targets.routing_target import check_routing_target
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.lengths import check_same_length
from skrouter._utils.state import as_of_now, replaced_at_once
from skrouter._utils.types import (
    AllowedLike,
    CostLike,
    Floats,
    Names,
    QueriesLike,
    Seed,
    TargetLike,
)
from skrouter.metrics._score import score_choices


@with_shared_parts
class ExploringRouter(AroundRouter):
    r"""Call an LLM drawn at random on a small share of the queries, with a known probability.

    A router that always calls the best LLM leaves a log from which nobody can tell what another
    one would have done. This one takes the choice of the router within on most queries, and on a
    share :math:`\varepsilon` of them draws among the LLMs that may be called, all alike. On a query
    with :math:`m` of these, the LLM that the router chooses is called with the probability
    :math:`1 - \varepsilon + \varepsilon / m`, each other one with :math:`\varepsilon / m`: the
    **propensity**. :meth:`decide` gives both the LLM and its propensity; log them, and
    :func:`~skrouter.metrics.off_policy_value` judges any other router on the log.

    Parameters
    ----------
    router : router
        The router, which is cloned. A fitted one is kept as it is inside
        :class:`~sklearn.frozen.FrozenEstimator`; `fit` then needs no data.
    exploration : float, default=0.05
        Share of the queries whose LLM is drawn, in [0, 1]. It is what learning costs: on that share
        the mean performance is that of a choice at random.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. None draws anew in each call, and is what **production needs**. With an
        int every call of `predict` or `decide` draws the same sequence, from its first query on:
        right for tests, and wrong for a service that asks for one query at a time, where each of
        them would get the same draw. A RandomState goes on from call to call, in one thread.

    Attributes
    ----------
    router_ : router
        The fitted router.
    classes_ : ndarray of shape (n_llms,)
        Names of the LLMs, those of `router_` also after its pool was changed.
    n_features_in_ : int
        Length of an embedding.

    See Also
    --------
    skrouter.metrics.off_policy_value : What another router would have achieved, from the log.
    skrouter.datasets.load_log : Reads a log with propensities.
    skrouter.make_logged_target : Makes such a log a training target.
    skrouter.integrations.litellm.RouterPlugin : Explores in LiteLLM, in the same way.

    Notes
    -----
    `exploration` is read when an LLM is drawn: ``set_params`` moves it without a new fit. No
    prediction changes the router, and its pool may change between them.

    What may be called is what `allowed` holds, less what the router never calls: LLMs whose value
    in `decision_function` is minus infinity. So :class:`~skrouter.baselines.HybridLLMRouter`
    explores its two LLMs only. `decision_function` and `predict_outcomes` are those of the router.

    A router that draws by itself, as :class:`~skrouter.baselines.ZeroRouter` does, is explored
    around its own probabilities :math:`p_j`: those of the draws are
    :math:`(1 - \varepsilon) p_j + \varepsilon / m`. Of a cascade, what is logged is the LLM whose
    answer is used.

    This is :math:`\varepsilon`-greedy exploration [1]_, for the sake of the log [2]_: nothing is
    learnt in between. The smallest propensity, :math:`\varepsilon / m`, bounds the weights of an
    off-policy estimate: pass it as `min_propensity`.

    References
    ----------
    .. [1] R. S. Sutton and A. G. Barto, "Reinforcement Learning: An Introduction", second edition,
       MIT Press, 2018, section 2.2.

    .. [2] L. Li, W. Chu, J. Langford and X. Wang, "Unbiased Offline Evaluation of
       Contextual-bandit-based News Article Recommendation Algorithms", WSDM 2011, arXiv:1003.5956.

    Examples
    --------
    >>> from skrouter import ExploringRouter
    >>> from skrouter.baselines import LinearRouter
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]]
    >>> router = LinearRouter(alpha=0.1, llm_names=["small", "large"])
    >>> router = ExploringRouter(router, exploration=0.2, random_state=0)
    >>> router = router.fit(X, performance, cost=[0.1, 5.0])
    >>> router.predict_proba([[0.0], [1.0]])
    array([[0.9, 0.1],
           [0.1, 0.9]])
    >>> decisions = router.decide([[0.0], [0.0], [0.0], [1.0], [1.0]])
    >>> decisions.llm
    array(['small', 'small', 'small', 'large', 'large'], dtype='<U5')
    >>> decisions.propensity
    array([0.9, 0.9, 0.9, 0.9, 0.9])
    """

    _parameter_constraints = {
        "router": [HasMethods(["fit", "predict"])],
        "exploration": [Interval(Real, 0, 1, closed="both")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        router: BaseEstimator,
        *,
        exploration: float = 0.05,
        random_state: Seed = None,
    ) -> None:
        self.router = router
        self.exploration = exploration
        self.random_state = random_state

    def fit(
        self,
        X: QueriesLike | None = None,
        y: TargetLike | None = None,
        cost: CostLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the router. Around a frozen one there is nothing to learn, and no data are needed.

        Parameters
        ----------
        X : sequence of str or chats, or array-like of shape (n_queries, n_features), default=None
            Queries as text, which an encoder turns into embeddings, or ready embeddings.
        y : array-like, default=None
            The performance of each LLM on each query, in any form that the router accepts.
        %(cost)s
        %(sample_weight)s

        Returns
        -------
        %(fitted)s

        Raises
        ------
        ValueError
            If a parameter or the input is not as described, or data that belong together, also
            those for a frozen router, do not. What was fitted before stays.
        TypeError
            If `router` is no router of this library, or one around another router.
        """
        with replaced_at_once(self) as draft:
            draft._fit(X, y, cost, sample_weight)
        return self

    def decide(
        self,
        X: QueriesLike,
        *,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> Bunch:
        """Draw an LLM for each query, with the probability that it had: what to log.

        Parameters
        ----------
        %(X)s
        %(cost_weight)s
        %(allowed)s

        Returns
        -------
        decisions : :class:`~sklearn.utils.Bunch`
            A mapping of columns, ``pandas.DataFrame({"query": queries, **decisions})``:

            llm : ndarray of shape (n_queries,)
                Names out of `classes_`: the LLMs to call.
            propensity : ndarray of shape (n_queries,)
                The probability with which that LLM was drawn, in (0, 1].
            explored : ndarray of bool, shape (n_queries,)
                Whether it is one that the router by itself would not have called.

        Raises
        ------
        %(raises_predict)s
        """
        now = self._as_of_now()
        routed = now._route(X, cost_weight, allowed)
        shares, seed = propensities(routed), self.random_state
        # The global state is left alone: forked processes would all go on from the same one.
        rng = np.random.default_rng() if seed is None else check_random_state(seed)
        rows, drawn = np.arange(len(shares)), draw(shares, rng)
        return Bunch(
            llm=routed.names[drawn],
            propensity=shares[rows, drawn],
            explored=routed.usual_propensities[rows, drawn] == 0,
        )

    def predict(
        self,
        X: QueriesLike,
        *,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> Names:
        """Draw an LLM for each query.

        Its propensity cannot be found out afterwards: where it is logged, call :meth:`decide`.

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
        return self.decide(X, cost_weight=cost_weight, allowed=allowed).llm

    def predict_proba(
        self,
        X: QueriesLike,
        *,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> Floats:
        """Probability with which each LLM is drawn.

        Parameters
        ----------
        %(X)s
        %(cost_weight)s
        %(allowed)s

        Returns
        -------
        probabilities : ndarray of shape (n_queries, n_llms)
            Rows sum to one; columns follow `classes_`; 0 for an LLM that may not be called.

        Raises
        ------
        %(raises_predict)s
        """
        return propensities(self._as_of_now()._route(X, cost_weight, allowed))

    def score(
        self,
        X: QueriesLike,
        y: TargetLike,
        cost: CostLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Mean utility in expectation over the draws, ``performance - cost_weight * cost``.

        Less the score of `router_` it is what exploration costs.

        Parameters
        ----------
        %(X)s
        %(y_true)s
        %(cost)s
        %(sample_weight)s

        Returns
        -------
        score : float
            Mean over the queries; outcomes that were not observed are left out with their
            probability.

        Raises
        ------
        %(raises_score)s
        """
        now = self._as_of_now()
        target = now._read_scored_target(y, cost)
        shares = propensities(now._route(X))
        return score_choices(target, shares, now._own_cost_weight, sample_weight).utility

    def _fit(self, X, y, cost, sample_weight):
        self._validate_params()
        router, frozen = read_inner_router(self.router)
        given = {"X": X, "y": y, "cost": cost, "sample_weight": sample_weight}
        if not frozen:
            if X is None or y is None:
                missing = "X to be passed, but the queries X are"
                if X is not None:
                    missing = "y to be passed, but the target y is"  # scikit-learn's words
                raise ValueError(
                    f"ExploringRouter requires {missing} None. Only a fitted router, inside "
                    "FrozenEstimator, needs no data."
                )
            router.fit(**given)
        elif any(values is not None for values in given.values()):
            target = check_routing_target(y, cost, known_llms=router.classes_)
            check_same_length(X=X, y=target.performance, sample_weight=sample_weight)
        self._take_over(router)

    def _as_of_now(self):
        """The router around, and the one within, as they are at this moment."""
        check_is_fitted(self)
        now = as_of_now(self)
        now.router_ = as_of_now(now.router_)
        return now

    def _route(self, X, cost_weight=None, allowed=None):
        check_is_fitted(self)
        check_exploration(self.exploration)
        routed = self.router_._route(X, cost_weight, allowed)
        return routed._replace(exploration=self.exploration)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = tags.non_deterministic or self.exploration != 0
        return tags
