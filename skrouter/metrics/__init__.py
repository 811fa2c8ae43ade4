"""Metrics of routers, for any classifier whose classes are LLMs."""

from skrouter.metrics._bootstrap import PairedDifference, paired_bootstrap
from skrouter.metrics._display import CostQualityDisplay
from skrouter.metrics._oracle import oracle_llms
from skrouter.metrics._score import RoutingScore, make_routing_scorer, routing_score

__all__ = [
    "CostQualityDisplay",
    "PairedDifference",
    "RoutingScore",
    "make_routing_scorer",
    "oracle_llms",
    "paired_bootstrap",
    "routing_score",
]
