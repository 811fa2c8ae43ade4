"""`skrouter budget`."""

from __future__ import annotations

import argparse
import gc
import json
from typing import Any

import numpy as np

from skrouter._cli.data import read_judged, timed
from skrouter._cli.judge import observed
from skrouter._meta.trade_off_for_budget import (
    TradeOffForecast,
    trade_off_for_budget,
    trade_off_for_quality,
)
from skrouter.metrics import paired_bootstrap, routing_score


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
    print(_beside_best(performance, chosen, forecast))


def _beside_best(performance: Any, chosen: np.ndarray, forecast: TradeOffForecast) -> str:
    """What is kept of the best LLM's performance as observed, and whether the forecast fits it."""
    outcomes = performance.to_numpy(dtype=float)
    mine = outcomes[np.arange(len(chosen)), performance.columns.get_indexer(chosen)]
    best = outcomes[:, performance.columns.get_loc(forecast.best_llm)]
    both = ~np.isnan(mine) & ~np.isnan(best)
    if both.sum() < 2 or not best[both].any() or np.isnan(forecast.kept):
        return f"Too few have the outcome of {forecast.best_llm}, too, to tell what is kept of it."
    kept = mine[both].mean() / best[both].mean()
    said = (
        f"Always {forecast.best_llm} has {best[both].mean():.3f} where both were observed "
        f"({both.sum():,} queries): {100 * kept:.1f} % is kept."
    )
    # On average nothing, if the share that is predicted is right.
    off = paired_bootstrap(mine[both], forecast.kept * best[both], random_state=0)
    if off.high < 0:
        said += (
            f"\nThat is less than the {100 * forecast.kept:.1f} % predicted, by more than chance: "
            "do not rely on the forecast. Judge by what was observed, or take a "
            "GuaranteedRouter."
        )
    return said


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    return None if isinstance(value, float) and value != value else value
