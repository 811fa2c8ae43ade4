"""Logits as cosine similarities of a query and the LLMs."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class CosineNetwork(nn.Module):
    """``logits_j = cos(W x + b, k_j) / temperature``.

    Parameters
    ----------
    n_features : int
        Width of the embeddings.
    n_llms : int
        Size of the pool.
    dim : int
        Width of the query representation and of the LLM embeddings.
    temperature : float
    """

    def __init__(self, n_features: int, n_llms: int, dim: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.projection = nn.Linear(n_features, dim)
        self.llm_embeddings = nn.Parameter(torch.randn(n_llms, dim))

    def forward(self, embeddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and query representations.

        Parameters
        ----------
        embeddings : tensor of shape (n_queries, n_features)

        Returns
        -------
        logits : tensor of shape (n_queries, n_llms)
        states : tensor of shape (n_queries, dim)
        """
        states = self.projection(embeddings)
        cosine = F.normalize(states, dim=1) @ F.normalize(self.llm_embeddings, dim=1).T
        return cosine / self.temperature, states
