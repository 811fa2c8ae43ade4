"""The nearest-neighbour router."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Literal

from sklearn.base import BaseEstimator
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils._param_validation import Interval, StrOptions

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import Floats, NamesLike
from skrouter.baselines._outcome_router import OutcomeRouter


@with_shared_parts
class KNNRouter(OutcomeRouter):
    r"""Predict the performance and cost of each LLM from the most similar training queries.

    Chooses :math:`\arg\max_j \hat p_j(x) - \alpha \hat c_j(x)`, where :math:`\alpha` is
    `cost_weight` and the predictions are the means over the nearest neighbours of the query. With
    a good embedding and enough neighbours it matches or beats many learned routers [1]_.

    Parameters
    ----------
    n_neighbors : int, default=80
        Number of neighbours; where an LLM was observed on fewer training queries, all of them.
        Outcomes are noisy, most often 0 or 1, so many are needed to compare LLMs. The default
        was chosen on problems of :func:`~skrouter.datasets.make_routing_problem` of 200 to 1,800
        queries, with and without signal. Tune it on your data.
    metric : str or callable, default="cosine"
        Distance between embeddings, as for :class:`~sklearn.neighbors.KNeighborsRegressor`.
    weights : {"uniform", "distance"} or callable, default="uniform"
        Weights of the neighbours, as for :class:`~sklearn.neighbors.KNeighborsRegressor`.
    %(encoder)s
    %(own_cost_weight)s
    %(llm_names)s

    Attributes
    ----------
    %(classes_)s
    %(n_features_in_)s
    %(encoder_)s
    %(uses_cost_)s
    %(outcome_models)s

    Notes
    -----
    Where outcomes are missing (NaN), the neighbours of each LLM are those among the queries on
    which it was observed. Nearest neighbours take no `sample_weight`: `fit` raises ValueError
    for weights other than 1.

    References
    ----------
    .. [1] Y. Li, "Rethinking Predictive Modeling for LLM Routing: When Simple kNN Beats Complex
       Learned Routers", 2025, arXiv:2505.12601.

    Examples
    --------
    >>> from skrouter.baselines import KNNRouter
    >>> X = [[0.0, 1.0], [0.1, 1.0], [1.0, 0.1], [1.0, 0.0]]
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]]
    >>> router = KNNRouter(n_neighbors=2, llm_names=["small", "large"])
    >>> router.fit(X, performance, cost=[0.1, 5.0]).predict([[0.2, 3.0], [3.0, 0.2]])
    array(['small', 'large'], dtype='<U5')
    """

    _parameter_constraints = {
        **OutcomeRouter._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": KNeighborsRegressor._parameter_constraints["metric"],
        "weights": [StrOptions({"uniform", "distance"}), callable],
    }

    def __init__(
        self,
        n_neighbors: int = 80,
        *,
        metric: str | Callable[..., float] = "cosine",
        weights: Literal["uniform", "distance"] | Callable[[Floats], Floats] = "uniform",
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.weights = weights
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names

    def _make_regressor(self, n_rows):
        return KNeighborsRegressor(
            min(self.n_neighbors, n_rows), metric=self.metric, weights=self.weights
        )
