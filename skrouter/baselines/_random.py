"""The reference at the bottom: a choice by lot."""

import numpy as np
from sklearn.utils import check_random_state

from skrouter._routers.base import BaseRouter
from skrouter._utils.types import NamesLike, Seed


class RandomRouter(BaseRouter):
    """Choose among all LLMs by lot, each with the same probability.

    `predict` draws; to report the expectation instead of one draw, score the probabilities:
    ``routing_score(y, router.predict_proba(X), ...)``. It does not look at the queries, so no
    text is encoded.

    Parameters
    ----------
    cost_weight : float, default=0.02
        The trade-off at which `score` judges: performance given up for one US dollar per 1,000
        queries. The choice does not depend on it.
    llm_names : sequence of str, default=None
        Names of the LLMs, for a `y` that carries none.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws in `predict`. With an int every call draws the same sequence.

    Attributes
    ----------
    classes_ : ndarray of shape (n_llms,)
        Names of the LLMs.
    n_features_in_ : int
        Number of features, if fitted on embeddings.

    Examples
    --------
    >>> from skrouter.baselines import RandomRouter
    >>> router = RandomRouter(random_state=0).fit(["2+2?"], [[1.0, 1.0, 0.0, 0.0]])
    >>> router.predict_proba(["Why?"])
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    _looks_at_queries = False

    _parameter_constraints = {
        **BaseRouter._parameter_constraints,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
        random_state: Seed = None,
    ) -> None:
        self.cost_weight = cost_weight
        self.llm_names = llm_names
        self.random_state = random_state

    def _fit(self, data):
        """Learn nothing: the names of the LLMs are all that is needed."""

    def _shares(self, values):
        """Equal ones: values are the draws of one prediction."""
        possible = ~np.isneginf(values)
        return possible / possible.sum(axis=1, keepdims=True)

    def _utilities(self, embeddings, cost_weight):
        # The largest of independent draws of one distribution is each with the same probability.
        rng = check_random_state(self.random_state)
        return rng.uniform(size=(len(embeddings), len(self.classes_)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        tags.classifier_tags.poor_score = True
        return tags
