"""How predicted performance compares with observed performance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import mean_squared_error

from skrouter._utils.estimators import Classifier, innermost_estimator, innermost_input
from skrouter._utils.types import Floats, QueriesLike


class ReliabilityBins(
    # With its fields here, as tuples have a method `count` of their own.
    NamedTuple(
        "ReliabilityBins",
        [("mean_predicted", Floats), ("mean_observed", Floats), ("count", NDArray[np.int64])],
    )
):
    """Predictions of similar size, and what was observed there.

    Attributes
    ----------
    mean_predicted, mean_observed : ndarray of shape (n_bins,)
        Means in each bin that is not empty, in the order of the predictions.
    count : ndarray of shape (n_bins,)
        Number of outcomes in each.
    """

    __slots__ = ()


def observed_pairs(observed: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """The outcomes that were both observed and predicted, flat."""
    if observed.shape != predicted.shape:
        raise ValueError(
            f"The predicted performance has shape {predicted.shape}, the observed one "
            f"{observed.shape}; one prediction per query and LLM is wanted."
        )
    known = ~np.isnan(observed) & ~np.isnan(predicted)
    if not known.any():
        raise ValueError("No outcome was both observed and predicted; there is nothing to compare.")
    return observed[known], predicted[known]


def reliability_bins(
    observed: Floats, predicted: Floats, n_bins: int = 10, strategy: str = "quantile"
) -> ReliabilityBins:
    """Sort outcomes into bins by what was predicted, and average in each.

    :func:`sklearn.calibration.calibration_curve` does this for labels of 0 and 1 and predictions in
    [0, 1]; performance may be graded, and predictions of a regression leave the range.

    Parameters
    ----------
    observed, predicted : ndarray of the same shape
        NaN where unknown, and then left out.
    n_bins : int, default=10
    strategy : {"quantile", "uniform"}, default="quantile"
        Bins of equal counts, or of equal width between the smallest and the largest prediction.

    Returns
    -------
    bins : ReliabilityBins
    """
    observed, predicted = observed_pairs(observed, predicted)
    if strategy == "quantile":
        edges = np.quantile(predicted, np.linspace(0, 1, n_bins + 1))
    else:
        edges = np.linspace(predicted.min(), predicted.max(), n_bins + 1)
    # As in calibration_curve: equal edges, of many equal predictions, make empty bins.
    bin_of = np.searchsorted(edges[1:-1], predicted)
    count = np.bincount(bin_of, minlength=n_bins)
    filled = count > 0

    def mean(values: Floats) -> Floats:
        return np.bincount(bin_of, weights=values, minlength=n_bins)[filled] / count[filled]

    return ReliabilityBins(mean(predicted), mean(observed), count[filled])


def mean_squared_difference(observed: Floats, predicted: Floats) -> float:
    """Brier score of graded outcomes: mean over those observed and predicted."""
    return float(mean_squared_error(*observed_pairs(observed, predicted)))


def predict_performance(estimator: Classifier, X: QueriesLike) -> Floats:
    """Predicted performance of each LLM by a router, also inside a search or a pipeline."""
    router = innermost_estimator(estimator)
    if not hasattr(router, "predict_outcomes"):
        raise ValueError(
            f"{type(router).__name__} has no predict_outcomes; it does not predict performance, "
            "so there is nothing to compare with what was observed."
        )
    return np.asarray(router.predict_outcomes(innermost_input(estimator, X)).performance)
