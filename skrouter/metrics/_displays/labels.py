"""Labels beside points, placed so that they cover neither points nor each other."""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

Point = tuple[float, float]

# Tried in this order: beside the point before above and below it, near before far.
_DIRECTIONS = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
_DISTANCES = [7, 14, 24, 36, 50, 66]  # typographic points
_ALIGNMENT = {1: ("left", "bottom"), 0: ("center", "center"), -1: ("right", "top")}
_LEADER = {"arrowstyle": "-", "lw": 0.5, "color": "0.6", "shrinkA": 0, "shrinkB": 3}
_LEADER_FROM = 20  # beyond this distance a thin line leads from the label to its point
_MARGIN = 4  # pixels kept free around points


def place_labels(
    ax: "Axes",
    points: Sequence[Point],
    texts: Sequence[str],
    obstacles: Sequence[Point] = (),
    **text_style: Any,
) -> "dict[str, Annotation]":
    """Annotate points, each label at the first free place around its point.

    Parameters
    ----------
    ax : matplotlib Axes
        With its scales, limits and everything else drawn already.
    points : sequence of (float, float)
        Data coordinates of the points that get a label.
    texts : sequence of str
        One label per point.
    obstacles : sequence of (float, float)
        Data coordinates of other markers to keep clear of.
    **text_style
        Passed to ``ax.annotate``.

    Returns
    -------
    labels : dict of str to matplotlib Annotation
        Without those texts for which there is no free place: a missing label can be looked up,
        labels over each other cannot be read.
    """
    ax.figure.canvas.figure.draw_without_rendering()  # layout engines move the axes only now
    frame = ax.get_window_extent().extents
    everything = np.array([*points, *obstacles], dtype=float).reshape(-1, 2)
    centres = ax.transData.transform(everything)
    taken = [(*(centre - _MARGIN), *(centre + _MARGIN)) for centre in centres]
    if (legend := ax.get_legend()) is not None:
        taken.append(legend.get_window_extent().extents)
    pixels = ax.figure.dpi / 72  # per typographic point
    labels = {}
    for point, text, centre in zip(points, texts, centres, strict=False):
        size = _text_size(ax, text, text_style)
        for distance, direction in product(_DISTANCES, _DIRECTIONS):
            step = distance * np.array(direction)
            # The side of the text that faces the point stands at the end of the step.
            low = centre + step * pixels + size * (np.array(direction) - 1) / 2
            box = (*low, *(low + size))
            if _inside(box, frame) and not any(_overlap(box, other) for other in taken):
                break
        else:
            continue
        taken.append(box)
        labels[text] = ax.annotate(
            text,
            point,
            xytext=tuple(step),
            textcoords="offset points",
            ha=_ALIGNMENT[direction[0]][0],
            va=_ALIGNMENT[direction[1]][1],
            arrowprops=_LEADER if distance > _LEADER_FROM else None,
            in_layout=False,  # or the layout engine would move the axes away under the labels
            **text_style,
        )
    return labels


def _text_size(ax, text, style):
    """Width and height of a text in pixels."""
    probe = ax.annotate(text, (0, 0), xycoords="axes fraction", **style)
    extent = probe.get_window_extent()
    probe.remove()
    return np.array([extent.width, extent.height])


def _inside(box, frame):
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
