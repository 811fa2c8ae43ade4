"""The course of a training, drawn."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrouter.metrics._displays.style import COLOURS, require_matplotlib


class LossCurveDisplay:
    """Training loss after each epoch, and the cross-validated gain that chose their number.

    The upper picture is the mean loss on the training queries. The lower one is the mean utility
    on held-out queries less that of the best single LLM, which is what early stopping looks at:
    a loss that still falls while the gain does not is a router that learns the noise.

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

    def __init__(self, loss_curve, validation_gains=(), name=None):
        self.loss_curve = loss_curve
        self.validation_gains = validation_gains
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None):
        """Draw the training of a fitted router.

        Parameters
        ----------
        estimator : RadialRouterClassifier, Pipeline or other estimator
            Fitted, with `loss_curve_` and, for the gain, `validation_gains_`; or a pipeline that
            ends in one.
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
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib("LossCurveDisplay")
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        check_is_fitted(estimator)
        kind = type(estimator).__name__
        if not hasattr(estimator, "loss_curve_"):
            raise ValueError(f"{kind} has no loss_curve_; it is not trained by epochs.")
        gains = getattr(estimator, "validation_gains_", ())
        return cls(estimator.loss_curve_, gains, kind if name is None else name).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of two, default=None
            Where to draw: the loss in the first, the gain in the second. With one Axes the gain
            is not drawn. None makes a new figure.

        Returns
        -------
        display : LossCurveDisplay
            The object itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = require_matplotlib("LossCurveDisplay")
        if ax is None:
            n_axes = 2 if len(self.validation_gains) else 1
            _, ax = plt.subplots(
                n_axes, figsize=(6.0, 2.2 + 1.8 * n_axes), sharex=True, layout="constrained"
            )
        axes = np.ravel(ax).tolist()
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
        self.gain_ = None
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
            part.xaxis.get_major_locator().set_params(integer=True)
        axes[-1].set_xlabel("epoch")
        self.ax_, self.axes_, self.figure_ = top, axes, top.figure
        return self


def _draw(ax, values, **style):
    """Draw a value for each epoch, from 1."""
    (line,) = ax.plot(np.arange(1, len(values) + 1), values, ms=4, lw=1.2, **style)
    return line
