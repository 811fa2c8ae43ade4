"""How predicted outcomes of held-out queries are judged: what they gain, how far they hold."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls
from scipy.special import softmax

from skrouter._targets.utility import scalarization_weights, utility
from skrouter._training.outcomes import VALIDATED_SHARES
from skrouter._utils.stats import mean_and_error

_ROUNDING = 1e-12

_DOUBT = 2.0  # standard errors: what is closer to zero is taken for chance


class Judge:
    """How well predicted outcomes of held-out queries are chosen by, and come true.

    Parameters
    ----------
    outcomes : ndarray of shape (n_queries, n_llms, n_outcomes)
        NaN where not observed.
    mean : ndarray of shape (n_llms, n_outcomes)
    weight : ndarray of shape (n_queries,)
    folds : list of ndarray of int
    typical_cost_weight : float or None
    temperature : float
        Of the router's shares, by which LLMs count: those that would not be called count less.
    """

    def __init__(self, outcomes, mean, weight, folds, typical_cost_weight, temperature):
        self._temperature, self._n_outcomes = temperature, mean.shape[1]
        if not np.isfinite(mean).all(axis=1).any():  # no cost was observed: they count for nothing
            outcomes, mean, typical_cost_weight = outcomes[..., :1], mean[:, :1], None
        self.cost_weights, self._importance = np.zeros(1), np.ones(1)
        if typical_cost_weight is not None:
            shares = np.array(VALIDATED_SHARES)
            self.cost_weights, self._importance = scalarization_weights(shares, typical_cost_weight)
        ever = np.isfinite(mean).all(axis=1)  # of the other LLMs nothing is known
        self._ever, self._mean = ever, mean[ever]
        self._outcomes, self.weight, self._folds = outcomes[:, ever], weight, folds
        self._complete = ~np.isnan(self._outcomes).any(axis=(1, 2))
        # Some gaps do not matter: the other queries are enough, and nothing has to be assumed.
        self.measurable = weight[self._complete].sum() >= weight.sum() / 2
        self._observed = self._less_fold_mean(self._outcomes - self._mean)

    def merit(self, deviations, as_it_is=False):
        """What a prediction is worth, on each of the queries of `merit_weight`.

        The gain in utility over the best single LLM, a mean over trade-offs. Where most queries
        have gaps it cannot be had, and it is the squared deviation that is explained.

        Parameters
        ----------
        deviations : ndarray of shape (n_queries, n_llms, n_outcomes)
            Expected, out of fold.
        as_it_is : bool, default=False
            Whether the prediction is used as it is, not multiplied by its factors: see
            :meth:`explained`.
        """
        if not self.measurable:
            return self.explained(deviations, as_it_is)
        expected = self._expected(deviations)[self._complete]
        gains = [
            importance * self._gains(expected, cost_weight)
            for cost_weight, importance in zip(self.cost_weights, self._importance, strict=True)
        ]
        return np.mean(gains, axis=0)

    def gains(self, deviations, cost_weight):
        """Utility of what is called less that of the best single LLM, on complete queries."""
        return self._gains(self._expected(deviations)[self._complete], cost_weight)

    def _gains(self, expected, cost_weight):
        observed = utility(self._outcomes[self._complete], cost_weight)
        best = utility(self._mean, cost_weight).argmax()
        called = utility(expected, cost_weight).argmax(axis=1)
        return observed[np.arange(len(observed)), called] - observed[:, best]

    def best_of(self, predictions, in_doubt=None, as_it_is=False):
        """What is worth most on average.

        Parameters
        ----------
        predictions : iterable of tuple
            Anything, and its deviations as of :meth:`merit`.
        in_doubt : object, default=None
            What to return where the best is worth no more than chance may give, as the best of
            many is in noise. None is the best, however little it is worth.
        as_it_is : bool, default=False
            See :meth:`merit`.
        """
        best, most, doubt = in_doubt, -np.inf, np.inf
        for name, deviations in predictions:
            mean, error = mean_and_error(self.merit(deviations, as_it_is), self.merit_weight)
            if mean > most:
                best, most, doubt = name, mean, _DOUBT * error
        return best if in_doubt is None or most > doubt else in_doubt

    @property
    def merit_weight(self):
        """Weights of the queries that `merit` is about."""
        return self.weight[self._complete] if self.measurable else self.weight

    def share_elsewhere(self, deviations, cost_weight):
        """Share of the queries on which another than the best single LLM is called."""
        expected = utility(self._expected(deviations), cost_weight)
        elsewhere = expected.argmax(axis=1) != utility(self._mean, cost_weight).argmax()
        return float(np.average(elsewhere, weights=self.weight))

    def factors(self, deviations):
        """The factors that make a prediction come true, shape (n_outcomes,); not negative.

        A weighted regression of the observed deviations in utility on the expected ones, over all
        trade-offs. What all LLMs find hard or easy alike is no reason to choose: deviations are
        less their mean over the LLMs of a query, by the router's own shares. And they are less the
        mean of their LLM in the fold, where it was observed: an LLM that did well there by chance
        did worse in the rest, which was learnt from.
        """
        slopes = _shrunk_slopes(self._regressions(deviations, self._expected(deviations)))
        return np.pad(slopes, (0, self._n_outcomes - len(slopes)))

    def explained(self, deviations, as_it_is=False):
        """Squared deviation of the observed utility less what the factors leave, (n_queries,).

        LLMs count by how good they are on average: so what predictions explain can be compared.
        Of a prediction as it is the factors are 1: one that goes too far explains less than none.
        """
        regressions = self._regressions(deviations, self._mean)
        factors = np.ones(self._mean.shape[1]) if as_it_is else _shrunk_slopes(regressions)
        explained = np.zeros(len(deviations))
        for shares, x, y in regressions:
            fit = x @ factors
            explained += (shares * fit * (2 * y - fit)).sum(axis=1)
        return explained / np.maximum(self.weight, np.finfo(float).tiny)

    def _expected(self, deviations):
        """Expected outcomes of the LLMs of which something is known."""
        return self._mean + deviations[:, self._ever, : self._mean.shape[1]]

    def _regressions(self, deviations, valued):
        """At each trade-off: weights, expected and observed deviations; LLMs count as valued."""
        # Over the same queries as the observed ones: a log has an LLM where it was thought good.
        known = ~np.isnan(self._observed)
        expected = self._less_fold_mean(self._expected(deviations) - self._mean, known)
        regressions = []
        for cost_weight, importance in zip(self.cost_weights, self._importance, strict=True):
            y = importance * utility(self._observed, cost_weight)
            x = importance * np.array([1.0, -cost_weight])[: expected.shape[-1]] * expected
            values = importance * utility(valued, cost_weight) / self._temperature
            shares = np.where(np.isnan(y), 0.0, softmax(values, axis=-1))
            shares /= np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(float).tiny)
            several = (shares > 0).sum(axis=1, keepdims=True) > 1
            y = np.nan_to_num(y)
            y = y - several * (shares * y).sum(axis=1, keepdims=True)
            centered = x - (several * np.einsum("ij,ijk->ik", shares, x))[:, None]
            # What is left of equal numbers is rounding.
            centered[np.abs(centered) <= _ROUNDING * np.abs(x)] = 0.0
            regressions.append((self.weight[:, None] * shares, centered, y))
        return regressions

    def _less_fold_mean(self, values, known=None):
        known = ~np.isnan(values) if known is None else known
        values = values.copy()
        for rows in self._folds:
            weight = self.weight[rows][:, None, None] * known[rows]
            total = np.maximum(weight.sum(axis=0), np.finfo(float).tiny)
            values[rows] -= (weight * np.nan_to_num(values[rows])).sum(axis=0) / total
        return values


def _shrunk_slopes(regressions):
    """Slopes of zero or more, each less what may be chance, ``slope - (2 * error)**2 / slope``.

    This is positive-part shrinkage, as of James and Stein: a slope within two standard errors of 0
    becomes 0, and one that is many times its error hardly changes. With one error in place of two,
    one of five problems of 49 nearly equal LLMs lost 0.016; with three, pairs of LLMs of which
    0.008 can be gained stayed at one.
    """
    square = sum(np.einsum("ij,ijk,ijl->kl", shares, x, x) for shares, x, _ in regressions)
    cross = sum(np.einsum("ij,ijk,ij->k", shares, x, y) for shares, x, y in regressions)
    scale = np.sqrt(np.diag(square))
    used = scale > 0
    slopes = np.zeros(len(cross))
    if not used.any():
        return slopes
    # In units in which the square of each is 1.
    scale, cross = scale[used], cross[used] / scale[used]
    values, vectors = np.linalg.eigh(square[np.ix_(used, used)] / np.outer(scale, scale))
    root = np.sqrt(values.clip(min=1e-12))
    slopes[used] = nnls(root[:, None] * vectors.T, (vectors.T @ cross) / root)[0] / scale
    # Errors as they are where the outcomes of a query depend on each other.
    scores = sum(
        np.einsum("ij,ijk->ik", shares * (y - x @ slopes), x[..., used])
        for shares, x, y in regressions
    )
    inverse = (vectors / root**2) @ vectors.T
    scores = scores / scale
    variance = np.diag(inverse @ (scores.T @ scores) @ inverse) / scale**2
    slope = slopes[used]
    sure = np.maximum(slope**2 - _DOUBT**2 * variance, 0.0)
    slopes[used] = np.divide(sure, slope, out=np.zeros_like(slope), where=slope > 0)
    return slopes
