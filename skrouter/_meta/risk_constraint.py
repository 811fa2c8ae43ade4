"""What is promised of the mean over future queries, and which trade-offs are shown to keep it."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import bisect

from skrouter._utils.betting import betting_p_value, plug_in_bets


class RiskConstraint(NamedTuple):
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
        The probability with which the constraint may fail.
    """

    sign: int
    target: float
    largest: float
    relative: bool
    largest_weight: float
    level: float

    def p_value(self, outcomes):
        """P-value of the hypothesis that the constraint is not kept.

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
        """The limited mean of these outcomes, or its share of the reference's."""
        if self.largest == 0:
            return 0.0  # also as a share of a reference that is as free
        value, reference, weight = outcomes
        total = weight @ reference
        return float(weight @ value / total) if total > 0 else np.inf

    def _bets(self, outcomes):
        """Bets for the target itself; kept for other targets, they make the p-value monotone."""
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
        """Numbers whose mean is above 0 if the constraint is kept, for weights of at most 1."""
        value, reference, weight = outcomes
        return self.sign * (value - target * reference) * (weight / self.largest_weight)

    def _largest_loss(self, target):
        if self.sign > 0:  # a value of 0, where the reference is as large as it can be
            return target * (self.largest if self.relative else 1.0)
        # the largest value, where the reference is as small as it can be
        return self.largest - (0.0 if self.relative else target)


def make_risk_constraint(performance, cost, *, max_cost, min_performance, max_query_cost, **common):
    """Make the constraint that is asked for, and check that the outcomes are within its bounds.

    Parameters
    ----------
    performance, cost : ndarray of shape (n_queries, n_llms)
        All outcomes, of which those that were not observed are NaN.
    max_cost, min_performance : float or None
        One of them.
    max_query_cost : float or None
        None takes the largest observed cost.
    **common
        The other fields of :class:`RiskConstraint`.

    Returns
    -------
    constraint : RiskConstraint
    """
    if max_cost is None:
        performance = performance[~np.isnan(performance)]
        if ((performance < 0) | (performance > 1)).any():
            raise ValueError(
                "min_performance needs a performance in [0, 1], but that in y is from "
                f"{performance.min():g} to {performance.max():g}; rescale it."
            )
        return RiskConstraint(1, float(min_performance), 1.0, **common)
    observed = cost[~np.isnan(cost)]
    dearest = float(observed.max(initial=0.0))
    if max_query_cost is None:
        if not observed.size:
            raise ValueError(
                "max_query_cost is missing: no cost of a query of positive weight is known that "
                "could be the largest."
            )
        return RiskConstraint(-1, float(max_cost), dearest, **common)
    if dearest > max_query_cost:
        raise ValueError(
            f"max_query_cost={max_query_cost!r} is no upper bound: cost holds "
            f"{int((observed > max_query_cost).sum())} larger value(s), up to {dearest:g}. Give a "
            "true one, or leave it out."
        )
    return RiskConstraint(-1, float(max_cost), float(max_query_cost), **common)


def impute_worst_case(constraint, target, rows, reference):
    """Values of which a constraint limits the mean; what was not observed is taken at its worst.

    Parameters
    ----------
    constraint : RiskConstraint
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
    if constraint.sign > 0:
        table, worst, best = target.performance[rows], 0.0, constraint.largest
    else:
        table, worst, best = target.cost[rows], constraint.largest, 0.0
    values = np.where(np.isnan(table), worst, table)
    if reference is None:
        return values, np.ones(len(rows))
    against = table[:, reference]
    return values, np.where(np.isnan(against), best, against)
