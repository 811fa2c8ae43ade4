"""Metrics of routers, for any classifier whose classes are LLMs.

May import `_encoders` and what stands before it, and no estimator.
"""

from __future__ import annotations

from skrouter.metrics._area import aiq, aiq_routerbench, deferral_curve_area
from skrouter.metrics._arena import router_arena_score
from skrouter.metrics._bootstrap import PairedDifference, paired_bootstrap
from skrouter.metrics._curve import (
    CostQualityCurve,
    cost_quality_curve,
    single_llm_points,
    zero_router_curve,
)
from skrouter.metrics._displays.cost_quality import CostQualityDisplay
from skrouter.metrics._displays.loss_curve import LossCurveDisplay
from skrouter.metrics._displays.reliability import ReliabilityDisplay
from skrouter.metrics._displays.routing_share import RoutingShareDisplay
from skrouter.metrics._displays.trade_off import TradeOffDisplay
from skrouter.metrics._hull import NonDecreasingHull, mix_for_budget, non_decreasing_hull
from skrouter.metrics._off_policy import OffPolicyValue, off_policy_value
from skrouter.metrics._oracle import oracle_llms, oracle_regret
from skrouter.metrics._robustness.decision_flips import DecisionFlips, decision_flips
from skrouter.metrics._score import RoutingScore, make_routing_scorer, routing_score, routing_share
from skrouter.metrics._single_llm import cost_save, perf_gain, quality_neutral_cost
from skrouter.metrics._weak_strong import apgr, cpt, pgr

__all__ = [
    "CostQualityCurve",
    "CostQualityDisplay",
    "DecisionFlips",
    "LossCurveDisplay",
    "NonDecreasingHull",
    "OffPolicyValue",
    "PairedDifference",
    "ReliabilityDisplay",
    "RoutingScore",
    "RoutingShareDisplay",
    "TradeOffDisplay",
    "aiq",
    "aiq_routerbench",
    "apgr",
    "cost_quality_curve",
    "cost_save",
    "cpt",
    "decision_flips",
    "deferral_curve_area",
    "make_routing_scorer",
    "mix_for_budget",
    "non_decreasing_hull",
    "off_policy_value",
    "oracle_llms",
    "oracle_regret",
    "paired_bootstrap",
    "perf_gain",
    "pgr",
    "quality_neutral_cost",
    "router_arena_score",
    "routing_score",
    "routing_share",
    "single_llm_points",
    "zero_router_curve",
]
