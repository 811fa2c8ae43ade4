"""The networks and losses.

Knows torch alone: imports nothing else of skrouter.
"""

from __future__ import annotations

from skrouter.nn.losses import contrastive_loss, kl_loss
from skrouter.nn.network import RoutingNetwork
from skrouter.nn.radialformer import RadialFormer

__all__ = ["RadialFormer", "RoutingNetwork", "contrastive_loss", "kl_loss"]
