"""The cosine classifier."""

from __future__ import annotations

from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import StrOptions

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import NamesLike, Seed
from skrouter.baselines._cosine_base import CosineRouter


@with_shared_parts
class CosineClassifierRouter(CosineRouter):
    r"""Classify queries by the best LLM, with cosine similarities as logits.

    The embedding :math:`e` of a query becomes :math:`h = W e + b`, LLM :math:`j` has a learnt
    embedding :math:`w_j`, and

    .. math::

        z_j = \cos(h, w_j) / \tau, \qquad
        L = -\log \mathrm{softmax}_{j^*}(z), \qquad
        j^* = \arg\max_j P_j - \alpha C_j.

    The router chooses the largest :math:`z_j`. It is a baseline of the RouterDC and RadialRouter
    papers [1]_ [2]_. It learns which LLM is best most often, not by how much. With costs the best
    LLM of a query is a cheap one whenever that happens to be right, so on noisy outcomes the
    router can fall far below the best single LLM. A regression, such as :class:`LinearRouter`,
    loses far less. The trade-off :math:`\alpha` is `cost_weight`.

    Parameters
    ----------
    hidden_dim : int, default=64
        Width of :math:`h` and :math:`w_j`, as in :class:`~skrouter.RadialRouterClassifier`.
    temperature : float, default=1.0
        The temperature :math:`\tau`, as in RouterDC; the papers give none for this router.
        Cosines are at most 1, so that no probability gets near 1, which helps where labels are
        mostly noise: 0.1 and 0.2 did worse on problems of
        :func:`~skrouter.datasets.make_routing_problem`.
    learning_rate : float, default=1e-3
        Learning rate of AdamW.
    %(adamw_weight_decay)s
    batch_size : int or None, default=64
        Queries per step. None takes all at once.
    max_iter : int, default=10
        Number of epochs. Few: longer training learns the noise in the labels.
    ties : {"share", "mean"}, default="share"
        Which LLM is the best one where several are equally good, as without costs all LLMs are
        that answer correctly; the papers do not say. "share": they share the label equally.
        "mean": the label is the one of best mean utility. That leaves less to learn: "mean" lost
        less where routing gains nothing (RouterBench rows at a trade-off of 0), and did worse on
        problems of :func:`~skrouter.datasets.make_routing_problem`, where routing gains much.
    %(encoder)s
    %(trained_cost_weight)s
    %(llm_names)s
    random_state : int, RandomState instance or None, default=None
        Seed of the weights and of the order of queries. The global random states are not touched.

    Attributes
    ----------
    %(classes_)s
    %(n_features_in_)s
    %(encoder_)s
    %(uses_cost_)s
    %(projection_)s
    llm_embeddings_ : ndarray of shape (n_llms, hidden_dim)
        The vectors :math:`w_j`.
    %(n_iter_)s
    %(loss_curve_)s

    Notes
    -----
    Differences from the papers: the encoder is fixed, and followed by a linear projection of the
    standardised embedding. An LLM that was not observed on a query (NaN) is left out of its
    softmax. `sample_weight` weighs the loss. Training is in float64 on the CPU, as the network is
    small.

    References
    ----------
    %(routerdc)s
    .. [2] R. Jin et al., "RadialRouter: Structured Representation for Efficient and Robust Large
       Language Models Routing", Findings of EMNLP 2025, arXiv:2506.03880.

    Examples
    --------
    >>> from skrouter.baselines import CosineClassifierRouter
    >>> X = [[-1.0], [-0.9], [0.9], [1.0]] * 20
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]] * 20
    >>> router = CosineClassifierRouter(llm_names=["small", "large"], random_state=0)
    >>> router.fit(X, performance, cost=[0.1, 5.0]).predict([[-1.0], [1.0]])
    array(['small', 'large'], dtype='<U5')
    """

    _parameter_constraints = {
        **CosineRouter._parameter_constraints,
        "ties": [StrOptions({"share", "mean"})],
    }

    def __init__(
        self,
        hidden_dim: int = 64,
        *,
        temperature: float = 1.0,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        batch_size: int | None = 64,
        max_iter: int = 10,
        ties: Literal["share", "mean"] = "share",
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
        random_state: Seed = None,
    ) -> None:
        self.hidden_dim = hidden_dim
        self.temperature = temperature
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.ties = ties
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names
        self.random_state = random_state

    def _make_loss(self, embeddings, utility, weight, random_state):
        import torch

        from skrouter.nn.losses import best_llm_loss

        if self.ties == "mean":
            utility = best_by_mean(utility, weight)
        utility = torch.tensor(utility)
        return lambda rows, logits, states: best_llm_loss(logits, utility[rows])


def best_by_mean(utility, weight):
    """Mark the best LLM of each query; among equals, the one of best mean utility.

    Parameters
    ----------
    utility : ndarray of shape (n_queries, n_llms)
        NaN where not observed.
    weight : ndarray of shape (n_queries,)

    Returns
    -------
    best : ndarray of shape (n_queries, n_llms)
        1 for the best, 0 for others, NaN where not observed. LLMs of equal means are all best.
    """
    hidden = np.isnan(utility)
    known = np.where(hidden, -np.inf, utility)
    best = known == known.max(axis=1, keepdims=True)
    mean = np.where(best, observed_mean(utility, weight), -np.inf)
    return np.where(hidden, np.nan, mean == mean.max(axis=1, keepdims=True))
