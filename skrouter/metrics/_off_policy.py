"""What a router would have achieved, estimated from the logs of another one."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions

from skrouter._targets.utility import routing_utility
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import CostLike, NamesLike, Seed
from skrouter.metrics._intervals import (
    INTERVAL_CONSTRAINTS,
    UnseenQuery,
    bootstrap_interval,
    gaffke_interval,
    heavy_tail,
)
from skrouter.metrics._off_policy_checks import (
    check_method,
    refuse_bounds,
    warn_of_few,
    warn_of_free_calls,
)
from skrouter.metrics._off_policy_log import read_calls
from skrouter.metrics._score import COST_WEIGHT


class OffPolicyValue(NamedTuple):
    """The estimated value of a router.

    Parameters
    ----------
    performance : float
        Estimated mean performance.
    cost : float
        Estimated mean cost in US dollars per 1,000 queries. NaN without costs.
    utility : float
        ``performance - cost_weight * cost``.
    low, high : float
        The ends of the confidence interval of the utility.
    n_agreeing : int
        Number of logged queries on which the router may call the LLM that was called.
    effective_sample_size : float
        How many equally weighted queries would tell as much, ``sum(w) ** 2 / sum(w ** 2)``.
    mean_weight : float
        Mean of the weights ``w``. Where the propensities are right it is 1 but for chance; far
        from it, they are wrong.
    max_weight : float or None, default=None
        The interval holds if no weight is larger. None for the methods "BCa" and "percentile",
        which assume that the effective sample size is large.
    cost_weight : float, default=0.0
        The trade-off that the utility is at.
    """

    performance: float
    cost: float
    utility: float
    low: float
    high: float
    n_agreeing: int
    effective_sample_size: float
    mean_weight: float
    max_weight: float | None = None
    cost_weight: float = 0.0


@with_shared_parts
@validate_params(
    {
        "cost_weight": [*COST_WEIGHT, None],
        "method": [StrOptions({"dr", "ips", "snips"})],
        "bootstrap_method": [StrOptions({"gaffke", "BCa", "percentile"})],
        "min_propensity": [Interval(Real, 0, 1, closed="right"), None],
        "max_query_cost": [Interval(Real, 0, None, closed="neither"), None],
        **INTERVAL_CONSTRAINTS,
    }
)
def off_policy_value(
    llms: ArrayLike,
    logged_llms: ArrayLike,
    *,
    performance: ArrayLike,
    cost: CostLike | None = None,
    propensity: ArrayLike,
    predicted: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
    cost_weight: float | None = None,
    llm_names: NamesLike | None = None,
    method: Literal["dr", "ips", "snips"] = "dr",
    confidence_level: float = 0.95,
    n_resamples: int = 9999,
    bootstrap_method: Literal["gaffke", "BCa", "percentile"] = "gaffke",
    min_propensity: float | None = None,
    max_query_cost: float | None = None,
    random_state: Seed = None,
) -> OffPolicyValue:
    r"""Estimate from logs with one LLM per query what a router would have achieved.

    In production one LLM is called per query, by chance or by a router that mixes: LLM
    :math:`a_i` with the known probability :math:`p_i`, and only its outcome :math:`r_i` is seen.
    Let :math:`\pi_{ij}` be the probability with which the router in question calls LLM
    :math:`j`, :math:`w_i = \pi_{i a_i} / p_i`, and :math:`\hat r_{ij}` outcomes predicted by a
    model. The estimate of the mean outcome over :math:`n` queries is

    .. math::

        \text{ips:} \quad & \frac 1 n \sum_i w_i r_i \\
        \text{snips:} \quad & \sum_i w_i r_i \Big/ \sum_i w_i \\
        \text{dr:} \quad & \frac 1 n \sum_i \Big[ \sum_j \pi_{ij} \hat r_{ij}
            + w_i (r_i - \hat r_{i a_i}) \Big]

    Inverse propensity scoring (Horvitz and Thompson [1]_) is unbiased if the propensities are
    right. Self-normalised [2]_, it is slightly biased in small logs and mostly varies less. The
    doubly robust estimate [3]_ is unbiased if the propensities **or** the predictions are right,
    and varies least with good predictions.

    Parameters
    ----------
    llms : array-like of shape (n_queries,) or (n_queries, n_llms)
        What the router in question would call on each logged query: names, as its `predict`
        returns them, or the probability of each LLM.
    logged_llms : array-like of shape (n_queries,)
        Names of the LLMs that were called.
    performance : array-like of shape (n_queries,)
        Their observed performance.
    cost : array-like of shape (n_queries,), default=None
        Their observed cost, in US dollars per 1,000 queries.
    propensity : float or array-like of shape (n_queries,)
        The probability, in (0, 1], with which the logged LLM was called on this query: one for
        all, or one each. Record it when the LLM is called; it cannot be found out afterwards.
    predicted : array-like of shape (n_queries, n_llms) or tuple of two of them, default=None
        Predicted performance, or ``(performance, cost)``, of every LLM, as `predict_outcomes` of
        a router returns it. It must come from other queries than these, else it has learnt their
        noise. For "dr" only, which needs it, costs included where `cost` is given.
    cost_weight : float, default=None
        The trade-off to judge at, mostly the router's own: performance given up for one US dollar
        per 1,000 queries. None is 0, that is performance alone, with a warning where costs are
        given.
    llm_names : array-like of shape (n_llms,), default=None
        The pool, mostly the router's `classes_`: names of the columns of `llms` and `predicted`.
        None names columns 0, 1, ...; where there are none, the pool are the logged LLMs.
    method : {"dr", "ips", "snips"}, default="dr"
        The estimator. The default is right in more cases than the others.
    confidence_level : float, default=0.95
        Coverage of the interval, in (0, 1).
    n_resamples : int, default=9999
        Number of resamples, as in scipy.
    bootstrap_method : {"gaffke", "BCa", "percentile"}, default="gaffke"
        Kind of interval. "gaffke" is a Bayesian bootstrap with one more query of the largest
        weight, whose outcome is the worst for the lower end and the best for the upper one, as in
        :func:`~skrouter.metrics.paired_bootstrap`. "BCa" and "percentile" are
        :func:`scipy.stats.bootstrap`; they cover far less than they say where few calls agree.
    min_propensity : float, default=None
        The smallest propensity that an LLM which the router may call can have: it bounds the
        weights, by one over it, for "gaffke". It follows from the rule of the logs: 0.02 where a
        tenth of the calls is drawn at random from five LLMs. None takes the largest weight that
        was seen, or that another call would have had if the LLMs that were not called were
        equally likely.
    max_query_cost : float, default=None
        The most that one query can cost, in US dollars per 1,000 queries like that, for "gaffke";
        see :func:`~skrouter.largest_query_cost`. None takes the largest cost in the logs.
    random_state : int, RandomState instance or None, default=None
        Seed of the resampling.

    Returns
    -------
    value : OffPolicyValue
        A named tuple ``(performance, cost, utility, low, high, n_agreeing,
        effective_sample_size, mean_weight, max_weight, cost_weight)``.

    Raises
    ------
    ValueError
        If shapes or lengths differ, a propensity is not in (0, 1], an outcome is missing or
        infinite, a name is not in the pool, predictions are missing, or given where they are not
        used, no logged call agrees with the router, fewer than two queries were logged, or
        `min_propensity` or `max_query_cost` is no bound of what the logs hold.

    Warns
    -----
    UserWarning
        If costs are given, but no `cost_weight` to charge them at. If the router calls LLMs that
        never were called in the logs: nothing is known of them, and "ips" counts their outcomes as
        zero, "snips" as the mean of the others, "dr" as predicted.
        If the logs could call no other LLM (propensity 1) where the router may. If the effective
        sample size is below 50 and the interval does not rest on a known `min_propensity`. If
        costs have a heavy tail and `max_query_cost` is not given.

    Notes
    -----
    The router must not have learnt from these queries; hold a part of the logs out. Every LLM
    that it calls must have been possible (propensity above 0) wherever it calls it, and the
    logged LLM must have been drawn with no regard to anything but what the propensity reflects.

    The interval is over queries, and rests on the largest weight and the range of outcomes:
    performance in [0, 1], or as far beyond as was seen, and costs up to `max_query_cost`. For
    "snips" Gaffke's bound takes the ratio itself; the other two linearise it: resampled is the
    mean of :math:`V + w_i (r_i - V) / \bar w` [4]_. How often each kind covers is on the page
    :doc:`/user_guide/coverage`.

    References
    ----------
    .. [1] D. G. Horvitz and D. J. Thompson, "A Generalization of Sampling Without Replacement
       From a Finite Universe", Journal of the American Statistical Association 47, 1952.

    .. [2] A. Swaminathan and T. Joachims, "The Self-Normalized Estimator for Counterfactual
       Learning", NeurIPS 2015.

    .. [3] M. Dudik, J. Langford and L. Li, "Doubly Robust Policy Evaluation and Learning", ICML
       2011, arXiv:1103.4601.

    .. [4] A. B. Owen, "Monte Carlo theory, methods and examples", chapter 9, equation 9.9.

    Examples
    --------
    >>> from skrouter.metrics import off_policy_value
    >>> value = off_policy_value(
    ...     ["small", "large", "small", "large"],
    ...     ["small", "small", "large", "large"],
    ...     performance=[1.0, 0.0, 1.0, 1.0],
    ...     propensity=0.5,
    ...     min_propensity=0.5,
    ...     method="ips",
    ...     random_state=0,
    ... )
    >>> value.performance, value.n_agreeing, value.effective_sample_size
    (1.0, 2, 2.0)
    """
    check_method(method, predicted)
    given, cost_weight = cost_weight, 0.0 if cost_weight is None else cost_weight
    calls = read_calls(
        llms,
        logged_llms,
        performance=performance,
        cost=cost,
        propensity=propensity,
        predicted=predicted,
        cost_weight=cost_weight,
        names=llm_names,
    )
    weight = calls.weight
    estimates = _estimates(calls, method)
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    settings = confidence_level, n_resamples
    if bootstrap_method == "gaffke":
        max_weight = calls.largest_weight(min_propensity)
        outcomes = calls.utility_range(cost_weight, max_query_cost)
        if min_propensity is None:
            warn_of_few(
                effective,
                f"the interval holds if no weight is above {max_weight:.4g}, which is a guess; "
                f"give min_propensity, which is exploration / {len(calls.shares.T)} where a share "
                f"`exploration` of the calls is drawn evenly from {len(calls.shares.T)} LLMs",
            )
        if max_query_cost is None:
            _warn_of_heavy_tail(calls, cost_weight)
        sample, unseen = _bounded_sample(calls, cost_weight, method, max_weight, outcomes)
        low, high = gaffke_interval([sample], unseen, *settings, random_state)
    else:
        refuse_bounds(bootstrap_method, min_propensity, max_query_cost)
        max_weight = None
        warn_of_few(effective, "the interval is too narrow; take bootstrap_method='gaffke'")
        low, high = _resampled_interval(
            _linearised(calls, cost_weight, method), *settings, bootstrap_method, random_state
        )
    if given is None and cost is not None:
        warn_of_free_calls()
    return OffPolicyValue(
        performance=float(estimates[0]),
        cost=float("nan") if estimates[1] is None else estimates[1],
        utility=float(routing_utility(estimates[0], estimates[1], cost_weight)),
        low=low,
        high=high,
        n_agreeing=int((weight > 0).sum()),
        effective_sample_size=effective,
        mean_weight=float(weight.mean()),
        max_weight=max_weight,
        cost_weight=float(cost_weight),
    )


def _estimates(calls, method):
    """Of the performance, and of the cost, None without costs."""
    return [
        None if values is None else _estimate(calls, values, model, method)
        for values, model in zip(calls.observed, calls.model, strict=True)
    ]


def _warn_of_heavy_tail(calls, cost_weight):
    index = heavy_tail(_utilities(calls, cost_weight)[0][:, None])
    if index is not None and cost_weight > 0:
        warnings.warn(
            f"Some costs lie so far beyond the others (tail index {index:.2f}) that larger ones "
            "must be expected than were seen: the interval may be too narrow. Give max_query_cost.",
            UserWarning,
            stacklevel=4,  # beyond the check of parameters
        )


def _estimate(calls, values, model, method):
    if method == "snips":
        return float(np.average(values, weights=calls.weight))
    return float(_contributions(calls, values, model).mean())


def _contributions(calls, values, model):
    """One number per query, whose mean is the estimate by "dr", or by "ips" without a model."""
    if model is None:
        return calls.weight * values
    direct = (calls.shares * model).sum(axis=1)
    return direct + calls.weight * (values - calls.of_called(model))


def _utilities(calls, cost_weight):
    """Utility of each call, and as predicted; None without predictions."""
    model = None if calls.model[0] is None else routing_utility(*calls.model, cost_weight)
    return routing_utility(*calls.observed, cost_weight), model


def _bounded_sample(calls, cost_weight, method, max_weight, outcomes):
    """What Gaffke's bound takes: numerators and denominators of the estimate, one query more.

    Parameters
    ----------
    calls : LoggedCalls
    cost_weight : float
    method : {"dr", "ips", "snips"}
    max_weight : float
        Upper bound of the weights.
    outcomes : tuple of two floats
        Smallest and largest utility of a call.

    Returns
    -------
    sample : ndarray of shape (n_queries, 2)
    unseen : UnseenQuery
    """
    utility, model = _utilities(calls, cost_weight)
    worst, best = outcomes
    if method == "snips":
        weight = calls.weight[calls.weight > 0]  # others count in neither sum
        sample = np.stack([weight * utility[calls.weight > 0], weight], axis=1)
        return sample, UnseenQuery(max_weight * worst, max_weight * best, max_weight)
    contributions = _contributions(calls, utility, model)
    sample = np.stack([contributions, np.ones(len(contributions))], axis=1)
    if model is None:
        return sample, UnseenQuery(min(0.0, max_weight * worst), max(0.0, max_weight * best))
    # The largest contribution: predictions are low for the called LLM and high for the others,
    # and its outcome is the best. It is linear in the weight, so one end or the other.
    share, low, high = calls.shares.max(), model.min(), model.max()
    unseen = UnseenQuery(
        float(min(low, share * high + (1 - share) * low + max_weight * (worst - high))),
        float(max(high, share * low + (1 - share) * high + max_weight * (best - low))),
    )
    return sample, unseen


def _linearised(calls, cost_weight, method):
    """One number per query, whose mean is the estimate, or nearly varies as the ratio does."""
    utility, model = _utilities(calls, cost_weight)
    if method != "snips":
        return _contributions(calls, utility, model)
    weight = calls.weight
    ratio = np.average(utility, weights=weight)
    return ratio + weight * (utility - ratio) / weight.mean()


def _resampled_interval(numbers, confidence_level, n_resamples, method, random_state):
    from scipy.stats import DegenerateDataWarning  # slow to import

    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        # An undefined interval is NaN, and refused below.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        low, high = bootstrap_interval(
            (numbers,), confidence_level, n_resamples, method, random_state
        )
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            f"The BCa interval is not defined for these logs with n_resamples={n_resamples}; take "
            "more, or bootstrap_method='percentile'."
        )
    return low, high
