"""What a report asks a router: its choices at a trade-off, its trade-off, its embeddings."""

from inspect import signature
from time import perf_counter

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import _safe_indexing, check_array

from skrouter._encoders.chat_formatter import takes_chats
from skrouter._encoders.sentence_encoder import SentenceEncoder
from skrouter._inputs.queries import check_queries, is_text, query_texts


class RouterAdapter:
    """A fitted router, or any classifier whose classes are LLMs, as a report sees it.

    Parameters
    ----------
    router : classifier
        With `classes_` and `predict`. Of a search the best estimator is asked, of a pipeline the
        last step is the core, which says what can be asked beside `predict`.

    Attributes
    ----------
    core : classifier
    inner : classifier
        What a core such as :class:`~skrouter.FallbackRouter` has fitted, its `router_`; else the
        core itself. It knows costs, trade-offs and embeddings, the core how to be asked.
    own_cost_weight : float or None
        Where the core chooses if it is told no trade-off. None for a classifier that has none.
    uses_cost : bool or None
        Whether it was fitted with costs. None for a classifier that does not say.
    """

    def __init__(self, router):
        self.router = getattr(router, "best_estimator_", router)
        self.core = self.router
        while getattr(self.core, "steps", None):
            self.core = self.core.steps[-1][1]
        if not hasattr(self.router, "predict"):
            raise TypeError(
                f"router must be a fitted classifier with classes_ and predict, got {router!r}."
            )
        if not hasattr(self.router, "classes_"):
            raise NotFittedError(
                f"This {type(self.core).__name__} has no classes_; fit it on training queries "
                "before it is reported on."
            )
        self.classes = np.asarray(self.router.classes_)
        self.inner = self.core
        while hasattr(self.inner, "router_"):
            self.inner = self.inner.router_
        own = getattr(self.inner, "cost_weight", None)
        # A core that holds its router at a trade-off does not ask it for its own.
        self.own_cost_weight = getattr(self.core, "cost_weight_", own)
        self.uses_cost = getattr(self.inner, "uses_cost_", None)
        self.name = type(self.core).__name__

    def any_trade_off(self):
        """Whether it can be asked at another trade-off than its own."""
        told = "cost_weight" in signature(self.core.predict).parameters
        return told and bool(self.uses_cost) and getattr(self.inner, "_any_trade_off", False)

    def choose(self, X, cost_weight, tasks):
        """Choices at the trade-off where it can be asked for, and the seconds they took."""
        asked = {}
        if self.any_trade_off() and cost_weight != self.own_cost_weight:
            asked["cost_weight"] = cost_weight
        given = dict(asked)
        if "tasks" in signature(self.core.predict).parameters:  # a table of tasks must be told
            given["tasks"] = tasks
            asked["tasks"] = None if tasks is None else tasks[:1]
        # The first prediction may load weights, which no later one does.
        self.router.predict(_safe_indexing(X, [0]), **asked)
        start = perf_counter()
        chosen = self.router.predict(X, **given)
        return np.asarray(chosen), perf_counter() - start

    def seen_by_core(self, X):
        """What the last step of a pipeline is given for `X`."""
        router = self.router
        while getattr(router, "steps", None):
            X = router[:-1].transform(X) if len(router.steps) > 1 else X
            router = router.steps[-1][1]
        return X

    def embed(self, X_fit, X, encoder):
        """Embeddings of both, as the router has them where it has any.

        `encoder` is for text of which the router has none. It is fitted on `X_fit`.
        """
        parts = [X] if X_fit is X else [X_fit, X]
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

    def caches_embeddings(self):
        """Whether the encoder keeps embeddings, so that times can look better than they are."""
        return getattr(getattr(self.inner, "encoder_", None), "cache", None) is not None
