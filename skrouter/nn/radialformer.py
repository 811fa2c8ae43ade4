"""RadialFormer: a Transformer on a star, with the query in the middle and one ray per LLM."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self, cast

import torch
from torch import nn
from torch.nn import functional as F

from skrouter.nn.dropout import Dropout


class _HeadwiseAttention(nn.Module):
    """The projections of one multi-head attention, to be combined by hand.

    They are laid out as in :class:`torch.nn.MultiheadAttention` (``in_proj`` stacks query,
    key and value), so weights move between the two without change.
    """

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def project(self, x: torch.Tensor, parts: slice) -> tuple[torch.Tensor, ...]:
        """Project ``x`` to the chosen parts, a slice of (query, key, value), split in heads."""
        dim = x.shape[-1]
        rows = slice(parts.start * dim, parts.stop * dim)
        projected = F.linear(x, self.in_proj_weight[rows], self.in_proj_bias[rows])
        shape = (*x.shape[:-1], parts.stop - parts.start, self.n_heads, dim // self.n_heads)
        return projected.reshape(shape).unbind(-3)

    def merge(self, heads: torch.Tensor) -> torch.Tensor:
        """Join the heads, (..., n_heads, dim_head), and mix them: (..., dim)."""
        return self.out_proj(heads.flatten(-2))

    def attend(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Attention of one state per query, (n_queries, dim), to (n_queries, n, dim).

        The keys and values of the context are never made: ``q (W_k c) = (q W_k) c``, and the mean
        of ``W_v c`` is ``W_v`` of the mean, so that products are taken with one state per query
        and head where they would be with all of the context. The bias of the keys is left out:
        it adds the same to all logits.
        """
        (query,) = self.project(x, _QUERY)
        weight = self.in_proj_weight.view(3, self.n_heads, -1, x.shape[-1])
        asked = _per_head(query / math.sqrt(query.shape[-1]), weight[1])
        share = torch.bmm(asked, context.transpose(1, 2)).softmax(-1)
        mean = torch.bmm(share, context)
        heads = _per_head(mean, weight[2].transpose(1, 2))
        return self.merge(heads + self.in_proj_bias.view(3, *heads.shape[1:])[2])


def _per_head(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """States of every head, (n_queries, n_heads, d), times its weight, (n_heads, d, e)."""
    return torch.bmm(states.transpose(0, 1), weight).transpose(0, 1)


_QUERY, _KEY_VALUE, _ALL = slice(0, 1), slice(1, 3), slice(0, 3)


class RadialLayer(nn.Module):
    """One round of messages: relay to satellites, then satellites to relay.

    Satellite i attends to ``[s_i; m_i; r]``, its own state, its LLM embedding and the relay;
    the relay then attends to itself and the *updated* satellites. Both states pass through
    ``LayerNorm(ReLU(.))``. The three-long contexts are never built: what comes from the LLM
    embedding is computed once for all queries, and what comes from the relay once for all LLMs.

    Parameters
    ----------
    dim : int
        Width of all states.
    n_heads : int
        Attention heads; must divide `dim`.
    dropout : float
        Dropped share of each new state, while training.
    relay_update : bool
        Whether the relay is updated. Nothing reads the relay after the last layer, so there
        the update is left out and has no weights.
    ring : bool, default=False
        Whether satellite i also attends to its neighbours on a ring, ``s_(i-1)`` and
        ``s_(i+1)``, as in Star-Transformer (arXiv 1902.09113).
    """

    relay_attention: _HeadwiseAttention | None

    def __init__(
        self, dim: int, n_heads: int, dropout: float, relay_update: bool, ring: bool = False
    ) -> None:
        super().__init__()
        self.ring = ring
        self.satellite_attention = _HeadwiseAttention(dim, n_heads)
        self.satellite_norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        if relay_update:
            self.relay_attention = _HeadwiseAttention(dim, n_heads)
            self.relay_norm = nn.LayerNorm(dim)
        else:
            self.relay_attention = None

    def project_llms(self, llms: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Query, key and value of the LLM embeddings, (n_llms, dim): the same for all queries."""
        return self.satellite_attention.project(llms, _ALL)

    def forward(
        self,
        relay: torch.Tensor,
        satellites: torch.Tensor | None,
        llms: tuple[torch.Tensor, ...],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Update the states.

        Parameters
        ----------
        relay : tensor of shape (n_queries, dim)
        satellites : tensor of shape (n_queries, n_llms, dim), or None
            None in the first layer, where they are the LLM embeddings.
        llms : tuple of tensor
            From :meth:`project_llms`.

        Returns
        -------
        relay : tensor of shape (n_queries, dim)
            As it came, if this layer does not update it.
        satellites : tensor of shape (n_queries, n_llms, dim)
        """
        answer = self._attend_to_three(relay, satellites, llms)
        satellites = self.dropout(self.satellite_norm(F.relu(answer)))
        if self.relay_attention is None:
            return relay, satellites
        states = torch.cat([relay.unsqueeze(1), satellites], dim=1)
        answer = self.relay_attention.attend(relay, states)
        return self.dropout(self.relay_norm(F.relu(answer))), satellites

    def _attend_to_three(
        self,
        relay: torch.Tensor,
        satellites: torch.Tensor | None,
        llms: tuple[torch.Tensor, ...],
    ) -> torch.Tensor:
        """The attention of every satellite to its context, (n_queries, n_llms, dim)."""
        attention = self.satellite_attention
        query, *from_self = llms if satellites is None else attention.project(satellites, _ALL)
        context = [from_self, attention.project(relay.unsqueeze(1), _KEY_VALUE)]
        if satellites is not None:
            context.append(llms[1:])
        if self.ring:
            context += [[part.roll(by, -3) for part in from_self] for by in (1, -1)]
        # Scaled where there is one number per head.
        scale = 1 / math.sqrt(query.shape[-1])
        logits = [(query * key).sum(-1) * scale for key, _ in context]
        if satellites is None:
            # The satellite is its LLM embedding, which therefore stands in the context twice.
            logits[0] = logits[0] + math.log(2.0)
        shares = torch.stack(torch.broadcast_tensors(*logits)).softmax(0).unsqueeze(-1).unbind(0)
        heads = shares[0] * context[0][1]
        for share, (_, value) in zip(shares[1:], context[1:], strict=True):
            heads = torch.addcmul(heads, share, value)
        return attention.merge(heads)


def make_head(dim: int, n_outputs: int) -> nn.Sequential:
    """The MLP, shared by all LLMs, that turns a state into its outputs."""
    return nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, n_outputs))


