"""LLMs that were tried on few queries are not trusted to be as good as they looked there."""

from __future__ import annotations

import numpy as np

# Calls that such an LLM is taken to have made beside those observed, and how far below the mean of
# all outcomes these went, in standard deviations. Chosen on simulated logs
# (benchmarks/rarely_tried.py).
_UNSEEN_CALLS, _DEVIATIONS = 5, 2

# An LLM with this share of the outcomes of the best known one, or more, is taken as it is.
_ENOUGH = 0.5


def shrink_rarely_tried(target, sample_weight):
    """The target with the performance of rarely tried LLMs drawn towards the worst.

    The best of several means is partly lucky, the more so the fewer outcomes it rests on, and of
    the queries that an LLM was not tried on nothing is known. An LLM that was observed on few
    queries is taken to have been called on a few more, and to have done badly there: with `n`
    outcomes of its own its performance is ``low + (performance - low) * n / (n + k)``. `low` is
    two standard deviations below the mean of all outcomes, but none below the smallest; `k` is
    5 for an LLM that was hardly tried, and goes down to 0 for one observed half as often as the
    best known LLM. Its mean is that of its outcomes and `k` more at `low`, and no outcome leaves
    the range of those observed.

    Shrinking towards the mean of all would not do: an LLM that is predicted to be average on
    every query, the hardest included, is there taken for the best.

    Parameters
    ----------
    target : RoutingTarget
        Not modified.
    sample_weight : ndarray of shape (n_queries,)
        With unequal weights `n` is the effective number, ``sum(w)**2 / sum(w**2)``.

    Returns
    -------
    target : RoutingTarget
        The same object if no LLM is concerned, as in a complete table.
    """
    performance = target.performance
    observed = ~np.isnan(performance)
    weight = np.where(observed, (sample_weight / sample_weight.max())[:, None], 0.0)
    squares = (weight**2).sum(axis=0)
    total = weight.sum(axis=0)
    n = np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)
    k = _UNSEEN_CALLS * (1 - n / (_ENOUGH * n.max())).clip(min=0)
    if not k.any():
        return target
    counted = weight > 0
    values, weights = performance[counted], weight[counted]
    mean = np.average(values, weights=weights)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=weights))
    low = max(values.min(), mean - _DEVIATIONS * deviation)
    # What was worse than that stays as bad.
    shrunk = np.minimum(performance, low + (performance - low) * (n / (n + k)))
    return target._replace(performance=np.where(k > 0, shrunk, performance))
