"""A router made of any scikit-learn regressor."""

from __future__ import annotations

from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import Ridge
from sklearn.utils._param_validation import HasMethods

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import NamesLike
from skrouter.baselines._outcome_router import OutcomeRouter


@with_shared_parts
class RegressionRouter(OutcomeRouter):
    r"""Predict the performance and cost of each LLM with any scikit-learn regressor.

    From the embedding :math:`x` of a query, the regressor predicts performance
    :math:`\hat p_j(x)` and cost :math:`\hat c_j(x)` of LLM :math:`j`, and the router chooses
    :math:`\arg\max_j \hat p_j(x) - \alpha \hat c_j(x)` with :math:`\alpha` the `cost_weight`: the
    predictive routers of RouterBench [1]_.

    Parameters
    ----------
    regressor : scikit-learn regressor, default=None
        It is cloned. One that predicts several outputs is fitted once for all LLMs, else one is
        fitted for each. None is ``Ridge(alpha=10.0)``, as in ``LinearRouter(10.0)``, which suits
        embeddings of length 1 as they are. For features on different scales put a
        :class:`~sklearn.preprocessing.StandardScaler` before it, in a pipeline.
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
    %(missing_outcomes)s

    `sample_weight` is passed to the regressor; `fit` raises ValueError if the regressor takes
    none (nearest neighbours, pipelines).

    References
    ----------
    %(routerbench)s

    Examples
    --------
    >>> from sklearn.svm import SVR
    >>> from skrouter.baselines import RegressionRouter
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]]
    >>> router = RegressionRouter(SVR(), llm_names=["small", "large"])
    >>> router.fit(X, performance, cost=[0.1, 5.0]).predict([[0.05], [0.95]])
    array(['small', 'large'], dtype='<U5')
    """

    _parameter_constraints = {
        **OutcomeRouter._parameter_constraints,
        "regressor": [HasMethods(["fit", "predict"]), None],
    }

    def __init__(
        self,
        regressor: BaseEstimator | None = None,
        *,
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
    ) -> None:
        self.regressor = regressor
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names

    def _make_regressor(self, n_rows):
        return Ridge(alpha=10.0) if self.regressor is None else clone(self.regressor)
