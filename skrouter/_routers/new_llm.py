"""An LLM that was added after training, learnt from a few scored queries."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit
from sklearn.gaussian_process.kernels import RBF

from skrouter._utils.vectors import unit_rows

# Variances of the logit of a new LLM's performance around the typical one of the pool: of its
# level, and of what differs from query to query; and the 1 - cosine at which the correlation of two
# queries falls to 1 / e. Chosen on RouterBench train rows, leaving out one LLM at a time; see
# docs/user_guide/changing_pool.rst.
_LEVEL_VARIANCE = 0.2
_QUERY_VARIANCE = 1.0
_LENGTH = 0.25
# Representations have length 1: their squared distance is 2 (1 - cosine).
_KERNEL = _LEVEL_VARIANCE + _QUERY_VARIANCE * RBF(np.sqrt(_LENGTH))

_LOGIT_CLIP = 0.05  # predictions are clipped to [0.05, 0.95] before logits are taken
_TOLERANCE = 1e-8


class NewLLM(NamedTuple):
    r"""What is known of an LLM that was added after training.

    Its performance on a query of representation :math:`h` is, on the scale from `low` to `high`,

    .. math::

        \sigma \Big( \frac{1}{n} \sum_j \mathrm{logit} \, \hat p_j(h) + f(h) \Big),

    the typical performance of the :math:`n` LLMs of the training, shifted by :math:`f`: a Gaussian
    process of mean 0 over the query representations, at its most probable value given the scored
    queries. Far from these, or with few of them, the new LLM is predicted to be a typical one. Its
    cost is a multiple of the mean predicted cost of the others, or a list price.

    Attributes
    ----------
    states : ndarray of shape (n_scored, dim)
        Representations of the scored queries, of length 1.
    weights : ndarray of shape (n_scored,)
        ``f(h) = kernel(h, states) @ weights``.
    low, high : float
        Range of the performance.
    cost_share : float
        Cost relative to the mean predicted cost of the others; NaN with a list price, or without
        costs.
    list_price : float
        Cost in US dollars per 1,000 queries, if it is the same for all of them or the others have
        none, else NaN.
    mean_cost : float
        Mean over the scored queries, in US dollars per 1,000 queries; NaN without costs.
    """

    states: np.ndarray
    weights: np.ndarray
    low: float
    high: float
    cost_share: float
    list_price: float
    mean_cost: float

    def outcomes(self, states, performance, cost):
        """Predicted performance and cost.

        Parameters
        ----------
        states : ndarray of shape (n_queries, dim)
        performance : ndarray of shape (n_queries, n_llms)
            Predictions for the LLMs of the training.
        cost : ndarray of shape (n_queries, n_llms) or None

        Returns
        -------
        performance : ndarray of shape (n_queries,)
        cost : ndarray of shape (n_queries,) or None
        """
        shift = _KERNEL(unit_rows(states), self.states) @ self.weights
        share = expit(_typical_logit(performance, self.low, self.high) + shift)
        performance = self.low + (self.high - self.low) * share
        if cost is None:
            return performance, None
        if not np.isnan(self.list_price):
            return performance, np.full(len(states), self.list_price)
        return performance, self.cost_share * _typical_cost(cost)


def learn_new_llm(states, predicted, performance, cost, limits):
    """Learn an LLM from the queries that it was scored on.

    Parameters
    ----------
    states : ndarray of shape (n_scored, dim)
        Representations of the queries.
    predicted : PredictedOutcomes
        Predictions for the LLMs of the training on these queries.
    performance : ndarray of shape (n_scored,)
    cost : ndarray of shape (n_scored,) or None
        NaN where not observed.
    limits : tuple of float
        Smallest and largest performance of the others in training.

    Returns
    -------
    new_llm : NewLLM
    """
    low, high = min(limits[0], performance.min()), max(limits[1], performance.max())
    high = high if high > low else low + 1.0
    states = unit_rows(states)
    offset = _typical_logit(predicted.performance, low, high)
    weights = _most_probable(_KERNEL(states), offset, (performance - low) / (high - low))
    share = list_price = mean_cost = np.nan
    if cost is not None:
        known = ~np.isnan(cost)
        mean_cost = float(cost[known].mean())
        of_others = _typical_cost(predicted.cost)[known].sum()
        if np.ptp(cost[known]) == 0 or not of_others > 0:
            # There is no multiple of costs that are zero or not known.
            list_price = mean_cost
        else:
            share = float(cost[known].sum() / of_others)
    return NewLLM(states, weights, float(low), float(high), share, list_price, mean_cost)


def _most_probable(kernel, offset, target):
    """Newton's method for the mode of a logistic Gaussian process, in its dual weights.

    After Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, algorithm 3.1.
    Own code, as :class:`~sklearn.gaussian_process.GaussianProcessClassifier` takes classes alone
    and no offset; here the target may be any share in [0, 1], as in a quasi-binomial regression.
    """
    weights = np.zeros(len(target))
    for _ in range(100):
        share = expit(offset + kernel @ weights)
        curvature = share * (1 - share) + 1e-10
        aim = kernel @ weights + (target - share) / curvature
        new = np.linalg.solve(kernel + np.diag(1 / curvature), aim)
        if np.abs(new - weights).max() < _TOLERANCE:
            return new
        weights = (weights + new) / 2 if np.abs(new).max() > 1e3 else new
    return weights


def _typical_logit(performance, low, high):
    # An LLM that was never observed has no predictions and is left out.
    known = np.isfinite(performance).all(axis=0)
    share = (performance[:, known] - low) / (high - low)
    return logit(share.clip(_LOGIT_CLIP, 1 - _LOGIT_CLIP)).mean(axis=1)


def _typical_cost(cost):
    known = np.isfinite(cost).all(axis=0)
    return np.maximum(cost[:, known], 0.0).sum(axis=1) / max(known.sum(), 1)
