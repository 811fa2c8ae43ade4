"""Learn which LLM to call for the next query, as a scikit-learn estimator."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives. Names are imported when first used: `import skrouter` stays light.
_HOME = {
    "ChatFormatter": "skrouter._encoders.chat_formatter",
    "DriftReport": "skrouter.report",
    "ExploringRouter": "skrouter._meta.exploring",
    "FallbackRouter": "skrouter._meta.fallback",
    "FewOutcomesWarning": "skrouter._targets.cautions",
    "GuaranteedRouter": "skrouter._meta.risk_control",
    "RadialRouterClassifier": "skrouter._routers.radial_router",
    "RouterComparison": "skrouter.report",
    "RoutingReport": "skrouter.report",
    "SentenceEncoder": "skrouter._encoders.sentence_encoder",
    "SpendingPlan": "skrouter._meta.budget_allocation",
    "TradeOffForecast": "skrouter._meta.trade_off_for_budget",
    "largest_query_cost": "skrouter._meta.risk_bound",
    "load": "skrouter._persistence.router_file",
    "make_logged_target": "skrouter._targets.logged",
    "make_routing_target": "skrouter._targets.routing_target",
    "compare_routers": "skrouter.report",
    "drift_report": "skrouter.report",
    "routing_report": "skrouter.report",
    "save": "skrouter._persistence.router_file",
    "spend_budget": "skrouter._meta.budget_allocation",
    "trade_off_for_budget": "skrouter._meta.trade_off_for_budget",
    "trade_off_for_quality": "skrouter._meta.trade_off_for_budget",
    "baselines": "skrouter.baselines",
    "datasets": "skrouter.datasets",
    "metrics": "skrouter.metrics",
    "nn": "skrouter.nn",
    "report": "skrouter.report",
}

__all__ = [
    "ChatFormatter",
    "DriftReport",
    "ExploringRouter",
    "FallbackRouter",
    "FewOutcomesWarning",
    "GuaranteedRouter",
    "RadialRouterClassifier",
    "RouterComparison",
    "RoutingReport",
    "SentenceEncoder",
    "SpendingPlan",
    "TradeOffForecast",
    "compare_routers",
    "drift_report",
    "largest_query_cost",
    "load",
    "make_logged_target",
    "make_routing_target",
    "routing_report",
    "save",
    "spend_budget",
    "trade_off_for_budget",
    "trade_off_for_quality",
]


if TYPE_CHECKING:
    # What type checkers and editors see in place of `_HOME`.
    from skrouter import baselines as baselines
    from skrouter import datasets as datasets
    from skrouter import metrics as metrics
    from skrouter import nn as nn
    from skrouter import report as report
    from skrouter._encoders.chat_formatter import ChatFormatter
    from skrouter._encoders.sentence_encoder import SentenceEncoder
    from skrouter._meta.budget_allocation import SpendingPlan, spend_budget
    from skrouter._meta.exploring import ExploringRouter
    from skrouter._meta.fallback import FallbackRouter
    from skrouter._meta.risk_bound import largest_query_cost
    from skrouter._meta.risk_control import GuaranteedRouter
    from skrouter._meta.trade_off_for_budget import (
        TradeOffForecast,
        trade_off_for_budget,
        trade_off_for_quality,
    )
    from skrouter._persistence.router_file import load, save
    from skrouter._routers.radial_router import RadialRouterClassifier
    from skrouter._targets.cautions import FewOutcomesWarning
    from skrouter._targets.logged import make_logged_target
    from skrouter._targets.routing_target import make_routing_target
    from skrouter.report import (
        DriftReport,
        RouterComparison,
        RoutingReport,
        compare_routers,
        drift_report,
        routing_report,
    )
else:
    # Not shown to type checkers, to which any misspelt name would then be right.
    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'skrouter' has no attribute {name!r}")
        module = import_module(_HOME[name])
        return module if _HOME[name] == f"skrouter.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
