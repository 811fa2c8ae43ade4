"""The router by a table over clusters of queries."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skrouter._routers.base import BaseRouter
from skrouter._routers.outcomes import OutcomesMixin
from skrouter._targets.utility import PredictedOutcomes
from skrouter._training.closed_form import ClusterLearners
from skrouter._training.held_out import LearntOutcomes
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import NamesLike, Seed
from skrouter._utils.vectors import unit_rows

_CANDIDATES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48)


@with_shared_parts
class ClusterRouter(OutcomesMixin, BaseRouter):
    r"""Predict the performance and cost of each LLM by a table over clusters of queries.

    Queries are clustered by k-means on their embeddings of length 1. The prediction for LLM
    :math:`j` on a query of cluster :math:`k` is the mean outcome there, shrunk toward the mean
    over all queries,

    .. math::

        \hat p_j = \bar p_j + \frac{\sum_{i \in k} (p_{ij} - \bar p_j)}{n_k + \kappa},

    and the router chooses :math:`\arg\max_j \hat p_j - \alpha \hat c_j`. With clusters for tasks
    it is :class:`BestPerTaskRouter` that need not be told the task; it is UniRoute [1]_ with LLMs
    described by their errors per cluster.

    Parameters
    ----------
    n_clusters : int, default=None
        Number of clusters. None takes, of 1 to 48 with ten queries each, the number of the
        largest mean utility on queries that were held out in four folds, over several trade-offs.
    shrinkage : float, default=5.0
        The :math:`\kappa` above: the mean over all queries counts like so many queries of the
        cluster.
    %(encoder)s
    %(own_cost_weight)s
    %(llm_names)s
    random_state : int, RandomState instance or None, default=None
        Seed of k-means and of the folds.

    Attributes
    ----------
    n_clusters_ : int
        Number of clusters that was taken, of different queries. 1 if no more pay.
    %(classes_)s
    %(n_features_in_)s
    %(encoder_)s
    %(uses_cost_)s

    Notes
    -----
    %(missing_outcomes)s

    References
    ----------
    .. [1] W. Jitkrittum et al., "Universal Model Routing for Efficient LLM Inference", 2025,
       arXiv:2502.08773.

    Examples
    --------
    >>> from skrouter.baselines import ClusterRouter
    >>> X = [[0.0, 1.0], [0.1, 1.0], [1.0, 0.1], [1.0, 0.0]]
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]]
    >>> router = ClusterRouter(2, llm_names=["small", "large"], shrinkage=0.1, random_state=0)
    >>> router.fit(X, performance, cost=[0.1, 5.0]).predict([[0.2, 3.0], [3.0, 0.2]])
    array(['small', 'large'], dtype='<U5')
    """

    _parameter_constraints = {
        **BaseRouter._parameter_constraints,
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "shrinkage": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        shrinkage: float = 5.0,
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
        random_state: Seed = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.shrinkage = shrinkage
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names
        self.random_state = random_state

    def _fit(self, data):
        learnt = LearntOutcomes.of(data)
        n_queries = len(learnt.outcomes)
        random_state = check_random_state(self.random_state)
        chosen = self.n_clusters is not None
        folds = [np.arange(n_queries)] if chosen else learnt.folds(random_state)
        learner = ClusterLearners(
            data.embeddings[learnt.used],
            learnt.deviations.reshape(n_queries, -1),
            learnt.weight,
            folds,
            random_state,
            sizes=self._sizes(n_queries),
            prior_queries=self.shrinkage,
        )
        best = 0 if len(learner.settings) == 1 else self._best(learner, learnt, folds)
        tables = learner.averaged(np.eye(len(learner.settings))[best])
        self.n_clusters_ = len(tables[0][0])
        # Back from the unit of performance.
        self._centers, ((_, table),) = tables[0]
        self._table = (learnt.mean + table.reshape(-1, *learnt.mean.shape)) * learnt.units

    def _sizes(self, n_queries):
        if self.n_clusters is not None:
            return (min(self.n_clusters, n_queries),)
        return (1, *(size for size in _CANDIDATES if 10 * size <= n_queries))

    def _best(self, learner, learnt, folds):
        """Position of the setting that is worth most on held-out queries."""
        shape = learnt.outcomes.shape
        return learnt.judge_of_all(folds).best_of(
            (position, learner.out_of_fold(only).reshape(shape))
            for position, only in enumerate(np.eye(len(learner.settings)))
        )

    def _predict_outcomes(self, embeddings):
        similarity = unit_rows(embeddings.astype(np.float64, copy=False)) @ self._centers.T
        outcomes = self._table[similarity.argmax(axis=1)]
        return PredictedOutcomes(outcomes[..., 0], outcomes[..., 1] if self.uses_cost_ else None)
