"""How much of what routing can use shows in the embeddings at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold

from skrouter._utils.types import Floats
from skrouter.baselines import KNNRouter, RegressionRouter
from skrouter.baselines._masked_regression import ColumnRegressors


class Signal(NamedTuple):
    """Share of the interaction between queries and LLMs that the embeddings explain.

    Attributes
    ----------
    ridge, knn : float
        Share of its variance that is predicted out of fold, by the regressions of
        ``Ridge(alpha=10.0)`` and of :class:`~skrouter.baselines.KNNRouter`. 1 is all, 0 or less is
        none. NaN where the LLMs do not differ on any query.
    """

    ridge: float
    knn: float


def interaction(performance: Floats) -> Floats:
    """Performance minus its mean over LLMs and its mean over queries.

    A query that is easy for all LLMs, and an LLM that is good at all queries, say nothing about
    which LLM to call for which query; what is left does.

    Parameters
    ----------
    performance : ndarray of shape (n_queries, n_llms)
        NaN where not observed. Every query and every LLM has an observed outcome.

    Returns
    -------
    residual : ndarray of shape (n_queries, n_llms)
        The residuals of the additive model by least squares.
    """
    residual = performance
    for _ in range(1000):  # nothing missing: once is exact. Else it converges geometrically.
        before = residual
        residual = residual - np.nanmean(residual, axis=1, keepdims=True)
        residual = residual - np.nanmean(residual, axis=0)
        if np.nanmax(np.abs(residual - before)) < 1e-9:
            break
    return residual


def per_query_signal(embeddings: Floats, performance: Floats, cv: int, random_state: int) -> Signal:
    """Cross-validate how well the interaction is predicted from the embeddings.

    Parameters
    ----------
    embeddings : ndarray of shape (n_queries, n_features)
    performance : ndarray of shape (n_queries, n_llms)
        NaN where not observed. Every query has an observed outcome.
    cv : int
    random_state : int

    Returns
    -------
    signal : Signal
    """
    performance = performance[:, ~np.isnan(performance).all(axis=0)]
    observed = interaction(performance)
    folds = list(KFold(cv, shuffle=True, random_state=random_state).split(observed))

    def explained(make_regressor: Callable[[Any], Any]) -> float:
        predicted = np.empty(observed.shape)
        for train, test in folds:
            weight = np.ones(len(train))
            model = ColumnRegressors(make_regressor, embeddings[train], observed[train], weight)
            predicted[test] = model.predict(embeddings[test])
        known = ~np.isnan(observed) & ~np.isnan(predicted)
        total = np.square(observed[known]).sum()
        if total <= 1e-12 * known.sum():
            return float("nan")
        return float(1 - np.square(observed[known] - predicted[known]).sum() / total)

    ridge, knn = RegressionRouter(), KNNRouter()
    return Signal(explained(ridge._make_regressor), explained(knn._make_regressor))
