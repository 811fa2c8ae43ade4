"""The course of a training, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.estimators import innermost_estimator
from skrouter.metrics._displays.style import COLOURS, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


@with_shared_parts
class LossCurveDisplay:
    """Training loss after each epoch, and the cross-validated gain that chose their number.

    The upper picture is the mean loss on the training queries. The lower one is the mean utility
    on held-out queries minus that of the best single LLM, which is what early stopping looks at:
    a loss that still falls while the gain does not is the sign of overfitting.

    Make it with :meth:`from_estimator`.

    Parameters
    ----------
    loss_curve : sequence of float
        Mean loss of each epoch.
    validation_gains : sequence of float, default=()
        Gain after each epoch of cross-validation, in the unit of the performance.
    name : str, default=None
        Name of the router, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the loss.
    axes_ : list of matplotlib Axes
        All axes.
    figure_ : matplotlib Figure
        Figure containing them.
    loss_ : matplotlib Line2D
        The loss.
    gain_ : matplotlib Line2D or None
        The gain; None if it was not drawn.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skrouter.metrics import LossCurveDisplay
    >>> display = LossCurveDisplay([0.9, 0.7, 0.6], [0.01, 0.03, 0.02, 0.01]).plot()
    >>> len(display.axes_)
    2
    >>> plt.close()
    """

    def __init__(
        self,
        loss_curve: Sequence[float],
        validation_gains: Sequence[float] = (),
        name: str | None = None,
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_gains = validation_gains
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        name: str | None = None,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Self:
        """Draw the training of a fitted router.

        Parameters
        ----------
        estimator : RadialRouterClassifier, Pipeline, search or other estimator
            Fitted, with `loss_curve_` and, for the gain, `validation_gains_`; or a pipeline or
            search of one.
        name : str, default=None
            Name in the title. None is the name of the class.
        ax : matplotlib Axes or sequence of two, default=None
            Where to draw, as in :meth:`plot`.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        ValueError
            If the estimator keeps no `loss_curve_`.
        NotFittedError
            If it is not fitted.
        %(raises_matplotlib)s
        """
        require_matplotlib("LossCurveDisplay")
        trained = innermost_estimator(estimator)
        check_is_fitted(trained)
        class_name = type(trained).__name__
        if not hasattr(trained, "loss_curve_"):
            raise ValueError(f"{class_name} has no loss_curve_; it is not trained by epochs.")
        gains = getattr(trained, "validation_gains_", ())
        return cls(trained.loss_curve_, gains, class_name if name is None else name).plot(ax=ax)

    def plot(self, ax: Axes | Sequence[Axes] | None = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of two, default=None
            Where to draw: the loss in the first, the gain in the second. With one Axes the gain
            is not drawn. None makes a new figure.

        Returns
        -------
        %(display)s

        Raises
        ------
        %(raises_matplotlib)s
        """
        plt = require_matplotlib("LossCurveDisplay")
        from matplotlib.ticker import MaxNLocator

        if ax is None:
            n_axes = 2 if len(self.validation_gains) else 1
            _, ax = plt.subplots(
                n_axes, figsize=(6.0, 2.2 + 1.8 * n_axes), sharex=True, layout="constrained"
            )
        axes: list[Axes] = np.ravel(np.asarray(ax, dtype=object)).tolist()
        top = axes[0]
        self.loss_ = _draw(top, self.loss_curve, color=COLOURS[0], marker="o")
        top.set(ylabel="mean training loss", title=self.name or "")
        if not len(self.loss_curve):
            top.text(
                0.5,
                0.5,
                "not trained: no gain over the best single LLM was found",
                transform=top.transAxes,
                ha="center",
                va="center",
                fontsize="small",
            )
            top.set_yticks([])
        self.gain_: Line2D | None = None
        if len(axes) > 1 and len(self.validation_gains):
            bottom = axes[1]
            self.gain_ = _draw(bottom, self.validation_gains, color=COLOURS[1], marker="s")
            bottom.axhline(0, color="0.45", lw=1, linestyle="--", label="best single LLM")
            if len(self.loss_curve):
                bottom.axvline(
                    len(self.loss_curve),
                    color="0.45",
                    lw=1,
                    linestyle=":",
                    label="epochs trained",
                )
            bottom.set(ylabel="held-out gain in mean utility")
            bottom.legend(fontsize="small", framealpha=0.9)
        for part in axes:
            part.grid(alpha=0.25)
            # matplotlib's own choice of ticks, but whole epochs only
            part.xaxis.set_major_locator(
                MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True)
            )
        axes[-1].set_xlabel("epoch")
        self.ax_, self.axes_, self.figure_ = top, axes, top.figure
        return self


def _draw(ax, values, **style):
    """Draw a value for each epoch, from 1."""
    (line,) = ax.plot(np.arange(1, len(values) + 1), values, ms=4, lw=1.2, **style)
    return line
