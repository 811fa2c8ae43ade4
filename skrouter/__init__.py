"""Learn which LLM to call for the next query, as a scikit-learn estimator."""

from importlib import import_module

__version__ = "0.1.0"

# Where each public name lives. Names are imported when first used: `import skrouter` stays light.
_HOME = {
    "RadialRouterClassifier": "skrouter._router",
    "RoutingReport": "skrouter.report",
    "SentenceEncoder": "skrouter._encoder",
    "make_routing_target": "skrouter._target",
    "baselines": "skrouter.baselines",
    "datasets": "skrouter.datasets",
    "metrics": "skrouter.metrics",
    "nn": "skrouter.nn",
    "report": "skrouter.report",
    "routing_report": "skrouter.report",
}

__all__ = [
    "RadialRouterClassifier",
    "RoutingReport",
    "SentenceEncoder",
    "make_routing_target",
    "routing_report",
]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'skrouter' has no attribute {name!r}")
    module = import_module(_HOME[name])
    return module if _HOME[name] == f"skrouter.{name}" else getattr(module, name)


def __dir__():
    return sorted([*globals(), *_HOME])
