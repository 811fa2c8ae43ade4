"""The outcomes that routers learn, in units in which they can be compared."""

from __future__ import annotations

import numpy as np

from skrouter._utils.stats import observed_mean

# Trade-offs at which routers are validated, as shares: see `scalarization_weights`.
VALIDATED_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75)


def performance_unit(data):
    """Largest less smallest observed performance, the unit to train in; 1 if all are equal."""
    performance = data.target.performance[data.sample_weight > 0]
    return float(np.nanmax(performance) - np.nanmin(performance)) or 1.0


def stack_outcomes(data, any_trade_off, unit):
    """The outcomes to learn, shape (n_queries, n_llms, n_outcomes).

    For any trade-off performance and, if there are any, costs; else the utility at one.
    Performance and utility are in the given unit, so that it does not matter in which they came.
    """
    if not any_trade_off:
        return data.utility[..., None] / unit
    parts = (data.target.performance / unit, data.target.cost)
    return np.stack([part for part in parts if part is not None], axis=-1)


def mean_cost(cost, weight):
    """Mean cost of each LLM; NaN where it was never observed."""
    mean = observed_mean(cost, weight)
    return np.where(np.isneginf(mean), np.nan, mean)


def mean_and_scale(outcomes, weight, temperature):
    """Means and scales of outcomes, each of shape (n_llms, n_outcomes).

    The scale of the performance, or utility, is the temperature, that of the costs their standard
    deviation; it is 0 for a cost that does not vary. An LLM that was never observed has a mean
    performance of minus infinity, one whose cost was never observed a mean cost of NaN.
    """
    means = observed_mean(outcomes[..., 0], weight)[:, None]
    scales = np.full((len(means), outcomes.shape[-1]), float(temperature))
    if outcomes.shape[-1] == 2:
        costs = outcomes[..., 1]
        center = mean_cost(costs, weight)
        means = np.column_stack([means, center])
        deviation = np.sqrt(observed_mean((costs - center) ** 2, weight).clip(min=0.0))
        # List prices do not vary. Their deviation may come out above zero by rounding.
        scales[:, 1] = np.where(deviation > 1e-6 * np.abs(center), deviation, 0.0)
    return means, scales


def typical_cost_weight(outcomes, weight):
    """The trade-off at which costs vary as much as performance does: where it matters most."""
    if outcomes.shape[-1] == 1:
        return None
    deviations = []
    for part in np.moveaxis(outcomes, -1, 0):
        known = ~np.isnan(part)
        weights = np.broadcast_to(weight[:, None], part.shape)[known]
        values = part[known]
        if not len(values):
            return 1.0  # no cost was observed: they count for nothing
        center = np.average(values, weights=weights)
        deviations.append(np.sqrt(np.average((values - center) ** 2, weights=weights)))
    performance, cost = deviations
    # Where either does not vary no trade-off is more typical than another.
    return float(performance / cost) if performance > 0 and cost > 0 else 1.0
