"""`skrouter fit`."""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import sys
from importlib import import_module
from typing import Any

import skrouter
from skrouter._cli.arguments import ESTIMATORS
from skrouter._cli.checks import check_output, check_skops
from skrouter._cli.data import held_out, log_options, read_log, say, timed


def fit(arguments: argparse.Namespace) -> None:
    """Fit a router on a log and save it."""
    gc.enable()
    if not 0 <= arguments.hold_out < 1:
        raise ValueError(f"--hold-out must be in [0, 1), got {arguments.hold_out:g}.")
    check_output("--out", arguments.out)
    check_skops()
    router = _make_router(arguments)
    log = read_log(arguments, {})
    say(f"\n{log}\n")
    kept_back = held_out(log.queries, arguments.hold_out, arguments.seed)
    train = ~kept_back
    if not train.any():
        raise ValueError("All queries were kept back; lower --hold-out.")
    data = {
        "queries": log.queries[train],
        "performance": log.performance[train],
        "cost": None if log.cost is None else log.cost[train],
    }
    # A small part of a log may have no score of an LLM at all.
    observed = data["performance"].notna()
    if data["cost"] is not None:
        observed &= data["cost"].notna()
    missing = observed.columns[~observed.any()].tolist()
    if missing:
        raise ValueError(
            f"No query to fit on has an outcome of {missing}; lower --hold-out, or leave these "
            "LLMs out of the log."
        )
    weight = {} if log.sample_weight is None else {"sample_weight": log.sample_weight[train]}
    name = type(router).__name__
    what = f"Fitting {name} on {train.sum():,} queries, {kept_back.sum():,} kept back"
    # What a router prints of its progress is no result.
    with timed(what), contextlib.redirect_stdout(sys.stderr):
        router.fit(data["queries"], data["performance"], cost=data["cost"], **weight)
    metadata = {
        "log": log_options(arguments),
        "hold_out": {"share": arguments.hold_out, "seed": arguments.seed},
    }
    skrouter.save(router, arguments.out, data=data, metadata=metadata)
    say(f"Wrote {arguments.out}.")


def _make_router(arguments: argparse.Namespace) -> Any:
    module, name = ESTIMATORS[arguments.estimator]
    router = getattr(import_module(module), name)()
    known = router.get_params()
    given = dict(_setting(text) for text in arguments.set)
    for option, value in (
        ("cost_weight", arguments.cost_weight),
        ("encoder", arguments.encoder),
        ("random_state", arguments.seed if "random_state" in known else None),
        ("verbose", True if arguments.verbose and "verbose" in known else None),
    ):
        if value is not None:
            given.setdefault(option, value)
    return router.set_params(**given)


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set takes NAME=VALUE, such as max_iter=20; got {text!r}.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # a text, such as device=cpu
