"""The reference for every router: always the same LLM."""

from __future__ import annotations

import numpy as np

from skrouter._routers.base import BaseRouter
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import NamesLike


@with_shared_parts
class BestSingleRouter(BaseRouter):
    """Always choose the LLM that was best on average in training.

    A router that does not beat it is of no use ("best candidate" in the RadialRouter paper's
    tables). It does not look at the queries, so no text is encoded.

    Parameters
    ----------
    %(own_cost_weight)s
    %(llm_names)s

    Attributes
    ----------
    %(classes_)s
    mean_utility_ : ndarray of shape (n_llms,)
        Weighted mean utility of each LLM over the training queries on which it was observed.
    %(n_features_in_)s
    %(uses_cost_)s

    Examples
    --------
    >>> from skrouter.baselines import BestSingleRouter
    >>> router = BestSingleRouter(llm_names=["large", "small"])
    >>> router.fit(["2+2?", "Prove it."], [[1.0, 1.0], [1.0, 0.0]], cost=[9.0, 0.1])
    BestSingleRouter(llm_names=['large', 'small'])
    >>> router.predict(["Why?"])
    array(['large'], dtype='<U5')
    """

    _looks_at_queries = False

    def __init__(self, *, cost_weight: float = 0.02, llm_names: NamesLike | None = None) -> None:
        self.cost_weight = cost_weight
        self.llm_names = llm_names

    def _fit(self, data):
        self.mean_utility_ = observed_mean(data.utility, data.sample_weight)

    def _utilities(self, embeddings, cost_weight):
        return np.tile(self.mean_utility_, (len(embeddings), 1))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags
