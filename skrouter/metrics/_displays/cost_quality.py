"""Quality against cost, drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.estimators import Classifier
from skrouter._utils.param_validation import validate_each, validate_params
from skrouter._utils.types import CostLike, Floats, NamesLike, QueriesLike
from skrouter.metrics._common_queries import on_common_queries
from skrouter.metrics._curve import check_target_with_costs
from skrouter.metrics._displays.labels import LabelPlacer, Point
from skrouter.metrics._displays.style import (
    COLOURS,
    MARKERS,
    common_pool,
    list_trade_offs,
    named_estimators,
    require_matplotlib,
    with_note,
)
from skrouter.metrics._hull import non_decreasing_hull
from skrouter.metrics._oracle import best_columns
from skrouter.metrics._score import COST_WEIGHT, RoutingScore, score_choices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.text import Annotation

_REFERENCE_MARKERS = ["*", "d", "p", "h"]
_MIX = "mix of single LLMs"
_HULL_POINTS = 100

# One choice, or one for each trade-off.
Choices = ArrayLike | Mapping[float, ArrayLike]


@with_shared_parts
class CostQualityDisplay:
    """Mean performance against mean cost of LLMs and routers.

    Draws every LLM of the pool as a labelled grey point (what one gets by always calling it),
    every router as a coloured marker, one for each trade-off and joined by a line, and references
    such as the oracle as hollow markers. A router is worth having where it lies above and to the
    left of all single LLMs.

    Make it with :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    singles : dict of str to RoutingScore
        Each LLM alone.
    routers : dict of str to list of RoutingScore
        Each router, one score per trade-off.
    references : dict of str to list of RoutingScore, default=None
        References, drawn hollow.
    note : str, default=""
        Written below the picture: on which queries the points rest, where outcomes are missing.
    trade_offs : dict of str to list of float, default=None
        Of routers at several trade-offs, by name: that of each score.

    Attributes
    ----------
    %(ax_)s
    singles_ : matplotlib Line2D
        Points of the single LLMs.
    routers_, references_ : dict of str to matplotlib Line2D
        The line of each router and reference.
    hulls_ : dict of str to matplotlib Line2D
        The hulls of the routers by name, and that of the single LLMs as "mix of single LLMs".
        Empty unless drawn.
    labels_ : dict of str to matplotlib Annotation
        Names of the single LLMs. In a crowd, those that would cover others are left out.
    trade_off_labels_ : dict of str to dict of str to matplotlib Annotation
        For each router at several trade-offs the labels of some of its points: where there is
        room beside them, clear of lines.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skrouter.baselines import KNNRouter
    >>> from skrouter.datasets import make_routing_problem
    >>> from skrouter.metrics import CostQualityDisplay
    >>> data = make_routing_problem(200, random_state=0)
    >>> X = [[difficulty, 1.0] for difficulty in data.difficulty]
    >>> router = KNNRouter(llm_names=data.llm_names).fit(X, data.performance, data.cost)
    >>> CostQualityDisplay.from_estimator(router, X, data.performance, cost=data.cost)
    <...CostQualityDisplay object at ...>
    >>> plt.close()
    """

    def __init__(
        self,
        singles: Mapping[str, RoutingScore],
        routers: Mapping[str, Sequence[RoutingScore]],
        references: Mapping[str, Sequence[RoutingScore]] | None = None,
        note: str = "",
        trade_offs: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self.singles = singles
        self.routers = routers
        self.references = references
        self.note = note
        self.trade_offs = trade_offs

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
        references: Mapping[str, Choices] | None = None,
        oracle_cost_weights: Iterable[float] = (0.0, 0.02, 0.1),
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
        references : dict, default=None
            What to draw as references, like `llms`: the best LLM per task as learnt in training,
            for example.
        oracle_cost_weights : sequence of float, default=(0.0, 0.02, 0.1)
            Trade-offs at which the oracle, with the cheapest LLM among ties, is drawn. The
            default are the paper's scenarios. Empty: no oracle.
        %(ax)s
        %(plot_kwargs)s

        Returns
        -------
        display : CostQualityDisplay

        Raises
        ------
        ValueError
            If there are no costs, or the input is not as :func:`routing_score` wants it.
        %(raises_matplotlib)s
        """
        require_matplotlib("CostQualityDisplay")
        target = check_target_with_costs(y_true, cost, llm_names)
        oracle_cost_weights = list(oracle_cost_weights)
        validate_each("oracle_cost_weights", oracle_cost_weights, COST_WEIGHT, cls.__name__)

        best = [target.llm_names[best_columns(target, weight)] for weight in oracle_cost_weights]
        drawn_routers: Mapping[Any, Any] = llms if isinstance(llms, Mapping) else {name: llms}
        every = [
            chosen
            for value in [*drawn_routers.values(), *(references or {}).values()]
            for chosen in list_trade_offs(value)
        ]
        target, note = on_common_queries(target, every, sample_weight, what="points")

        def score(chosen: ArrayLike) -> RoutingScore:
            # The trade-off only weighs the utility, which is not drawn.
            return score_choices(target, chosen, 0.0, sample_weight)

        def curves(choices: Mapping[Any, Any]) -> dict[str, list[RoutingScore]]:
            return {
                key: [score(chosen) for chosen in list_trade_offs(value)]
                for key, value in choices.items()
            }

        n_queries = len(target.performance)
        singles = {
            str(llm): score(np.full(n_queries, llm, dtype=target.llm_names.dtype))
            for llm in target.llm_names[~np.isnan(target.performance).all(axis=0)]
        }
        drawn_references = {"oracle": [score(chosen) for chosen in best]} if best else {}
        drawn_references |= curves(references or {})
        routers = curves(drawn_routers)
        trade_offs = {
            key: list(value) for key, value in drawn_routers.items() if isinstance(value, Mapping)
        }
        display = cls(singles, routers, drawn_references, note, trade_offs)
        return display.plot(ax=ax, **plot_kwargs)

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
            Passed to :meth:`from_predictions`: `cost`, `references`, `ax`, ...

        Returns
        -------
        display : CostQualityDisplay

        Raises
        ------
        %(raises_different_pools)s
        %(raises_matplotlib)s
        """
        require_matplotlib("CostQualityDisplay")
        estimators: Mapping[str, Any] = named_estimators(estimator, name)
        pool = common_pool(part for value in estimators.values() for part in list_trade_offs(value))
        llms: dict[str, Any] = {
            key: {weight: part.predict(X) for weight, part in value.items()}
            if isinstance(value, Mapping)
            else value.predict(X)
            for key, value in estimators.items()
        }
        return cls.from_predictions(y, llms, llm_names=pool, **kwargs)

    @validate_params(
        {
            "log_cost": ["boolean", StrOptions({"auto"})],
            "label_llms": ["boolean"],
            "label_trade_offs": ["boolean"],
            "hull": ["boolean"],
        }
    )
    def plot(
        self,
        ax: Axes | None = None,
        *,
        log_cost: bool | Literal["auto"] = "auto",
        label_llms: bool = True,
        label_trade_offs: bool = True,
        hull: bool = False,
    ) -> Self:
        """Draw the picture.

        Parameters
        ----------
        %(ax)s
        log_cost : "auto" or bool, default="auto"
            Whether the cost axis is logarithmic. "auto": where costs span more than a factor of
            10 and none is zero.
        label_llms : bool, default=True
            Whether to write the names of the LLMs beside their points. Labels are placed for the
            size that the figure has now.
        label_trade_offs : bool, default=True
            Whether to write the trade-off α beside some points of each router that has several.
        hull : bool, default=False
            Whether to draw the non-decreasing convex hull, dashed and flat to the right, of the
            single LLMs (the zero router: what mixing them at random reaches) and of every
            router with several trade-offs (what :func:`aiq` is the area under), which then takes
            the place of the line between them.

        Returns
        -------
        %(display)s

        Raises
        ------
        %(raises_matplotlib)s
        """
        plt = require_matplotlib("CostQualityDisplay")
        if ax is None:
            _, ax = plt.subplots(figsize=(7.0, 4.8), layout="constrained")
        points = [(score.cost, score.performance) for score in self.singles.values()]
        (singles,) = ax.plot(
            *_columns(points), "o", ms=5, color="0.55", label="single LLM", zorder=2
        )
        self.singles_: Line2D = singles
        self.references_: dict[str, Line2D] = {}
        self.routers_: dict[str, Line2D] = {}
        for position, (key, scores) in enumerate((self.references or {}).items()):
            self.references_[key] = _draw(
                ax,
                key,
                scores,
                marker=_REFERENCE_MARKERS[position % len(_REFERENCE_MARKERS)],
                color="black",
                markerfacecolor="white",
                linestyle=":",
                ms=11 if position == 0 else 8,
                zorder=3,
            )
        for position, (key, scores) in enumerate(self.routers.items()):
            self.routers_[key] = _draw(
                ax,
                key,
                scores,
                marker=MARKERS[position % len(MARKERS)],
                color=COLOURS[position % len(COLOURS)],
                markeredgecolor="white",
                markeredgewidth=0.7,
                linestyle="-",
                ms=8,
                zorder=4,
            )
        lines = [*self.references_.values(), *self.routers_.values()]
        markers = [point for line in lines for point in _points_of(line)]
        self.hulls_ = self._draw_hulls(ax, points, markers) if hull else {}
        _set_cost_scale(ax, [cost for cost, _ in points + markers], log_cost)
        ax.set(
            xlabel=with_note("mean cost (US dollars per 1,000 queries)", self.note),
            ylabel="mean performance",
        )
        ax.margins(x=0.08, y=0.08)
        ax.grid(alpha=0.25)
        ax.legend(fontsize="small", framealpha=0.9)
        self.ax_, self.figure_ = ax, ax.figure
        placer = LabelPlacer(ax, points + markers, [*lines, *self.hulls_.values()])
        self.labels_: dict[str, Annotation] = {}
        if label_llms:
            style: dict[str, object] = {"fontsize": "small", "color": "0.3"}
            self.labels_ = placer.name(points, list(self.singles), **style)
        self.trade_off_labels_: dict[str, dict[str, Annotation]] = {}
        for key, trade_offs in ((self.trade_offs or {}) if label_trade_offs else {}).items():
            where = [(score.cost, score.performance) for score in self.routers[key]]
            by_trade_off = dict(zip(trade_offs, where, strict=True))
            self.trade_off_labels_[key] = placer.label_trade_offs(
                by_trade_off, fontsize="x-small", color=self.routers_[key].get_color()
            )
        return self

    def _draw_hulls(self, ax: Axes, points: list[Point], markers: list[Point]) -> dict[str, Line2D]:
        """Draw the hulls as far as the highest cost of all points."""
        highest = float(np.nanmax([cost for cost, _ in points + markers]))
        hulls = {}
        if known := _known(points):
            hulls[_MIX] = _draw_hull(ax, known, highest, color="0.55", label=_MIX)
        for key, line in self.routers_.items():
            if len(known := _known(_points_of(line))) > 1:
                hulls[key] = _draw_hull(ax, known, highest, color=line.get_color())
                # A straight line on a logarithmic axis would lie above the hull.
                line.set_linestyle("none")
        return hulls


def _points_of(line: Line2D) -> list[Point]:
    return [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]


def _known(points: list[Point]) -> list[Point]:
    """Points of known cost."""
    return [point for point in points if not np.isnan(point).any()]


def _columns(points: list[Point]) -> Floats:
    return np.array(points, dtype=float).reshape(-1, 2).T


def _draw(ax: Axes, label: str, scores: Sequence[RoutingScore], **style: Any) -> Line2D:
    """Draw the scores, cheapest first, as one line."""
    points = sorted((score.cost, score.performance) for score in scores)
    (line,) = ax.plot(*_columns(points), label=label, lw=1.2, **style)
    return line


def _draw_hull(ax: Axes, points: list[Point], highest: float, **style: Any) -> Line2D:
    """Draw the hull of some points, flat as far as the highest cost."""
    hull = non_decreasing_hull(*_columns(points))
    # Many points: what is straight in cost is bent on a logarithmic axis.
    grid = np.union1d(hull.cost, np.linspace(hull.cost[0], highest, _HULL_POINTS))
    if hull.cost[0] > 0:
        grid = np.union1d(grid, np.geomspace(hull.cost[0], highest, _HULL_POINTS))
        grid = grid.clip(hull.cost[0], highest)  # rounding
    (line,) = ax.plot(grid, hull.performance_at(grid), linestyle="--", lw=1.2, zorder=1, **style)
    return line


def _set_cost_scale(ax: Axes, all_costs: list[float], log_cost: bool | Literal["auto"]) -> None:
    costs = np.asarray(all_costs)
    if log_cost == "auto":
        log_cost = bool((costs > 0).all() and costs.max() > 10 * costs.min())
    if log_cost:
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
