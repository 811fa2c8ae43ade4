"""Dropout from a generator of its own, one random byte per number."""

from __future__ import annotations

import torch
from torch import nn

_LEVELS = 256  # of a byte


class Dropout(nn.Module):
    """Set a share of all numbers to zero while training, and scale up the others.

    As :class:`torch.nn.Dropout`, but for two things. The share is rounded to 256ths, at least one,
    so that a random byte decides: on a CPU drawing a float for each number would be a good part of
    a step of training. And it draws from a generator of its own, if it is given
    one (see `draw_from`): then networks can be trained side by side in threads.

    Parameters
    ----------
    p : float
        The share, from 0 to below 1.
    """

    generator: torch.Generator | None

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop, while training."""
        if not self.training or self.p == 0:
            return x
        n_dropped = min(max(round(_LEVELS * self.p), 1), _LEVELS - 1)
        kept = _random_bytes(x, self.generator) >= n_dropped
        # In the precision of x, whatever torch's default is.
        return x * (kept.to(x.dtype) * (_LEVELS / (_LEVELS - n_dropped)))

    def __getstate__(self) -> dict[str, object]:
        # A copy of a network has no part in its training.
        return {**self.__dict__, "generator": None}

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"p={self.p}"


def _random_bytes(x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """One for each number of `x`, in its shape."""
    if x.device.type not in ("cpu", "cuda"):
        # MPS draws no words of 64 random bits.
        luck = torch.empty(x.shape, dtype=torch.uint8, device=x.device)
        return luck.random_(0, _LEVELS, generator=generator)
    words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
    words.random_(-(2**63), None, generator=generator)
    return words.view(torch.uint8)[: x.numel()].view(x.shape)


def draw_from(module: nn.Module, generator: torch.Generator) -> None:
    """Let all that is dropped in a module be drawn from a generator.

    Parameters
    ----------
    module : Module
        It has no dropout of torch's own.
    generator : Generator
        On the device of the module.
    """
    for part in module.modules():
        if isinstance(part, Dropout):
            part.generator = generator


def draws_from_torch(module: nn.Module) -> bool:
    """Whether a module draws from the generator of the whole process while training."""
    return any(
        isinstance(part, nn.Dropout | nn.MultiheadAttention) and getattr(part, "p", 1) > 0
        for part in module.modules()
    )
