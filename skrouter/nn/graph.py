"""A bipartite graph of queries and LLMs, with outcomes on its edges. Needs torch-geometric."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

with warnings.catch_warnings():
    # On import torch-geometric calls parts of torch that are on their way out.
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import MessagePassing


class Edges(NamedTuple):
    """Edges from queries to LLMs.

    Attributes
    ----------
    index : tensor of int, shape (2, n_edges)
        The query and the LLM of each edge, as numbers of nodes.
    features : tensor of shape (n_edges, n_edge_features)
        The observed outcome.
    weight : tensor of shape (n_edges,)
        Weight of each message in the mean of those that reach an LLM.
    """

    # Named as torch-geometric names it; hides tuple.index, which nobody needs here.
    index: torch.Tensor  # type: ignore[assignment]
    features: torch.Tensor
    weight: torch.Tensor

    def take(self, rows: torch.Tensor) -> Edges:
        """Some of the edges."""
        return Edges(self.index[:, rows], self.features[rows], self.weight[rows])


class OutcomeConv(MessagePassing):
    """One round of messages from queries to LLMs.

    ``h_j' = U h_j + mean_i relu(V h_i * (E f_ij + b))`` over the queries i with an edge to LLM j,
    with the features f of the edge. As these multiply the message, an LLM is told what the
    queries are like on which it does well, not only what its queries and its outcomes are like
    on average.

    Parameters
    ----------
    dim : int
        Width of the nodes.
    n_edge_features : int
    """

    def __init__(self, dim: int, n_edge_features: int) -> None:
        with warnings.catch_warnings():
            # torch-geometric reads the types of `message` in a way that Python 3.13 warns of.
            warnings.simplefilter("ignore", DeprecationWarning)
            super().__init__(aggr="add")
        self.own = nn.Linear(dim, dim)
        self.message_of_query = nn.Linear(dim, dim)
        self.gate = nn.Linear(n_edge_features, dim)

    def forward(self, queries: torch.Tensor, llms: torch.Tensor, edges: Edges) -> torch.Tensor:
        """LLM nodes after the messages, shape (n_llms, dim); an LLM without edges gets none."""
        received = edges.weight.new_zeros(len(llms)).index_add(0, edges.index[1], edges.weight)
        share = edges.weight / received[edges.index[1]]
        messages = self.message_of_query(queries)
        gates = self.gate(edges.features)
        size = (len(queries), len(llms))
        mean = self.propagate(edges.index, x=(messages, llms), gate=gates, share=share, size=size)
        return self.own(llms) + mean

    def message(self, x_j: torch.Tensor, gate: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """Message along each edge, times its share in the mean."""
        return share[:, None] * F.relu(x_j * gate)


class GraphNetwork(nn.Module):
    """Predicts an edge as ``q_i . h_j / sqrt(dim)``.

    ``q_i = W x_i + b`` is the query node; ``h_j`` is the LLM node after rounds of messages from
    the queries. Queries get no messages: a new query is then treated as those in training were.

    Parameters
    ----------
    n_features : int
        Width of the embeddings of queries.
    llm_features : tensor of shape (n_llms, n_llm_features) or None
        What is known of the LLMs. None: an embedding of each is learnt.
    n_llms : int
    n_edge_features : int
    dim : int
        Width of the nodes.
    n_layers : int
        Rounds of messages.
    """

    llm_features: torch.Tensor | None

    def __init__(
        self,
        n_features: int,
        llm_features: torch.Tensor | None,
        n_llms: int,
        n_edge_features: int,
        dim: int,
        n_layers: int,
    ) -> None:
        super().__init__()
        self.query = nn.Linear(n_features, dim)
        self.register_buffer("llm_features", llm_features)
        if llm_features is None:
            self.llm_embeddings = nn.Parameter(torch.randn(n_llms, dim))
        else:
            self.llm = nn.Linear(llm_features.shape[1], dim)
        self.rounds = nn.ModuleList(OutcomeConv(dim, n_edge_features) for _ in range(n_layers))
        self.between = nn.ModuleList(nn.Linear(dim, dim) for _ in range(n_layers - 1))

    def llm_states(self, embeddings: torch.Tensor, edges: Edges) -> torch.Tensor:
        """LLM nodes after the messages along `edges`.

        Parameters
        ----------
        embeddings : tensor of shape (n_queries, n_features)
        edges : Edges

        Returns
        -------
        states : tensor of shape (n_llms, dim)
        """
        queries = self.query(embeddings)
        known = self.llm_features
        llms = self.llm_embeddings if known is None else self.llm(known)
        for number, convolve in enumerate(self.rounds):
            if number:
                queries, llms = F.relu(self.between[number - 1](queries)), F.relu(llms)
            llms = convolve(queries, llms, edges)
        return llms

    def forward(
        self, embeddings: torch.Tensor, visible: Edges, asked: torch.Tensor
    ) -> torch.Tensor:
        """Predict edges.

        Parameters
        ----------
        embeddings : tensor of shape (n_queries, n_features)
        visible : Edges
            Edges that messages pass along.
        asked : tensor of int, shape (2, n_asked)
            Query and LLM of each edge to predict.

        Returns
        -------
        values : tensor of shape (n_asked,)
        """
        queries, llms = self.query(embeddings), self.llm_states(embeddings, visible)
        return (queries[asked[0]] * llms[asked[1]]).sum(dim=1) / math.sqrt(llms.shape[1])


def hide(n_edges: int, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Split edges at random.

    Parameters
    ----------
    n_edges : int
    rate : float
        Share to hide; at least one edge is.

    Returns
    -------
    hidden, visible : tensor of int
        Numbers of edges.
    """
    order = torch.randperm(n_edges)
    n_hidden = max(1, round(rate * n_edges))
    return order[:n_hidden], order[n_hidden:]
