"""The linear router."""

from numbers import Real

from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.utils._param_validation import Interval

from skrouter._utils.types import NamesLike
from skrouter.baselines._outcome_router import OutcomeRouter


class LinearRouter(OutcomeRouter):
    r"""Predict the performance and cost of each LLM by ridge regression on the embedding.

    Chooses :math:`\arg\max_j \hat p_j(x) - \alpha \hat c_j(x)`, like
    :class:`RegressionRouter`. On sentence embeddings this is a hard baseline for its price: it
    is fitted in closed form.

    Parameters
    ----------
    alpha : float, default=10.0
        Strength of the ridge penalty (not the trade-off). The default suits embeddings of unit
        length, on which each feature has a variance of about one over their number. It was chosen
        on problems of :func:`~skrouter.datasets.make_routing_problem` of 200 to 1,800 queries,
        with and without signal.
    encoder : str or transformer, default="all-MiniLM-L6-v2"
        Turns text into embeddings: the name or path of a sentence-transformers model, a
        :class:`~skrouter.SentenceEncoder`, or any scikit-learn transformer of text. Not used on
        ready embeddings.
    cost_weight : float, default=0.02
        The trade-off: performance given up for one US dollar per 1,000 queries. The default is
        the paper's "balance" scenario.
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
    observed.

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
        "alpha": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        alpha: float = 10.0,
        *,
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
    ) -> None:
        self.alpha = alpha
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names

    def _make_regressor(self, n_rows):
        return Ridge(alpha=self.alpha)
