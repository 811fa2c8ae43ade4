"""Learn which LLM to call for the next query, as a scikit-learn estimator."""

from importlib import import_module

__version__ = "0.1.0"

# Where each public name lives. Names are imported when first used: `import skrouter` stays light.
_HOME = {
    "GuaranteedRouter": "skrouter._guarantee",
    "RadialRouterClassifier": "skrouter._router",
    "SentenceEncoder": "skrouter._encoder",
    "SpendingPlan": "skrouter._budget",
    "make_routing_target": "skrouter._target",
    "spend_budget": "skrouter._budget",
    "baselines": "skrouter.baselines",
    "datasets": "skrouter.datasets",
    "metrics": "skrouter.metrics",
    "nn": "skrouter.nn",
}

__all__ = [
    "GuaranteedRouter",
    "RadialRouterClassifier",
    "SentenceEncoder",
    "SpendingPlan",
    "make_routing_target",
    "spend_budget",
]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'skrouter' has no attribute {name!r}")
    module = import_module(_HOME[name])
    return module if _HOME[name] == f"skrouter.{name}" else getattr(module, name)


def __dir__():
    return sorted([*globals(), *_HOME])
