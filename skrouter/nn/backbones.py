"""Networks that could stand in RadialFormer's place, to find out what its star is worth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from skrouter.nn.dropout import Dropout
from skrouter.nn.radialformer import RadialFormer, make_head


class PoolTransformer(nn.Module):
    """A standard Transformer over the query and all LLMs, ``[h_q; m_1; ...; m_n]``.

    Everything attends to everything, without positions; one MLP turns the last state of each LLM
    into its outputs.

    Parameters
    ----------
    n_llms : int
        Size of the pool.
    dim : int
        Width of all states. The feed-forward parts are four times as wide, as is usual.
    n_layers, n_heads : int
        Layers and attention heads.
    dropout : float, default=0.0
        Of :class:`torch.nn.TransformerEncoderLayer`.
    n_outputs : int, default=1
        Outputs per LLM.

    Attributes
    ----------
    llm_embeddings : Parameter of shape (n_llms, dim)
    """

    def __init__(
        self,
        n_llms: int,
        dim: int,
        n_layers: int,
        n_heads: int,
        dropout: float = 0.0,
        n_outputs: int = 1,
    ) -> None:
        super().__init__()
        self.llm_embeddings = nn.Parameter(torch.randn(n_llms, dim))
        layer = nn.TransformerEncoderLayer(dim, n_heads, 4 * dim, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.head = make_head(dim, n_outputs)

    def freeze(self) -> None:
        """Nothing that predictions have in common is worth keeping."""

    def forward(self, relay: torch.Tensor) -> torch.Tensor:
        """Outputs (n_queries, n_llms, n_outputs) of query representations (n_queries, dim)."""
        llms = self.llm_embeddings.expand(len(relay), -1, -1)
        states = self.encoder(torch.cat([relay.unsqueeze(1), llms], dim=1))
        return self.head(states[:, 1:])


class PairMLP(nn.Module):
    """A multi-layer perceptron on each pair ``[h_q; m_i]``: no LLM knows of the others.

    Parameters
    ----------
    n_llms : int
        Size of the pool.
    dim : int
        Width of all layers.
    n_layers : int
        Hidden layers ``LayerNorm(ReLU(.))`` before the head.
    n_heads : int
        Not used: there is no attention.
    dropout : float, default=0.0
        Dropped share of every hidden state, while training.
    n_outputs : int, default=1
        Outputs per LLM.

    Attributes
    ----------
    llm_embeddings : Parameter of shape (n_llms, dim)
    """

    def __init__(
        self,
        n_llms: int,
        dim: int,
        n_layers: int,
        n_heads: int,
        dropout: float = 0.0,
        n_outputs: int = 1,
    ) -> None:
        super().__init__()
        self.llm_embeddings = nn.Parameter(torch.randn(n_llms, dim))
        layers: list[nn.Module] = []
        for layer in range(n_layers):
            width = dim if layer else 2 * dim
            layers += [nn.Linear(width, dim), nn.ReLU(), nn.LayerNorm(dim), Dropout(dropout)]
        self.layers = nn.Sequential(*layers)
        self.head = make_head(dim, n_outputs)

    def freeze(self) -> None:
        """Nothing that predictions have in common is worth keeping."""

    def forward(self, relay: torch.Tensor) -> torch.Tensor:
        """Outputs (n_queries, n_llms, n_outputs) of query representations (n_queries, dim)."""
        shape = (len(relay), len(self.llm_embeddings), -1)
        pairs = torch.cat(
            [relay.unsqueeze(1).expand(shape), self.llm_embeddings.expand(shape)], dim=-1
        )
        return self.head(self.layers(pairs))


BACKBONES: dict[str, Callable[..., RadialFormer | PoolTransformer | PairMLP]] = {
    "radial": RadialFormer,
    "star": partial(RadialFormer, ring=True),
    "transformer": PoolTransformer,
    "mlp": PairMLP,
}
