"""Average the learners of outcomes by how well they do out of fold.

Three steps, each on predictions for queries that were held out:

1. A learner whose mean gain is `z` standard errors (of the paired difference) below that of the
   best has the weight ``exp(-(z / 2)**2 / 2)``: those that chance does not tell apart share.
2. The average, as a deviation from the mean outcomes, is multiplied by a factor that makes it come
   true: the slope of what was observed on what was expected, one for performance and one for costs,
   shrunk by its own uncertainty. Where outcomes do not depend on the query it is 0, and the router
   stays at the best single LLM.
3. What that average gains at each trade-off is kept for the user.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrouter._training.validation import Validation
from skrouter._utils.stats import mean_and_error

# Standard errors below the best at which the weight has fallen to 0.6.
_INDISTINGUISHABLE = 2.0

_CERTAIN = 100.0  # standard errors: the weight is 0 as numbers go

_LEAST_SHARE = 0.01  # of a family of learners: with less it is left out, and costs no time


class Expected:
    """A learner by what it expected of held-out queries: the network, or a router in a stack.

    Parameters
    ----------
    deviations : ndarray of shape (n_queries, n_outcomes)
    """

    settings = (None,)

    def __init__(self, deviations):
        self._deviations = deviations

    def out_of_fold(self, shares):
        """As of the other learners; there is one setting."""
        return shares[0] * self._deviations


def average_learners(learners, judge, mean):
    """Average learners by what they are worth out of fold, and make the average come true.

    Parameters
    ----------
    learners : dict of str to learner
        "network", "linear" and "clusters", or some of them.
    judge : Judge
    mean : ndarray of shape (n_llms, n_outcomes)

    Returns
    -------
    average : FittedAverage
    validation : Validation
    predictions : ndarray of shape (n_queries, n_llms, n_outcomes)
        What the average expects of held-out queries.
    """
    shares, factors, deviations, validation = weigh_learners(learners, judge, mean)
    average = FittedAverage(
        mean,
        factors * shares.get("network", np.zeros(1))[0],
        *_closed_form(learners, shares, factors, mean),
    )
    return average, validation, mean + deviations


def weigh_learners(learners, judge, mean):
    """The weights of learners, and the factors of their average, by what they are worth.

    Parameters
    ----------
    learners, judge, mean
        As of :func:`average_learners`; learners may have any names.

    Returns
    -------
    shares : dict of str to ndarray
        Of the settings of each learner; those that have none are left out.
    factors : ndarray of shape (n_outcomes,)
    deviations : ndarray of shape (n_queries, n_llms, n_outcomes)
        What the average expects of held-out queries, less the mean.
    validation : Validation
    """
    shape = (-1, *mean.shape)
    shares = _shares_of(learners, judge, shape)
    deviations = np.zeros((len(judge.weight), *mean.shape))
    for name, each in shares.items():
        deviations += learners[name].out_of_fold(each).reshape(shape)
    factors = judge.factors(deviations)
    deviations *= factors
    return shares, factors, deviations, _validation(judge, deviations, shares, factors)


def _closed_form(learners, shares, factors, mean):
    """The part of the average that needs no network."""
    linear, tables = None, []
    # Outcomes of an LLM stand side by side.
    columns = np.tile(factors, len(mean))
    if "linear" in shares and factors.any():
        linear = tuple(part * columns for part in learners["linear"].averaged(shares["linear"]))
    if "clusters" in shares and factors.any():
        tables = [
            (centers, [(sharpness, table * columns) for sharpness, table in each])
            for centers, each in learners["clusters"].averaged(shares["clusters"])
        ]
    return linear, tables


def _validation(judge, deviations, shares, factors):
    gains, errors = [], []
    for cost_weight in judge.cost_weights:
        gain = error = np.nan
        if judge.measurable:
            gain, error = mean_and_error(judge.gains(deviations, cost_weight), judge.merit_weight)
        gains.append(float(gain))
        errors.append(float(error))
    return Validation(
        {name: float(each.sum()) for name, each in shares.items()},
        dict(zip(("performance", "cost"), factors.tolist(), strict=False)),
        judge.cost_weights.tolist(),
        gains,
        errors,
        [judge.share_elsewhere(deviations, cost_weight) for cost_weight in judge.cost_weights],
    )


def _shares_of(learners, judge, shape):
    """Weights of all settings of all learners.

    The weights of a learner's settings are shared out so that together they weigh as much as its
    best: several settings are no more evidence than one.

    Parameters
    ----------
    learners : dict of str to learner
    judge : Judge
    shape : tuple
        Of the outcomes.

    Returns
    -------
    shares : dict of str to ndarray
        They sum to 1 together; a learner with a share below one per cent is left out.
    """
    merits = {
        name: [
            judge.merit(learner.out_of_fold(only).reshape(shape))
            for only in np.eye(len(learner.settings))
        ]
        for name, learner in learners.items()
        if len(learner.settings)
    }
    weight = judge.merit_weight
    if not merits:
        return {}
    best = max(
        (merit for each in merits.values() for merit in each),
        key=lambda merit: np.average(merit, weights=weight),
    )
    weights = {
        name: np.array([np.exp(-0.5 * (_errors_below(best, merit, weight)) ** 2) for merit in each])
        for name, each in merits.items()
    }
    # Those of a learner that is far below may all be 0.
    tiny = np.finfo(float).tiny
    shares = {name: each.max() * each / max(each.sum(), tiny) for name, each in weights.items()}
    for least in (_LEAST_SHARE, 0.0):
        total = sum(each.sum() for each in shares.values())
        shares = {
            name: each / total for name, each in shares.items() if each.sum() >= least * total
        }
    return shares


def _errors_below(best, merit, weight):
    """How many times `_INDISTINGUISHABLE` standard errors a merit is below the best."""
    mean, error = mean_and_error(best - merit, weight)
    if mean <= 0:
        return 0.0
    # Without an error all queries agree that it is worse.
    return mean / (_INDISTINGUISHABLE * error) if error > mean / _CERTAIN else _CERTAIN


class FittedAverage(NamedTuple):
    """The average of the learners as arrays, but for the network in it.

    :class:`skrouter.nn.average.AveragedNetwork` predicts with them.

    Attributes
    ----------
    mean : ndarray of shape (n_llms, n_outcomes)
    network_factor : ndarray of shape (n_outcomes,)
        What the deviations that the network expects are multiplied by.
    linear : tuple of ndarray, or None
        Coefficients (n_features, n_llms * n_outcomes) and intercepts.
    tables : list of tuple
        For each set of clusters their centers, and a list of sharpness and table.
    """

    mean: np.ndarray
    network_factor: np.ndarray
    linear: tuple | None
    tables: list

    def scaled(self, unit):
        """The same average where performance is `unit` times as large."""
        units = np.array([unit, 1.0])[: self.mean.shape[1]]
        columns = np.tile(units, len(self.mean))
        return self._replace(
            mean=self.mean * units,
            linear=self.linear and tuple(part * columns for part in self.linear),
            tables=[
                (centers, [(sharpness, table * columns) for sharpness, table in each])
                for centers, each in self.tables
            ],
        )
