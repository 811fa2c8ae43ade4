"""Reading the logs, and the router, whose value is estimated from them."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import column_or_1d

from skrouter._targets.llm_names import columns_of, order_of_columns
from skrouter._targets.logged import read_log
from skrouter._targets.routing_target import RoutingTarget
from skrouter.metrics._score import call_shares, check_costs_given


class LoggedCalls(NamedTuple):
    """One called LLM per query, and a router that may call others.

    Attributes
    ----------
    observed : tuple of ndarray of shape (n_queries,) or None
        Performance and cost of the called LLMs.
    model : tuple of ndarray of shape (n_queries, n_llms) or None
        Predicted performance and cost.
    shares : ndarray of shape (n_queries, n_llms)
        Probability with which the router calls each LLM.
    called : ndarray of int, shape (n_queries,)
        Column of the called LLM.
    propensity : ndarray of shape (n_queries,)
        Probability with which it was called.
    """

    observed: tuple
    model: tuple
    shares: np.ndarray
    called: np.ndarray
    propensity: np.ndarray

    def of_called(self, table):
        """Entries of the called LLMs."""
        return table[np.arange(len(table)), self.called]

    @property
    def weight(self):
        """Importance weight of each call."""
        return self.of_called(self.shares) / self.propensity

    @property
    def largest_other_share(self):
        """Of the LLMs that were not called the largest share, shape (n_queries,)."""
        others = self.shares.copy()
        others[np.arange(len(others)), self.called] = 0.0
        return others.max(axis=1)

    def largest_weight(self, min_propensity):
        """Upper bound of the weights, as far as it is known.

        Without `min_propensity` it is the largest of those that were seen, and of those that
        another call would have had if the LLMs that were not called were equally likely.
        """
        weight = self.weight
        if min_propensity is not None:
            _check_min_propensity(min_propensity, self.propensity[weight > 0])
            return float(self.shares.max() / min_propensity)
        rest = 1 - self.propensity
        unseen = np.divide(
            self.largest_other_share * (self.shares.shape[1] - 1),
            rest,
            out=np.zeros(len(rest)),
            where=rest > 0,
        )
        return float(max(weight.max(), unseen.max()))

    def utility_range(self, cost_weight, max_query_cost):
        """Smallest and largest utility of one call: performance is in [0, 1] unless seen beyond."""
        performance, cost = self.observed
        low, high = min(0.0, performance.min()), max(1.0, performance.max())
        if cost is None:
            if max_query_cost is not None:
                raise ValueError(f"max_query_cost={max_query_cost!r} was given, but no cost.")
            return float(low), float(high)
        if max_query_cost is None:
            max_query_cost = cost.max()
        elif cost.max() > max_query_cost:
            raise ValueError(
                f"max_query_cost={max_query_cost!r} is no upper bound: cost holds up to "
                f"{cost.max():g}. Give a true one, or leave it out."
            )
        return float(low - cost_weight * max_query_cost), float(high)


def read_calls(llms, logged_llms, *, performance, cost, propensity, predicted, cost_weight, names):
    """Check logs and router, and warn of what the logs cannot tell."""
    logged, *observed = read_log(logged_llms, performance, cost)
    _check_observed(observed)
    pool = _read_pool(llms, logged, predicted, names)
    called = columns_of(logged, pool, "logged_llms")
    target = RoutingTarget(np.empty((len(logged), len(pool))), observed[1], pool)
    check_costs_given(target, cost_weight)
    calls = LoggedCalls(
        observed=tuple(observed),
        model=tuple(_read_predicted(predicted, observed, target)),
        shares=call_shares(llms, target),
        called=called,
        propensity=_read_propensity(propensity, logged),
    )
    _check_overlap(calls, pool)
    return calls


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


def _check_min_propensity(min_propensity, propensity):
    if propensity.min() < min_propensity:
        raise ValueError(
            f"min_propensity={min_propensity!r} is no lower bound: propensity holds "
            f"{propensity.min():g} where the router may call the same LLM. Give a true one, or "
            "leave it out."
        )


def _check_overlap(calls, pool):
    if not (calls.weight > 0).any():
        raise ValueError(
            f"No logged call agrees with the router, in {len(calls.called)} queries: the logs tell "
            "nothing of its value. Log calls of the LLMs that it chooses, or check the names."
        )
    unseen = np.setdiff1d(np.flatnonzero((calls.shares > 0).any(axis=0)), calls.called)
    if unseen.size:
        share = calls.shares[:, unseen].sum() / len(calls.shares)
        warnings.warn(
            f"The router calls {pool[unseen].tolist()} in a share of {share:.1%}, but the logs "
            "hold no call of them: nothing is known of their outcomes.",
            UserWarning,
            stacklevel=5,  # beyond the check of parameters
        )
    impossible = (calls.propensity == 1) & (calls.largest_other_share > 0)
    if impossible.any():
        warnings.warn(
            f"propensity is 1 on {impossible.mean():.1%} of the queries although the router may "
            "call another LLM there: no such call was possible, so that the logs tell nothing of "
            "what it would have brought.",
            UserWarning,
            stacklevel=5,  # beyond the check of parameters
        )
