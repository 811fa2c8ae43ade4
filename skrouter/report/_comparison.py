"""The router beside its references: outcomes on the same queries, and differences."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skrouter._targets.utility import routing_utility
from skrouter._utils.types import Floats, LLMName
from skrouter.metrics._bootstrap import PairedDifference
from skrouter.report._data import ReportData
from skrouter.report._realized_outcomes import (
    RealizedOutcomes,
    compare,
    mean_known,
    realize_outcomes,
)
from skrouter.report._references import (
    ROUTER,
    ROUTERS,
    SINGLE,
    Choices,
    best_single,
    random_and_oracle,
)
from skrouter.report._router_adapter import RouterAdapter


class Comparison(NamedTuple):
    """What the router and its references realized, and by how much it differs from each.

    Attributes
    ----------
    data : ReportData
        The held-out rows.
    chosen : ndarray of shape (n_queries,)
        The router's choices.
    single : str or int
        The best single LLM.
    without_router_cost : RealizedOutcomes
        Of the router, without what it costs itself.
    realized : dict of str to RealizedOutcomes
        Of the router, with what it costs itself, and of the references.
    differences : dict of str to PairedDifference
        Utility of the router minus that of each reference.
    """

    data: ReportData
    chosen: NDArray[Any]
    single: LLMName
    without_router_cost: RealizedOutcomes
    realized: dict[str, RealizedOutcomes]
    differences: dict[str, PairedDifference]

    @property
    def called(self) -> list[LLMName]:
        """The LLMs that the router calls, in the order of the pool."""
        return called_llms(self.data, self.chosen)

    def always(self, llm: LLMName) -> RealizedOutcomes:
        """What always calling one LLM realizes."""
        return always(self.data, llm)

    @property
    def better_in_hindsight(self) -> LLMName | None:
        """The LLM that was best on these very rows, if always calling it beats the router."""
        llm = best_single(self.data.target, self.data.cost_weight)
        gain = mean_known(self.realized[ROUTER].utility - self.always(llm).utility)
        return llm if gain < 0 else None


def compare_with_references(
    router: RouterAdapter,
    data: ReportData,
    chosen: NDArray[Any],
    choices: Choices,
    router_cost: float,
    intervals: dict[str, Any],
) -> Comparison:
    """Realize the router's choices and those of the references, and compare.

    Parameters
    ----------
    router : RouterAdapter
    data : ReportData
    chosen : ndarray of shape (n_queries,)
        The router's choices.
    choices : dict of str to ndarray of shape (n_queries,)
        Those of :func:`~skrouter.report._references.learnt_choices`.
    router_cost : float
        Charged to the router, to kNN and to ridge.
    intervals : dict
        Settings of :func:`~skrouter.metrics.paired_bootstrap`.

    Returns
    -------
    comparison : Comparison

    Raises
    ------
    ValueError
        If the router and the best single LLM have fewer than two observed outcomes in common.
    """
    cost_weight = data.cost_weight
    single = best_single(data.known, cost_weight)
    own = _realized_by_router(router, data, chosen)
    realized = {ROUTER: own.with_cost(router_cost, cost_weight), SINGLE: always(data, single)}
    for name, llms in choices.items():
        realized[name] = realize_outcomes(data.target, llms, cost_weight)
    for name in ROUTERS:
        realized[name] = realized[name].with_cost(router_cost, cost_weight)
    for name, llms in random_and_oracle(data.target, cost_weight).items():
        realized[name] = realize_outcomes(data.target, llms, cost_weight)

    called = np.isin(data.target.llm_names, called_llms(data, chosen))
    utility = data.utility
    differences = {}
    for name, reference in realized.items():
        if name != ROUTER:
            loss = worst_loss(utility, reference.utility, called, own.utility)
            loss += cost_weight * router_cost
            differences[name] = compare(
                realized[ROUTER].utility, reference.utility, loss, **intervals
            )
    if differences[SINGLE].n_queries < 2:
        raise ValueError(
            f"y holds {differences[SINGLE].n_queries} queries on which both the LLM that the "
            f"router calls and {single}, the best single LLM, were observed; at least 2 are needed."
        )
    return Comparison(data, chosen, single, own, realized, differences)


def called_llms(data: ReportData, chosen: NDArray[Any]) -> list[LLMName]:
    """The LLMs that are among the choices, in the order of the pool."""
    return [llm for llm in data.target.llm_names.tolist() if (chosen == llm).any()]


def always(data: ReportData, llm: LLMName) -> RealizedOutcomes:
    """What always calling one LLM realizes."""
    return realize_outcomes(data.target, np.full(data.n_queries, llm), data.cost_weight)


def _realized_by_router(
    router: RouterAdapter, data: ReportData, chosen: NDArray[Any]
) -> RealizedOutcomes:
    """What the router realized; a cascade pays for every call, not only for the last."""
    target = data.target
    if not hasattr(router.core, "cascade_outcomes"):
        return realize_outcomes(target, chosen, data.cost_weight)
    outcomes = router.core.cascade_outcomes(
        router.seen_by_core(data.X), target.performance, cost=target.cost
    )
    utility = routing_utility(outcomes.performance, outcomes.cost, data.cost_weight)
    cost = np.full(len(utility), np.nan) if outcomes.cost is None else outcomes.cost
    return RealizedOutcomes(outcomes.performance, cost, utility)


def worst_loss(
    utility: Floats, reference: Floats, called: NDArray[np.bool_], realized: Floats
) -> float:
    """The most that a called LLM, or the router itself, lost against a reference on any query.

    A cascade can lose more than the LLM whose answer it uses, as it pays for those before, too.

    Parameters
    ----------
    utility : ndarray of shape (n_queries, n_llms)
    reference : ndarray of shape (n_queries,)
        Utility that the reference realized.
    called : ndarray of bool, shape (n_llms,)
    realized : ndarray of shape (n_queries,)
        Utility that the router realized, without what it costs itself.

    Returns
    -------
    loss : float
        Not below 0.
    """
    loss = reference[:, None] - np.column_stack([utility[:, called], realized])
    return max(float(np.nanmax(loss)) if (~np.isnan(loss)).any() else 0.0, 0.0)
