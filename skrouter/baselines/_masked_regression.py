"""Regression of several outcomes of which some were not observed."""

from __future__ import annotations

import numpy as np
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from skrouter._training.reduced_rank import RankReduction


class ColumnRegressors:
    """Regressors for the columns of a matrix with missing values.

    Columns that were observed on the same rows share one regressor, so that there is a single one
    where nothing is missing. Every observed row of a column is used, whatever is missing elsewhere.

    Parameters
    ----------
    make_regressor : callable
        Returns an unfitted regressor for a given number of rows.
    X : ndarray of shape (n_rows, n_features)
    values : ndarray of shape (n_rows, n_columns)
        NaN where not observed.
    sample_weight : ndarray of shape (n_rows,)
        Passed on if the regressor takes weights. Rows of weight 0 are left out.
    """

    def __init__(self, make_regressor, X, values, sample_weight):
        self.n_columns = values.shape[1]
        self.parts = []
        known = ~np.isnan(values) & (sample_weight > 0)[:, None]
        patterns, pattern_of = np.unique(known, axis=1, return_inverse=True)
        for position, rows in enumerate(patterns.T):
            if not rows.any():
                continue
            columns = np.flatnonzero(pattern_of.reshape(-1) == position)
            regressor = make_regressor(int(rows.sum()))
            weighted = has_fit_parameter(regressor, "sample_weight")
            weights = {"sample_weight": sample_weight[rows]} if weighted else {}
            outcomes = values[np.ix_(rows, columns)]
            if len(columns) == 1:
                outcomes = outcomes[:, 0]
            elif not get_tags(regressor).target_tags.multi_output:
                regressor = MultiOutputRegressor(regressor)
            self.parts.append((columns, regressor.fit(X[rows], outcomes, **weights)))

    def predict(self, X):
        """Predict every column; NaN for one that was never observed.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)

        Returns
        -------
        values : ndarray of shape (n_rows, n_columns)
        """
        values = np.full((len(X), self.n_columns), np.nan)
        for columns, regressor in self.parts:
            values[:, columns] = regressor.predict(X).reshape(len(X), len(columns))
        return values


class ReducedRankRegressors:
    """Fitted :class:`ColumnRegressors` of which the predictions vary in few directions only.

    Parameters
    ----------
    regressors : ColumnRegressors
    X : ndarray of shape (n_rows, n_features)
        What they were fitted to.
    sample_weight : ndarray of shape (n_rows,)
    rank : int
    """

    def __init__(self, regressors, X, sample_weight, rank):
        self.regressors, self.rank = regressors, rank
        used = sample_weight > 0
        fitted = regressors.predict(X[used])
        self.columns = np.flatnonzero(~np.isnan(fitted[0]))  # the others were never observed
        self.reduction = RankReduction.of_fitted(fitted[:, self.columns], sample_weight[used])

    def predict(self, X):
        """As those of :class:`ColumnRegressors`, shape (n_rows, n_columns)."""
        values = self.regressors.predict(X)
        values[:, self.columns] = self.reduction.of_rank(values[:, self.columns], self.rank)
        return values
