"""What routers share that estimate the utility of each LLM."""

import numpy as np
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted

from skrouter._base import BaseRouter


class UtilityRouter(BaseRouter):
    """Base of the routers whose numbers per query and LLM are estimated utilities."""

    def decision_function(self, X):
        """Estimated utility of each LLM on each query.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.

        Returns
        -------
        utility : ndarray of shape (n_queries, n_llms) or (n_queries,)
            Columns follow `classes_`; `predict` chooses the largest, the first among equals. For
            two LLMs the second minus the first, as scikit-learn wants it.
        """
        check_is_fitted(self)
        return as_decision(self._utilities(self._read_queries(X)))

    def predict_proba(self, X):
        """Share of each LLM by a softmax of the estimated utilities.

        That is the target distribution which the main router learns (paper, section 3, at a
        temperature of 1) with estimates for the true utilities. It says how clear a choice is;
        it is not calibrated.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_queries, n_llms)
            Columns follow `classes_`; the largest is what `predict` chooses.
        """
        check_is_fitted(self)
        return softmax(self._utilities(self._read_queries(X)), axis=1)


def as_decision(utilities):
    """Decision values in the shape that scikit-learn wants: one column for two classes."""
    return utilities[:, 1] - utilities[:, 0] if utilities.shape[1] == 2 else utilities


def observed_mean(values, weight):
    """Weighted mean of each column over its observed rows.

    Parameters
    ----------
    values : ndarray of shape (n_queries, n_llms)
        NaN where not observed.
    weight : ndarray of shape (n_queries,)

    Returns
    -------
    mean : ndarray of shape (n_llms,)
        Minus infinity for an LLM without any observed row of positive weight: nothing speaks
        for choosing it.
    """
    observed = ~np.isnan(values)
    total = weight @ observed
    mean = weight @ np.where(observed, values, 0.0)
    return np.divide(mean, total, out=np.full(len(total), -np.inf), where=total > 0)
