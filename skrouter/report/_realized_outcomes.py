"""What choices of LLMs realized on each query."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skrouter._targets.routing_target import RoutingTarget
from skrouter._targets.utility import routing_utility
from skrouter._utils.types import Floats
from skrouter.metrics._bootstrap import PairedDifference, paired_bootstrap
from skrouter.metrics._common_queries import common_queries
from skrouter.metrics._score import RoutingScore, call_shares


class RealizedOutcomes(NamedTuple):
    """Outcomes of the called LLMs, arrays of shape (n_queries,); NaN where not observed."""

    performance: Floats
    cost: Floats
    utility: Floats

    def with_cost(self, extra_cost: float, cost_weight: float) -> Self:
        """The same with an extra cost on each query, in US dollars per 1,000 queries."""
        return self._replace(
            cost=self.cost + extra_cost, utility=self.utility - cost_weight * extra_cost
        )

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where the utility is known."""
        return ~np.isnan(self.utility)

    def score(self, rows: NDArray[np.bool_] | None = None) -> RoutingScore:
        """Means over the queries whose utility is known, or over given ones of these."""
        known = self.known if rows is None else rows
        return RoutingScore(
            mean_known(self.performance[known]),
            mean_known(self.cost[known]),
            mean_known(self.utility[known]),
            int(known.sum()),
        )


def realize_outcomes(
    target: RoutingTarget, llms: ArrayLike, cost_weight: float
) -> RealizedOutcomes:
    """What `llms`, names or probabilities, realized on a checked target."""
    utility = routing_utility(target.performance, target.cost, cost_weight)
    weight = call_shares(llms, target) * ~np.isnan(utility)
    cost = np.full_like(utility, np.nan) if target.cost is None else target.cost

    def mean(values: Floats) -> Floats:
        known = weight * ~np.isnan(values)
        total = known.sum(axis=1)
        mean = (known * np.nan_to_num(values)).sum(axis=1)
        return np.divide(mean, total, out=np.full(len(total), np.nan), where=total > 0)

    return RealizedOutcomes(mean(target.performance), mean(cost), mean(utility))


class ComparedScores(NamedTuple):
    """Scores, the number of queries on which all are known, and whether they rest on these."""

    scores: dict[str, RoutingScore]
    n_common: int
    comparable: bool


def compare_scores(realized: dict[str, RealizedOutcomes]) -> ComparedScores:
    """Scores on the queries on which all are known, if these are enough; else each on its own."""
    known = [outcomes.known for outcomes in realized.values()]
    common = common_queries(known)
    scores = {name: outcomes.score(common) for name, outcomes in realized.items()}
    return ComparedScores(scores, int(np.logical_and.reduce(known).sum()), common is not None)


def mean_known(values: Floats) -> float:
    """Mean over what is not NaN; NaN if nothing is."""
    known = ~np.isnan(values)
    return float(values[known].mean()) if known.any() else float("nan")


def compare(
    first: Floats, second: Floats, largest_loss: float = 0.0, **settings: Any
) -> PairedDifference:
    """A paired interval; NaN where fewer than two queries have both outcomes.

    Parameters
    ----------
    first, second : ndarray of shape (n_queries,)
        Utility realized; NaN where not observed.
    largest_loss : float, default=0.0
        What the first may lose on one query, where that is more than the range of both utilities.
    **settings
        Of :func:`~skrouter.metrics.paired_bootstrap`.

    Returns
    -------
    difference : PairedDifference
    """
    common = ~np.isnan(first - second)
    if common.sum() < 2:
        return PairedDifference(np.nan, np.nan, np.nan, int(common.sum()))
    bound = max(float(np.ptp(np.concatenate([first[common], second[common]]))), largest_loss)
    return paired_bootstrap(first, second, max_difference=bound or None, **settings)
