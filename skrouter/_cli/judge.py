"""`skrouter evaluate` and `skrouter report`."""

from __future__ import annotations

import argparse
import gc
import json
from typing import Any

import numpy as np

import skrouter
from skrouter._cli.checks import check_output, check_plot, has_matplotlib
from skrouter._cli.data import Judged, read_judged, say, timed, write_text
from skrouter._cli.picture import as_image, draw
from skrouter.metrics import oracle_llms
from skrouter.metrics._common_queries import on_common_queries
from skrouter.metrics._score import check_scored_target, score_choices
from skrouter.report._render import as_html, as_page


def evaluate(arguments: argparse.Namespace) -> None:
    """Print scores of a router, of each LLM alone and of the oracle."""
    gc.enable()
    judged = read_judged(arguments, arguments.cost_weight)
    performance, cost = observed(judged, judged.test)
    options = {"cost_weight": arguments.cost_weight} if arguments.cost_weight is not None else {}
    with timed("Routing"):
        chosen = judged.router.predict(judged.log.queries[judged.test], **options)
    scored: dict[str, Any] = {"router": chosen}
    for llm in performance:
        scored[f"always {llm}"] = np.full(len(performance), llm)
    cost_weight = judged.cost_weight if cost is not None else 0.0
    complete = performance.notna() if cost is None else performance.notna() & cost.notna()
    if complete.any(axis=1).all():
        scored["oracle"] = oracle_llms(performance, cost=cost, cost_weight=cost_weight)
    # An LLM may have no outcome on the few queries that judge.
    for llm in complete.columns[~complete.any()]:
        del scored[f"always {llm}"]
    target, note = on_common_queries(
        check_scored_target(performance, cost, None), [chosen], what="rows"
    )
    scores = {name: score_choices(target, llms, cost_weight) for name, llms in scored.items()}
    if arguments.json:
        rows = {name: score._asdict() for name, score in scores.items()}
        for row in rows.values():
            row["cost"] = None if np.isnan(row["cost"]) else row["cost"]
        found = {"cost_weight": cost_weight, "n_queries": len(chosen), "scores": rows}
        print(json.dumps(found | ({"note": note} if note else {})))
        return
    width = max(map(len, scores))
    print(f"{'':{width}}  performance  $ per 1,000 queries  utility  queries")
    for name, score in scores.items():
        paid = f"{score.cost:19.4g}" if score.cost == score.cost else f"{'–':>19}"
        print(
            f"{name:{width}}  {score.performance:11.4f}  {paid}  {score.utility:7.4f}  "
            f"{score.n_observed:7,d}"
        )
    print(f"\nUtility is performance - {cost_weight:g} * cost.")
    if note:
        print(note)


def report(arguments: argparse.Namespace) -> None:
    """Print a report on a router, and write it as a page."""
    gc.enable()
    check_output("--html", arguments.html)
    check_plot(arguments.plot)
    judged = read_judged(arguments, arguments.cost_weight)
    performance, cost = observed(judged, judged.test)
    uses_cost = getattr(judged.router, "uses_cost_", False)
    if cost is None and arguments.cost_weight is None and uses_cost and judged.cost_weight > 0:
        raise ValueError(
            "The router charges costs, and the log has none: give --cost, or --prices with tokens; "
            "or --cost-weight 0 to judge performance alone."
        )
    log, test, train = judged.log, judged.test, judged.train
    references: dict[str, Any] = {}
    if train.any():
        fitted = observed(judged, train)
        references = {"X_train": log.queries[train], "y_train": fitted[0], "cost_train": fitted[1]}
    if log.tasks is not None:
        references["tasks"] = log.tasks[test]
        if train.any():
            references["tasks_train"] = log.tasks[train]
    with timed("Judging"):
        result = skrouter.routing_report(
            judged.router,
            log.queries[test],
            performance,
            cost=cost,
            cost_weight=arguments.cost_weight,
            random_state=arguments.seed,
            **references,
        )
    print(result)
    figure: Any = None
    if arguments.plot or (arguments.html and cost is not None and has_matplotlib()):
        with timed("Drawing"):
            figure = draw(judged, performance, cost)
    if arguments.html:
        title = f"Report on {arguments.router.name}"
        picture = "" if figure is None else as_image(figure)
        write_text(arguments.html, as_page(f"{as_html(result)}\n{picture}", title))
    if arguments.plot:
        figure.savefig(arguments.plot, bbox_inches="tight", dpi=150)
        say(f"Wrote {arguments.plot}.")


def observed(judged: Judged, rows: np.ndarray) -> tuple[Any, Any]:
    """Performance and cost on some queries, columns as the router has them."""
    log, names = judged.log, judged.router.classes_.tolist()
    unknown = sorted(set(log.llm_names) - set(names))
    lacking = sorted(set(names) - set(log.llm_names))
    if lacking:
        raise ValueError(
            f"The log has no outcomes of {lacking}, which the router may call; it has "
            f"{log.llm_names}."
        )
    if unknown:
        say(f"LLMs that the router does not know are left out: {unknown}.")
    cost = None if log.cost is None else log.cost.loc[rows, names]
    return log.performance.loc[rows, names], cost
