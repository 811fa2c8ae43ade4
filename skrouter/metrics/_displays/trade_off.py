"""Utility against the trade-off, drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions

from skrouter._targets.routing_target import RoutingTarget
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.estimators import Classifier
from skrouter._utils.param_validation import validate_each, validate_params
from skrouter._utils.types import CostLike, Floats, NamesLike, QueriesLike
from skrouter.metrics._common_queries import on_common_queries
from skrouter.metrics._displays.style import (
    COLOURS,
    MARKERS,
    common_pool,
    list_trade_offs,
    named_estimators,
    require_matplotlib,
    with_note,
)
from skrouter.metrics._oracle import best_columns
from skrouter.metrics._score import (
    COST_WEIGHT,
    check_costs_given,
    check_scored_target,
    score_choices,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# The paper's scenarios: where a router of one setting is judged if nothing else is said.
_SCENARIOS = (0.0, 0.02, 0.1)
# Beyond this ratio of trade-offs the small ones would fall together on a linear axis.
_LINEAR_RATIO = 20
_MOST_TICKS = 8  # more would cover each other
_REFERENCE_STYLES: dict[str, dict[str, object]] = {
    "oracle": {"marker": "*", "ms": 11, "linestyle": ":"},
    "best single LLM": {"marker": "d", "ms": 8, "linestyle": "--"},
}

# One choice, or one for each trade-off.
Choices = ArrayLike | Mapping[float, ArrayLike]


@with_shared_parts
class TradeOffDisplay:
    """Mean utility of routers over the trade-off between performance and cost.

    The score ``performance - cost_weight * cost`` of each router at each trade-off, as in the
    paper's figure of score against alpha. A router set to several trade-offs is judged with each
    setting at its own trade-off; one with a single setting is judged with that at all of them,
    which is a straight line.

    Make it with :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    routers : dict of str to dict of float to float
        Mean utility of each router by trade-off.
    references : dict of str to dict of float to float, default=None
        References, drawn hollow.
    note : str, default=""
        Written below the picture: on which queries the points rest, where outcomes are missing.

    Attributes
    ----------
    %(ax_)s
    routers_, references_ : dict of str to matplotlib Line2D
        The line of each router and reference.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skrouter.metrics import TradeOffDisplay
    >>> performance = [[1.0, 0.0], [1.0, 1.0]]
    >>> choices = {"ours": {0.0: [0, 0], 0.1: [0, 1]}, "large": [0, 0]}
    >>> TradeOffDisplay.from_predictions(performance, choices, cost=[5.0, 1.0])
    <...TradeOffDisplay object at ...>
    >>> plt.close()
    """

    def __init__(
        self,
        routers: Mapping[str, Mapping[float, float]],
        references: Mapping[str, Mapping[float, float]] | None = None,
        note: str = "",
    ) -> None:
        self.routers = routers
        self.references = references
        self.note = note

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        llms: Choices | Mapping[str, Choices],
        *,
        cost: CostLike | None = None,
        llm_names: NamesLike | None = None,
        sample_weight: ArrayLike | None = None,
        name: str = "router",
        cost_weights: Iterable[float] | None = None,
        hindsight: bool = True,
        ax: Axes | None = None,
        **plot_kwargs: Any,
    ) -> Self:
        """Draw choices that were made already.

        Parameters
        ----------
        %(y_true_matrix)s
            %(holes_in_a_picture)s
        %(several_choices)s
        %(cost_of_pair)s
        %(pool)s
        %(sample_weight)s
        %(legend_name)s
        cost_weights : sequence of float, default=None
            Trade-offs at which references and routers of one setting are judged. None: those
            found in `llms`; if there are none, the paper's scenarios 0, 0.02 and 0.1.
        hindsight : bool, default=True
            Whether to draw two references that know the outcomes: the oracle, and the single LLM
            that is best at each trade-off.
        %(ax)s
        %(plot_kwargs)s

        Returns
        -------
        display : TradeOffDisplay

        Raises
        ------
        ValueError
            If there are no costs, a trade-off is not a finite number >= 0, or the input is not
            as :func:`routing_score` wants it.
        %(raises_matplotlib)s
        """
        require_matplotlib("TradeOffDisplay")
        target = check_scored_target(y_true, cost, llm_names)
        choices: Mapping[Any, Any] = llms if isinstance(llms, Mapping) else {name: llms}
        found = {
            weight for value in choices.values() if isinstance(value, Mapping) for weight in value
        }
        judged_at = (
            list(sorted(found) or _SCENARIOS) if cost_weights is None else list(cost_weights)
        )
        validate_each("cost_weights", [*found, *judged_at], COST_WEIGHT, cls.__name__)
        by_trade_off = {
            key: value if isinstance(value, Mapping) else dict.fromkeys(judged_at, value)
            for key, value in choices.items()
        }
        best = {
            weight: target.llm_names[best_columns(target, weight)]
            for weight in (judged_at if hindsight else [])
        }
        every = [chosen for value in by_trade_off.values() for chosen in value.values()]
        target, note = on_common_queries(target, every, sample_weight, what="points")
        routers = {
            key: {
                weight: _utility(target, chosen, weight, sample_weight)
                for weight, chosen in value.items()
            }
            for key, value in by_trade_off.items()
        }
        references = _in_hindsight(target, best, sample_weight) if hindsight else {}
        return cls(routers, references, note).plot(ax=ax, **plot_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier | Mapping[str, Classifier | Mapping[float, Classifier]],
        X: QueriesLike,
        y: ArrayLike,
        *,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw fitted routers, or any classifiers whose classes are the LLMs.

        Parameters
        ----------
        %(several_estimators)s
        %(estimator_name)s
        **kwargs
            Passed to :meth:`from_predictions`: `cost`, `cost_weights`, `ax`, ...

        Returns
        -------
        display : TradeOffDisplay

        Raises
        ------
        %(raises_different_pools)s
        %(raises_matplotlib)s
        """
        require_matplotlib("TradeOffDisplay")
        estimators: Mapping[str, Any] = named_estimators(estimator, name)
        pool = common_pool(part for value in estimators.values() for part in list_trade_offs(value))
        llms = {
            key: {weight: part.predict(X) for weight, part in value.items()}
            if isinstance(value, Mapping)
            else value.predict(X)
            for key, value in estimators.items()
        }
        return cls.from_predictions(y, llms, llm_names=pool, **kwargs)

    @validate_params({"log_trade_off": ["boolean", StrOptions({"auto"})]})
    def plot(
        self, ax: Axes | None = None, *, log_trade_off: bool | Literal["auto"] = "auto"
    ) -> Self:
        """Draw the picture.

        Parameters
        ----------
        %(ax)s
        log_trade_off : "auto" or bool, default="auto"
            Whether the axis of the trade-off is logarithmic, and linear only from 0 to the
            smallest one above it. "auto": where trade-offs above 0 span more than a factor of 20.

        Returns
        -------
        %(display)s

        Raises
        ------
        %(raises_matplotlib)s
        """
        plt = require_matplotlib("TradeOffDisplay")
        if ax is None:
            _, ax = plt.subplots(figsize=(7.0, 4.8), layout="constrained")
        self.references_: dict[str, Line2D] = {
            key: _draw(
                ax,
                key,
                utilities,
                color="black",
                markerfacecolor="white",
                zorder=3,
                **_REFERENCE_STYLES.get(key, {"marker": "p", "ms": 8, "linestyle": "-."}),
            )
            for key, utilities in (self.references or {}).items()
        }
        self.routers_: dict[str, Line2D] = {
            key: _draw(
                ax,
                key,
                utilities,
                color=COLOURS[position % len(COLOURS)],
                marker=MARKERS[position % len(MARKERS)],
                markeredgecolor="white",
                markeredgewidth=0.7,
                ms=8,
                zorder=4,
            )
            for position, (key, utilities) in enumerate(self.routers.items())
        }
        lines = [*self.references_.values(), *self.routers_.values()]
        weights = np.unique(np.concatenate([line.get_xdata() for line in lines]))
        _set_trade_off_scale(ax, weights, log_trade_off)
        ax.set(
            xlabel=with_note(
                "trade-off α (performance per US dollar per 1,000 queries)", self.note
            ),
            ylabel="mean utility (performance − α · cost)",
        )
        ax.grid(alpha=0.25)
        ax.legend(fontsize="small", framealpha=0.9)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _utility(
    target: RoutingTarget, chosen: ArrayLike, cost_weight: float, sample_weight: ArrayLike | None
) -> float:
    check_costs_given(target, cost_weight)
    return score_choices(target, chosen, cost_weight, sample_weight).utility


