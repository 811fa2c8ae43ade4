"""How often each LLM is called, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.estimators import Classifier
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import LLMName, NamesLike, QueriesLike
from skrouter.metrics._displays.style import (
    COLOURS,
    common_pool,
    named_estimators,
    require_matplotlib,
)
from skrouter.metrics._score import routing_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

_HATCHES = ["", "//", "..", "xx", "\\\\", "++", "oo"]
_THICKNESS = 0.8  # of all bars of one LLM, of the room there is


@with_shared_parts
class RoutingShareDisplay:
    """Share of the queries on which routers call each LLM, as bars.

    It shows what routers do: one that calls the same LLM for every query has a single bar.

    Make it with :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    shares : dict of str to dict
        The share of each LLM by name, as from :func:`routing_share`, for each router.

    Attributes
    ----------
    %(ax_)s
    bars_ : dict of str to matplotlib BarContainer
        The bars of each router, one per LLM.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skrouter.metrics import RoutingShareDisplay
    >>> RoutingShareDisplay.from_predictions(
    ...     {"ours": ["small", "large", "small"], "theirs": ["large"] * 3},
    ...     llm_names=["small", "large"],
    ... )
    <...RoutingShareDisplay object at ...>
    >>> plt.close()
    """

    def __init__(self, shares: Mapping[str, Mapping[LLMName, float]]) -> None:
        self.shares = shares

    @classmethod
    def from_predictions(
        cls,
        llms: ArrayLike | Mapping[str, ArrayLike],
        *,
        llm_names: NamesLike | None = None,
        sample_weight: ArrayLike | None = None,
        name: str = "router",
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw choices that were made already.

        Parameters
        ----------
        llms : array-like or dict
            What was chosen: names of shape (n_queries,) or probabilities of shape (n_queries,
            n_llms), as for :func:`routing_share`. For several routers a dict of such by name.
        llm_names : array-like of shape (n_llms,), default=None
            The pool. None: the LLMs that are called.
        %(sample_weight)s
        %(legend_name)s
        %(ax)s
        %(plot_kwargs)s

        Returns
        -------
        display : RoutingShareDisplay

        Raises
        ------
        ValueError
            If there are no routers, or the choices are not as :func:`routing_share` wants them.
        %(raises_matplotlib)s
        """
        require_matplotlib("RoutingShareDisplay")
        choices: Mapping[str, ArrayLike]
        choices = llms if isinstance(llms, Mapping) else {name: llms}
        if not choices:
            raise ValueError("llms is empty; at least one router is needed.")
        shares = {
            key: routing_share(value, llm_names=llm_names, sample_weight=sample_weight)
            for key, value in choices.items()
        }
        pool = dict.fromkeys(llm for share in shares.values() for llm in share)
        full = {key: {llm: share.get(llm, 0.0) for llm in pool} for key, share in shares.items()}
        return cls(full).plot(ax=ax, **plot_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier | Mapping[str, Classifier],
        X: QueriesLike,
        *,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw fitted routers, or any classifiers whose classes are the LLMs.

        Parameters
        ----------
        estimator : classifier or dict
            A fitted classifier with `classes_` and `predict`; for several, a dict by name.
        X : object
            Queries, passed to `predict`.
        %(estimator_name)s
        **kwargs
            Passed to :meth:`from_predictions`: `sample_weight`, `ax`, ...

        Returns
        -------
        display : RoutingShareDisplay

        Raises
        ------
        ValueError
            If the estimators have different `classes_`, or there are none.
        %(raises_matplotlib)s
        """
        require_matplotlib("RoutingShareDisplay")
        estimators = named_estimators(estimator, name)
        pool = common_pool(estimators.values())
        llms = {key: part.predict(X) for key, part in estimators.items()}
        return cls.from_predictions(llms, llm_names=pool, **kwargs)

    @validate_params({"label_bars": ["boolean"]})
    def plot(self, ax: Axes | None = None, *, label_bars: bool = True) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure, as high as the bars need.
        label_bars : bool, default=True
            Whether to write the share beside each bar.

        Returns
        -------
        %(display)s

        Raises
        ------
        %(raises_matplotlib)s
        """
        plt = require_matplotlib("RoutingShareDisplay")
        pool = list(next(iter(self.shares.values())))
        n_routers = len(self.shares)
        if ax is None:
            height = 1.2 + len(pool) * (0.15 + 0.2 * n_routers)
            _, ax = plt.subplots(figsize=(7.0, height), layout="constrained")
        places, thickness = np.arange(len(pool)), _THICKNESS / n_routers
        self.bars_: dict[str, BarContainer] = {}
        for position, (key, share) in enumerate(self.shares.items()):
            bars = ax.barh(
                places + thickness * (position - (n_routers - 1) / 2),
                [100 * share[llm] for llm in pool],
                height=thickness,
                color=COLOURS[position % len(COLOURS)],
                hatch=_HATCHES[position % len(_HATCHES)],
                edgecolor="white",
                linewidth=0.5,
                label=key,
            )
            if label_bars:
                ax.bar_label(bars, fmt="%.0f %%", padding=3, fontsize="x-small")
            self.bars_[key] = bars
        ax.set_yticks(places, [str(llm) for llm in pool])
        ax.invert_yaxis()  # the first LLM, and the first router, on top
        ax.set(xlabel="share of queries (per cent)", ylabel="LLM called")
        ax.set_xlim(0, 112)  # room for the label of a full bar
        ax.set_xticks(range(0, 101, 20))
        ax.grid(axis="x", alpha=0.25)
        ax.set_axisbelow(True)
        # Outside, where no bar can be.
        ax.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=min(n_routers, 3),
            fontsize="small",
            frameon=False,
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self
