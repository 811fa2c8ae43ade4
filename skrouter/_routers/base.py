"""What every router shares: reading queries, choosing an LLM, and being scored."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Real
from secrets import token_hex
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_is_fitted,
    validate_data,
)

from skrouter._encoders.chat_formatter import takes_chats
from skrouter._encoders.sentence_encoder import SentenceEncoder
from skrouter._inputs.queries import check_queries, is_text, query_texts
from skrouter._routers.routing import RoutedQueries, RoutingMethods
from skrouter._targets.cautions import warn_of_few_outcomes, warn_of_scale
from skrouter._targets.predict_options import (
    check_allowed,
    check_cost_weight,
    check_own_cost_weight,
)
from skrouter._targets.rarely_tried import shrink_rarely_tried
from skrouter._targets.routing_target import check_routing_target, check_trainable
from skrouter._targets.tables import check_not_masked, check_row_order
from skrouter._targets.training_data import TrainingData
from skrouter._targets.utility import restrict, routing_utility
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.lengths import check_same_length
from skrouter._utils.state import as_of_now, replaced_at_once
from skrouter._utils.types import CostLike, Names, QueriesLike, TargetLike

_PLAIN = (np.dtype(np.float64), np.dtype(np.float32))


@with_shared_parts
class BaseRouter(RoutingMethods, ClassifierMixin, BaseEstimator):
    """Base of all routers: a classifier whose classes are the LLMs.

    A subclass has the parameters `encoder`, `cost_weight` and `llm_names`, learns in
    :meth:`_fit`, and gives in :meth:`_utilities` one number per query and LLM, of which the
    largest is chosen (the first among equals).

    **The contract.** Beside the public methods, meta-routers and reports may use these, and
    nothing else:

    - `_looks_at_queries`, `_needs_tasks`, `_any_trade_off` and `_draws` say what kind of router
      it is;
    - :meth:`_read_training_data` and :meth:`_learn` are the two halves of `fit`;
    - :meth:`_route` is what `predict` gives out, and `_own_cost_weight` its trade-off where none
      is asked for;
    - :meth:`_read_queries` gives the embeddings;
    - :meth:`_read_scored_target` reads the target of `score`;
    - `_fit_id` changes with every fit, `_state_id` also with every change of the pool.
    """

    classes_: Names
    uses_cost_: bool
    takes_text_: bool
    cost_weight: float
    _fit_id: str
    _state_id: str

    # Routers that choose the same whatever the query set this to False: text is then not encoded.
    _looks_at_queries = True
    # Whether `fit` and `predict` want the task of each query.
    _needs_tasks = False
    # Whether one fit serves every trade-off, as it does where outcomes are predicted.
    _any_trade_off = False
    # Whether `predict` draws LLMs, with the probabilities that `predict_proba` gives.
    _draws = False
    # Of the softmax in `predict_proba`.
    _temperature = 1.0

    _parameter_constraints = {
        "encoder": [str, HasMethods(["fit", "transform"])],
        "cost_weight": [Interval(Real, 0, None, closed="left")],
        "llm_names": ["array-like", None],
    }

    def fit(
        self,
        X: QueriesLike,
        y: TargetLike,
        cost: CostLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from past queries which LLM to call.

        Parameters
        ----------
        %(X_fit)s
        %(y_fit)s
        %(cost)s
        %(sample_weight)s

        Returns
        -------
        %(fitted)s

        Raises
        ------
        %(raises_fit)s
        """
        with replaced_at_once(self) as draft:
            draft._learn(draft._read_training_data(X, y, cost, sample_weight))
        return self

    @property
    def _own_cost_weight(self) -> float:
        return self.cost_weight

    def _learn(self, data, **details):
        """The second half of `fit`: set all fitted attributes, from :class:`TrainingData`."""
        self._fit(data, **details)
        self._fit_id = self._state_id = token_hex(8)

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

    def _route(self, X, cost_weight=None, allowed=None):
        """Value every LLM on every query, as :class:`RoutedQueries`.

        What was asked for is read before the queries are encoded.
        """
        check_is_fitted(self)
        now = as_of_now(self)
        cost_weight, mask = now._read_options(X, cost_weight, allowed)
        embeddings = now._read_queries(X)
        values = restrict(now._utilities(embeddings, cost_weight), mask)
        return RoutedQueries(
            now.classes_, embeddings, values, cost_weight, now._shares, draws=now._draws
        )

    def _read_options(self, X, cost_weight, allowed):
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

    def _read_training_data(self, X, y, cost, sample_weight, cautions=True):
        """Check all that `fit` was given, then encode the queries.

        Without `cautions` nothing is warned of: for data that were read before.
        """
        self._validate_params()
        check_row_order({"X": X, "y": y})
        text = is_text(X)
        if text:
            X = check_queries(X)
        else:
            check_not_masked(X)
            X = validate_data(self, X, dtype=[np.float64, np.float32])
        target = check_routing_target(y, cost, llm_names=self.llm_names)
        check_same_length(X=X, y=target.performance)
        check_trainable(target, self.cost_weight)
        sample_weight = _check_sample_weight(
            sample_weight, target.performance, dtype=np.float64, ensure_non_negative=True
        )
        # A query of weight 0 is as if it were not there, also for this.
        check_trainable(target.rows(sample_weight > 0), self.cost_weight)
        observed, target = target, shrink_rarely_tried(target, sample_weight)
        utility = routing_utility(target.performance, target.cost, self.cost_weight)
        self.classes_ = target.llm_names
        self.uses_cost_ = target.cost is not None
        self._check_parameters(X, text)
        self._check_outcomes(target, utility, sample_weight)
        if cautions:
            warn_of_few_outcomes(observed)
            warn_of_scale(observed, self.cost_weight)

        self.takes_text_ = text
        self.__dict__.pop("encoder_", None)
        if text:  # nothing of a former fit on numbers may promise that they are taken
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)
        embeddings = X
        if text:
            embeddings = self._fit_encoder(X) if self._looks_at_queries else None
        queries = X if text else None
        return TrainingData(queries, embeddings, target, utility, sample_weight, observed)

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
        texts = queries if takes_chats(encoder) else query_texts(queries)
        with config_context(transform_output="default"):  # whatever users see elsewhere
            if hasattr(encoder, "fit_transform"):
                embeddings = encoder.fit_transform(texts)
            else:
                embeddings = encoder.fit(texts).transform(texts)
        embeddings = check_embeddings(embeddings, queries)
        self.encoder_, self._n_encoded_features = encoder, embeddings.shape[1]
        self._encoder_takes_chats = takes_chats(encoder)
        return embeddings

    def _read_scored_target(self, y, cost):
        """Check what `score` was given to judge by."""
        target = check_routing_target(y, cost, known_llms=self.classes_)
        if self.uses_cost_ and target.cost is None:
            raise ValueError(
                "cost is missing: this router was fitted with costs, so its score needs them. Pass "
                "cost=, or the result of make_routing_target as y."
            )
        return target

    def _is_plain(self, X):
        """Whether `X` is an array in which scikit-learn's checks would find nothing.

        They take longer than the network for a single query, mostly to find out what `X` is.
        """
        return (
            type(X) is np.ndarray
            and X.dtype in _PLAIN
            and X.ndim == 2
            and len(X) > 0
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
            and _is_finite(X)
        )

    def _read_queries(self, X):
        """Embeddings of `X`, which must be of the kind seen at `fit`.

        For a router that does not look at the queries they have no columns.
        """
        if not self.takes_text_:
            if self._is_plain(X):
                return X
            if is_text(X):
                raise ValueError(
                    "X is text, but this router was fitted on ready embeddings of "
                    f"{self.n_features_in_} features; pass those, or fit it on text."
                )
            check_not_masked(X)
            return validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        if not is_text(X) and np.ndim(X) == 2:
            raise ValueError("X holds numbers, but this router was fitted on text; pass queries.")
        queries = check_queries(X)
        if not self._looks_at_queries:
            return np.empty((len(queries), 0))
        texts = queries if self._encoder_takes_chats else query_texts(queries)
        with config_context(transform_output="default"):
            embeddings = self.encoder_.transform(texts)
        embeddings = check_embeddings(embeddings, queries)
        if embeddings.shape[1] != self._n_encoded_features:
            raise ValueError(
                f"The encoder gives {embeddings.shape[1]} features, but gave "
                f"{self._n_encoded_features} at fit; it is another one."
            )
        return embeddings

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.dict = True  # of chats
        return tags


def check_embeddings(embeddings, queries):
    embeddings = check_array(
        embeddings, dtype=[np.float64, np.float32], input_name="the embeddings from encoder"
    )
    if len(embeddings) != len(queries):
        raise ValueError(
            f"encoder returned {len(embeddings)} rows for {len(queries)} queries; one each is "
            "wanted."
        )
    return embeddings


def _is_finite(X):
    """Whether all is finite, in one pass; where the sum of finite numbers overflows it says no."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(X.sum()))
