"""Labels beside points, placed so that they cover neither points nor lines nor each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, product
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.text import Annotation

Point = tuple[float, float]

# Tried in this order: beside the point before above and below it, near before far.
_DIRECTIONS = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
_DISTANCES = [7, 14, 24, 36, 50, 66]  # typographic points
_NEAR = 2  # so many of the distances need no line from the label to its point
_ALIGNMENT = {1: ("left", "bottom"), 0: ("center", "center"), -1: ("right", "top")}
_LEADER = {"arrowstyle": "-", "lw": 0.5, "color": "0.6", "shrinkA": 0, "shrinkB": 3}
_LEADER_FROM = 20  # beyond this distance a thin line leads from the label to its point
_BACKGROUND = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.5}
_MARGIN = 4  # pixels kept free around points
_MOST_PER_CURVE = 6  # labels of trade-offs


class LabelPlacer:
    """Annotates points, each label at the first free place around its point.

    Parameters
    ----------
    ax : matplotlib Axes
        With its scales, limits and everything else drawn already.
    markers : sequence of (float, float)
        Data coordinates of all markers, to keep clear of.
    lines : sequence of matplotlib Line2D
        To keep clear of, where they are drawn between their points.
    """

    def __init__(self, ax: Axes, markers: Sequence[Point], lines: Sequence[Line2D] = ()) -> None:
        ax.figure.canvas.figure.draw_without_rendering()  # layout engines move the axes only now
        self._ax = ax
        self._frame = ax.get_window_extent().extents
        centres = self._pixels(markers)
        self._taken = [(*(centre - _MARGIN), *(centre + _MARGIN)) for centre in centres]
        if (legend := ax.get_legend()) is not None:
            self._taken.append(legend.get_window_extent().extents)
        # What is straight between two points is so in the picture, whatever the scales.
        drawn = [line for line in lines if line.get_linestyle() != "None"]
        parts = [self._pixels(line.get_xydata()) for line in drawn]
        segments = [np.hstack([part[:-1], part[1:]]) for part in parts]
        self._segments = np.vstack([np.empty((0, 4)), *segments])

    def name(
        self, points: Sequence[Point], texts: Sequence[str], **style: Any
    ) -> dict[str, Annotation]:
        """Label points wherever there is a free place, on a line if there is no other.

        Returns
        -------
        labels : dict of str to matplotlib Annotation
            Without those texts for which there is no free place: a missing label can be looked
            up, labels over each other cannot be read.
        """
        labels = {}
        for point, text in zip(points, texts, strict=False):
            label = self._place(point, text, style, _DISTANCES)
            if label is None:
                on_line = {"bbox": _BACKGROUND, **style}
                label = self._place(point, text, on_line, _DISTANCES, cross_lines=True)
            if label is not None:
                labels[text] = label
        return labels

    def label_trade_offs(self, points: Mapping[Any, Point], **style: Any) -> dict[str, Annotation]:
        """Label some points of a curve with their trade-offs, where there is room close by."""
        labels = {}
        for text, point in _some(list(_trade_off_texts(points))):
            label = self._place(point, text, style, _DISTANCES[:_NEAR])
            if label is not None:
                labels[text] = label
        return labels

    def _pixels(self, points: Any) -> np.ndarray:
        return self._ax.transData.transform(np.array(points, dtype=float).reshape(-1, 2))

    def _place(
        self,
        point: Point,
        text: str,
        style: Mapping[str, Any],
        distances: Sequence[int],
        *,
        cross_lines: bool = False,
    ) -> Annotation | None:
        (centre,) = self._pixels([point])
        size = _text_size(self._ax, text, style)
        pixels = self._ax.figure.dpi / 72  # per typographic point
        for distance, direction in product(distances, _DIRECTIONS):
            step = distance * np.array(direction)
            # The side of the text that faces the point stands at the end of the step.
            low = centre + step * pixels + size * (np.array(direction) - 1) / 2
            box = (*low, *(low + size))
            if (
                _inside(box, self._frame)
                and not any(_overlap(box, other) for other in self._taken)
                and (cross_lines or not _crossed(box, self._segments))
            ):
                break
        else:
            return None
        self._taken.append(box)
        return self._ax.annotate(
            text,
            point,
            xytext=(float(step[0]), float(step[1])),
            textcoords="offset points",
            ha=_ALIGNMENT[direction[0]][0],
            va=_ALIGNMENT[direction[1]][1],
            arrowprops=_LEADER if distance > _LEADER_FROM else None,
            in_layout=False,  # or the layout engine would move the axes away under the labels
            **style,
        )


def _trade_off_texts(points: Mapping[Any, Point]) -> Iterator[tuple[str, Point]]:
    """A text for each point, one where neighbouring trade-offs choose the same."""
    weights = sorted(weight for weight in points if isinstance(weight, Real))
    for point, group in groupby(weights, key=lambda weight: points[weight]):
        first, *others = (f"{weight:g}" for weight in group)
        if not np.isnan(point).any():
            yield f"α={first}" + (f"–{others[-1]}" if others else ""), point


def _some(labels: list[tuple[str, Point]]) -> list[tuple[str, Point]]:
    """Not more than can be read: both ends, which are placed first, and some between."""
    count = min(len(labels), _MOST_PER_CURVE)
    kept = np.unique(np.linspace(0, len(labels) - 1, count).round().astype(int)).tolist()
    return [labels[position] for position in [*kept[:1], *kept[:0:-1]]]


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


def _crossed(box, segments):
    """Whether one of the segments, rows of (x0, y0, x1, y1), meets the box."""
    starts, steps = segments[:, :2], segments[:, 2:] - segments[:, :2]
    low, high = np.array(box[:2]) - starts, np.array(box[2:]) - starts
    still = steps == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([low / steps, high / steps])
    # Along an axis on which nothing moves it is always inside, or never.
    inside = (low <= 0) & (high >= 0)
    enter = np.where(still, np.where(inside, -np.inf, np.inf), ends.min(axis=0)).max(axis=1)
    leave = np.where(still, np.inf, ends.max(axis=0)).min(axis=1)
    return bool(((enter <= leave) & (leave >= 0) & (enter <= 1)).any())
