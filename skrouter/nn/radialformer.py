"""RadialFormer: a Transformer on a star, with the query in the middle and one ray per LLM."""

import math

import torch
from torch import nn
from torch.nn import functional as F


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


_QUERY, _KEY_VALUE, _ALL = slice(0, 1), slice(1, 3), slice(0, 3)


class RadialLayer(nn.Module):
    """One round of messages: relay to satellites, then satellites to relay.

    Satellite i attends to ``[s_i; m_i; r]``, its own state, its LLM embedding and the relay;
    the relay then attends to itself and the *updated* satellites. Both states pass through
    ``LayerNorm(ReLU(.))``. The three-long contexts are never built: what comes from the LLM
    embedding is computed once for all queries, and what comes from the relay once for all
    LLMs.

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
        self.dropout = nn.Dropout(dropout)
        if relay_update:
            self.relay_attention = _HeadwiseAttention(dim, n_heads)
            self.relay_norm = nn.LayerNorm(dim)
        else:
            self.relay_attention = None

    def forward(
        self, relay: torch.Tensor, satellites: torch.Tensor, llms: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Update the states.

        Parameters
        ----------
        relay : tensor of shape (n_queries, dim)
        satellites : tensor of shape (n_queries or 1, n_llms, dim)
            The first axis is 1 as long as the satellites do not depend on the query.
        llms : tensor of shape (n_llms, dim)

        Returns
        -------
        relay : tensor of shape (n_queries, dim)
            As it came, if this layer does not update it.
        satellites : tensor of shape (n_queries, n_llms, dim)
        """
        attention = self.satellite_attention
        query, key_s, value_s = attention.project(satellites, _ALL)
        key_m, value_m = attention.project(llms, _KEY_VALUE)
        key_r, value_r = attention.project(relay.unsqueeze(1), _KEY_VALUE)
        query = query / math.sqrt(query.shape[-1])
        context = [(key_s, value_s), (key_m, value_m), (key_r, value_r)]
        if self.ring:
            context += [(key_s.roll(by, -3), value_s.roll(by, -3)) for by in (1, -1)]
        logits = [(query * key).sum(-1) for key, _ in context]
        shares = torch.stack(torch.broadcast_tensors(*logits)).softmax(0).unsqueeze(-1)
        heads = sum(share * value for share, (_, value) in zip(shares, context, strict=True))
        satellites = self.satellite_norm(F.relu(attention.merge(heads)))
        satellites = self.dropout(satellites)
        if self.relay_attention is None:
            return relay, satellites

        attention = self.relay_attention
        query, key_r, value_r = attention.project(relay, _ALL)
        key_s, value_s = attention.project(satellites, _KEY_VALUE)
        keys = torch.cat([key_r.unsqueeze(1), key_s], dim=1)
        values = torch.cat([value_r.unsqueeze(1), value_s], dim=1)
        query = query / math.sqrt(query.shape[-1])
        share = torch.einsum("bhd,bnhd->bhn", query, keys).softmax(-1)
        heads = torch.einsum("bhn,bnhd->bhd", share, values)
        relay = self.dropout(self.relay_norm(F.relu(attention.merge(heads))))
        return relay, satellites


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
        # Unit scale, that of a layer-normed state: the LLM embeddings stand beside such
        # states in every context.
        self.llm_embeddings = nn.Parameter(torch.randn(n_llms, dim))
        self.layers = nn.ModuleList(
            RadialLayer(dim, n_heads, dropout, layer < n_layers - 1, ring)
            for layer in range(n_layers)
        )
        self.head = make_head(dim, n_outputs)

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
        satellites = self.llm_embeddings.unsqueeze(0)
        for layer in self.layers:
            relay, satellites = layer(relay, satellites, self.llm_embeddings)
        return self.head(satellites)
