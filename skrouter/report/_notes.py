"""How a report was made, and what it cannot say."""

from __future__ import annotations

from skrouter.report._data import ReportData
from skrouter.report._router_adapter import RouterAdapter


def write_notes(
    router: RouterAdapter, data: ReportData, *, router_cost: float, n_shared: int, n_folds: int
) -> tuple[str, ...]:
    """The notes of a report.

    Parameters
    ----------
    router : RouterAdapter
    data : ReportData
    router_cost : float
        The router's own cost in US dollars per 1,000 queries.
    n_shared : int
        Number of held-out queries that are also among the training queries.
    n_folds : int
        Of what was cross-fitted.

    Returns
    -------
    notes : tuple of str
        Sentences.
    """
    return (
        *_on_the_data(data, n_shared, n_folds),
        *_on_the_router(router, data.cost_weight),
        *_on_costs_and_time(router, router_cost),
        "The signal is of performance alone; where costs differ from query to query, a router can "
        "use that, too.",
    )


def _on_the_data(data: ReportData, n_shared: int, n_folds: int) -> list[str]:
    if data.train is None:
        fitted = "kNN and ridge" if data.tasks is None else "the best LLM per task, kNN and ridge"
        notes = [
            "No training rows were given. The best single LLM was chosen in hindsight, on these "
            "very queries, which favours it and makes the verdict conservative; "
            f"{fitted} were cross-fitted on them in {n_folds} folds."
        ]
    else:
        n_train = len(data.train.performance)
        notes = [f"The references were fitted on the {n_train} training rows that were given."]
    if n_shared:
        notes.append(
            f"{n_shared} of the held-out queries are also among the training queries; on those a "
            "router may only remember."
        )
    if data.tasks is None:
        notes.append(
            "No tasks were given. Without the best LLM per task nothing tells whether more is "
            "gained than by telling tasks apart."
        )
    if data.n_dropped:
        notes.append(f"{data.n_dropped} queries without any observed outcome were left out.")
    return notes


def _on_the_router(router: RouterAdapter, cost_weight: float) -> list[str]:
    notes = []
    own = router.own_cost_weight
    if router.uses_cost is False:
        if cost_weight > 0:
            notes.append("The router was fitted without costs, and is judged with them.")
    elif own is not None and cost_weight != own and not router.serves_any_trade_off:
        notes.append(
            f"The router chose at its own trade-off, {own:g}, as it serves no other, and is "
            f"judged at {cost_weight:g}."
        )
    if hasattr(router.core, "cascade_outcomes"):
        notes.append(
            "The router is a cascade: it pays for every LLM that it calls on a query, and the "
            "shares are those of the LLM whose answer is used."
        )
    if hasattr(router.core, "guarantee_"):
        notes.append(router.core.guarantee_)
    if not hasattr(router.core, "predict_outcomes"):
        notes.append(
            f"{router.name} has no predict_outcomes, so nothing can be said on how reliable its "
            "predictions are."
        )
    return notes


def _on_costs_and_time(router: RouterAdapter, router_cost: float) -> list[str]:
    notes = []
    if router_cost:
        notes.append(
            f"The cost and the score of the router, of kNN and of ridge contain {router_cost:g} US "
            "dollars per 1,000 queries for the router itself."
        )
    if router.caches_embeddings:
        notes.append(
            "The encoder keeps embeddings in a cache: of texts that it has seen before, the time "
            "per query leaves out the encoding."
        )
    return notes
