"""From the embedding of a query to the expected outcomes of every LLM."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn

from skrouter.nn.backbones import BACKBONES
from skrouter.nn.dropout import Dropout


class RoutingNetwork(nn.Module):
    """Query projection and RadialFormer, or another backbone.

    The embedding is standardised with fixed statistics and projected to ``h_q``, the relay
    of the RadialFormer. With a frozen encoder this projection is what the contrastive loss
    trains. What the backbone says of an LLM is a deviation from its mean outcomes, in units of
    their scale: ``outcome = outcome_mean + outcome_scale * backbone(h_q)``.

    Parameters
    ----------
    n_features : int
        Width of the embeddings.
    n_llms : int
        Size of the pool.
    dim : int
        Width of all states.
    n_layers, n_heads : int
        Rounds of messages and attention heads of the backbone.
    dropout : float
        Dropped share of every new state, while training.
    backbone : {"radial", "star", "transformer", "mlp"}, default="radial"
        "radial" is :class:`RadialFormer`, the others stand in its place for comparison.
    n_outcomes : int, default=1
        Outcomes per LLM: one, a utility or a performance, or two, performance and cost.

    Attributes
    ----------
    feature_mean, feature_scale : buffers of shape (n_features,)
        Statistics of the training embeddings; 0 and 1 until set.
    outcome_mean, outcome_scale : buffers of shape (n_llms, n_outcomes)
        Mean and scale of the outcomes; 0 and 1 until set.

    Examples
    --------
    >>> import torch
    >>> from skrouter.nn import RoutingNetwork
    >>> network = RoutingNetwork(
    ...     n_features=4, n_llms=5, dim=8, n_layers=2, n_heads=2, dropout=0.0, n_outcomes=2
    ... )
    >>> outcomes, states = network(torch.zeros(3, 4))
    >>> outcomes.shape, states.shape
    (torch.Size([3, 5, 2]), torch.Size([3, 8]))
    """

    feature_mean: torch.Tensor
    feature_scale: torch.Tensor
    outcome_mean: torch.Tensor
    outcome_scale: torch.Tensor

    def __init__(
        self,
        n_features: int,
        n_llms: int,
        dim: int,
        n_layers: int,
        n_heads: int,
        dropout: float,
        backbone: str = "radial",
        n_outcomes: int = 1,
    ) -> None:
        super().__init__()
        self.register_buffer("feature_mean", torch.zeros(n_features))
        self.register_buffer("feature_scale", torch.ones(n_features))
        self.register_buffer("outcome_mean", torch.zeros(n_llms, n_outcomes))
        self.register_buffer("outcome_scale", torch.ones(n_llms, n_outcomes))
        self.query_projection = nn.Linear(n_features, dim)
        self.query_norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        self.backbone = BACKBONES[backbone](n_llms, dim, n_layers, n_heads, dropout, n_outcomes)

    def represent(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Query representations ``h_q``.

        Parameters
        ----------
        embeddings : tensor of shape (n_queries, n_features)
            Of the queries, as they come from the encoder.

        Returns
        -------
        states : tensor of shape (n_queries, dim)
            What the backbone is given of each query.
        """
        return self.query_norm(
            self.query_projection((embeddings - self.feature_mean) / self.feature_scale)
        )

    def outcomes(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Expected outcomes alone.

        Parameters
        ----------
        embeddings : tensor of shape (n_queries, n_features)
            Of the queries, as they come from the encoder.

        Returns
        -------
        outcomes : tensor of shape (n_queries, n_llms, n_outcomes)
            In the units of those it was trained on.
        """
        return self(embeddings)[0]

    def forward(self, embeddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Expected outcomes and query representations together.

        Parameters
        ----------
        embeddings : tensor of shape (n_queries, n_features)
            Of the queries, as they come from the encoder.

        Returns
        -------
        outcomes : tensor of shape (n_queries, n_llms, n_outcomes)
            In the units of those it was trained on.
        states : tensor of shape (n_queries, dim)
            What the backbone is given of each query.
        """
        states = self.represent(embeddings)
        return self.outcome_mean + self.outcome_scale * self.backbone(self.dropout(states)), states

    def standardize(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        """Set the statistics by which embeddings are standardised, in their own precision.

        Parameters
        ----------
        mean, scale : tensor of shape (n_features,)
            Of the embeddings; the scale is not zero.
        """
        self.feature_mean = mean.to(self.feature_mean.device)
        self.feature_scale = scale.to(self.feature_scale.device)

    def freeze(self) -> Self:
        """Make the network ready to predict, and only that.

        Returns
        -------
        self : RoutingNetwork
            The network itself.
        """
        self.eval().requires_grad_(False)
        self.backbone.freeze()
        return self

    def start_at_mean(self, mean: torch.Tensor) -> None:
        """Make the outcomes equal their means until training moves them away.

        Parameters
        ----------
        mean : tensor of shape (n_llms, n_outcomes)
            Of each outcome over the training queries.
        """
        self.outcome_mean.copy_(mean)
        for parameter in self.backbone.head[-1].parameters():
            nn.init.zeros_(parameter)
