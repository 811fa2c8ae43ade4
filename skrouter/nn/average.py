"""The network as one of several learners of outcomes, ready to predict."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from skrouter.nn.network import RoutingNetwork


class AveragedNetwork(nn.Module):
    """What the network expects, averaged with a regression and tables over clusters.

    The shares of the learners are in their numbers already: deviations from the mean outcomes are
    added up. It predicts only.

    Parameters
    ----------
    network : RoutingNetwork
    mean : tensor of shape (n_llms, n_outcomes)
        Of the outcomes; not finite for an LLM that was never observed.
    network_factor : tensor of shape (n_outcomes,)
        What the deviations that the network expects are multiplied by. If all are 0 it is not
        asked.
    linear : tuple of tensor, or None
        Coefficients (n_features, n_llms * n_outcomes) and intercepts.
    tables : list of tuple
        For each set of clusters their centers, of length one, and a list of sharpness and table
        (n_clusters, n_llms * n_outcomes). A query belongs to the clusters by the softmax of the
        sharpness times its cosines with the centers; if it is infinite to the nearest alone.
    """

    def __init__(
        self,
        network: RoutingNetwork,
        mean: torch.Tensor,
        network_factor: torch.Tensor,
        linear: tuple[torch.Tensor, torch.Tensor] | None,
        tables: list[tuple[torch.Tensor, list[tuple[float, torch.Tensor]]]],
    ) -> None:
        super().__init__()
        self.network, self._mean = network, mean
        self._factor = network_factor if network_factor.any() else None
        self._network_mean = torch.where(mean.isfinite(), mean, 0.0)
        self._linear = linear
        # One product for all sets of clusters.
        self._centers = torch.cat([centers for centers, _ in tables]).T if tables else None
        self._sizes = [len(centers) for centers, _ in tables]
        self._tables = [each for _, each in tables]

    def represent(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Query representations ``h_q``, (n_queries, dim)."""
        return self.network.represent(embeddings)

    def outcomes(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Expected outcomes, (n_queries, n_llms, n_outcomes), of embeddings as they come."""
        deviations = embeddings.new_zeros(len(embeddings), self._mean.numel())
        if self._linear is not None:
            coefficient, intercept = self._linear
            deviations = torch.addmm(intercept, embeddings, coefficient)
        if self._centers is not None:
            # The least length is that of `unit_rows`, with which the tables were made.
            unit = F.normalize(embeddings, dim=1, eps=1e-12)
            similarities = (unit @ self._centers).split(self._sizes, dim=1)
            for similarity, tables in zip(similarities, self._tables, strict=True):
                for sharpness, table in tables:
                    deviations = _look_up(deviations, table, similarity, sharpness)
        deviations = deviations.view(-1, *self._mean.shape)
        if self._factor is not None:
            expected = self.network.outcomes(embeddings) - self._network_mean
            expected = torch.where(expected.isfinite(), expected, 0.0)
            deviations = torch.addcmul(deviations, self._factor, expected)
        return self._mean + deviations


def _look_up(
    total: torch.Tensor, table: torch.Tensor, similarity: torch.Tensor, sharpness: float
) -> torch.Tensor:
    """A sum, and what a table says of queries by their cosines with the centers."""
    if math.isinf(sharpness):
        return total + table[similarity.argmax(dim=1)]
    return torch.addmm(total, (sharpness * similarity).softmax(dim=1), table)