class RadialFormer(nn.Module):
    """The routing network of RadialRouter (arXiv 2506.03880, section 3).

    ``r^0 = h_q`` and ``s_i^0 = m_i``; after `n_layers` rounds one MLP, shared by all LLMs,
    turns each satellite into a logit, or into several outputs.

    Parameters
    ----------
    n_llms : int
        Size of the pool.
    dim : int
        Width of relay, satellites and LLM embeddings.
    n_layers, n_heads : int
        Rounds of messages and attention heads.
    dropout : float, default=0.0
        Dropped share of every new state, while training.
    n_outputs : int, default=1
        Outputs per LLM.
    ring : bool, default=False
        Whether satellites also see their neighbours on a ring: Star-Transformer.

    Attributes
    ----------
    llm_embeddings : Parameter of shape (n_llms, dim)
        The learned ``m_i``.

    Examples
    --------
    >>> import torch
    >>> from skrouter.nn import RadialFormer
    >>> network = RadialFormer(n_llms=5, dim=8, n_layers=2, n_heads=2)
    >>> network(torch.zeros(3, 8)).shape
    torch.Size([3, 5, 1])
    """

    def __init__(
        self,
        n_llms: int,
        dim: int,
        n_layers: int,
        n_heads: int,
        dropout: float = 0.0,
        n_outputs: int = 1,
        ring: bool = False,
    ) -> None:
        super().__init__()
        if n_layers < 1:
            raise ValueError(f"n_layers must be at least 1, got {n_layers}.")
        # Unit scale, that of a layer-normed state: the LLM embeddings stand beside such
        # states in every context.
        self.llm_embeddings = nn.Parameter(torch.empty(n_llms, dim))
        if not self.llm_embeddings.is_meta:  # there torch would import its symbolic half for this
            nn.init.normal_(self.llm_embeddings)
        self.layers = nn.ModuleList(
            RadialLayer(dim, n_heads, dropout, layer < n_layers - 1, ring)
            for layer in range(n_layers)
        )
        self.head = make_head(dim, n_outputs)
        self._projected: list[tuple[torch.Tensor, ...]] | None = None

    def freeze(self) -> None:
        """Compute what predictions have in common, of weights that will not change any more."""
        self._projected = self._project_llms()

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        self._projected = None  # of weights in another precision or place
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any) -> None:
        self._projected = None  # of other weights
        super()._load_from_state_dict(*args)

    def train(self, mode: bool = True) -> Self:
        """Set the mode, as of every module; a network that is trained is frozen no more.

        Parameters
        ----------
        mode : bool, default=True
            Whether to train, or to evaluate.

        Returns
        -------
        self : RadialFormer
            The network itself.
        """
        if mode:
            self._projected = None
        return super().train(mode)

    def _project_llms(self) -> list[tuple[torch.Tensor, ...]]:
        layers = cast("list[RadialLayer]", self.layers)
        return [layer.project_llms(self.llm_embeddings) for layer in layers]

    def forward(self, relay: torch.Tensor) -> torch.Tensor:
        """Score every LLM on every query.

        Parameters
        ----------
        relay : tensor of shape (n_queries, dim)
            Query representations ``h_q``.

        Returns
        -------
        outputs : tensor of shape (n_queries, n_llms, n_outputs)
            Of each LLM on each query.
        """
        satellites = None
        projected = self._projected or self._project_llms()
        for layer, llms in zip(self.layers, projected, strict=True):
            relay, satellites = layer(relay, satellites, llms)
        return self.head(satellites)
