"""Logs on the command line: which columns, and which queries a router has not seen."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import skrouter
from skrouter._cli.arguments import LOG_OPTIONS
from skrouter._cli.checks import check_costs, check_skops
from skrouter._cli.quick_import import import_skops_quickly
from skrouter._persistence.description import read_metadata
from skrouter._persistence.metadata import describe_data
from skrouter.datasets import RoutingLog, load_log

_BUCKETS = 2**32
_LONG = 2.0  # seconds


class Judged(NamedTuple):
    """A router with the part of a log that judges it.

    Attributes
    ----------
    router : estimator
    log : RoutingLog
    test, train : ndarray of bool, shape (n_queries,)
        The queries to judge by, and those that the router was fitted on, as far as that is known.
    cost_weight : float
        The trade-off of the router, or the one that was asked for.
    """

    router: Any
    log: RoutingLog
    test: np.ndarray
    train: np.ndarray
    cost_weight: float


def say(text: str) -> None:
    """Tell the user what goes on; results alone go to the standard output."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say what begins, and of long work how long it took."""
    say(f"{what} …")
    start = time.perf_counter()
    yield
    if (seconds := time.perf_counter() - start) >= _LONG:
        say(f"  … {seconds:.0f} s")


def read_log(arguments: argparse.Namespace, remembered: dict[str, Any]) -> RoutingLog:
    """The log, by the options that were given, else by those of the fit."""
    options: dict[str, Any] = {
        name: remembered.get(name) if (given := getattr(arguments, name)) is None else given
        for name in LOG_OPTIONS
    }
    for name in ("query", "llm", "performance"):
        if options[name] is None:
            raise ValueError(
                f"--{name} is missing: the file of the router does not say which column it is."
            )
    with timed(f"Reading {arguments.log}"):
        return load_log(arguments.log, **options)


def log_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of the log, for the router file to remember."""
    return {name: getattr(arguments, name) for name in LOG_OPTIONS}


def held_out(queries: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which queries are kept back: by the hash of each, the same ones in any log.

    Parameters
    ----------
    queries : ndarray of shape (n_queries,), dtype object
    share : float
    seed : int

    Returns
    -------
    mask : ndarray of bool, shape (n_queries,)
    """
    mask = np.zeros(len(queries), dtype=bool)
    for position, query in enumerate(queries):
        text = query if isinstance(query, str) else json.dumps(query, sort_keys=True)
        digest = hashlib.sha256(f"{seed}:{text}".encode("utf-8", "surrogatepass")).digest()
        mask[position] = int.from_bytes(digest[:4], "big") < share * _BUCKETS
    return mask


def read_judged(arguments: argparse.Namespace, cost_weight: float | None = None) -> Judged:
    """Load a router, and the log that judges it."""
    check_skops()
    description = read_metadata(arguments.router)
    extra = description["extra"]
    log = read_log(arguments, extra.get("log", {}))
    check_costs(arguments, has_costs=log.cost is not None)
    rule = extra.get("hold_out", {})
    every = np.ones(len(log.queries), dtype=bool)
    if arguments.all:
        test, train = every, ~every
    elif rule.get("share"):
        test = held_out(log.queries, rule["share"], rule["seed"])
        train = ~test
        say(
            f"Judged by the {test.sum():,} of {len(test):,} queries that were kept back from the "
            "fit (--all takes all of a log that is newer)."
        )
        if not test.any():
            raise ValueError("No query of the log was kept back from the fit; see --all.")
    elif rule:
        test, train = every, every
        say(
            "The router was fitted on all queries of its log (--hold-out 0), and all are taken: "
            "everything looks better than it is. Judge a router that kept some back, or by a newer "
            "log with --all."
        )
    else:
        test, train = every, ~every
        say(
            "The file does not say which queries the router was fitted on: all are taken. On those "
            "that it was fitted on, everything looks better than it is."
        )
    with timed(f"Loading {arguments.router}"):
        import_skops_quickly()
        router = skrouter.load(arguments.router, trusted=arguments.trusted)
    own = description["router"].get("cost_weight")
    if cost_weight is None:
        cost_weight = 0.0 if own is None else float(own)
    return Judged(router, log, test, train, cost_weight)


def training_queries(router: Path, log_file: Path) -> np.ndarray:
    """The queries that a router was fitted on, in their order, from the log of the fit."""
    description = read_metadata(router)
    extra = description["extra"]
    if "log" not in extra or "hold_out" not in extra:
        raise ValueError(
            "--log: the file of the router does not say how its log was read; routers that "
            "`skrouter fit` made do."
        )
    with timed(f"Reading {log_file}"):
        log = load_log(log_file, **extra["log"])
    train = ~held_out(log.queries, **extra["hold_out"])
    cost = None if log.cost is None else log.cost[train]
    data = {"queries": log.queries[train], "performance": log.performance[train], "cost": cost}
    if describe_data(data)["fingerprint"] != description["data"]["fingerprint"]:
        raise ValueError(f"--log: {str(log_file)!r} is not the log that the router was fitted on.")
    return data["queries"]


def write_text(path: Path, text: str) -> None:
    """Write a file, and say so."""
    path.write_text(text, encoding="utf-8")
    say(f"Wrote {path}.")
