"""GraphRouter: messages on a graph of queries and LLMs, and prediction of its edges."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skrouter._routers.base import BaseRouter, check_embeddings
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import LLMName, NamesLike, Seed


@with_shared_parts
class GraphRouter(BaseRouter):
    r"""GraphRouter: a graph of queries and LLMs, whose edges are predicted.

    Queries and LLMs are the nodes of a bipartite graph; an observed outcome is an edge, with the
    performance :math:`P_{ij}` and the cost :math:`C_{ij}` as its features :math:`f_{ij}` [1]_. A
    query node is :math:`q_i = W e_i + b` for the embedding :math:`e_i` of the query; an LLM node
    begins as a linear function of the embedding of its description, and then receives `n_layers`
    rounds of messages from the queries that it shares an edge with,

    .. math::

        h_j \leftarrow U h_j + \frac{1}{|N_j|} \sum_{i \in N_j}
        \mathrm{relu}\big(V q_i \odot (E f_{ij} + c)\big).

    Between two rounds are a linear layer on the queries and a ReLU on both kinds of nodes.
    The utility of an edge is predicted as :math:`\hat u_{ij} = q_i^\top h_j / \sqrt{d}`, up to
    scale. In every step some of the edges are hidden: messages pass along the others only, and
    the loss is the squared error on the hidden ones, so that no edge reveals its own outcome.
    After training, messages pass along all training edges once, and the LLM nodes are kept.

    Parameters
    ----------
    hidden_dim : int, default=64
        Width :math:`d` of the nodes, as in :class:`~skrouter.RadialRouterClassifier`.
    n_layers : int, default=2
        Rounds of messages, as in the authors' code.
    hidden_share : float, default=0.5
        Share of the edges that are hidden in a step, strictly between 0 and 1. The default has
        as many edges in the loss as messages.
    llm_descriptions : mapping of name to str, default=None
        A text for each LLM, such as its size, its provider and what it is good at, which the
        fitted encoder turns into the features of its node. For routers on text only. Names of
        LLMs that are not in the pool are ignored. None takes the name of the LLM as its
        description if the queries are text, and learns a vector for each LLM if they are ready
        embeddings.
    learning_rate : float, default=3e-3
        Learning rate of AdamW.
    %(adamw_weight_decay)s
    batch_size : int or None, default=1024
        Queries per step; the graph of a step holds their edges alone, which bounds the memory.
        None takes all at once.
    max_iter : int, default=50
        Number of epochs. With the learning rate it was chosen on problems of
        :func:`~skrouter.datasets.make_routing_problem` of 300 and 800 queries, on
        which twice as many gained nothing.
    %(encoder)s
    %(trained_cost_weight)s
    %(llm_names)s
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, the order of queries and the hidden edges. The global random states
        stay as they are.

    Attributes
    ----------
    %(classes_)s
    %(n_features_in_)s
    %(encoder_)s
    %(uses_cost_)s
    %(projection_)s
    llm_states_ : ndarray of shape (n_llms, hidden_dim)
        The vectors :math:`h_j` after messages along all training edges, over :math:`\sqrt{d}` and
        times the scale of the utilities.
    offset_ : float
        Mean utility of the training edges, added to every prediction.
    %(n_iter_)s
    loss_curve_ : list of float
        Mean loss on the hidden edges of each epoch, for utilities of mean 0 and variance 1.

    Raises
    ------
    ImportError
        In `fit`, if torch-geometric is not installed: ``pip install "skrouter[graph]"``. A fitted
        router predicts without it, and without torch.

    Notes
    -----
    As in the authors' code are the graph except for its task nodes, the hidden edges, the two
    rounds of messages, and the prediction from the query before the messages and the LLM after
    them. Differences from it:

    - There are no task nodes, as `fit` takes no tasks.
    - **Queries receive no messages**, neither in training nor later, so that a new query, which
      has no outcomes, is treated like those in training. That is so in the authors' code too,
      where edges point from queries to LLMs only. A message from every LLM that does not depend
      on outcomes would be the same for all queries. Predictions are therefore linear in the
      embedding.
    - The target is the utility :math:`P_{ij} - \alpha C_{ij}`, with :math:`\alpha` the
      `cost_weight`, by least squares. The authors' code minimises the cross-entropy of whether
      the LLM is the best on the query.
    - The features of an edge multiply its message; in the authors' code they are added to it, so
      that an LLM node learns its mean outcome, but not on which queries it does well. They are
      scaled to [0, 1] over the training edges.
    - The encoder is fixed, embeddings are standardised, and there is no batch normalisation.
      Embeddings of descriptions are centred.
    - Training ends after `max_iter` epochs; there is no selection on validation queries.
    - An outcome that was not observed (NaN) is no edge. A cost alone may be missing where it does
      not count, at ``cost_weight=0``, and is then set to the mean. `sample_weight` weighs the
      messages, the loss and the standardisation.
    - An LLM needs at least one outcome at `fit`, as in all routers here. The paper's routing to
      LLMs without any training outcome is not offered.

    Predictions do not start from the best single LLM: where there is nothing to learn, the router
    falls below it. Training is in float64 on the CPU, as the network is small.

    References
    ----------
    .. [1] T. Feng, Y. Shen, J. You, "GraphRouter: A Graph-based Router for LLM Selections", ICLR
       2025, arXiv:2410.03834. Code: https://github.com/ulab-uiuc/GraphRouter.

    Examples
    --------
    >>> from skrouter.baselines import GraphRouter
    >>> X = [[-1.0], [-0.9], [0.9], [1.0]] * 20
    >>> performance = [[1, 0], [1, 0], [0, 1], [0, 1]] * 20
    >>> router = GraphRouter(llm_names=["writer", "coder"], random_state=0)
    >>> router.fit(X, performance).predict([[-1.0], [1.0]])
    array(['writer', 'coder'], dtype='<U6')
    """

    _parameter_constraints = {
        **BaseRouter._parameter_constraints,
        "hidden_dim": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "hidden_share": [Interval(Real, 0, 1, closed="neither")],
        "llm_descriptions": [Mapping, None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden_dim: int = 64,
        *,
        n_layers: int = 2,
        hidden_share: float = 0.5,
        llm_descriptions: Mapping[LLMName, str] | None = None,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.01,
        batch_size: int | None = 1024,
        max_iter: int = 50,
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
        random_state: Seed = None,
    ) -> None:
        self.hidden_dim = hidden_dim
        self.n_layers = n_layers
        self.hidden_share = hidden_share
        self.llm_descriptions = llm_descriptions
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names
        self.random_state = random_state

    def _check_parameters(self, X, text):
        _graph_module()
        if self.llm_descriptions is None:
            return
        if not text:
            raise ValueError(
                "llm_descriptions was given, but X holds ready embeddings, so that no encoder is "
                "fitted that could embed them; pass queries as text, or llm_descriptions=None."
            )
        names = self.classes_.tolist()
        missing = [name for name in names if name not in self.llm_descriptions]
        if missing:
            raise ValueError(f"llm_descriptions has no text for {missing}, which are in the pool.")
        for name in names:
            if not isinstance(self.llm_descriptions[name], str):
                kind = type(self.llm_descriptions[name]).__name__
                raise ValueError(
                    f"llm_descriptions[{name!r}] must be a str, but is of type {kind}."
                )

    def _fit(self, data):
        import torch

        from skrouter._utils.torch_state import one_thread, seeded
        from skrouter.nn.graph import GraphNetwork

        used = data.sample_weight > 0
        embeddings, weight = data.embeddings[used], data.sample_weight[used]
        utility = data.utility[used]
        observed = ~np.isnan(utility)
        edge_weight = np.broadcast_to(weight[:, None], utility.shape)[observed]
        scaling = StandardScaler().fit(utility[observed][:, None], sample_weight=edge_weight)
        self.offset_, scale = float(scaling.mean_[0]), float(scaling.scale_[0])
        cost = None if data.target.cost is None else data.target.cost[used]
        features = _edge_features(data.target.performance[used], cost, observed)
        scaler = StandardScaler().fit(embeddings, sample_weight=weight)
        llm_features = self._encode_llms()

        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        graph = _Graph(
            torch.tensor((embeddings - scaler.mean_) / scaler.scale_, dtype=torch.float64),
            torch.tensor((utility - self.offset_) / scale),
            torch.tensor(features),
            torch.tensor(weight),
        )
        if llm_features is not None:
            llm_features = torch.tensor(llm_features)
        with one_thread(), seeded(seed, "cpu"):
            network = GraphNetwork(
                embeddings.shape[1],
                llm_features,
                utility.shape[1],
                features.shape[2],
                self.hidden_dim,
                self.n_layers,
            ).double()
            self.loss_curve_ = self._train(network, graph)
            with torch.no_grad():
                edges, _ = graph.edges(torch.arange(len(weight)))
                states = network.llm_states(graph.X, edges).numpy()
        self.n_iter_ = self.max_iter
        self.llm_states_ = states * (scale / np.sqrt(self.hidden_dim))
        # One affine map: standardisation and projection.
        projection = network.query.weight.detach().numpy() / scaler.scale_
        self.projection_ = projection.T.copy()
        self.intercept_ = network.query.bias.detach().numpy() - projection @ scaler.mean_

    def _encode_llms(self):
        """Features of the LLM nodes, shape (n_llms, n_features), or None to learn them."""
        if not self.takes_text_:
            return None
        names = self.classes_.tolist()
        texts = list(map(str, names))
        if self.llm_descriptions is not None:
            texts = [self.llm_descriptions[name] for name in names]
        features = check_embeddings(self.encoder_.transform(texts), texts).astype(np.float64)
        features = features - features.mean(axis=0)
        return features / (np.sqrt(np.mean(features**2)) or 1.0)

    def _train(self, network, graph):
        """Train in place with AdamW; return the mean loss of each epoch."""
        import torch

        from skrouter.nn.graph import hide

        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        curve = []
        for _ in range(self.max_iter):
            total = total_weight = 0.0
            for rows in torch.randperm(len(graph.X)).split(self.batch_size or len(graph.X)):
                edges, target = graph.edges(rows)
                hidden, visible = hide(len(target), self.hidden_share)
                targets, weight = edges.index[:, hidden], edges.weight[hidden]
                predicted = network(graph.X[rows], edges.take(visible), targets)
                loss = (weight * (predicted - target[hidden]).square()).sum()
                optimizer.zero_grad()
                (loss / weight.sum()).backward()
                optimizer.step()
                total += loss.item()
                total_weight += weight.sum().item()
            curve.append(total / total_weight)
        return curve

    def _utilities(self, embeddings, cost_weight):
        queries = embeddings.astype(np.float64) @ self.projection_ + self.intercept_
        return queries @ self.llm_states_.T + self.offset_


class _Graph:
    """The training graph as tensors; NaN in the target where there is no edge."""

    def __init__(self, X, target, features, weight):
        self.X = X
        self.target = target
        self.features = features
        self.weight = weight

    def edges(self, rows):
        """Edges of some queries, renumbered from 0, and their targets."""
        from skrouter.nn.graph import Edges

        target = self.target[rows]
        query, llm = (~target.isnan()).nonzero(as_tuple=True)
        features = self.features[rows[query], llm]
        index = query.new_empty(2, len(query))
        index[0], index[1] = query, llm
        return Edges(index, features, self.weight[rows[query]]), target[query, llm]


def _edge_features(performance, cost, observed):
    """Performance and cost scaled to [0, 1] over the edges, shape (n_queries, n_llms, 1 or 2)."""
    features = []
    for values in (performance,) if cost is None else (performance, cost):
        known = observed & ~np.isnan(values)
        scaled = np.zeros(values.shape)
        if known.any():
            scaler = MinMaxScaler().fit(values[known][:, None])
            scaled[known] = values[known] * scaler.scale_ + scaler.min_
            scaled[~known] = scaled[known].mean()
        features.append(scaled)
    return np.stack(features, axis=2)


def _graph_module():
    """The module that needs torch-geometric; if it is missing, the error says how to get it."""
    try:
        return import_module("skrouter.nn.graph")
    except ImportError as error:
        raise ImportError(
            'GraphRouter needs torch-geometric: pip install "skrouter[graph]"'
        ) from error
