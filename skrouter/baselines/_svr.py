"""The support vector router."""

from __future__ import annotations

from numbers import Real
from typing import Literal

from sklearn.base import BaseEstimator
from sklearn.svm import SVR
from sklearn.utils._param_validation import Interval, StrOptions

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import NamesLike
from skrouter.baselines._outcome_router import OutcomeRouter
from skrouter.baselines._target_scaling import StandardizedTargets


class _CenteredSVR(StandardizedTargets, SVR):
    """Support vector regression of standardised targets, with the mean corrected."""

    def fit(self, X, y, sample_weight=None):
        # libsvm takes a seed, which regression does not use. SVR has no parameter for it and would
        # draw it from numpy's global random state.
        self.random_state = 0
        return super().fit(X, y, sample_weight)


@with_shared_parts
class SVRRouter(OutcomeRouter):
    r"""Predict the performance and cost of each LLM by support vector regression.

    Chooses :math:`\arg\max_j \hat p_j(x) - \alpha \hat c_j(x)` with :math:`\alpha` the
    `cost_weight`, like :class:`RegressionRouter`: the SVM router of RouterBench [1]_.

    Parameters
    ----------
    C : float, default=0.3
        Inverse strength of regularisation. Lower than scikit-learn's 1, which overfitted: chosen
        on problems of :func:`~skrouter.datasets.make_routing_problem` of 200 and 800 queries,
        with and without signal, as the largest of 0.01 to 1 that was not worse than the best
        single LLM where there is nothing to learn. Tune it on your data.
    epsilon : float, default=0.1
        Errors below it are not penalised, in standard deviations of the outcome. scikit-learn's
        default.
    kernel : {"rbf", "linear"}, default="rbf"
        Kernel, with scikit-learn's ``gamma="scale"``.
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
    The loss is smallest at the median of the outcomes, which for outcomes of 0 and 1 is 0 or 1:
    LLMs that are right on 60 % and on 90 % of the queries would get equal predictions. So targets
    are standardised, and predictions are shifted to the mean of the observed outcomes of each LLM.
    RouterBench does not mention such a correction.

    %(missing_outcomes)s

    One support vector machine is fitted per LLM, in a time that grows with the square of the
    number of queries.

    References
    ----------
    %(routerbench)s

    Examples
    --------
    >>> from skrouter.baselines import SVRRouter
    >>> X = [[0.0], [0.1], [0.9], [1.0]] * 20
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]] * 20
    >>> router = SVRRouter(llm_names=["small", "large"])
    >>> router.fit(X, performance, cost=[0.1, 5.0]).predict([[0.05], [0.95]])
    array(['small', 'large'], dtype='<U5')
    """

    _parameter_constraints = {
        **OutcomeRouter._parameter_constraints,
        "C": [Interval(Real, 0, None, closed="neither")],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "kernel": [StrOptions({"rbf", "linear"})],
    }

    def __init__(
        self,
        C: float = 0.3,
        *,
        epsilon: float = 0.1,
        kernel: Literal["rbf", "linear"] = "rbf",
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
    ) -> None:
        self.C = C
        self.epsilon = epsilon
        self.kernel = kernel
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names

    def _make_regressor(self, n_rows):
        return _CenteredSVR(C=self.C, epsilon=self.epsilon, kernel=self.kernel)
