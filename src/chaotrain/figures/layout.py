"""Placement of labels and legends so that they cover neither data nor each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text

from chaotrain.figures.style import Floats, root


def spread(wanted: Sequence[float], sizes: Sequence[float], low: float, high: float) -> Floats:
    """Return centres near the wanted ones of labels that then do not overlap.

    Labels are pushed up from the low end and, separately, down from the high end. Either result
    keeps order, gaps and bounds, so their mean does too, and it favours neither side.

    Args:
        wanted: The centres that would be best.
        sizes: The extents of the labels, with the gap between neighbours.
        low: The lower end of the room.
        high: The upper end of the room.
    """
    order = np.argsort(np.asarray(wanted, dtype=float), kind="stable")
    centres = np.asarray(wanted, dtype=float)[order]
    halves = np.asarray(sizes, dtype=float)[order] / 2

    def pushed(start: Floats, half: Floats, floor: float, ceiling: float) -> Floats:
        for sign in (1, -1):
            edge = floor if sign > 0 else -ceiling
            steps = range(len(start)) if sign > 0 else range(len(start) - 1, -1, -1)
            for step in steps:
                start[step] = sign * max(sign * start[step], edge + half[step])
                edge = sign * start[step] + half[step]
        return start

    upward = pushed(centres.copy(), halves, low, high)
    downward = -pushed(-centres[::-1], halves[::-1], -high, -low)[::-1]
    result = np.empty_like(centres)
    result[order] = (upward + downward) / 2
    return result


def legend_above(axes: Axes, columns: int = 4, **options: Any) -> None:
    """Put the legend in rows between title and axes, where it can cover no data."""
    handles, _ = axes.get_legend_handles_labels()
    handles = options.pop("handles", handles)
    legend = axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        borderaxespad=0.2,
        borderpad=0.2,
        handlelength=1.6,
        columnspacing=1.4,
        **options,
    )
    raise_title(axes, legend.get_window_extent().height * 72 / root(axes).dpi + 4)


def raise_title(axes: Axes, points: float) -> None:
    """Lift the title so many points above the axes: matplotlib clears only ticks by itself."""
    axes.set_title(axes.get_title(loc="left"), loc="left", pad=points)


def label_right(axes: Axes, labels: Sequence[tuple[float, str, str]], gap: float = 6) -> None:
    """Write labels beside the right edge, level with their lines, moved apart where they clash.

    Args:
        axes: The axes, with final limits.
        labels: The level in data units, the text and the colour of each.
        gap: Points between the edge and the text.
    """
    texts = [
        axes.annotate(
            text,
            xy=(1, level),
            xycoords=("axes fraction", "data"),
            xytext=(gap, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
            linespacing=1.05,
        )
        for level, text, colour in labels
    ]
    move_apart(axes, texts, vertical=True)


def label_above(axes: Axes, labels: Sequence[tuple[float, str, str]], rise: float = 8) -> None:
    """Write labels above the axes over their vertical lines, with leaders where moved apart.

    Args:
        axes: The axes, with final limits and scale.
        labels: The position in data units, the text and the colour of each.
        rise: Points between the axes and the text.
    """
    labels_above([(axes, labels)], rise)


def labels_above(
    panels: Sequence[tuple[Axes, Sequence[tuple[float, str, str]]]], rise: float = 8
) -> None:
    """Write labels above all axes of a figure as `label_above` does, in one go."""
    written = [(axes, _above(axes, labels, rise)) for axes, labels in panels]
    for axes, _ in written[:1]:
        root(axes).draw_without_rendering()
    for axes, texts in written:
        _shift(axes, texts, vertical=False)


def _above(axes: Axes, labels: Sequence[tuple[float, str, str]], rise: float) -> list[Annotation]:
    return [
        axes.annotate(
            text,
            xy=(position, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, rise),
            textcoords="offset points",
            ha="center",
            va="bottom",
            color=colour,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.8,
                "relpos": (0.5, 0),
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        for position, text, colour in labels
    ]


def move_apart(axes: Axes, texts: Sequence[Annotation], vertical: bool) -> None:
    """Shift annotations along one direction until none overlaps and none leaves the axes."""
    if texts:
        root(axes).draw_without_rendering()
        _shift(axes, texts, vertical)


def _shift(axes: Axes, texts: Sequence[Annotation], vertical: bool) -> None:
    """Shift annotations of a figure that was drawn, so that its layout is known."""
    if not texts:
        return
    points = 72 / root(axes).dpi
    side = 1 if vertical else 0
    boxes = [Text.get_window_extent(text) for text in texts]
    sizes = [(box.height if vertical else box.width) * points + 4 for box in boxes]
    anchors = [
        axes.transData.transform(_anchor(axes, text, vertical))[side] * points for text in texts
    ]
    low, high = (edge * points for edge in axes.bbox.get_points()[:, side])
    for text, anchor, centre in zip(texts, anchors, spread(anchors, sizes, low, high), strict=True):
        across, up = text.xyann
        text.xyann = (across, centre - anchor) if vertical else (centre - anchor, up)


def _anchor(axes: Axes, text: Annotation, vertical: bool) -> tuple[float, float]:
    """Return the data point on the annotation's line: its level or its position."""
    left, bottom = axes.get_xlim()[0], axes.get_ylim()[0]
    return (left, text.xy[1]) if vertical else (text.xy[0], bottom)
