"""The lowest reference: a choice at random."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from skrouter._routers.base import BaseRouter
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import NamesLike, Seed


@with_shared_parts
class RandomRouter(BaseRouter):
    """Choose among all LLMs at random, each with the same probability.

    `predict` draws; to report the expectation instead of one draw, score the probabilities:
    ``routing_score(y, router.predict_proba(X), ...)``. It does not look at the queries, so no
    text is encoded.

    Parameters
    ----------
    cost_weight : float, default=0.02
        The trade-off at which `score` judges: performance given up for one US dollar per 1,000
        queries. The default is the RadialRouter paper's "balance" scenario. The choice does not
        depend on it.
    %(llm_names)s
    %(seed_of_draws)s

    Attributes
    ----------
    %(classes_)s
    %(n_features_in_)s
    %(uses_cost_)s

    Examples
    --------
    >>> from skrouter.baselines import RandomRouter
    >>> router = RandomRouter(random_state=0).fit(["2+2?"], [[1.0, 1.0, 0.0, 0.0]])
    >>> router.predict_proba(["Why?"])
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    _looks_at_queries = False
    _draws = True

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
        """Learn nothing: the names of the LLMs, which `fit` has read, are enough."""

    def _shares(self, values):
        """Equal shares: the values are the draws of one prediction."""
        possible = ~np.isneginf(values)
        return possible / possible.sum(axis=1, keepdims=True)

    def _utilities(self, embeddings, cost_weight):
        # Of independent draws from one distribution each is the largest with equal probability.
        rng = check_random_state(self.random_state)
        return rng.uniform(size=(len(embeddings), len(self.classes_)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        tags.classifier_tags.poor_score = True
        return tags
