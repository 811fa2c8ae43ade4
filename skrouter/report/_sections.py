"""The parts of a report beside scores and intervals: money, calls, predictions."""

import numpy as np

from skrouter._inputs.queries import query_texts
from skrouter._targets.utility import routing_utility
from skrouter._utils.stats import observed_mean
from skrouter.metrics._reliability import mean_squared_difference, reliability_bins
from skrouter.report._realized_outcomes import (
    RealizedOutcomes,
    compare,
    mean_known,
    realize_outcomes,
)
from skrouter.report._references import KNN, ORACLE, PER_TASK, SINGLE, best_single
from skrouter.report._result import Calibration, LLMUse, Savings
from skrouter.report._tables import ROUTER


def realized_by_router(asked, X, target, chosen, cost_weight):
    """What the router realized; a cascade pays for every call, not only for the last."""
    if not hasattr(asked.core, "cascade_outcomes"):
        return realize_outcomes(target, chosen, cost_weight)
    outcomes = asked.core.cascade_outcomes(
        asked.seen_by_core(X), target.performance, cost=target.cost
    )
    utility = routing_utility(outcomes.performance, outcomes.cost, cost_weight)
    cost = np.full(len(utility), np.nan) if outcomes.cost is None else outcomes.cost
    return RealizedOutcomes(outcomes.performance, cost, utility)


def better_in_hindsight_than(target, ours, always, cost_weight):
    """The LLM that was best on these very rows, if always calling it scores above the router."""
    llm = best_single(target, cost_weight)
    gain = mean_known(ours.utility - always(llm).utility)
    return llm if gain < 0 else None


def realised_shares(realized):
    """Gains over the best single LLM as parts of the oracle's, each over its common queries."""
    single, oracle = realized[SINGLE].utility, realized[ORACLE].utility
    parts = {}
    for name in (ROUTER, PER_TASK, KNN):
        if name in realized:
            gain = realized[name].utility - single
            most = mean_known(np.where(np.isnan(gain), np.nan, oracle - single))
            parts[name] = mean_known(gain) / most if most > 0 else float("nan")
    return parts


def compare_costs(target, ours, constants, always, settings):
    if target.cost is None:
        return {}
    by_llm = {}
    for llm in set(constants.values()):
        other = always(llm)
        by_llm[llm] = Savings(
            llm,
            mean_known(np.where(np.isnan(ours.cost), np.nan, other.cost)),
            compare(other.cost, ours.cost, **settings),
            compare(ours.performance, other.performance, **settings),
        )
    return {by: by_llm[llm] for by, llm in constants.items()}


def uses_of_llms(target, realized, chosen):
    uses = {}
    for column, llm in enumerate(target.llm_names.tolist()):
        rows = chosen == llm
        uses[llm] = LLMUse(
            int(rows.sum()),
            float(rows.mean()),
            mean_known(realized.performance[rows]),
            mean_known(realized.cost[rows]),
            mean_known(target.performance[:, column]),
        )
    return uses


def calibrate(asked, X, target, train):
    if not hasattr(asked.core, "predict_outcomes"):
        return None
    predicted = asked.core.predict_outcomes(asked.seen_by_core(X)).performance
    known = (target if train is None else train).performance
    constant = observed_mean(known, np.ones(len(known)))
    # Both are judged on the same outcomes: not on an LLM of which one of them knows nothing.
    constant = np.where(np.isnan(predicted) | np.isinf(constant), np.nan, constant)
    predicted = np.where(np.isnan(constant), np.nan, predicted)
    return Calibration(
        mean_squared_difference(target.performance, predicted),
        mean_squared_difference(target.performance, constant),
        int((~np.isnan(target.performance) & ~np.isnan(predicted)).sum()),
        reliability_bins(target.performance, predicted),
    )


def n_shared_rows(rows_train, rows):
    """Number of held-out queries, texts, chats or embeddings, that are also training queries."""

    def keys(rows):
        if isinstance(rows, list):
            # All turns: which of them the router reads is not known here.
            return query_texts(rows, turns="all")
        return [row.tobytes() for row in rows]

    seen = set(keys(rows_train))
    return sum(key in seen for key in keys(rows))
