"""What a guarantee says in words: what it rests on, and why there is none."""

from __future__ import annotations

import numpy as np

from skrouter._meta.sequential_testing import chosen_columns

WITHOUT_BOUND = "no guarantee: max_query_cost is missing"


def describe_guarantee(request, constraint, reference, *, known_bound):
    """What holds, with which probability, and what is assumed.

    Parameters
    ----------
    request : GuaranteedRouter
        Of which the parameters are read.
    constraint : RiskConstraint
    reference : str, int or None
        Name of the LLM that a relative target refers to.
    known_bound : bool
        Whether the largest cost of a query was given, and not just the largest that was seen.

    Returns
    -------
    text : str
    """
    budget = constraint.sign < 0
    what = "cost" if budget else "performance"
    target = f"{'at most' if budget else 'at least'} {constraint.target:g}"
    if constraint.relative:
        target += f" of that of {reference}"
    elif budget:
        target += " US dollars per 1,000"
    promise = f"the mean {what} of future queries is {target}"
    if not budget:
        return f"With confidence {request.confidence:g}, {promise}."
    if known_bound:
        return (
            f"With confidence {request.confidence:g}, {promise}, if no query costs more than "
            f"{constraint.largest:g}."
        )
    return (
        f"No guarantee that {promise}: max_query_cost is missing, and the largest cost seen, "
        f"{constraint.largest:g}, was taken for the largest possible. A rare query that costs more "
        "would break the budget unseen. Give max_query_cost, see largest_query_cost."
    )


def describe_failure(request, constraint, tests, predicted, table, calibration, *, known_bound):
    """Why a target is refused, and what could be promised instead.

    Parameters
    ----------
    request : GuaranteedRouter
        Of which the parameters are read.
    constraint : RiskConstraint
    tests : SequenceResult
        Of which the first failed.
    predicted : PredictedOutcomes
        Of the calibration queries.
    table : tuple of ndarray
        What the constraint limits, shape (n_calibration, n_llms), NaN where not observed, and the
        column of the reference or None.
    calibration : tuple of ndarray of shape (n_calibration, ...)
        Values, references and weights, as tested.
    known_bound : bool
        As for :func:`describe_guarantee`.

    Returns
    -------
    text : str
    """
    name = "min_performance" if constraint.sign > 0 else "max_cost"
    share = " of the reference's" if constraint.relative else ""
    columns = chosen_columns(predicted, tests.cost_weights[0])
    reasons = "".join(_missing(constraint, columns, table, calibration))
    if constraint.sign < 0:
        seen = "" if known_bound else ", the largest cost seen, as max_query_cost is missing"
        reasons = (
            f"It assumes that no query costs more than {constraint.largest:g}{seen}. {reasons}"
        )
    return (
        f"{name}={getattr(request, name)!r} cannot be promised with confidence="
        f"{request.confidence!r}: at the safest trade-off, cost_weight={tests.cost_weights[0]:g}, "
        f"the mean over {len(columns)} calibration queries is {tests.means[0]:.4g}{share}, and "
        f"the best that could be promised there is {tests.bound:.4g}. {reasons}Ask for less, "
        "lower the confidence, or calibrate on more queries."
    )


def _missing(constraint, columns, table, calibration):
    """A sentence on each kind of outcome that was not observed."""
    observed, reference = table
    values, references, weight = calibration
    what = "performance" if constraint.sign > 0 else "cost"
    worst, best = (0.0, 1.0) if constraint.sign > 0 else (constraint.largest, 0.0)
    rows = np.arange(len(columns))
    missing = np.isnan(observed[rows, columns])
    against = np.zeros(len(rows), bool) if reference is None else np.isnan(observed[:, reference])
    if missing.any():
        yield (
            f"On {missing.sum()} of them the {what} of the LLM that is called was not observed, "
            f"and counts as {worst:g}. "
        )
    if against.any():
        yield (
            f"On {against.sum()} of them the {what} of the reference was not observed, and counts "
            f"as {best:g}. "
        )
    known = ~(missing | against)
    if known.any() and not known.all():
        mean = constraint.mean((values[rows, columns][known], references[known], weight[known]))
        share = " of the reference's" if constraint.relative else ""
        yield f"Over the others the mean is {mean:.4g}{share}: fill in what is missing. "
