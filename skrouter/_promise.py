"""What is promised of the mean over future queries, and which trade-offs are shown to keep it."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import bisect

from skrouter._betting import betting_p_value, plug_in_bets
from skrouter._hull_steps import hull_steps
from skrouter._target import routing_utility

# They must not depend on the calibration queries. Steps of 0.08 %, as many queries may change
# their LLM within one per cent. The range is for costs per query as per million queries, in any
# currency.
_COST_WEIGHTS = np.append(0.0, np.logspace(-6, 6, 36001))


class Promise(NamedTuple):
    """A mean is at most, or at least, a target, except with a small probability.

    Attributes
    ----------
    sign : int
        1 if the mean is to be at least the target, -1 if at most.
    target : float
        A number, or the share of the mean of a reference.
    largest : float
        Values are in [0, largest], those of a reference too. 0 where all LLMs are free.
    relative : bool
        Whether the target is a share of a reference. If not, references are 1.
    largest_weight : float
        Upper bound of the weights of the queries.
    level : float
        The probability with which the promise may fail.
    """

    sign: int
    target: float
    largest: float
    relative: bool
    largest_weight: float
    level: float

    def p_value(self, outcomes):
        """P-value of the hypothesis that the promise is not kept.

        Parameters
        ----------
        outcomes : tuple of ndarray of shape (n_queries,)
            Values, references and weights, of independent draws in random order.

        Returns
        -------
        p_value : float
        """
        return self._p_value(self.target, outcomes, self._bets(outcomes))

    def bound(self, outcomes):
        """The strictest target that these outcomes would still show to be kept.

        Parameters
        ----------
        outcomes : tuple of ndarray of shape (n_queries,)

        Returns
        -------
        bound : float
            Infinite if no target is too strict, or none is lax enough, as where references are 0.
        """
        if self.largest == 0:
            return 0.0
        # At a target of 0 "at least" is kept always and "at most" never. Where does that change?
        kept_at_0, bets = self.sign > 0, self._bets(outcomes)

        def side(target):
            kept = self._p_value(target, outcomes, bets) <= self.level
            return -0.5 if kept == kept_at_0 else 0.5

        end = self.target if self.target > 0 else self.largest
        while side(end) < 0:
            end *= 2
            if end > 1e12 * max(self.target, self.largest):
                return np.inf
        return bisect(side, 0.0, end)

    def mean(self, outcomes):
        """What the promise limits, on these outcomes: the mean, or the share of the reference's."""
        if self.largest == 0:
            return 0.0  # also as a share of a reference that is as free
        value, reference, weight = outcomes
        total = weight @ reference
        return float(weight @ value / total) if total > 0 else np.inf

    def _bets(self, outcomes):
        """Bets for the promise itself; kept for other targets, they make the p-value monotone."""
        if self.largest == 0:
            return np.zeros(len(outcomes[0]))  # there is nothing to learn from gains
        spread = self.largest * (1 + self.target) if self.relative else self.largest
        return plug_in_bets(self._gains(self.target, outcomes), self.level, spread)

    def _p_value(self, target, outcomes, bets):
        largest_loss = self._largest_loss(target)
        if largest_loss <= 0:
            return 0.0  # it is kept whatever the outcomes
        return float(betting_p_value(self._gains(target, outcomes), bets, largest_loss))

    def _gains(self, target, outcomes):
        """Numbers whose mean is above 0 if the promise is kept, for weights of at most 1."""
        value, reference, weight = outcomes
        return self.sign * (value - target * reference) * (weight / self.largest_weight)

    def _largest_loss(self, target):
        if self.sign > 0:  # a value of 0, where the reference is as large as it can be
            return target * (self.largest if self.relative else 1.0)
        # the largest value, where the reference is as small as it can be
        return self.largest - (0.0 if self.relative else target)


def make_promise(performance, cost, *, max_cost, min_performance, max_query_cost, **common):
    """Make the promise that is asked for, and check that the outcomes are within its bounds.

    Parameters
    ----------
    performance, cost : ndarray of shape (n_queries, n_llms)
        All outcomes, of which those that were not observed are NaN.
    max_cost, min_performance : float or None
        One of them.
    max_query_cost : float or None
        None takes the largest observed cost.
    **common
        The other fields of :class:`Promise`.

    Returns
    -------
    promise : Promise
    """
    if max_cost is None:
        performance = performance[~np.isnan(performance)]
        if ((performance < 0) | (performance > 1)).any():
            raise ValueError(
                "min_performance needs a performance in [0, 1], but that in y is from "
                f"{performance.min():g} to {performance.max():g}; rescale it."
            )
        return Promise(1, float(min_performance), 1.0, **common)
    observed = cost[~np.isnan(cost)]
    dearest = float(observed.max(initial=0.0))
    if max_query_cost is None:
        if not observed.size:
            raise ValueError(
                "max_query_cost is missing: no cost of a query of positive weight is known that "
                "could be the largest."
            )
        return Promise(-1, float(max_cost), dearest, **common)
    if dearest > max_query_cost:
        raise ValueError(
            f"max_query_cost={max_query_cost!r} is no upper bound: cost holds "
            f"{int((observed > max_query_cost).sum())} larger value(s), up to {dearest:g}. Give a "
            "true one, or leave it out."
        )
    return Promise(-1, float(max_cost), float(max_query_cost), **common)


