"""What every router shares: reading queries, choosing an LLM, and being scored."""

from abc import ABCMeta, abstractmethod
from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skrouter._encoders.chat_formatter import takes_chats
from skrouter._encoders.sentence_encoder import SentenceEncoder
from skrouter._inputs.queries import check_queries, is_text, query_texts
from skrouter._targets.predict_options import (
    check_allowed,
    check_cost_weight,
    check_own_cost_weight,
    restrict,
)
from skrouter._targets.routing_target import RoutingTarget, check_routing_target, check_trainable
from skrouter._targets.utility import routing_utility
from skrouter._utils.estimators import all_or_nothing
from skrouter.metrics._score import score_choices


class TrainingData(NamedTuple):
    """Checked training data.

    Attributes
    ----------
    queries : list of str and chats, or None
        The text, if it was text.
    embeddings : ndarray of shape (n_queries, n_features) or None
        None for routers that do not look at the queries.
    target : RoutingTarget
    utility : ndarray of shape (n_queries, n_llms)
        NaN where not observed.
    sample_weight : ndarray of shape (n_queries,)
    """

    queries: list | None
    embeddings: np.ndarray | None
    target: RoutingTarget
    utility: np.ndarray
    sample_weight: np.ndarray


class BaseRouter(ClassifierMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of all routers: a classifier whose classes are the LLMs.

    A subclass has the parameters `encoder`, `cost_weight` and `llm_names`, learns in
    :meth:`_fit`, and gives in :meth:`_utilities` one number per query and LLM, of which the
    largest is chosen (the first among equals).
    """

    # Routers that choose the same whatever the query set this to False: text is then not encoded.
    _looks_at_queries = True
    # Whether one fit serves every trade-off, as it does where outcomes are predicted.
    _any_trade_off = False
    # Of the softmax in `predict_proba`.
    _temperature = 1.0
    # A meta-estimator that needs the embeddings of the training queries sets this before `fit`
    # and takes `_training_embeddings` away after it, so that no text is encoded twice.
    _keep_embeddings = False

    _parameter_constraints = {
        "encoder": [str, HasMethods(["fit", "transform"])],
        "cost_weight": [Interval(Real, 0, None, closed="left")],
        "llm_names": ["array-like", None],
    }

    def fit(self, X, y, cost=None, sample_weight=None):
        """Learn from past queries.

        Parameters
        ----------
        X : sequence of str or chats, or array-like of shape (n_queries, n_features)
            Queries as text, which `encoder` turns into embeddings, or ready embeddings. A chat
            is a list of messages, mappings with "role" and "content"; see
            :class:`~skrouter.ChatFormatter`.
        y : array-like
            The performance of each LLM on each query, shape (n_queries, n_llms), higher is
            better; or the result of :func:`make_routing_target`, shape
            (n_queries, n_llms, 2); or the best LLM of each query, shape (n_queries,). NaN
            means that an outcome was not observed.
        cost : array-like of shape (n_queries, n_llms) or (n_llms,), default=None
            US dollars per 1,000 queries, as measured or as list prices.
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the queries.

        Returns
        -------
        self : object
            The fitted router.

        Raises
        ------
        ValueError
            If the input or a parameter is not as described. It is raised before any work is
            done, and a router that was fitted before stays as it was.
        TypeError
            If a query among texts is neither a string nor a chat.
        """
        with all_or_nothing(self):
            self._fit(self._read_training_data(X, y, cost, sample_weight))
        return self

    def predict(self, X, *, cost_weight=None, allowed=None):
        """Choose an LLM for each query.

        Parameters
        ----------
        X : sequence of str or chats, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        cost_weight : float or array-like of shape (n_queries,), default=None
            The trade-off, one for all queries or one per query. None is the router's own. Another
            one can be asked of routers that predict outcomes; those trained for one trade-off
            refuse it.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called: names for all queries, a list of names per query, or a
            boolean array of shape (n_queries, n_llms). None allows the whole pool.

        Returns
        -------
        llms : ndarray of shape (n_queries,)
            Names out of `classes_`.

        Raises
        ------
        ValueError
            If `cost_weight` is none that this router can serve, or `allowed` names an LLM that is
            not in the pool, or leaves none to call.
        """
        chosen = self._values(X, cost_weight, allowed).argmax(axis=1)
        return self.classes_[chosen]

    def decision_function(self, X, *, cost_weight=None, allowed=None):
        """Value of each LLM on each query: `predict` chooses the largest.

        For routers that predict outcomes these are the expected utilities, in units of the
        performance, for others what they compare: similarities, for example. With
        ``trade_off="fixed"`` :class:`~skrouter.RadialRouterClassifier` knows utilities up to a
        constant per query.

        Parameters
        ----------
        X : sequence of str or chats, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        cost_weight : float or array-like of shape (n_queries,), default=None
            The trade-off, one for all queries or one per query. None is the router's own. Another
            one can be asked of routers that predict outcomes; those trained for one trade-off
            refuse it.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called: names for all queries, a list of names per query, or a
            boolean array of shape (n_queries, n_llms). None allows the whole pool.

        Returns
        -------
        values : ndarray of shape (n_queries, n_llms) or (n_queries,)
            Columns follow `classes_`. With two LLMs scikit-learn wants one column: the value of
            the second less that of the first.

        Raises
        ------
        ValueError
            If `cost_weight` is none that this router can serve, or `allowed` names an LLM that is
            not in the pool, or leaves none to call.
        """
        return as_decision(self._values(X, cost_weight, allowed))

    def predict_proba(self, X, *, cost_weight=None, allowed=None):
        """Share of each LLM: the softmax of its values.

        That is the form of the target distribution which the main router learns (paper, section
        3). For :class:`~skrouter.RadialRouterClassifier` it is
        ``softmax(decision_function / target_temperature)``; for other routers the temperature is
        1. It says how clear a choice is: a
        preference, not the probability of a correct answer. Of
        :class:`~skrouter.baselines.ZeroRouter` and :class:`~skrouter.baselines.RandomRouter`, which
        draw, it is the probability with which they call each LLM.

        Parameters
        ----------
        X : sequence of str or chats, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        cost_weight : float or array-like of shape (n_queries,), default=None
            The trade-off, one for all queries or one per query. None is the router's own. Another
            one can be asked of routers that predict outcomes; those trained for one trade-off
            refuse it.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called: names for all queries, a list of names per query, or a
            boolean array of shape (n_queries, n_llms). None allows the whole pool.

        Returns
        -------
        probabilities : ndarray of shape (n_queries, n_llms)
            Rows sum to one; columns follow `classes_`; the largest is what `predict` chooses.

        Raises
        ------
        ValueError
            If `cost_weight` is none that this router can serve, or `allowed` names an LLM that is
            not in the pool, or leaves none to call.
        """
        return self._shares(self._values(X, cost_weight, allowed))

    def score(self, X, y, cost=None, sample_weight=None):
        """Mean utility of the chosen LLMs, ``performance - cost_weight * cost``.

        With labels as `y` this is the accuracy. To compare settings of `cost_weight`, use a
        scorer with a fixed trade-off, :func:`skrouter.metrics.make_routing_scorer`: this
        score moves with the router's own `cost_weight`.

        Parameters
        ----------
        X : sequence of str or chats, or array-like of shape (n_queries, n_features)
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

        Raises
        ------
        ValueError
            If the router was fitted with costs and they are missing here, or if no chosen
            LLM has an observed outcome.
        """
        check_is_fitted(self)
        target = self._read_outcomes(y, cost)
        return score_choices(target, self.predict(X), self.cost_weight, sample_weight).utility

    @abstractmethod
    def _fit(self, data):
        """Learn from :class:`TrainingData`; sets the fitted attributes of the subclass."""

    @abstractmethod
    def _utilities(self, embeddings, cost_weight):
        """One number per query and LLM, higher is better, up to a constant per query.

        `cost_weight` is a number or of shape (n_queries, 1); the router's own one unless
        `_any_trade_off`.
        """

    def _shares(self, values):
        """What `predict_proba` makes of the values of the LLMs; minus infinity has no share."""
        return softmax(values / self._temperature, axis=1)

    def _values(self, X, cost_weight=None, allowed=None):
        """Read what was asked for, before the queries are encoded, and value every LLM."""
        check_is_fitted(self)
        cost_weight, mask = self._read_request(X, cost_weight, allowed)
        values = self._utilities(self._read_queries(X), cost_weight)
        return restrict(values, mask)

    def _read_request(self, X, cost_weight, allowed):
        if cost_weight is None:
            cost_weight = self.cost_weight
        else:
            cost_weight = check_cost_weight(cost_weight, X)
            if not self._any_trade_off:
                check_own_cost_weight(self, cost_weight)
            elif not self.uses_cost_ and np.any(cost_weight > 0):
                raise ValueError(
                    "cost_weight was given, but this router was fitted without costs and has "
                    "nothing to charge; fit it with cost=."
                )
        mask = None if allowed is None else check_allowed(allowed, self.classes_, X)
        return cost_weight, mask

    def _read_training_data(self, X, y, cost, sample_weight):
        """Check all that `fit` was given, then encode the queries."""
        self._validate_params()
        text = is_text(X)
        if text:
            X = check_queries(X)
        else:
            X = validate_data(self, X, dtype=[np.float64, np.float32])
        target = check_routing_target(y, cost, llm_names=self.llm_names)
        check_consistent_length(X, target.performance)
        check_trainable(target)
        utility = routing_utility(target.performance, target.cost, self.cost_weight)
        check_trainable(target._replace(performance=utility))
        sample_weight = _check_sample_weight(
            sample_weight, target.performance, dtype=np.float64, ensure_non_negative=True
        )
        # A query of weight 0 is as if it were not there, also for this.
        check_trainable(target._replace(performance=utility[sample_weight > 0]))
        self.classes_ = target.llm_names
        self.uses_cost_ = target.cost is not None
        self._check_parameters(X, text)
        self._check_outcomes(target, utility, sample_weight)

        self.takes_text_ = text
        self.__dict__.pop("encoder_", None)
        embeddings = X
        if text:
            embeddings = self._fit_encoder(X) if self._looks_at_queries else None
        if self._keep_embeddings:
            self._training_embeddings = embeddings
        return TrainingData(X if text else None, embeddings, target, utility, sample_weight)

    def _check_parameters(self, X, text):
        """Check what the constraints cannot express, such as names of LLMs against `classes_`.

        Nothing has been computed yet.
        """

    def _check_outcomes(self, target, utility, sample_weight):
        """Check whether the outcomes allow what the parameters want, before queries are encoded."""

    def _fit_encoder(self, queries):
        if isinstance(self.encoder, str):
            encoder = SentenceEncoder(self.encoder, device=getattr(self, "device", "auto"))
        else:
            encoder = clone(self.encoder)
        embeddings = _check_embeddings(
            encoder.fit_transform(prepare_queries(encoder, queries)), queries
        )
        self.encoder_ = encoder
        self.__dict__.pop("feature_names_in_", None)
        self.n_features_in_ = embeddings.shape[1]
        return embeddings

    def _read_outcomes(self, y, cost):
        """Check what `score` was given to judge by."""
        target = check_routing_target(y, cost, known_llms=self.classes_)
        if self.uses_cost_ and target.cost is None:
            raise ValueError(
                "cost is missing: this router was fitted with costs, so its score needs them. Pass "
                "cost=, or the result of make_routing_target as y."
            )
        return target

    def _read_queries(self, X):
        """Embeddings of `X`, which must be of the kind seen at `fit`.

        For a router that does not look at the queries they have no columns.
        """
        if not self.takes_text_:
            if is_text(X):
                raise ValueError(
                    "X is text, but this router was fitted on ready embeddings of "
                    f"{self.n_features_in_} features; pass those, or fit it on text."
                )
            return validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        if not is_text(X) and np.ndim(X) == 2:
            raise ValueError("X holds numbers, but this router was fitted on text; pass queries.")
        queries = check_queries(X)
        if not self._looks_at_queries:
            return np.empty((len(queries), 0))
        embeddings = self.encoder_.transform(prepare_queries(self.encoder_, queries))
        embeddings = _check_embeddings(embeddings, queries)
        if embeddings.shape[1] != self.n_features_in_:
            raise ValueError(
                f"The encoder gives {embeddings.shape[1]} features, but gave "
                f"{self.n_features_in_} at fit; it is another one."
            )
        return embeddings

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.dict = True  # of chats
        return tags


def as_decision(values):
    """Decision values in the shape that scikit-learn wants: one column for two classes."""
    return values[:, 1] - values[:, 0] if values.shape[1] == 2 else values


def prepare_queries(encoder, queries):
    """Queries as the encoder takes them: chats as text, unless it reads chats itself."""
    return queries if takes_chats(encoder) else query_texts(queries)


def _check_embeddings(embeddings, queries):
    embeddings = check_array(
        embeddings, dtype=[np.float64, np.float32], input_name="the embeddings from encoder"
    )
    if len(embeddings) != len(queries):
        raise ValueError(
            f"encoder returned {len(embeddings)} rows for {len(queries)} queries; one each is "
            "wanted."
        )
    return embeddings
