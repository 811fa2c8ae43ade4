"""What a report needs of a router: its choices at a trade-off, its trade-off, its embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import _safe_indexing, check_array

from skrouter._encoders.chat_formatter import takes_chats
from skrouter._encoders.sentence_encoder import SentenceEncoder
from skrouter._inputs.queries import check_queries, is_text, query_texts
from skrouter._utils.estimators import (
    Classifier,
    innermost_estimator,
    innermost_input,
    own_cost_weight,
)
from skrouter._utils.types import Floats, QueriesLike


class RouterAdapter:
    """A fitted router, or any classifier whose classes are LLMs, as a report sees it.

    Parameters
    ----------
    router : classifier
        With `classes_` and `predict`.

    Attributes
    ----------
    core : classifier
        What stands inside searches, pipelines and frozen estimators; it says what else than
        `predict` there is.
    inner : classifier
        The router that a core such as :class:`~skrouter.FallbackRouter` has fitted, its
        `router_`; else the core itself. It has the costs, trade-offs and embeddings.
    classes : ndarray of shape (n_llms,)
        The pool.
    name : str
        Class of the core.
    own_cost_weight : float or None
        Where the core chooses by default. None for a classifier that has no trade-off.
    uses_cost : bool or None
        Whether it was fitted with costs. None for a classifier that does not say.
    """

    def __init__(self, router: Classifier) -> None:
        self.router = router
        self.core: Any = innermost_estimator(router)
        if not hasattr(router, "predict"):
            raise TypeError(
                f"router must be a fitted classifier with classes_ and predict, got {router!r}."
            )
        if not hasattr(router, "classes_"):
            raise NotFittedError(
                f"This {type(self.core).__name__} has no classes_; fit it on training queries "
                "before it is reported on."
            )
        self.classes = np.asarray(router.classes_)
        self.inner: Any = self.core
        while hasattr(self.inner, "router_"):
            self.inner = self.inner.router_
        # A core that holds its router at a trade-off has one of its own.
        self.own_cost_weight = own_cost_weight(self.core)
        self.uses_cost: bool | None = getattr(self.inner, "uses_cost_", None)
        self.name = type(self.core).__name__

    @property
    def serves_any_trade_off(self) -> bool:
        """Whether it can choose at another trade-off than its own."""
        takes_it = "cost_weight" in signature(self.core.predict).parameters
        return takes_it and bool(self.uses_cost) and getattr(self.inner, "_any_trade_off", False)

    def choose(
        self, X: QueriesLike, cost_weight: float, tasks: NDArray[Any] | None
    ) -> tuple[NDArray[Any], float]:
        """Choices, at `cost_weight` where the router serves it, and the seconds they took."""
        options: dict[str, Any] = {}
        if self.serves_any_trade_off and cost_weight != self.own_cost_weight:
            options["cost_weight"] = cost_weight
        first = dict(options)
        if "tasks" in signature(self.core.predict).parameters:  # as of a table of tasks
            options["tasks"] = tasks
            first["tasks"] = None if tasks is None else tasks[:1]
        # The first prediction may load weights, which no later one does.
        self._predict(_safe_indexing(X, [0]), first)
        start = perf_counter()
        chosen = self._predict(X, options)
        return np.asarray(chosen), perf_counter() - start

    def _predict(self, X: QueriesLike, options: dict[str, Any]) -> NDArray[Any]:
        # Searches hand no options on.
        return self.core.predict(self.seen_by_core(X), **options)

    def seen_by_core(self, X: QueriesLike) -> Any:
        """What the core is given for `X`."""
        return innermost_input(self.router, X)

    def embed(
        self, X_fit: QueriesLike, X: QueriesLike, encoder: str | BaseEstimator
    ) -> tuple[Floats, Floats]:
        """Embeddings of both, as the router has them where it has any.

        `encoder` is for text of which the router has none. It is fitted on `X_fit`.
        """
        parts: Sequence[Any] = [X] if X_fit is X else [X_fit, X]
        seen = [self.seen_by_core(part) for part in parts]
        if getattr(self.inner, "_looks_at_queries", False):
            embeddings = [self.inner._read_queries(part) for part in seen]
        elif is_text(X) and (is_text(seen[0]) or issparse(seen[0])):
            texts = [check_queries(part) for part in parts]
            encoder = SentenceEncoder(encoder) if isinstance(encoder, str) else clone(encoder)
            if not takes_chats(encoder):
                texts = [query_texts(part) for part in texts]
            encoder.fit(texts[0])
            embeddings = [check_array(encoder.transform(part)) for part in texts]
        else:
            embeddings = [check_array(part.toarray() if issparse(part) else part) for part in seen]
        return embeddings[0], embeddings[-1]

    @property
    def caches_embeddings(self) -> bool:
        """Whether the encoder keeps embeddings, so that times can look better than they are."""
        return getattr(getattr(self.inner, "encoder_", None), "cache", None) is not None
