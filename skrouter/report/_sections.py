"""The parts of a report beside scores and intervals: money, calls, predictions."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from skrouter._inputs.queries import check_queries, is_text, query_texts
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import Floats, LLMName
from skrouter.metrics._reliability import mean_squared_difference, reliability_bins
from skrouter.report._comparison import Comparison
from skrouter.report._data import ReportData
from skrouter.report._realized_outcomes import RealizedOutcomes, compare, mean_known
from skrouter.report._references import ORACLE, PER_TASK, ROUTER, ROUTERS, SINGLE, best_single
from skrouter.report._result import Calibration, LLMUse, Savings
from skrouter.report._router_adapter import RouterAdapter


def shares_of_oracle_gain(realized: dict[str, RealizedOutcomes]) -> dict[str, float]:
    """Gains over the best single LLM as parts of the oracle's, each over its common queries."""
    single, oracle = realized[SINGLE].utility, realized[ORACLE].utility
    shares = {}
    for name in (ROUTER, PER_TASK, *ROUTERS):
        if name in realized:
            gain = realized[name].utility - single
            of_oracle = mean_known(np.where(np.isnan(gain), np.nan, oracle - single))
            shares[name] = mean_known(gain) / of_oracle if of_oracle > 0 else float("nan")
    return shares


def compare_costs(comparison: Comparison, intervals: dict[str, Any]) -> dict[str, Savings]:
    """Savings against the LLM of best performance and that of best utility; empty without costs."""
    data, ours = comparison.data, comparison.realized[ROUTER]
    if data.target.cost is None:
        return {}

    def savings(llm: LLMName) -> Savings:
        other = comparison.always(llm)
        return Savings(
            llm,
            mean_known(np.where(np.isnan(ours.cost), np.nan, other.cost)),
            compare(other.cost, ours.cost, **intervals),
            compare(ours.performance, other.performance, **intervals),
        )

    by_performance = best_single(data.known, 0.0)
    first = savings(by_performance)
    same = by_performance == comparison.single
    return {"performance": first, "utility": first if same else savings(comparison.single)}


def uses_of_llms(comparison: Comparison) -> dict[LLMName, LLMUse]:
    """How often each LLM is called, and what it achieves there and on all queries."""
    target, realized = comparison.data.target, comparison.without_router_cost
    uses = {}
    for column, llm in enumerate(target.llm_names.tolist()):
        rows = comparison.chosen == llm
        uses[llm] = LLMUse(
            int(rows.sum()),
            float(rows.mean()),
            mean_known(realized.performance[rows]),
            mean_known(realized.cost[rows]),
            mean_known(target.performance[:, column]),
            int((~np.isnan(target.performance[:, column])).sum()),
        )
    return uses


def calibrate(router: RouterAdapter, data: ReportData) -> Calibration | None:
    """Predicted against observed performance; None for a router that predicts no outcomes."""
    if not hasattr(router.core, "predict_outcomes"):
        return None
    observed = data.target.performance
    predicted = router.core.predict_outcomes(router.seen_by_core(data.X)).performance
    known = data.known.performance
    constant = observed_mean(known, np.ones(len(known)))
    # Both are judged on the same outcomes: not on an LLM of which one of them knows nothing.
    constant = np.where(np.isnan(predicted) | np.isinf(constant), np.nan, constant)
    predicted = np.where(np.isnan(constant), np.nan, predicted)
    return Calibration(
        mean_squared_difference(observed, predicted),
        mean_squared_difference(observed, constant),
        int((~np.isnan(observed) & ~np.isnan(predicted)).sum()),
        reliability_bins(observed, predicted),
    )


def n_shared_queries(data: ReportData, embeddings_train: Floats, embeddings: Floats) -> int:
    """Number of held-out queries, texts, chats or embeddings, that are also training queries."""
    if data.train is None:
        return 0

    def keys(queries: Any, vectors: Floats) -> list[Hashable]:
        if is_text(data.X):
            # All turns of a chat: which of them the router reads is not known here.
            return list(query_texts(check_queries(queries), turns="all"))
        return [vector.tobytes() for vector in vectors]

    known = set(keys(data.X_train, embeddings_train))
    return sum(key in known for key in keys(data.X, embeddings))
