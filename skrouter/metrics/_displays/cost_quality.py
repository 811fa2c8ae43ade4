"""Quality against cost, drawn."""

from collections.abc import Mapping

import numpy as np

from skrouter.metrics._displays.labels import place_labels
from skrouter.metrics._displays.style import (
    COLOURS,
    MARKERS,
    at_trade_offs,
    by_name,
    common_pool,
    require_matplotlib,
)
from skrouter.metrics._hull import non_decreasing_hull
from skrouter.metrics._oracle import best_columns
from skrouter.metrics._score import read_outcomes, score_choices

_REFERENCE_MARKERS = ["*", "d", "p", "h"]
_MIX = "mix of single LLMs"
_HULL_POINTS = 100
_OVER_LINES = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.5}


class CostQualityDisplay:
    """Mean performance against mean cost of LLMs and routers.

    Draws every LLM of the pool as a labelled grey point (what one gets by always calling it),
    every router as a coloured marker, one for each trade-off and joined by a line, and references
    such as the oracle as hollow markers. A router earns its keep where it lies above and to the
    left of all single LLMs.

    Make it with :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    singles : dict of str to RoutingScore
        Each LLM alone, over the queries on which it was observed.
    routers : dict of str to list of RoutingScore
        Each router, one score per trade-off.
    references : dict of str to list of RoutingScore, default=None
        References, drawn hollow.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure containing it.
    singles_ : matplotlib Line2D
        Points of the single LLMs.
    routers_, references_ : dict of str to matplotlib Line2D
        The line of each router and reference.
    hulls_ : dict of str to matplotlib Line2D
        The hulls of the routers by name, and that of the single LLMs as "mix of single LLMs".
        Empty unless drawn.
    labels_ : dict of str to matplotlib Annotation
        Names of the single LLMs. In a crowd, those that would cover others are left out.

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

    def __init__(self, singles, routers, references=None):
        self.singles = singles
        self.routers = routers
        self.references = references

    @classmethod
    def from_predictions(
        cls,
        y_true,
        llms,
        *,
        cost=None,
        llm_names=None,
        sample_weight=None,
        name="router",
        references=None,
        oracle_cost_weights=(0.0, 0.02, 0.1),
        ax=None,
        **plot_kwargs,
    ):
        """Draw choices that were made already.

        Parameters
        ----------
        y_true : array-like of shape (n_queries, n_llms) or (n_queries, n_llms, 2)
            Performance of each LLM on each query, or the result of
            :func:`~skrouter.make_routing_target`. NaN where not observed, and then left out.
        llms : array-like or dict
            What was chosen: names of shape (n_queries,) or probabilities of shape (n_queries,
            n_llms), as for :func:`routing_score`. For several routers a dict of such by name of
            the router, and in it, for a router at several trade-offs, a dict by trade-off:
            ``{"kNN": {0.02: llms, 0.1: other_llms}, "random": probabilities}``.
        cost : array-like of shape (n_queries, n_llms) or (n_llms,), default=None
            US dollars per 1,000 queries. Needed unless `y_true` holds the costs.
        llm_names : array-like of shape (n_llms,), default=None
            The pool, as for :func:`routing_score`.
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the queries.
        name : str, default="router"
            Name in the legend where `llms` is not a dict.
        references : dict, default=None
            What to draw as references, like `llms`: the best LLM per task as learnt in training,
            for example.
        oracle_cost_weights : sequence of float, default=(0.0, 0.02, 0.1)
            Trade-offs at which the oracle, with the cheapest LLM among ties, is drawn. The
            default are the paper's scenarios. Empty: no oracle.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.
        **plot_kwargs
            Passed to :meth:`plot`.

        Returns
        -------
        display : CostQualityDisplay

        Raises
        ------
        ValueError
            If there are no costs, or the input is not as :func:`routing_score` wants it.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib("CostQualityDisplay")
        target = read_outcomes(y_true, cost, llm_names)
        if target.cost is None:
            raise ValueError(
                "cost is missing; pass cost=, or the result of make_routing_target as y_true."
            )

        def score(choices):
            # The trade-off only weighs the utility, which is not drawn.
            return score_choices(target, choices, 0.0, sample_weight)

        def curves(choices):
            return {
                key: [score(part) for part in at_trade_offs(value)]
                for key, value in choices.items()
            }

        n_queries = len(target.performance)
        singles = {
            str(llm): score(np.full(n_queries, llm, dtype=target.llm_names.dtype))
            for llm in target.llm_names[~np.isnan(target.performance).all(axis=0)]
        }
        oracle = [
            score(target.llm_names[best_columns(target, weight)]) for weight in oracle_cost_weights
        ]
        drawn_references = {"oracle": oracle} if oracle else {}
        drawn_references |= curves(references or {})
        routers = curves(llms if isinstance(llms, Mapping) else {name: llms})
        return cls(singles, routers, drawn_references).plot(ax=ax, **plot_kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, **kwargs):
        """Draw fitted routers, or any classifiers whose classes are the LLMs.

        Parameters
        ----------
        estimator : classifier or dict
            A fitted classifier with `classes_` and `predict`. For several, a dict by name, and in
            it, for a router fitted at several trade-offs, a dict by trade-off.
        X : object
            Queries, passed to `predict`.
        y : array-like of shape (n_queries, n_llms) or (n_queries, n_llms, 2)
            Outcomes, as `y_true` of :meth:`from_predictions`. Columns of arrays follow
            `classes_`, which must then be the same for all estimators.
        name : str, default=None
            Name in the legend where `estimator` is not a dict. None is the name of its class.
        **kwargs
            Passed to :meth:`from_predictions`: `cost`, `references`, `ax`, ...

        Returns
        -------
        display : CostQualityDisplay

        Raises
        ------
        ValueError
            As :meth:`from_predictions`, and if the estimators have different `classes_`.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib("CostQualityDisplay")
        estimators = by_name(estimator, name)
        pool = common_pool(estimators)
        llms = {
            key: {position: part.predict(X) for position, part in enumerate(at_trade_offs(value))}
            for key, value in estimators.items()
        }
        return cls.from_predictions(y, llms, llm_names=pool, **kwargs)

    def plot(self, ax=None, *, log_cost="auto", label_llms=True, hull=False):
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.
        log_cost : "auto" or bool, default="auto"
            Whether the cost axis is logarithmic. "auto": where costs span more than a factor of
            10 and none is zero.
        label_llms : bool, default=True
            Whether to write the names of the LLMs beside their points. Labels are placed for the
            size that the figure has now.
        hull : bool, default=False
            Whether to draw the non-decreasing convex hull, dashed and flat to the right, of the
            single LLMs (the zero router: what mixing them at random reaches) and of every
            router with several trade-offs (what :func:`aiq` is the area under), which then takes
            the place of the line between them.

        Returns
        -------
        display : CostQualityDisplay
            The object itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = require_matplotlib("CostQualityDisplay")
        if ax is None:
            _, ax = plt.subplots(figsize=(7.0, 4.8), layout="constrained")
        points = [(score.cost, score.performance) for score in self.singles.values()]
        (self.singles_,) = ax.plot(
            *_columns(points), "o", ms=5, color="0.55", label="single LLM", zorder=2
        )
        self.references_, self.routers_ = {}, {}
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
        markers = [tuple(point) for line in lines for point in line.get_xydata()]
        self.hulls_ = self._draw_hulls(ax, points, markers) if hull else {}
        _set_cost_scale(ax, [cost for cost, _ in points + markers], log_cost)
        ax.set(
            xlabel="mean cost (US dollars per 1,000 queries)",
            ylabel="mean performance",
        )
        ax.margins(x=0.08, y=0.08)
        ax.grid(alpha=0.25)
        ax.legend(fontsize="small", framealpha=0.9)
        self.labels_ = {}
        if label_llms:
            style = {"fontsize": "small", "color": "0.3"}
            if hull:
                style["bbox"] = _OVER_LINES
            self.labels_ = place_labels(ax, points, list(self.singles), markers, **style)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_hulls(self, ax, points, markers):
        """Draw the hulls as far as the dearest of all points."""
        dearest = np.nanmax([cost for cost, _ in points + markers])
        hulls = {}
        if known := _known(points):
            hulls[_MIX] = _draw_hull(ax, known, dearest, color="0.55", label=_MIX)
        for key, line in self.routers_.items():
            if len(known := _known(line.get_xydata())) > 1:
                hulls[key] = _draw_hull(ax, known, dearest, color=line.get_color())
                # A straight line on a logarithmic axis would seem to promise more than the hull.
                line.set_linestyle("none")
        return hulls


def _known(points):
    """Points of known cost."""
    return [point for point in points if not np.isnan(point).any()]


def _columns(points):
    return np.array(points, dtype=float).reshape(-1, 2).T


def _draw(ax, label, scores, **style):
    """Draw the scores, cheapest first, as one line."""
    points = sorted((score.cost, score.performance) for score in scores)
    (line,) = ax.plot(*_columns(points), label=label, lw=1.2, **style)
    return line


def _draw_hull(ax, points, dearest, **style):
    """Draw the hull of some points, flat to the dearest cost."""
    hull = non_decreasing_hull(*_columns(points))
    # Many points: what is straight in cost is bent on a logarithmic axis.
    grid = np.union1d(hull.cost, np.linspace(hull.cost[0], dearest, _HULL_POINTS))
    if hull.cost[0] > 0:
        grid = np.union1d(grid, np.geomspace(hull.cost[0], dearest, _HULL_POINTS))
        grid = grid.clip(hull.cost[0], dearest)  # rounding
    (line,) = ax.plot(grid, hull.performance_at(grid), linestyle="--", lw=1.2, zorder=1, **style)
    return line


def _set_cost_scale(ax, costs, log_cost):
    costs = np.asarray(costs)
    if log_cost == "auto":
        log_cost = bool((costs > 0).all() and costs.max() > 10 * costs.min())
    if log_cost:
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
