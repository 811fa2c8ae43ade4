"""`skrouter budget`."""

from __future__ import annotations

import argparse
import gc
import json

from skrouter._cli.data import read_judged, timed
from skrouter._cli.judge import observed
from skrouter._meta.trade_off_for_budget import trade_off_for_budget, trade_off_for_quality
from skrouter.metrics import routing_score


def budget(arguments: argparse.Namespace) -> None:
    """Print the trade-off for a budget or a quality, and what it brought on held-out queries."""
    gc.enable()
    if arguments.budget is not None and arguments.queries is None:
        raise ValueError("--budget needs --queries, the number of queries that it is to last for.")
    judged = read_judged(arguments)
    queries = judged.log.queries[judged.test]
    with timed("Looking for the trade-off"):
        if arguments.budget is not None:
            forecast = trade_off_for_budget(
                judged.router, queries, budget=arguments.budget, period_queries=arguments.queries
            )
        else:
            forecast = trade_off_for_quality(
                judged.router,
                queries,
                share=arguments.quality,
                period_queries=arguments.queries or 1000,
            )
    performance, cost = observed(judged, judged.test)
    chosen = judged.router.predict(queries, cost_weight=forecast.cost_weight)
    seen = routing_score(performance, chosen, cost=cost, cost_weight=0.0)
    bill = seen.cost * forecast.period_queries / 1000
    if arguments.json:
        row = forecast._asdict() | {
            "llms": {str(name): part._asdict() for name, part in forecast.llms.items()},
            "kept": forecast.kept,
            "observed_performance": seen.performance,
            "observed_cost": bill,
            "n_observed": seen.n_observed,
        }
        print(json.dumps(_without_nan(row)))
        return
    print(forecast)
    print(
        f"\nObserved with these choices, where the log has the outcome ({seen.n_observed:,} of "
        f"{len(queries):,} queries): performance {seen.performance:.3f}, {bill:,.2f} US dollars."
    )


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    return None if isinstance(value, float) and value != value else value
