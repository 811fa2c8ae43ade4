"""From the embedding of a query to one logit per LLM."""

import torch
from torch import nn

from skrouter.nn.backbones import BACKBONES


class RoutingNetwork(nn.Module):
    """Query projection and RadialFormer, or another backbone.

    The embedding is standardised with fixed statistics and projected to ``h_q``, the relay
    of the RadialFormer. With a frozen encoder this projection is what the contrastive loss
    trains.

    Parameters
    ----------
    n_features : int
        Width of the embeddings.
    n_llms : int
        Size of the pool.
    dim, n_layers, n_heads, dropout
        See :class:`RadialFormer`.
    backbone : {"radial", "star", "transformer", "mlp"}, default="radial"
        "radial" is :class:`RadialFormer`, the others stand in its place for comparison.

    Attributes
    ----------
    center, scale : buffers of shape (n_features,)
        Statistics of the training embeddings; 0 and 1 until set.
    intercept : buffer of shape (n_llms,)
        Added to the logits; 0 until set.
    """

    def __init__(self, n_features, n_llms, dim, n_layers, n_heads, dropout, backbone="radial"):
        super().__init__()
        self.register_buffer("center", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        self.register_buffer("intercept", torch.zeros(n_llms))
        self.query_projection = nn.Linear(n_features, dim)
        self.query_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.backbone = BACKBONES[backbone](n_llms, dim, n_layers, n_heads, dropout)

    def represent(self, embeddings):
        """Query representations ``h_q``.

        Parameters
        ----------
        embeddings : tensor of shape (n_queries, n_features)

        Returns
        -------
        states : tensor of shape (n_queries, dim)
        """
        return self.query_norm(self.query_projection((embeddings - self.center) / self.scale))

    def logits(self, embeddings):
        """One logit per query and LLM.

        Parameters
        ----------
        embeddings : tensor of shape (n_queries, n_features)

        Returns
        -------
        logits : tensor of shape (n_queries, n_llms)
        """
        return self(embeddings)[0]

    def forward(self, embeddings):
        """Logits and query representations together.

        Parameters
        ----------
        embeddings : tensor of shape (n_queries, n_features)

        Returns
        -------
        logits : tensor of shape (n_queries, n_llms)
        states : tensor of shape (n_queries, dim)
        """
        states = self.represent(embeddings)
        return self.backbone(self.dropout(states)) + self.intercept, states

    def standardize(self, center, scale):
        """Set the statistics by which embeddings are standardised, in their own precision.

        Parameters
        ----------
        center, scale : tensor of shape (n_features,)
        """
        self.center = center.to(self.center.device)
        self.scale = scale.to(self.scale.device)

    def start_at_intercept(self):
        """Make the logits equal the intercept until training moves them away."""
        nn.init.zeros_(self.backbone.head[-1].weight)
        nn.init.zeros_(self.backbone.head[-1].bias)
