"""Abstention: where a router is not sure, a fixed LLM is called."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skrouter._inputs.queries import check_queries, is_text
from skrouter._meta.abstention import keep_neighbors, margin, mask_all_but, similarity
from skrouter._routers.base import as_decision
from skrouter._targets.predict_options import restrict
from skrouter._targets.routing_target import check_routing_target
from skrouter._utils.estimators import all_or_nothing
from skrouter._utils.stats import observed_mean
from skrouter.metrics._score import score_choices


def _router_has(method):
    def check(self):
        # Raises the router's own AttributeError if there is no such method.
        getattr(getattr(self, "router_", self.router), method)
        return True

    return check


class FallbackRouter(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
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
        "router": [HasMethods(["fit", "predict", "decision_function", "_read_queries"])],
        "fallback": [str, Integral, None],
        "min_margin": [Interval(Real, 0, None, closed="left"), None],
        "min_similarity": [Interval(Real, -1, 1, closed="both"), None],
    }

    def __init__(self, router, *, fallback=None, min_margin=None, min_similarity=None):
        self.router = router
        self.fallback = fallback
        self.min_margin = min_margin
        self.min_similarity = min_similarity

    def fit(self, X, y, cost=None, sample_weight=None):
        """Fit the router, and keep the embeddings of the queries if similarity is asked for.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings.
        y : array-like
            The performance of each LLM on each query, in any form that the router accepts.
        cost : array-like of shape (n_queries, n_llms) or (n_llms,), default=None
            US dollars per 1,000 queries.
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
        """
        with all_or_nothing(self):
            self._validate_params()
            self._check_criteria()
            frozen = isinstance(self.router, FrozenEstimator)
            if frozen:  # one that is fitted checks them itself
                queries = check_queries(X) if is_text(X) else X
                check_consistent_length(queries, y, sample_weight)
            pool = self._read_pool(y, cost, frozen)
            if self.fallback is not None and self.fallback not in pool:
                raise ValueError(f"fallback={self.fallback!r} is not in the pool {pool}.")
            router = clone(self.router)
            keep = self.min_similarity is not None and not frozen
            if keep:
                router._keep_embeddings = True
            router.fit(X, y, cost=cost, sample_weight=sample_weight)
            if keep:
                del router._keep_embeddings
            self._set_fitted_attributes(router)
            embeddings = vars(router).pop("_training_embeddings", None)
            if self.min_similarity is not None:
                self.neighbors_ = keep_neighbors(router, X, embeddings, sample_weight)
            self.fallback_ = self.fallback
            if self.fallback is None:
                self.fallback_ = self._strongest(y, cost, sample_weight)
        return self

    def predict(self, X, *, cost_weight=None, allowed=None):
        """Choose an LLM for each query: the router's choice, or the fallback.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        cost_weight : float or array-like of shape (n_queries,), default=None
            The trade-off, as for the router. It moves margins, but not similarities.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called, as for the router. The fallback must be among them.

        Returns
        -------
        llms : ndarray of shape (n_queries,)
            Names out of `classes_`.

        Raises
        ------
        ValueError
            If `cost_weight` or `allowed` is none that the router can serve, `allowed` leaves
            out the fallback, or it was taken out of the pool after `fit`.
        """
        chosen = self._guarded_values(X, cost_weight, allowed).argmax(axis=1)
        return self.classes_[chosen]

    def abstains(self, X, *, cost_weight=None, allowed=None):
        """On which queries the fallback is called in place of the router's choice.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        cost_weight : float or array-like of shape (n_queries,), default=None
            The trade-off, as for `predict`.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called, as for `predict`.

        Returns
        -------
        abstained : ndarray of bool, shape (n_queries,)
            True also where the router would have chosen the fallback itself.
        """
        return self._values(X, cost_weight, allowed)[1]

    def decision_function(self, X, *, cost_weight=None, allowed=None):
        """Value of each LLM on each query: `predict` chooses the largest.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        cost_weight : float or array-like of shape (n_queries,), default=None
            The trade-off, as for `predict`.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called, as for `predict`.

        Returns
        -------
        values : ndarray of shape (n_queries, n_llms) or (n_queries,)
            Those of the router; where it abstains, minus infinity for all but the fallback. For
            two LLMs the second less the first.
        """
        return as_decision(self._guarded_values(X, cost_weight, allowed))

    def predict_proba(self, X, *, cost_weight=None, allowed=None):
        """Share of each LLM, as the router gives it; 1 for the fallback where it abstains.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        cost_weight : float or array-like of shape (n_queries,), default=None
            The trade-off, as for `predict`.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called, as for `predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_queries, n_llms)
            Rows sum to one; columns follow `classes_`; the largest is what `predict` chooses,
            unless the router draws at random.
        """
        values, abstained = self._values(X, cost_weight, allowed)
        shares = self.router_._shares(values)
        return np.where(abstained[:, None], self.classes_ == self.fallback_, shares)

    @available_if(_router_has("predict_outcomes"))
    def predict_outcomes(self, X):
        """Predict the performance and the cost of every LLM, as the router does.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.

        Returns
        -------
        outcomes : PredictedOutcomes
            Those of the router, also where it abstains.
        """
        check_is_fitted(self)
        return self.router_.predict_outcomes(X)

    def score(self, X, y, cost=None, sample_weight=None):
        """Mean utility of the called LLMs at the router's own trade-off.

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
            Mean over the queries whose called LLM has an observed outcome.

        Raises
        ------
        ValueError
            If the router was fitted with costs and they are missing here, or if no called LLM
            has an observed outcome.
        """
        check_is_fitted(self)
        target = self.router_._read_outcomes(y, cost)
        chosen, cost_weight = self.predict(X), self.router_.cost_weight
        return score_choices(target, chosen, cost_weight, sample_weight).utility

    @property
    def classes_(self):
        """Names of the LLMs of the router, whose pool may change after `fit`."""
        return self.router_.classes_

    def _check_criteria(self):
        if self.min_margin is None and self.min_similarity is None:
            raise ValueError(
                "min_margin and min_similarity are both None, so the fallback would never be "
                "called; set one of them, or use the router alone."
            )
        if self.min_similarity is not None and not self.router._looks_at_queries:
            raise ValueError(
                f"min_similarity={self.min_similarity!r} needs embeddings, but {self.router!r} "
                "does not look at the queries; leave it None."
            )

    def _read_pool(self, y, cost, frozen):
        """Names of the LLMs, before anything is fitted."""
        if frozen:
            check_is_fitted(self.router)
            return self.router.classes_.tolist()
        target = check_routing_target(y, cost, llm_names=self.router.llm_names)
        return target.llm_names.tolist()

    def _set_fitted_attributes(self, router):
        self.router_ = router
        self.__dict__.pop("neighbors_", None)
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(router, name):
                setattr(self, name, getattr(router, name))

    def _strongest(self, y, cost, sample_weight):
        target = check_routing_target(y, cost, known_llms=self.classes_)
        weight = np.ones(len(target.performance)) if sample_weight is None else sample_weight
        mean = observed_mean(target.performance, np.asarray(weight))
        return self.classes_.tolist()[mean.argmax()]

    def _values(self, X, cost_weight, allowed):
        """Values of the router, and on which queries it abstains."""
        check_is_fitted(self)
        router = self.router_
        fallback = self._fallback_column()
        if self.min_similarity is not None and not hasattr(self, "neighbors_"):
            raise ValueError(
                f"min_similarity={self.min_similarity!r} was set after fit, which kept no "
                "embeddings; fit again."
            )
        cost_weight, mask = router._read_request(X, cost_weight, allowed)
        if mask is not None and not mask[:, fallback].all():
            left_out = int((~mask[:, fallback]).sum())
            raise ValueError(
                f"allowed leaves out the fallback {self.fallback_!r} in {left_out} of {len(mask)} "
                "row(s); it must be allowed for every query."
            )
        embeddings = router._read_queries(X)
        values = restrict(router._utilities(embeddings, cost_weight), mask)
        abstained = np.zeros(len(values), dtype=bool)
        if self.min_margin is not None:
            abstained |= margin(values) < self.min_margin
        if self.min_similarity is not None:
            abstained |= similarity(self.neighbors_, embeddings) < self.min_similarity
        return values, abstained

    def _guarded_values(self, X, cost_weight, allowed):
        values, abstained = self._values(X, cost_weight, allowed)
        return mask_all_but(values, abstained, self._fallback_column())

    def _fallback_column(self):
        pool = self.classes_.tolist()
        if self.fallback_ not in pool:
            raise ValueError(
                f"The fallback {self.fallback_!r} is no longer in the pool {pool}; fit again with "
                "another one."
            )
        return pool.index(self.fallback_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        of_router = get_tags(self.router)
        tags.input_tags = of_router.input_tags
        tags.classifier_tags = of_router.classifier_tags
        tags.non_deterministic = of_router.non_deterministic
        return tags
