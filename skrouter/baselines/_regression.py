"""A router out of any scikit-learn regressor."""

from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import Ridge
from sklearn.utils._param_validation import HasMethods

from skrouter._utils.types import NamesLike
from skrouter.baselines._outcome_router import OutcomeRouter


class RegressionRouter(OutcomeRouter):
    r"""Predict the performance and cost of each LLM with any scikit-learn regressor.

    From the embedding :math:`x` of a query, the regressor predicts performance
    :math:`\hat p_j(x)` and cost :math:`\hat c_j(x)` of LLM :math:`j`, and the router chooses
    :math:`\arg\max_j \hat p_j(x) - \alpha \hat c_j(x)`: the predictive routers of RouterBench
    [1]_.

    Parameters
    ----------
    regressor : scikit-learn regressor, default=None
        It is cloned. One that predicts several outputs is fitted once for all LLMs, else one is
        fitted for each. None is ``Ridge(alpha=10.0)``, as in :class:`LinearRouter`, which suits
        embeddings of unit length as they are. For features of unlike scales put a
        :class:`~sklearn.preprocessing.StandardScaler` before it, in a pipeline.
    encoder : str or transformer, default="all-MiniLM-L6-v2"
        Turns text into embeddings: the name or path of a sentence-transformers model, a
        :class:`~skrouter.SentenceEncoder`, or any scikit-learn transformer of text. Not used on
        ready embeddings.
    cost_weight : float, default=0.02
        The trade-off :math:`\alpha`: performance given up for one US dollar per 1,000 queries.
        The default is the paper's "balance" scenario.
    llm_names : sequence of str, default=None
        Names of the LLMs, for a `y` that carries none.

    Attributes
    ----------
    classes_ : ndarray of shape (n_llms,)
        Names of the LLMs.
    n_features_in_ : int
        Length of an embedding.
    encoder_ : transformer
        The fitted encoder, if fitted on text.
    performance_model_, cost_model_ : object
        The fitted regressors of performance and cost; `cost_model_` is None without costs.

    Notes
    -----
    Where outcomes are missing (NaN), each LLM is learnt from the queries on which it was
    observed. `sample_weight` is passed to the regressor; `fit` raises ValueError if that takes
    none (nearest neighbours, pipelines).

    References
    ----------
    .. [1] Q. J. Hu et al., "RouterBench: A Benchmark for Multi-LLM Routing System", 2024,
       arXiv:2403.12031.

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
