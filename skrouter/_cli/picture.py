"""The picture of `skrouter report`: what a router achieves at which cost, over its trade-offs."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np

from skrouter._cli.data import Judged
from skrouter.report._router_adapter import RouterAdapter

# Trade-offs around the one at which the dearest LLM pays as little as the cheapest.
_STEPS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


def draw(judged: Judged, performance: Any, cost: Any) -> Any:
    """Draw quality against cost: over all trade-offs where the router serves them.

    Parameters
    ----------
    judged : Judged
    performance, cost : DataFrame
        Outcomes of the queries that judge.

    Returns
    -------
    figure : matplotlib Figure
    """
    import matplotlib

    matplotlib.use("Agg")
    from skrouter.metrics import CostQualityDisplay

    # The oracle has nothing to choose from where no outcome has both.
    rows = (performance.notna() & cost.notna()).any(axis=1).to_numpy()
    performance, cost = performance[rows], cost[rows]
    queries, tasks = judged.log.queries[judged.test][rows], judged.log.tasks
    tasks = None if tasks is None else tasks[judged.test][rows]
    adapter, wanted = RouterAdapter(judged.router), judged.cost_weight
    llms: dict[str, Any] = {adapter.name: adapter.choose(queries, wanted, tasks)[0]}
    if adapter.serves_any_trade_off:
        weights = [*trade_offs(performance, cost), wanted]
        curve = {weight: adapter.choose(queries, weight, tasks)[0] for weight in weights}
        which = "its own trade-off" if wanted == adapter.own_cost_weight else "asked for"
        llms = {adapter.name: curve, f"{which}, α={wanted:g}": curve[wanted]}
    display = CostQualityDisplay.from_predictions(performance, llms, cost=cost)
    return display.figure_


def trade_offs(performance: Any, cost: Any) -> list[float]:
    """Trade-offs at which routers of these LLMs differ, of one digit, and 0."""
    means, costs = performance.mean(), cost.mean()
    spread = float(costs.max() - costs.min())
    if not spread > 0:
        return [0.0]
    scale = max(float(means.max() - means.min()), 0.01) / spread
    return [0.0, *np.unique([float(f"{step * scale:.1g}") for step in _STEPS]).tolist()]


def as_image(figure: Any) -> str:
    """A figure as a piece of HTML that needs no file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", dpi=110)
    content = b64encode(buffer.getvalue()).decode("ascii")
    return (
        '<img style="max-width: 100%" alt="Mean performance against mean cost: single LLMs, the '
        f'router, the oracle" src="data:image/png;base64,{content}">'
    )
