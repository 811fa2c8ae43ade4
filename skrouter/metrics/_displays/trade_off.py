"""Utility against the trade-off, drawn."""

from collections.abc import Mapping

import numpy as np

from skrouter.metrics._displays.style import (
    COLOURS,
    MARKERS,
    by_name,
    common_pool,
    require_matplotlib,
)
from skrouter.metrics._oracle import best_columns
from skrouter.metrics._score import check_charged, read_outcomes, score_choices

# The paper's scenarios: where a router of one setting is judged if nothing else is said.
_SCENARIOS = (0.0, 0.02, 0.1)
# Beyond this ratio of trade-offs the small ones would fall together on a linear axis.
_LINEAR_RATIO = 20
_MOST_TICKS = 8  # more would cover each other
_REFERENCE_STYLES = {
    "oracle": {"marker": "*", "ms": 11, "linestyle": ":"},
    "best single LLM": {"marker": "d", "ms": 8, "linestyle": "--"},
}


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

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure containing it.
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

    def __init__(self, routers, references=None):
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
        cost_weights=None,
        hindsight=True,
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
        cost_weights : sequence of float, default=None
            Trade-offs at which references and routers of one setting are judged. None: those
            found in `llms`; if there are none, the paper's scenarios 0, 0.02 and 0.1.
        hindsight : bool, default=True
            Whether to draw two references that know the outcomes: the oracle, and the single LLM
            that is best at each trade-off.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.
        **plot_kwargs
            Passed to :meth:`plot`.

        Returns
        -------
        display : TradeOffDisplay

        Raises
        ------
        ValueError
            If there are no costs, a trade-off is not a finite number >= 0, or the input is not
            as :func:`routing_score` wants it.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib("TradeOffDisplay")
        target = read_outcomes(y_true, cost, llm_names)
        choices = llms if isinstance(llms, Mapping) else {name: llms}
        if cost_weights is None:
            found = [set(value) for value in choices.values() if isinstance(value, Mapping)]
            cost_weights = sorted(set().union(*found)) or _SCENARIOS

        def utility(chosen, weight):
            check_charged(target, weight)
            return score_choices(target, chosen, weight, sample_weight).utility

        routers = {
            key: {
                weight: utility(chosen, weight)
                for weight, chosen in (
                    value if isinstance(value, Mapping) else dict.fromkeys(cost_weights, value)
                ).items()
            }
            for key, value in choices.items()
        }
        references = {}
        if hindsight:
            always = [
                np.full(len(target.performance), llm, dtype=target.llm_names.dtype)
                for llm in target.llm_names[~np.isnan(target.performance).all(axis=0)]
            ]
            references = {
                "oracle": {
                    weight: utility(target.llm_names[best_columns(target, weight)], weight)
                    for weight in cost_weights
                },
                "best single LLM": {
                    weight: max(utility(llms, weight) for llms in always) for weight in cost_weights
                },
            }
        return cls(routers, references).plot(ax=ax, **plot_kwargs)

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
            Passed to :meth:`from_predictions`: `cost`, `cost_weights`, `ax`, ...

        Returns
        -------
        display : TradeOffDisplay

        Raises
        ------
        ValueError
            As :meth:`from_predictions`, and if the estimators have different `classes_`.
        ImportError
            If matplotlib is not installed.
        """
        require_matplotlib("TradeOffDisplay")
        estimators = by_name(estimator, name)
        pool = common_pool(estimators)
        llms = {
            key: {weight: part.predict(X) for weight, part in value.items()}
            if isinstance(value, Mapping)
            else value.predict(X)
            for key, value in estimators.items()
        }
        return cls.from_predictions(y, llms, llm_names=pool, **kwargs)

    def plot(self, ax=None, *, log_trade_off="auto"):
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.
        log_trade_off : "auto" or bool, default="auto"
            Whether the axis of the trade-off is logarithmic, and linear only from 0 to the
            smallest one above it. "auto": where trade-offs above 0 span more than a factor of 20.

        Returns
        -------
        display : TradeOffDisplay
            The object itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = require_matplotlib("TradeOffDisplay")
        if ax is None:
            _, ax = plt.subplots(figsize=(7.0, 4.8), layout="constrained")
        self.references_ = {
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
        self.routers_ = {
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
            xlabel="trade-off α (performance per US dollar per 1,000 queries)",
            ylabel="mean utility (performance − α · cost)",
        )
        ax.grid(alpha=0.25)
        ax.legend(fontsize="small", framealpha=0.9)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _draw(ax, label, utilities, **style):
    """Draw utilities by trade-off, the smallest first, as one line."""
    points = np.array(sorted(utilities.items()), dtype=float).reshape(-1, 2)
    (line,) = ax.plot(*points.T, label=label, lw=1.2, **style)
    return line


def _set_trade_off_scale(ax, weights, log_trade_off):
    charged = weights[weights > 0]
    if log_trade_off == "auto":
        log_trade_off = charged.size > 0 and charged.max() > _LINEAR_RATIO * charged.min()
    if log_trade_off and charged.size:
        from matplotlib.ticker import NullFormatter, StrMethodFormatter

        ax.set_xscale("symlog", linthresh=charged.min(), linscale=0.5)
        if len(weights) <= _MOST_TICKS:
            ax.set_xticks(weights)
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
