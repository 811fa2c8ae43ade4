"""Trade-offs between performance and cost, from one alone to the other alone."""


def at_share(share, typical_cost_weight):
    """The trade-off at which costs count for a share of the utility, and the weight of its loss.

    With ``alpha = typical * share / (1 - share)`` and the weight ``2 (1 - share)`` utilities weigh
    as if they were ``2 ((1 - share) performance - share * typical * cost)``: all trade-offs, from
    performance alone to cost alone, have losses of one scale, and a mean weight of 1.
    """
    rest = (1 - share).clip(min=0.05)
    return typical_cost_weight * share / rest, 2 * rest


def utility(outcomes, cost_weight):
    """Utility of outcomes (n_queries, n_llms, 1 or 2): of performance alone, or less the cost."""
    if outcomes.shape[-1] == 1:
        return outcomes[..., 0]
    return outcomes[..., 0] - cost_weight * outcomes[..., 1]
