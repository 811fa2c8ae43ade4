"""How a report was made, and what it cannot say."""


def write_notes(
    asked, *, cost_weight, router_cost, n_train, n_shared, n_folds, n_dropped, with_tasks
):
    """The notes of a report, as a tuple of sentences.

    Parameters
    ----------
    asked : RouterAdapter
    cost_weight, router_cost : float
    n_train : int or None
        Number of training rows; None if none were given.
    n_shared : int
        Number of held-out queries that are also among the training queries.
    n_folds : int
        Of what was cross-fitted.
    n_dropped : int
        Number of queries without any observed outcome.
    with_tasks : bool
    """
    if n_train is None:
        fitted = "the best LLM per task and kNN were" if with_tasks else "kNN was"
        notes = [
            "No training rows were given. The best single LLM was chosen in hindsight, on these "
            "very queries, which favours it and makes the verdict conservative; "
            f"{fitted} cross-fitted on them in {n_folds} folds."
        ]
    else:
        notes = [f"The references were fitted on the {n_train} training rows that were given."]
    if n_shared:
        notes.append(
            f"{n_shared} of the held-out queries are also among the training queries; on those a "
            "router may only remember."
        )
    if not with_tasks:
        notes.append(
            "No tasks were given. Without the best LLM per task nothing tells whether more is "
            "gained than by telling tasks apart."
        )
    if n_dropped:
        notes.append(f"{n_dropped} queries without any observed outcome were left out.")
    own = asked.own_cost_weight
    if asked.uses_cost is False:
        if cost_weight > 0:
            notes.append("The router was fitted without costs, and is judged with them.")
    elif own is not None and cost_weight != own and not asked.any_trade_off():
        notes.append(
            f"The router was asked at its own trade-off, {own:g}, as it serves no other, and is "
            f"judged at {cost_weight:g}."
        )
    if hasattr(asked.core, "cascade_outcomes"):
        notes.append(
            "The router is a cascade: it pays for every LLM that it calls on a query, and the "
            "shares are those of the LLM whose answer is used."
        )
    if hasattr(asked.core, "guarantee_"):
        notes.append(asked.core.guarantee_)
    if not hasattr(asked.core, "predict_outcomes"):
        notes.append(
            f"{asked.name} has no predict_outcomes, so nothing can be said on how reliable its "
            "predictions are."
        )
    if router_cost:
        notes.append(
            f"The cost and the score of the router and of kNN contain {router_cost:g} US dollars "
            "per 1,000 queries for the router itself."
        )
    if asked.caches_embeddings():
        notes.append(
            "The encoder keeps embeddings in a cache: of texts that it has seen before, the time "
            "per query leaves out the encoding."
        )
    notes.append(
        "The signal is of performance alone; where costs differ from query to query, a router can "
        "use that, too."
    )
    return tuple(notes)
