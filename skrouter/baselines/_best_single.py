"""The reference of every router: always the same LLM."""

import numpy as np

from skrouter._routers.base import BaseRouter
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import NamesLike


class BestSingleRouter(BaseRouter):
    """Always choose the LLM that was best on average in training.

    The reference that a router must beat to be worth its trouble ("best candidate" in the
    paper's tables). It does not look at the queries, so no text is encoded.

    Parameters
    ----------
    cost_weight : float, default=0.02
        The trade-off: performance given up for one US dollar per 1,000 queries. The default is
        the paper's "balance" scenario.
    llm_names : sequence of str, default=None
        Names of the LLMs, for a `y` that carries none.

    Attributes
    ----------
    classes_ : ndarray of shape (n_llms,)
        Names of the LLMs.
    mean_utility_ : ndarray of shape (n_llms,)
        Weighted mean utility of each LLM over the training queries on which it was observed.
    n_features_in_ : int
        Number of features, if fitted on embeddings.

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
