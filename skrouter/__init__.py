"""Learn which LLM to call for the next query, as a scikit-learn estimator."""

from importlib import import_module

__version__ = "0.1.0"

# Where each public name lives. Names are imported when first used: `import skrouter` stays light.
_HOME = {
    "ChatFormatter": "skrouter._encoders.chat_formatter",
    "FallbackRouter": "skrouter._meta.fallback",
    "GuaranteedRouter": "skrouter._meta.risk_control",
    "RadialRouterClassifier": "skrouter._routers.radial_router",
    "RoutingReport": "skrouter.report",
    "SentenceEncoder": "skrouter._encoders.sentence_encoder",
    "SpendingPlan": "skrouter._meta.budget_allocation",
    "TradeOffForecast": "skrouter._meta.trade_off_for_budget",
    "load": "skrouter._persistence.router_file",
    "make_logged_target": "skrouter._targets.logged",
    "make_routing_target": "skrouter._targets.routing_target",
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
    "FallbackRouter",
    "GuaranteedRouter",
    "RadialRouterClassifier",
    "RoutingReport",
    "SentenceEncoder",
    "SpendingPlan",
    "TradeOffForecast",
    "load",
    "make_logged_target",
    "make_routing_target",
    "routing_report",
    "save",
    "spend_budget",
    "trade_off_for_budget",
    "trade_off_for_quality",
]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'skrouter' has no attribute {name!r}")
    module = import_module(_HOME[name])
    return module if _HOME[name] == f"skrouter.{name}" else getattr(module, name)


def __dir__():
    return sorted([*globals(), *_HOME])
