"""What is guaranteed of the mean over future queries, and which trade-offs are shown to keep it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import bisect

from skrouter._utils.betting import betting_p_value, plug_in_bets

# As far as numbers go, with room for a search that doubles.
_LARGEST_SHARE = np.finfo(np.float64).max / 4


class RiskConstraint(NamedTuple):
    """A mean is at most, or at least, a target, except with a small probability.

    Values are in units of the largest possible one, as :func:`impute_worst_case` makes them, so
    that no bound is too large to calculate with.

    Attributes
    ----------
    sign : int
        1 if the mean is to be at least the target, -1 if at most.
    target : float
        A number, or the share of the mean of a reference.
    largest : float
        Upper bound of what the mean is of, that of a reference too. 0 where all LLMs cost nothing.
    relative : bool
        Whether the target is a share of a reference. If not, references are 1.
    level : float
        The probability with which the constraint may fail, below 1.
    """

    sign: int
    target: float
    largest: float
    relative: bool
    level: float

    def p_value(self, outcomes):
        """P-value of the hypothesis that the constraint is not kept.

        Parameters
        ----------
        outcomes : tuple of ndarray of shape (n_queries,)
            Values and references in [0, 1], and weights of at most 1, of independent draws in
            random order.

        Returns
        -------
        p_value : float
        """
        return self._p_value(self._share, outcomes, self._bets(outcomes))

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

        def side(share):
            kept = self._p_value(share, outcomes, bets) <= self.level
            return -0.5 if kept == kept_at_0 else 0.5

        # A mean is at most the largest value; a share of a reference has no such limit.
        end = max(1.0, self._share) if self.relative else 1.0
        limit = min(1e12 * end, _LARGEST_SHARE)
        while side(end) < 0:
            end *= 2
            if end > limit:
                return np.inf
        return bisect(side, 0.0, end, xtol=1e-15 * end) * self._unit

    def mean(self, outcomes):
        """The limited mean of these outcomes, or its share of the reference's."""
        if self.largest == 0:
            return 0.0  # also as a share of a reference that costs nothing either
        value, reference, weight = outcomes
        total = weight @ reference
        return float(weight @ value / total) * self._unit if total > 0 else np.inf

    @property
    def _unit(self):
        """What a target of 1 is in the words of the user."""
        return 1.0 if self.relative else self.largest

    @property
    def _share(self):
        """The target, as a share of the largest value, of at most 1, or of the reference."""
        if self.relative or self.largest == 0:
            return self.target
        return min(self.target / self.largest, 1.0)

    def _bets(self, outcomes):
        """Bets for the target itself; kept for other targets, they make the p-value monotone."""
        if self.largest == 0:
            return np.zeros(len(outcomes[0]))  # there is nothing to learn from gains
        spread = (1 + self._share) / self._scale if self.relative else 1.0
        return plug_in_bets(self._gains(self._share, outcomes), self.level, spread)

    @property
    def _scale(self):
        """Of the gains of a share far above 1, whose squares would be too large."""
        return max(1.0, self._share) if self.relative else 1.0

    def _p_value(self, share, outcomes, bets):
        largest_loss = self._largest_loss(share)
        if largest_loss <= 0 or self.largest == 0:
            return 0.0  # it is kept whatever the outcomes
        return float(betting_p_value(self._gains(share, outcomes), bets, largest_loss))

    def _gains(self, share, outcomes):
        """Numbers whose mean is above 0 if the constraint is kept."""
        value, reference, weight = outcomes
        return self.sign * (value / self._scale - share / self._scale * reference) * weight

    def _largest_loss(self, share):
        if self.sign > 0:  # a value of 0, where the reference is as large as it can be
            return share / self._scale
        # the largest value, where the reference is as small as it can be
        return (1.0 if self.relative else 1.0 - share) / self._scale


def make_risk_constraint(
    performance, cost, *, max_cost, min_performance, max_query_cost, confidence, relative
):
    """Make the constraint that is asked for, and check that the outcomes are within its bounds.

    Parameters
    ----------
    performance, cost : ndarray of shape (n_queries, n_llms)
        All outcomes, of which those that were not observed are NaN.
    max_cost, min_performance : float or None
        One of them.
    max_query_cost : float or None
        None takes the largest observed cost.
    confidence : float
        In (0, 1).
    relative : bool
        As in :class:`RiskConstraint`.

    Returns
    -------
    constraint : RiskConstraint
    """
    # Next to 1 the level is 1 in floating point, at which everything would pass.
    common = {"relative": relative, "level": min(1 - confidence, np.nextafter(1.0, 0.0))}
    if max_cost is None:
        performance = performance[~np.isnan(performance)]
        if ((performance < 0) | (performance > 1)).any():
            raise ValueError(
                "min_performance needs a performance in [0, 1], but that in y is from "
                f"{performance.min():g} to {performance.max():g}; rescale it."
            )
        return RiskConstraint(1, float(min_performance), 1.0, **common)
    observed = cost[~np.isnan(cost)]
    largest = float(observed.max(initial=0.0))
    if max_query_cost is None:
        if not observed.size:
            raise ValueError(
                "max_query_cost is missing: no cost of a query of positive weight is known that "
                "could be the largest."
            )
        return RiskConstraint(-1, float(max_cost), largest, **common)
    if largest > max_query_cost:
        raise ValueError(
            f"max_query_cost={max_query_cost!r} is no upper bound: cost holds "
            f"{int((observed > max_query_cost).sum())} larger value(s), up to {largest:g}. Give a "
            "true one, or leave it out."
        )
    return RiskConstraint(-1, float(max_cost), float(max_query_cost), **common)


def impute_worst_case(constraint, target, rows, reference):
    """Values of which a constraint limits the mean; what was not observed is taken at its worst.

    In units of the largest possible value.

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
    table = target.performance if constraint.sign > 0 else target.cost
    table = table[rows] / (constraint.largest or 1.0)
    worst, best = (0.0, 1.0) if constraint.sign > 0 else (1.0, 0.0)
    values = np.where(np.isnan(table), worst, table)
    if reference is None:
        return values, np.ones(len(rows))
    against = table[:, reference]
    return values, np.where(np.isnan(against), best, against)
