"""The multi-layer perceptron router."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.utils._param_validation import Interval

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import NamesLike, Seed
from skrouter.baselines._outcome_router import OutcomeRouter
from skrouter.baselines._target_scaling import StandardizedTargets


class _StandardizedMLP(StandardizedTargets, MLPRegressor):
    """A multi-layer perceptron on standardised targets, trained for a set number of epochs."""

    def fit(self, X, y, sample_weight=None):
        with warnings.catch_warnings():
            # Training stops before convergence on purpose, before it fits the noise.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().fit(X, y, sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True  # true, though scikit-learn does not declare it
        return tags


@with_shared_parts
class MLPRouter(OutcomeRouter):
    r"""Predict the performance and cost of each LLM with a small neural network.

    Chooses :math:`\arg\max_j \hat p_j(x) - \alpha \hat c_j(x)` with :math:`\alpha` the
    `cost_weight`, like :class:`RegressionRouter`: the MLP router of RouterBench [1]_, by
    :class:`~sklearn.neural_network.MLPRegressor` with one hidden layer. LLMs that were observed
    on the same queries share one network.

    Parameters
    ----------
    hidden_dim : int, default=64
        Width of the hidden layer. Small, as there are more weights than queries anyway.
    alpha : float, default=1.0
        Strength of the L2 penalty (not the trade-off), divided by the batch size of 64. A strong
        penalty and few epochs were chosen on problems of
        :func:`~skrouter.datasets.make_routing_problem` of 200 and 800 queries: weaker penalties
        and longer training did better where there is signal, and worse where there is none.
    max_iter : int, default=20
        Number of epochs. Few, for the same reason.
    learning_rate : float, default=1e-3
        Learning rate of Adam; scikit-learn's default.
    %(encoder)s
    %(own_cost_weight)s
    %(llm_names)s
    random_state : int, RandomState instance or None, default=None
        Seed of the weights and of the order of queries.

    Attributes
    ----------
    %(classes_)s
    %(n_features_in_)s
    %(encoder_)s
    %(uses_cost_)s
    %(outcome_models)s
    n_iter_ : int
        Number of epochs: `max_iter`, or fewer if the loss stopped falling.

    Notes
    -----
    %(missing_outcomes)s

    Performance and costs are standardised for training, so that one learning rate suits both.

    References
    ----------
    %(routerbench)s

    Examples
    --------
    >>> from skrouter.baselines import MLPRouter
    >>> X = [[-1.0], [-0.9], [0.9], [1.0]] * 20
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]] * 20
    >>> router = MLPRouter(llm_names=["small", "large"], learning_rate=0.01, random_state=0)
    >>> router.fit(X, performance, cost=[0.1, 5.0]).predict([[-1.0], [1.0]])
    array(['small', 'large'], dtype='<U5')
    """

    _parameter_constraints = {
        **OutcomeRouter._parameter_constraints,
        "hidden_dim": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden_dim: int = 64,
        *,
        alpha: float = 1.0,
        max_iter: int = 20,
        learning_rate: float = 1e-3,
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
        random_state: Seed = None,
    ) -> None:
        self.hidden_dim = hidden_dim
        self.alpha = alpha
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names
        self.random_state = random_state

    def _fit(self, data):
        super()._fit(data)
        self.n_iter_ = max(network.n_iter_ for _, network in self.performance_model_.parts)

    def _make_regressor(self, n_rows):
        return _StandardizedMLP(
            hidden_layer_sizes=(self.hidden_dim,),
            alpha=self.alpha,
            batch_size=min(64, n_rows),
            learning_rate_init=self.learning_rate,
            max_iter=self.max_iter,
            random_state=self.random_state,
        )
