"""RouterDC, by dual contrastive learning."""

from __future__ import annotations

from numbers import Integral, Real

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from skrouter._training.neighbors import cluster_queries
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import NamesLike, Seed
from skrouter.baselines._cosine_base import CosineRouter


@with_shared_parts
class RouterDCRouter(CosineRouter):
    r"""RouterDC: query and LLM embeddings learnt by two contrastive losses.

    The embedding :math:`e` of a query becomes :math:`h = W e + b`, LLM :math:`j` has a learnt
    embedding :math:`k_j`, and the router chooses the largest :math:`u_j = \cos(h, k_j) / \tau`
    [1]_. It is trained on

    .. math::

        L = \sum_{j \in T} -\log \frac{e^{u_j}}{e^{u_j} + \sum_{l \in B} e^{u_l}}
        + \lambda \Big( -\log \frac{e^{s(h, h^+)}}
        {e^{s(h, h^+)} + \sum_{h^-} e^{s(h, h^-)}} \Big),

    where :math:`T` are the `n_best` LLMs of highest score on the query, of those above 0,
    :math:`B` are the `n_worst` LLMs of lowest score, of those that fail with a score of at most
    0.5, :math:`h^+` is a query of the same k-means cluster, :math:`h^-` are `n_negatives` queries
    of others, and :math:`s = \cos / \tau`. The score is the utility
    :math:`P_j - \alpha C_j` with :math:`\alpha` the `cost_weight`, without costs the performance.

    Parameters
    ----------
    hidden_dim : int, default=64
        Width of :math:`h` and :math:`k_j`, as in :class:`~skrouter.RadialRouterClassifier`. In
        the paper it is the width of the encoder, 768.
    temperature : float, default=1.0
        The temperature :math:`\tau` of both losses, as in the paper.
    n_best : int, default=4
        Number of best LLMs that are positives, as in the paper. The loss does not distinguish
        positives from each other: where costs matter or the pool is small, fewer are better.
    n_worst : int, default=4
        Number of worst LLMs that may be negatives, as in the paper.
    contrastive_weight : float, default=1.0
        The weight :math:`\lambda` of the second loss. 0 leaves it out.
    n_negatives : int, default=3
        Number of queries of other clusters, as in the paper.
    n_clusters : int, default=8
        Number of k-means clusters, at most the number of queries; as in
        :class:`~skrouter.RadialRouterClassifier`.
    learning_rate : float, default=3e-3
        Learning rate of AdamW. The paper's is for a language model that is fine-tuned.
    %(adamw_weight_decay)s
    batch_size : int or None, default=64
        Queries per step, among which positives and negatives are drawn. None takes all at once.
    max_iter : int, default=30
        Number of epochs. With the learning rate it was chosen on problems of
        :func:`~skrouter.datasets.make_routing_problem` of 800 queries; after fewer or smaller
        steps the embeddings are still close to their initial values.
    %(encoder)s
    %(trained_cost_weight)s
    %(llm_names)s
    random_state : int, RandomState instance or None, default=None
        Seed of clusters, weights, the order of queries and the drawn positives and negatives.
        The global random states stay as they are.

    Attributes
    ----------
    %(classes_)s
    %(n_features_in_)s
    %(encoder_)s
    %(uses_cost_)s
    %(projection_)s
    llm_embeddings_ : ndarray of shape (n_llms, hidden_dim)
        The vectors :math:`k_j`.
    %(n_iter_)s
    %(loss_curve_)s

    Notes
    -----
    Differences from the paper, and choices that it leaves open:

    - The encoder is fixed, and followed by a linear projection of the standardised embedding.
      Clusters are those of the embeddings themselves, without t-SNE before.
    - An LLM that scores no less than the positive one is not its negative, which matters only for
      scores between 0 and 0.5.
    - Positives and negatives among queries are drawn anew for every batch, from that batch; the
      positive is never the query itself. A query without them has no second loss there.
    - With costs, scores are utilities; the bounds 0 and 0.5 stay. A correct answer whose cost
      brings its utility to 0.5 or below then counts as a failure.
    - An LLM that was not observed on a query (NaN) is neither a positive nor a negative of it.
      `sample_weight` weighs both losses and the clusters.

    Predictions do not start from the best single LLM: after few steps, or where there is nothing
    to learn, the router can be far below it. Training is in float64 on the CPU, as the network is
    small.

    References
    ----------
    %(routerdc)s

    Examples
    --------
    >>> from skrouter.baselines import RouterDCRouter
    >>> X = [[-1.0], [-0.9], [0.9], [1.0]] * 20
    >>> performance = [[1, 0], [1, 0], [0, 1], [0, 1]] * 20
    >>> router = RouterDCRouter(llm_names=["writer", "coder"], random_state=0)
    >>> router.fit(X, performance).predict([[-1.0], [1.0]])
    array(['writer', 'coder'], dtype='<U6')
    """

    _parameter_constraints = {
        **CosineRouter._parameter_constraints,
        "n_best": [Interval(Integral, 1, None, closed="left")],
        "n_worst": [Interval(Integral, 1, None, closed="left")],
        "contrastive_weight": [Interval(Real, 0, None, closed="left")],
        "n_negatives": [Interval(Integral, 1, None, closed="left")],
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        hidden_dim: int = 64,
        *,
        temperature: float = 1.0,
        n_best: int = 4,
        n_worst: int = 4,
        contrastive_weight: float = 1.0,
        n_negatives: int = 3,
        n_clusters: int = 8,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.01,
        batch_size: int | None = 64,
        max_iter: int = 30,
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
        random_state: Seed = None,
    ) -> None:
        self.hidden_dim = hidden_dim
        self.temperature = temperature
        self.n_best = n_best
        self.n_worst = n_worst
        self.contrastive_weight = contrastive_weight
        self.n_negatives = n_negatives
        self.n_clusters = n_clusters
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names
        self.random_state = random_state

    def _make_loss(self, embeddings, utility, weight, random_state):
        import torch

        from skrouter.nn.losses import draw_contrasts, sample_llm_loss, sample_sample_loss

        utility = torch.tensor(utility)
        clusters = None
        if self.contrastive_weight > 0:
            clusters = torch.tensor(
                cluster_queries(embeddings, weight, self.n_clusters, random_state)
            )

        def loss(rows, logits, states):
            value = sample_llm_loss(logits, utility[rows], self.n_best, self.n_worst)
            if clusters is None:
                return value
            contrasts = draw_contrasts(clusters[rows], self.n_negatives)
            between = sample_sample_loss(states, *contrasts, self.temperature)
            return value + self.contrastive_weight * between

        return loss
