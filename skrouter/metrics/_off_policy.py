"""What a router would have achieved, estimated from the logs of another one."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.stats import DegenerateDataWarning
from sklearn.utils import check_array
from sklearn.utils.validation import column_or_1d

from skrouter._targets.llm_names import columns_of, order_of_columns
from skrouter._targets.logged import read_log
from skrouter._targets.routing_target import RoutingTarget
from skrouter._targets.utility import routing_utility
from skrouter.metrics._bootstrap import check_resampling, mean_interval
from skrouter.metrics._score import call_shares, check_charged


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
    """

    performance: float
    cost: float
    utility: float
    low: float
    high: float
    n_agreeing: int
    effective_sample_size: float
    mean_weight: float


def off_policy_value(
    llms,
    logged_llms,
    *,
    performance,
    cost=None,
    propensity,
    predicted=None,
    cost_weight=0.0,
    llm_names=None,
    method="dr",
    confidence_level=0.95,
    n_resamples=9999,
    bootstrap_method="BCa",
    random_state=None,
):
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
    cost_weight : float, default=0.0
        The trade-off: performance given up for one US dollar per 1,000 queries. The default
        judges performance alone, so that no trade-off is assumed unseen.
    llm_names : array-like of shape (n_llms,), default=None
        The pool, mostly the router's `classes_`: names of the columns of `llms` and `predicted`.
        None names columns 0, 1, ...; where there are none, the pool are the logged LLMs.
    method : {"dr", "ips", "snips"}, default="dr"
        The estimator. The default is right in more cases than the others.
    confidence_level : float, default=0.95
        Coverage of the interval, in (0, 1).
    n_resamples : int, default=9999
        Number of resamples, as in scipy.
    bootstrap_method : {"BCa", "percentile"}, default="BCa"
        Kind of interval. "BCa" corrects for skewness, which weights bring along; its time grows
        with the square of the number of queries, so take "percentile" above some 50,000.
    random_state : int, RandomState instance or None, default=None
        Seed of the resampling.

    Returns
    -------
    value : OffPolicyValue
        A named tuple ``(performance, cost, utility, low, high, n_agreeing,
        effective_sample_size, mean_weight)``.

    Raises
    ------
    ValueError
        If shapes or lengths differ, a propensity is not in (0, 1], an outcome is missing or
        infinite, a name is not in the pool, predictions are missing, or given where they are not
        used, no logged call agrees with the router, or fewer than two queries were logged.

    Warns
    -----
    UserWarning
        If the router calls LLMs that never were called in the logs: nothing is known of them.
        "ips" counts their outcomes as zero, "snips" as the mean of the others, "dr" as predicted.

    Notes
    -----
    The router must not have learnt from these queries; hold a part of the logs out. Every LLM
    that it calls must have been possible (propensity above 0) wherever it calls it, and the
    logged LLM must have been drawn with no regard to anything but what the propensity reflects.

    The interval is :func:`scipy.stats.bootstrap` over queries. For "snips" the ratio is
    linearised: resampled is the mean of :math:`V + w_i (r_i - V) / \bar w` [4]_. An interval
    from few effective queries is too narrow: mind `effective_sample_size`, and mistrust it
    below 50 or so.

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
    ...     method="ips",
    ...     random_state=0,
    ... )
    >>> value.performance, value.n_agreeing, value.effective_sample_size
    (1.0, 2, 2.0)
    """
    check_resampling(confidence_level, n_resamples, bootstrap_method, "bootstrap_method")
    if method not in ("dr", "ips", "snips"):
        raise ValueError(f"method must be 'dr', 'ips' or 'snips', got {method!r}.")
    if method != "dr" and predicted is not None:
        raise ValueError(f"predicted was given, but method={method!r} has no use for it.")
    if method == "dr" and predicted is None:
        raise ValueError(
            "predicted is missing: method='dr' needs predicted outcomes of every LLM, as "
            "predict_outcomes of a router gives them; or take method='ips' or 'snips'."
        )
    logged, *observed = read_log(logged_llms, performance, cost)
    _check_observed(observed)
    pool = _read_pool(llms, logged, predicted, llm_names)
    called = columns_of(logged, pool, "logged_llms")
    target = RoutingTarget(np.empty((len(logged), len(pool))), observed[1], pool)
    check_charged(target, cost_weight)
    shares = call_shares(llms, target)
    propensity = _read_propensity(propensity, logged)
    model = _read_predicted(predicted, observed, target)
    rows = np.arange(len(logged))
    weight = shares[rows, called] / propensity
    _check_overlap(shares, weight, called, pool)

    def contributions(values, estimates):
        """One number per query, whose mean is the estimate."""
        if method == "dr":
            direct = (shares * estimates).sum(axis=1)
            return direct + weight * (values - estimates[rows, called])
        if method == "ips":
            return weight * values
        ratio = np.average(values, weights=weight)
        return ratio + weight * (values - ratio) / weight.mean()

    parts = [
        None if values is None else contributions(values, estimates)
        for values, estimates in zip(observed, model, strict=True)
    ]
    utility = routing_utility(*parts, cost_weight)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        # An undefined interval is NaN, and refused below.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        low, high = mean_interval(
            (utility,), confidence_level, n_resamples, bootstrap_method, random_state
        )
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            f"The BCa interval is not defined for these logs with n_resamples={n_resamples}; take "
            "more, or bootstrap_method='percentile'."
        )
    return OffPolicyValue(
        performance=float(parts[0].mean()),
        cost=float("nan") if parts[1] is None else float(parts[1].mean()),
        utility=float(utility.mean()),
        low=low,
        high=high,
        n_agreeing=int((weight > 0).sum()),
        effective_sample_size=float(weight.sum() ** 2 / (weight**2).sum()),
        mean_weight=float(weight.mean()),
    )


def _check_observed(observed):
    for name, values in zip(("performance", "cost"), observed, strict=True):
        bad = np.flatnonzero([] if values is None else ~np.isfinite(values))
        if bad.size:
            raise ValueError(
                f"{name} is NaN or infinite in {bad.size} row(s), first {bad[:5].tolist()}. Leave "
                "calls without an outcome out; if outcomes are seen more often for some LLMs or "
                "queries, multiply the propensity by the probability of being seen."
            )
    negative = np.flatnonzero([] if observed[1] is None else observed[1] < 0)
    if negative.size:
        raise ValueError(
            f"cost is negative in {negative.size} row(s), first {negative[:5].tolist()}."
        )
    if len(observed[0]) < 2:
        raise ValueError(
            f"{len(observed[0])} logged query; at least 2 are needed to tell how much the value "
            "varies."
        )


def _read_pool(llms, logged, predicted, llm_names):
    if llm_names is not None:
        pool = column_or_1d(llm_names, input_name="llm_names")
        if len(np.unique(pool)) != len(pool):
            raise ValueError(f"llm_names must be distinct, got {pool.tolist()}.")
        return pool
    first = predicted[0] if isinstance(predicted, tuple) and predicted else predicted
    for table in (llms, first):
        if table is not None and np.ndim(table) == 2:
            return np.arange(np.shape(table)[1])
    return np.unique(logged)


def _read_propensity(propensity, logged):
    array = np.asarray(propensity)
    if array.dtype.kind not in "fiu" or array.shape not in ((), (len(logged),)):
        raise ValueError(
            f"propensity has shape {array.shape} and dtype {array.dtype}; wanted one number, or "
            f"one per logged call, shape ({len(logged)},)."
        )
    array = np.broadcast_to(array.astype(np.float64), (len(logged),))
    bad = np.flatnonzero(~((array > 0) & (array <= 1)))
    if bad.size:
        raise ValueError(
            f"propensity must be in (0, 1], but holds {array[bad[0]]} at {bad[0]} and "
            f"{bad.size - 1} other such value(s)."
        )
    return array


def _read_predicted(predicted, observed, target):
    """Predicted performance and cost, or None for each that there is not."""
    if predicted is None:
        return None, None
    pair = predicted if isinstance(predicted, tuple) else (predicted, None)
    if len(pair) != 2:
        raise ValueError(f"predicted is a tuple of {len(pair)}; wanted (performance, cost).")
    if (pair[1] is None) != (observed[1] is None):
        there, missing = ("cost", "predicted") if pair[1] is None else ("predicted", "cost")
        raise ValueError(
            f"{there} holds costs, but {missing} holds none; pass them in both, or leave them out "
            "of both."
        )
    shape = target.performance.shape
    tables = []
    for name, table in zip(("performance", "cost"), pair, strict=True):
        if table is None:
            tables.append(None)
            continue
        array = check_array(table, dtype=np.float64, input_name=f"predicted {name}")
        if array.shape != shape:
            raise ValueError(f"predicted {name} has shape {array.shape}; wanted {shape}.")
        tables.append(array[:, order_of_columns(table, target.llm_names, "predicted")])
    return tables


def _check_overlap(shares, weight, called, pool):
    if not (weight > 0).any():
        raise ValueError(
            f"No logged call agrees with the router, in {len(weight)} queries: the logs tell "
            "nothing of its value. Log calls of the LLMs that it chooses, or check the names."
        )
    unseen = np.setdiff1d(np.flatnonzero((shares > 0).any(axis=0)), called)
    if unseen.size:
        warnings.warn(
            f"The router calls {pool[unseen].tolist()} in a share of "
            f"{shares[:, unseen].sum() / len(shares):.1%}, but the logs hold no call of them: "
            "nothing is known of their outcomes.",
            UserWarning,
            stacklevel=3,
        )