def _in_hindsight(
    target: RoutingTarget, best: Mapping[float, ArrayLike], sample_weight: ArrayLike | None
) -> dict[str, dict[float, float]]:
    """Utility of the oracle, `best`, and of the best single LLM at each trade-off."""
    always = [
        np.full(len(target.performance), llm, dtype=target.llm_names.dtype)
        for llm in target.llm_names[~np.isnan(target.performance).all(axis=0)]
    ]
    oracle, single = {}, {}
    for weight, llms in best.items():
        oracle[weight] = _utility(target, llms, weight, sample_weight)
        single[weight] = max(_utility(target, each, weight, sample_weight) for each in always)
    return {"oracle": oracle, "best single LLM": single}


def _draw(ax: Axes, label: str, utilities: Mapping[float, float], **style: Any) -> Line2D:
    """Draw utilities by trade-off, the smallest first, as one line."""
    points = np.array(sorted(utilities.items()), dtype=float).reshape(-1, 2)
    (line,) = ax.plot(*points.T, label=label, lw=1.2, **style)
    return line


def _set_trade_off_scale(ax: Axes, weights: Floats, log_trade_off: bool | Literal["auto"]) -> None:
    positive = weights[weights > 0]
    if log_trade_off == "auto":
        log_trade_off = bool(positive.size and positive.max() > _LINEAR_RATIO * positive.min())
    if log_trade_off and positive.size:
        from matplotlib.ticker import NullFormatter, StrMethodFormatter

        ax.set_xscale("symlog", linthresh=positive.min(), linscale=0.5)
        if len(weights) <= _MOST_TICKS:
            ax.set_xticks(weights)
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
