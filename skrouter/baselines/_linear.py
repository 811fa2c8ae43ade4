"""The linear router."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.utils._param_validation import Interval, StrOptions

from skrouter._training.held_out import LearntOutcomes
from skrouter._training.reduced_rank import ReducedRankLearners
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import NamesLike
from skrouter.baselines._masked_regression import ReducedRankRegressors
from skrouter.baselines._outcome_router import OutcomeRouter

# For features whose variances sum to 1, as those of embeddings of length 1 nearly do.
_PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)
_RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_CONSTANT = (np.inf, 0)


@with_shared_parts
class LinearRouter(OutcomeRouter):
    r"""Predict the performance and cost of each LLM by ridge regression on the embedding.

    Chooses :math:`\arg\max_j \hat p_j(x) - \alpha \hat c_j(x)`, like
    :class:`RegressionRouter`. On sentence embeddings this is a hard baseline for its price: it
    is fitted in closed form.

    By default penalty and rank are those of the largest mean utility on queries that were held
    out in four folds, over several trade-offs, as in :class:`ClusterRouter`. A penalty that suits
    squared errors need not suit choices: only differences between good LLMs count for them. Where
    no regression is worth more than two standard errors above the best single LLM, none is used,
    so that noise is not taken for a signal.

    Parameters
    ----------
    alpha : float or "auto", default="auto"
        Strength of the ridge penalty (not the trade-off). "auto" chooses it by cross-validation,
        from 1 to 100 times the sum of the variances of the features and the mean weight of a
        query, and infinity. Infinity is no regression at all: every LLM is expected to do as it
        does on average.
    rank : int, "auto" or None, default="auto"
        Number of directions in which the expected performance of the LLMs varies from query to
        query, and likewise the expected cost; see the notes. None, or the number of LLMs, is all
        of them. "auto" is chosen together with the penalty; where `alpha` is a number it is None.
    %(encoder)s
    %(own_cost_weight)s
    %(llm_names)s

    Attributes
    ----------
    alpha_ : float
        The penalty that was taken. Infinity where no regression pays: the router then stays at
        the best single LLM at every trade-off.
    rank_ : int
        The rank that was taken: 0 for an infinite penalty, at most the number of LLMs.
    %(classes_)s
    %(n_features_in_)s
    %(encoder_)s
    %(uses_cost_)s
    %(outcome_models)s

    Notes
    -----
    %(missing_outcomes)s

    Of a lower rank are the fitted outcomes, an array of queries and LLMs, after projection onto the
    first right singular vectors of their deviations from the mean: reduced-rank regression [1]_
    of a ridge. With many LLMs it averages noise that a regression for each of them would take for
    skill.

    The folds are the same at every fit, so that the router has no seed.

    References
    ----------
    .. [1] A. J. Izenman, "Reduced-rank regression for the multivariate linear model", Journal of
       Multivariate Analysis 5, 1975.

    Examples
    --------
    >>> from skrouter.baselines import LinearRouter
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]]
    >>> router = LinearRouter(alpha=0.1, llm_names=["small", "large"])
    >>> router.fit(X, performance, cost=[0.1, 5.0]).predict([[0.05], [0.95]])
    array(['small', 'large'], dtype='<U5')
    """

    _parameter_constraints = {
        **OutcomeRouter._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="both"), StrOptions({"auto"})],
        "rank": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
    }

    def __init__(
        self,
        alpha: float | Literal["auto"] = "auto",
        *,
        rank: int | Literal["auto"] | None = "auto",
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
    ) -> None:
        self.alpha = alpha
        self.rank = rank
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names

    def _fit(self, data):
        self.alpha_, self.rank_ = self._penalty_and_rank(data)
        super()._fit(data)
        if 0 < self.rank_ < len(self.classes_):
            rows = data.embeddings, data.sample_weight, self.rank_
            self.performance_model_ = ReducedRankRegressors(self.performance_model_, *rows)
            if self.uses_cost_:
                self.cost_model_ = ReducedRankRegressors(self.cost_model_, *rows)

    def _make_regressor(self, n_rows):
        # Before the penalty is known it is only asked whether the regressor takes weights.
        alpha = getattr(self, "alpha_", 1.0)
        return DummyRegressor() if np.isinf(alpha) else Ridge(alpha=alpha)

    def _penalty_and_rank(self, data):
        ranks = self._ranks(len(self.classes_))
        if self.alpha != "auto":
            return _CONSTANT if np.isinf(self.alpha) else (float(self.alpha), ranks[-1])
        learnt = LearntOutcomes.of(data)
        seed = np.random.RandomState(0)
        folds = learnt.folds(seed)
        if len(folds) == 1:  # too few queries to hold any out
            return _CONSTANT
        rows = data.embeddings[learnt.used], learnt.deviations, learnt.weight, folds
        learners = ReducedRankLearners(*rows, seed, _PENALTIES, ranks)
        predictions = learners.each_out_of_fold()
        judge = learnt.judge_of_all(folds)
        penalty, rank = judge.best_of(predictions, in_doubt=_CONSTANT, as_it_is=True)
        mean_weight = data.sample_weight[learnt.used].mean()
        return float(penalty * learners.spread * mean_weight), rank

    def _ranks(self, n_llms):
        """The ranks to choose from; the last one where the penalty is given."""
        if self.rank == "auto":
            return (*(rank for rank in _RANKS if rank < n_llms), n_llms)
        return (n_llms if self.rank is None else min(self.rank, n_llms),)
