"""Abstention: where a router is not sure, a fixed LLM is called."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from skrouter._inputs.queries import check_queries, is_text
from skrouter._meta.abstention import keep_neighbors, margin, mask_all_but, similarity
from skrouter._meta.around_router import AroundRouter
from skrouter._meta.inner_router import read_inner_router
from skrouter._targets.rarely_tried import shrink_rarely_tried
from skrouter._targets.routing_target import check_routing_target
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.lengths import check_same_length
from skrouter._utils.state import as_of_now, replaced_at_once
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import AllowedLike, CostLike, LLMName, QueriesLike, TargetLike


@with_shared_parts
class FallbackRouter(AroundRouter):
    r"""Call a fixed LLM where the router is not sure, or does not know such queries.

    A clone of `router` is fitted and chooses. It **abstains**, and the fallback is called, on a
    query :math:`x`

    - whose **margin** is below `min_margin`: the largest less the second largest of the values
      of `decision_function` (for two LLMs, the distance of its one column from 0). For routers
      that predict outcomes these are expected utilities,
      :math:`\hat u_{(1)}(x) - \hat u_{(2)}(x)` at the trade-off of the call; else they are the
      router's own, logits for example. Only LLMs that may be called count; where there is but
      one, the margin is infinite;
    - whose **similarity** is below `min_similarity`: the largest cosine similarity between its
      embedding and that of a training query.

    Parameters
    ----------
    router : router
        The router, which is cloned. A fitted one is kept as it is inside
        :class:`~sklearn.frozen.FrozenEstimator`; the queries given to `fit` are then only those
        which similarity is measured to.
    fallback : str or int, default=None
        Name of the LLM that is called where the router abstains: one whose answer is good enough
        whatever the query. None is the strongest, of best mean performance on the training
        queries: whether a cheaper one will do is what is not known there.
    min_margin : float, default=None
        Least margin, >= 0, in the unit of `decision_function`, for routers that predict outcomes
        that of performance. None switches the criterion off.
    min_similarity : float, default=None
        Least similarity, in [-1, 1]. None switches the criterion off; the training embeddings
        are then not kept. At least one of the two criteria is needed.

    Attributes
    ----------
    router_ : router
        The fitted router.
    fallback_ : str or int
        Name of the fallback.
    classes_ : ndarray of shape (n_llms,)
        Names of the LLMs, those of `router_` also after its pool was changed.
    neighbors_ : NearestNeighbors
        The training embeddings, in single precision, if `min_similarity` is set.
    n_features_in_ : int
        Length of an embedding.

    Notes
    -----
    The two thresholds are read when a prediction is made: ``set_params`` moves them without a new
    fit (similarity needs one if it was switched off at `fit`).

    An abstained query is one on which only the fallback may be called: `decision_function` is
    minus infinity for all others there, and `predict_proba` gives the fallback 1.

    Text is encoded once per call. The router must be one of this library; of a cascade, `score`
    charges the last call only.

    The rule of the margin is that of Chow [1]_ with the difference of two expected utilities in
    place of a class probability; the second criterion looks for queries unlike those that were
    learnt from, as a nearest-neighbour test does [2]_.

    References
    ----------
    .. [1] C. K. Chow, "On optimum recognition error and reject tradeoff", IEEE Transactions on
       Information Theory 16, 1970.

    .. [2] Y. Sun, Y. Ming, X. Zhu and Y. Li, "Out-of-Distribution Detection with Deep Nearest
       Neighbors", ICML 2022, arXiv:2204.06507.

    Examples
    --------
    >>> from skrouter import FallbackRouter
    >>> from skrouter.baselines import LinearRouter
    >>> X = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.9], [1.0, 1.0]]
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]]
    >>> router = LinearRouter(alpha=0.1, llm_names=["small", "large"])
    >>> careful = FallbackRouter(router, fallback="large", min_similarity=0.9)
    >>> careful = careful.fit(X, performance, cost=[0.1, 5.0])
    >>> careful.predict([[1.0, 0.05], [1.0, -1.0]])
    array(['small', 'large'], dtype='<U5')
    >>> careful.abstains([[1.0, 0.05], [1.0, -1.0]])
    array([False,  True])
    """

    _parameter_constraints = {
        "router": [HasMethods(["fit", "predict"])],
        "fallback": [str, Integral, None],
        "min_margin": [Interval(Real, 0, None, closed="left"), None],
        "min_similarity": [Interval(Real, -1, 1, closed="both"), None],
    }

    def __init__(
        self,
        router: BaseEstimator,
        *,
        fallback: LLMName | None = None,
        min_margin: float | None = None,
        min_similarity: float | None = None,
    ) -> None:
        self.router = router
        self.fallback = fallback
        self.min_margin = min_margin
        self.min_similarity = min_similarity

    def fit(
        self,
        X: QueriesLike,
        y: TargetLike,
        cost: CostLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the router, and keep the embeddings of the queries if similarity is asked for.

        Parameters
        ----------
        %(X_fit)s
        %(y_fit)s
        %(cost)s
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the queries, for the router and for the choice of a fallback. Similarity
            to a query of weight 0 does not count.

        Returns
        -------
        self : object
            The fitted meta-estimator.

        Raises
        ------
        ValueError
            If both criteria are None, the fallback is not in the pool, similarity is asked of a
            router that does not look at the queries, lengths differ, or the router refuses the
            input. It is raised before any work is done, and what was fitted before stays.
        TypeError
            If `router` is no router of this library, or one around another router.
        """
        with replaced_at_once(self) as draft:
            draft._fit(X, y, cost, sample_weight)
        return self

    def abstains(
        self,
        X: QueriesLike,
        *,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> NDArray[np.bool_]:
        """On which queries the fallback is called in place of the router's choice.

        Parameters
        ----------
        %(X)s
        %(cost_weight)s
        %(allowed)s

        Returns
        -------
        abstained : ndarray of bool, shape (n_queries,)
            True also where the router would have chosen the fallback itself.
        """
        check_is_fitted(self)
        return as_of_now(self)._judge(X, cost_weight, allowed)[1]

    def _fit(self, X, y, cost, sample_weight):
        self._validate_params()
        router, frozen = read_inner_router(self.router)
        self._check_criteria(router)
        queries = check_queries(X) if is_text(X) else X
        pool = {"known_llms": router.classes_} if frozen else {"llm_names": router.llm_names}
        target = check_routing_target(y, cost, **pool)
        names = target.llm_names.tolist()
        if self.fallback is not None and self.fallback not in names:
            raise ValueError(f"fallback={self.fallback!r} is not in the pool {names}.")
        if frozen:  # one that is to be fitted checks them itself
            check_same_length(X=queries, y=target.performance, sample_weight=sample_weight)
            embeddings = None
        else:
            data = router._read_training_data(queries, target, None, sample_weight)
            router._learn(data)
            embeddings = data.embeddings
        self._take_over(router)
        self._router_fit_id = router._fit_id
        self.__dict__.pop("neighbors_", None)
        if self.min_similarity is not None:
            self.neighbors_ = keep_neighbors(router, queries, embeddings, sample_weight)
        self.fallback_ = self.fallback
        if self.fallback is None:
            self.fallback_ = _strongest(target, sample_weight)

    def _check_criteria(self, router):
        if self.min_margin is None and self.min_similarity is None:
            raise ValueError(
                "min_margin and min_similarity are both None, so the fallback would never be "
                "called; set one of them, or use the router alone."
            )
        if self.min_similarity is not None and not router._looks_at_queries:
            raise ValueError(
                f"min_similarity={self.min_similarity!r} needs embeddings, but {self.router!r} "
                "does not look at the queries; leave it None."
            )

    def _route(self, X, cost_weight=None, allowed=None):
        check_is_fitted(self)
        routed, abstained, fallback = as_of_now(self)._judge(X, cost_weight, allowed)

        def to_shares(values):
            is_fallback = np.arange(values.shape[1]) == fallback
            return np.where(abstained[:, None], is_fallback, routed.shares)

        values = mask_all_but(routed.values, abstained, fallback)
        return routed._replace(values=values, to_shares=to_shares)

    def _judge(self, X, cost_weight, allowed):
        """What the router makes of the queries, where it abstains, and the fallback's column."""
        if self.min_similarity is not None and not hasattr(self, "neighbors_"):
            raise ValueError(
                f"min_similarity={self.min_similarity!r} was set after fit, which kept no "
                "embeddings; fit again."
            )
        router = as_of_now(self.router_)
        if self.min_similarity is not None and router._fit_id != self._router_fit_id:
            raise ValueError(
                "The router was fitted again since, so that its embeddings may be others than "
                "those that similarity is measured to; fit this one again, too."
            )
        fallback = self._fallback_column(router.classes_.tolist())
        _, mask = router._read_options(X, cost_weight, allowed)
        if mask is not None and not mask[:, fallback].all():
            left_out = int((~mask[:, fallback]).sum())
            raise ValueError(
                f"allowed leaves out the fallback {self.fallback_!r} in {left_out} of {len(mask)} "
                "row(s); it must be allowed for every query."
            )
        routed = router._route(X, cost_weight, allowed)
        abstained = np.zeros(len(routed.values), dtype=bool)
        if self.min_margin is not None:
            abstained |= margin(routed.values) < self.min_margin
        if self.min_similarity is not None:
            abstained |= similarity(self.neighbors_, routed.embeddings) < self.min_similarity
        return routed, abstained, fallback

    def _fallback_column(self, pool):
        if self.fallback_ not in pool:
            raise ValueError(
                f"The fallback {self.fallback_!r} is no longer in the pool {pool}; fit again with "
                "another one."
            )
        return pool.index(self.fallback_)


def _strongest(target, sample_weight):
    """Name of the LLM of best mean performance."""
    weight = np.ones(len(target.performance)) if sample_weight is None else sample_weight
    weight = np.asarray(weight)
    mean = observed_mean(shrink_rarely_tried(target, weight).performance, weight)
    return target.llm_names.tolist()[mean.argmax()]