def at_worst(promise, target, rows, reference):
    """Values of which a promise limits the mean; what was not observed is taken at its worst.

    Parameters
    ----------
    promise : Promise
    target : RoutingTarget
    rows : ndarray of int, shape (n_rows,)
    reference : int or None
        Column of the LLM that the target is a share of.

    Returns
    -------
    values : ndarray of shape (n_rows, n_llms)
    references : ndarray of shape (n_rows,)
        1 without a reference.
    """
    if promise.sign > 0:
        table, worst, best = target.performance[rows], 0.0, promise.largest
    else:
        table, worst, best = target.cost[rows], promise.largest, 0.0
    values = np.where(np.isnan(table), worst, table)
    if reference is None:
        return values, np.ones(len(rows))
    against = table[:, reference]
    return values, np.where(np.isnan(against), best, against)


def safest_first(cost_weights, *, ascending):
    """Check the trade-offs to choose from, and sort them.

    Parameters
    ----------
    cost_weights : "auto" or array-like of shape (n_candidates,)
    ascending : bool
        Whether small ones are safe, as they are for performance.

    Returns
    -------
    cost_weights : ndarray of shape (n_different_candidates,)
    """
    array = _COST_WEIGHTS if isinstance(cost_weights, str) else np.asarray(cost_weights)
    numbers = array.dtype.kind in "fiu" and array.ndim == 1 and array.size
    if not numbers or not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError(f"cost_weights must hold finite numbers >= 0, got {cost_weights!r}.")
    array = np.unique(array.astype(np.float64))
    return array if ascending else array[::-1]


class SequenceResult(NamedTuple):
    """Trade-offs in the order in which they were tested, up to the first that failed.

    Attributes
    ----------
    cost_weights, means, p_values : ndarray of shape (n_tested,)
    chosen : int
        The last one that passed; -1 if the first one failed.
    bound : float
        The confidence bound of that one, or of the first one if it failed.
    """

    cost_weights: np.ndarray
    means: np.ndarray
    p_values: np.ndarray
    chosen: int
    bound: float


def pass_in_order(promise, cost_weights, predicted, values, reference, weight):
    """Test trade-offs, each at the full level, until one fails (fixed-sequence testing).

    Parameters
    ----------
    promise : Promise
    cost_weights : ndarray of shape (n_candidates,)
        The safest first.
    predicted : PredictedOutcomes
        By which LLMs are chosen.
    values : ndarray of shape (n_queries, n_llms)
        Of which the promise limits the mean.
    reference, weight : ndarray of shape (n_queries,)

    Returns
    -------
    result : SequenceResult
    """
    rows, means, p_values, passed = np.arange(len(values)), [], [], None
    # Only where a step along a hull is taken do choices change, or at 0, where equals are not told
    # apart by cost; at a trade-off that is the slope of a step the first of two equals is chosen.
    slopes = np.sort(hull_steps(*predicted)[1].slope)
    place = np.searchsorted(slopes, cost_weights) + np.searchsorted(slopes, cost_weights, "right")
    free = cost_weights == 0
    changed = (np.diff(place, prepend=-1) != 0) | free | np.roll(free, 1)
    for cost_weight, differs in zip(cost_weights, changed, strict=True):
        if differs:
            outcomes = (values[rows, chosen_columns(predicted, cost_weight)], reference, weight)
            mean, p_value = promise.mean(outcomes), promise.p_value(outcomes)
        means.append(mean)
        p_values.append(p_value)
        if p_value > promise.level:
            break
        passed = outcomes
    return SequenceResult(
        cost_weights[: len(means)],
        np.array(means),
        np.array(p_values),
        sum(p_value <= promise.level for p_value in p_values) - 1,
        promise.bound(outcomes if passed is None else passed),
    )


def chosen_columns(predicted, cost_weight):
    """The LLM that a router of these predictions chooses on each query."""
    utility = routing_utility(predicted.performance, predicted.cost, cost_weight)
    # As routers do: an LLM of which nothing was ever observed is not chosen.
    return np.where(np.isnan(utility), -np.inf, utility).argmax(axis=1)
