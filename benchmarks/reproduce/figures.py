"""The pictures, as PNG files."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reproduce.settings import BEST_PER_TASK, CURVE_ROUTERS, POOL_COST_WEIGHT, RADIAL, TSNE_WEIGHTS
from skrouter.metrics import CostQualityDisplay, TradeOffDisplay

# Okabe and Ito's colours, told apart by the colour-blind; markers differ as well.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
# The same in all pictures.
STYLES = {
    RADIAL: {"color": COLOURS[1], "marker": "o"},
    "kNN": {"color": COLOURS[0], "marker": "s"},
    "ridge": {"color": COLOURS[2], "marker": "^"},
    "RouterDC": {"color": COLOURS[3], "marker": "D"},
    BEST_PER_TASK: {"color": COLOURS[4], "marker": "v"},
}


def draw(experiment, results, folder):
    """Draw all pictures into a folder; returns file names by title."""
    pictures = {
        "Score against the trade-off (oracle and best single LLM in hindsight)": (
            "trade_off.png",
            _trade_off,
        ),
        "Performance against cost": ("cost_quality.png", _cost_quality),
        "Score of growing pools": ("growing_pool.png", _growing_pool),
        "Representations of the test queries, t-SNE": ("tsne.png", _tsne),
    }
    for title, (name, picture) in pictures.items():
        figure = Figure(figsize=(8, 5), layout="constrained")
        canvas = FigureCanvasAgg(figure)
        # Before the rest: labels are placed for the size that the axes then have.
        figure.suptitle(f"{title}\ntasks (test rows): {results['run']['tasks_text']}", fontsize=9)
        picture(figure, experiment, results)
        canvas.print_figure(folder / name, dpi=110)
    return {title: name for title, (name, _) in pictures.items()}


def _trade_off(figure, experiment, results):
    display = TradeOffDisplay.from_predictions(
        experiment.performance,
        {name: _choices(experiment, name) for name in CURVE_ROUTERS},
        cost=experiment.cost,
        llm_names=results["run"]["llms"],
        ax=figure.subplots(),
    )
    _restyle(display)
    display.ax_.legend(fontsize="small", framealpha=0.9, loc="lower left")


def _cost_quality(figure, experiment, results):
    routers = [name for name in CURVE_ROUTERS if name != BEST_PER_TASK]
    figure.set_size_inches(9, 6)
    display = CostQualityDisplay.from_predictions(
        experiment.performance,
        {name: _choices(experiment, name) for name in routers},
        cost=experiment.cost,
        # Without the makers, whose names would fill the picture.
        llm_names=[llm.split("/")[-1] for llm in results["run"]["llms"]],
        references={BEST_PER_TASK: _choices(experiment, BEST_PER_TASK)},
        ax=figure.subplots(),
        hull=True,
    )
    _restyle(display)
    # At the top, between the oracle and the routers, there is no LLM.
    display.ax_.legend(loc="upper right", ncols=2, fontsize="small")


def _choices(experiment, name):
    return {a: experiment.shares(name, a) for a in experiment.curve}


def _restyle(display):
    """Give every router its own style, whichever others are in the picture."""
    for name, line in display.routers_.items():
        line.set(**STYLES[name])
        if hull := getattr(display, "hulls_", {}).get(name):
            hull.set_color(STYLES[name]["color"])


def _growing_pool(figure, experiment, results):
    rows = results["growing_pool"]
    sizes = [row["n_llms"] for row in rows]
    ax = figure.subplots()
    names = [name for name in rows[0] if isinstance(rows[0][name], dict)]
    for colour, marker, name in zip([COLOURS[1], "0.4", "black"], "o.*", names, strict=True):
        scores = [row[name]["score"] for row in rows]
        spread = [row[name]["sd"] or 0.0 for row in rows] if name == RADIAL else None
        ax.errorbar(sizes, scores, spread, marker=marker, color=colour, label=name, capsize=3)
    ax.set(
        xlabel="LLMs in the pool",
        ylabel=f"score at α={POOL_COST_WEIGHT:g}, ± sd over seeds",
        xticks=sizes,
    )
    ax.grid(alpha=0.25)
    ax.legend()


def _tsne(figure, experiment, results):
    tasks = experiment.data.tasks_test
    for ax, (title, weight) in zip(figure.subplots(1, 2), TSNE_WEIGHTS.items(), strict=True):
        points = np.array(experiment.store[experiment.tsne(weight)]["points"])
        for position, task in enumerate(np.unique(tasks)):
            colour = COLOURS[position % len(COLOURS)]
            ax.plot(*points[tasks == task].T, "o", ms=2.5, color=colour, label=task)
        ax.set(title=title, xticks=[], yticks=[])
    ax.legend(fontsize="small", markerscale=2)
