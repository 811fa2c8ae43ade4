"""Predicted against observed performance, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions

from skrouter._targets.routing_target import check_routing_target
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.estimators import Classifier
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import NamesLike, QueriesLike, TargetLike
from skrouter.metrics._displays.style import (
    COLOURS,
    MARKERS,
    common_pool,
    named_estimators,
    require_matplotlib,
)
from skrouter.metrics._reliability import ReliabilityBins, predict_performance, reliability_bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


@with_shared_parts
class ReliabilityDisplay:
    """Mean observed performance against mean predicted performance.

    Predictions are sorted into bins, over all LLMs together. On the dashed line what is predicted
    is what is observed; a curve flatter than it is overconfident: predictions are too high at its
    upper and too low at its lower end, as after overfitting. It is the picture of
    :class:`~sklearn.calibration.CalibrationDisplay`, for outcomes that may be graded.

    Make it with :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    curves : dict of str to tuple
        ``(mean_predicted, mean_observed, count)`` of the bins of each router, arrays of shape
        (n_bins,).

    Attributes
    ----------
    %(ax_)s
    lines_ : dict of str to matplotlib Line2D
        The curve of each router.

    Notes
    -----
    A reliable router need not be a good one: predicting the mean of each LLM for every query lies
    on the line, too. And good choices need only the right order of the LLMs.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skrouter.metrics import ReliabilityDisplay
    >>> performance = [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    >>> predicted = [[0.9, 0.3], [0.8, 0.6], [0.4, 0.1], [0.7, 0.2]]
    >>> display = ReliabilityDisplay.from_predictions(performance, predicted, n_bins=2)
    >>> display.curves["router"].count
    array([4, 4])
    >>> plt.close()
    """

    def __init__(self, curves: Mapping[str, ReliabilityBins]) -> None:
        self.curves = curves

    @classmethod
    @validate_params(
        {
            "n_bins": [Interval(Integral, 1, None, closed="left")],
            "strategy": [StrOptions({"quantile", "uniform"})],
        }
    )
    def from_predictions(
        cls,
        y_true: TargetLike,
        performance: ArrayLike | Mapping[str, ArrayLike],
        *,
        llm_names: NamesLike | None = None,
        n_bins: int = 10,
        strategy: Literal["quantile", "uniform"] = "quantile",
        name: str = "router",
        ax: Axes | None = None,
    ) -> Self:
        """Draw predictions that were made already.

        Parameters
        ----------
        %(y_true_matrix)s
            What was not observed is left out.
        performance : array-like of shape (n_queries, n_llms) or dict
            Predicted performance, as ``router.predict_outcomes(X).performance``. For several
            routers a dict of such by name.
        llm_names : array-like of shape (n_llms,), default=None
            The pool, mostly the router's `classes_`: columns of a DataFrame `y_true` are taken in
            this order, that of the predictions.
        n_bins : int, default=10
            Number of bins. Bins without a prediction are left out.
        strategy : {"quantile", "uniform"}, default="quantile"
            Bins of equal counts, or of equal width between the smallest and the largest
            prediction. With equal counts every point has about the same sampling error.
        %(legend_name)s
        %(ax)s

        Returns
        -------
        display : ReliabilityDisplay

        Raises
        ------
        ValueError
            If there are no routers, a parameter is not as described, shapes differ, or no outcome
            was both observed and predicted.
        %(raises_matplotlib)s
        """
        require_matplotlib("ReliabilityDisplay")
        predictions: Mapping[str, ArrayLike]
        predictions = performance if isinstance(performance, Mapping) else {name: performance}
        if not predictions:
            raise ValueError("performance is empty; at least one router is needed.")
        pool = None if llm_names is None else np.asarray(llm_names)
        observed = check_routing_target(y_true, known_llms=pool).performance
        curves = {
            key: reliability_bins(observed, np.asarray(values, dtype=float), n_bins, strategy)
            for key, values in predictions.items()
        }
        return cls(curves).plot(ax=ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier | Mapping[str, Classifier],
        X: QueriesLike,
        y: TargetLike,
        *,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw fitted routers that predict outcomes.

        Parameters
        ----------
        estimator : router, Pipeline, search or dict
            Fitted, with `classes_` and `predict_outcomes`, or a pipeline or search of such a
            router; for several, a dict by name.
        X : object
            Queries, passed to `predict_outcomes`.
        y : array-like
            Performance of each LLM on each query, as for :meth:`from_predictions`, or the best LLM
            of each query.
        %(estimator_name)s
        **kwargs
            Passed to :meth:`from_predictions`: `n_bins`, `strategy`, `ax`.

        Returns
        -------
        display : ReliabilityDisplay

        Raises
        ------
        ValueError
            If an estimator has no `predict_outcomes`, or the estimators have different `classes_`.
        %(raises_matplotlib)s
        """
        require_matplotlib("ReliabilityDisplay")
        estimators = named_estimators(estimator, name)
        if not estimators:
            raise ValueError("estimator is empty; at least one router is needed.")
        pool = common_pool(estimators.values())
        predictions = {key: predict_performance(part, X) for key, part in estimators.items()}
        return cls.from_predictions(y, predictions, llm_names=pool, **kwargs)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        %(ax)s

        Returns
        -------
        %(display)s

        Raises
        ------
        %(raises_matplotlib)s
        """
        plt = require_matplotlib("ReliabilityDisplay")
        if ax is None:
            _, ax = plt.subplots(figsize=(5.0, 5.0), layout="constrained")
        ends = [np.concatenate(curve[:2]) for curve in self.curves.values()]
        low, high = np.min(np.concatenate(ends)), np.max(np.concatenate(ends))
        ax.plot(
            [low, high], [low, high], color="0.45", lw=1, linestyle="--", label="perfectly reliable"
        )
        self.lines_: dict[str, Line2D] = {}
        for position, (key, (predicted, observed, _)) in enumerate(self.curves.items()):
            (self.lines_[key],) = ax.plot(
                predicted,
                observed,
                color=COLOURS[position % len(COLOURS)],
                marker=MARKERS[position % len(MARKERS)],
                ms=6,
                lw=1.2,
                label=key,
            )
        ax.set(
            xlabel="mean predicted performance",
            ylabel="mean observed performance",
            aspect="equal",
        )
        ax.grid(alpha=0.25)
        ax.legend(fontsize="small", framealpha=0.9)
        self.ax_, self.figure_ = ax, ax.figure
        return self
