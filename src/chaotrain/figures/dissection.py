"""The anatomy of one training: when nearby networks come apart, and what it learns meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chaotrain import schema
from chaotrain.figures import growths, scales, selection, style
from chaotrain.figures.style import Floats

HEIGHTS = (1.7, 1.3, 1.3, 1.3)


@style.house_style()
def anatomy(data: xr.Dataset) -> Figure:
    """Draw d(t) with the tangent, the local rate, loss and score, and the sharpness, over epochs.

    The chaotic transient, as `chaotrain.anatomy.transient` finds it, is shaded in all.

    Args:
        data: What `anatomy.dissect` returns.

    Returns:
        The figure, four panels over one time axis.
    """
    figure, panels, epochs = over_epochs(data, HEIGHTS)
    _distances(panels[0], data, epochs)
    _rates(panels[1], data, epochs)
    _learning(panels[2], data, epochs)
    _sharpness(panels[3], data, epochs)
    panels[-1].set_xlabel("epoch")
    figure.align_ylabels(panels)
    panels[0].set_title(
        f"Anatomy of a training at η = {style.number(data.attrs['eta'])}{transient_words(data)}"
    )
    return figure


def save_anatomy(data: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the files written."""
    return style.save(anatomy(data), folder, "anatomy")


def over_epochs(
    data: xr.Dataset, heights: tuple[float, ...]
) -> tuple[Figure, npt.NDArray[Any], Floats]:
    """Return a figure of panels over the epochs, the transient shaded; the panels; the epochs."""
    figure = Figure(figsize=(style.WIDTH, 0.6 + sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    epochs = np.asarray(data[schema.EPOCH].values, dtype=float)
    start, stop = _transient(data)
    for axes in panels:
        if np.isfinite(start):
            last = stop if np.isfinite(stop) else epochs[-1]
            axes.axvspan(start, last, color=style.PALE, alpha=0.35, linewidth=0, zorder=0)
        axes.set_xlim(epochs[0], epochs[-1])
    return figure, panels, epochs


def transient_words(data: xr.Dataset) -> str:
    """Say what is shaded, in the words that follow those of a title."""
    start, stop = _transient(data)
    if not np.isfinite(start):
        return ", without a chaotic transient"
    until = f"to epoch {stop:g}" if np.isfinite(stop) else "beyond the end"
    return f"\nshaded: the chaotic transient, from epoch {start:g} {until}"


def _transient(data: xr.Dataset) -> tuple[float, float]:
    return float(data.attrs["transient_start"]), float(data.attrs["transient_stop"])


def _distances(axes: Axes, data: xr.Dataset, epochs: Floats) -> None:
    pair, tangent = data["distance"].values, data["growth"].values
    scales.curve(axes, epochs, pair, color=style.BLUE, label="pair, d(t)")
    shown = growths.tangent_over(pair, tangent)
    axes.plot(
        epochs, shown, color=style.ORANGE, dashes=(4, 1.5), label="tangent, d(0)‖v(t)‖/‖v(0)‖"
    )
    scales.log_axis(axes)
    axes.set_ylabel("distance")
    axes.legend(loc="lower right")


def _rates(axes: Axes, data: xr.Dataset, epochs: Floats) -> None:
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.plot(epochs, data["rate"].values, color=style.ORANGE, linewidth=0.8)
    axes.set_ylabel("local rate\nper epoch")


def _learning(axes: Axes, data: xr.Dataset, epochs: Floats) -> None:
    scales.curve(axes, epochs, data["loss"].values, color=style.INK, linewidth=1)
    scales.log_axis(axes)
    axes.set_ylabel("training loss")
    right = axes.twinx()
    right.spines["right"].set(visible=True, color=style.GREEN)
    right.tick_params(axis="y", colors=style.GREEN)
    right.plot(
        epochs, scales.drawable(data["test_accuracy"].values), color=style.GREEN, linewidth=1
    )
    right.set_ylabel(f"test {selection.score(data)}", color=style.GREEN)


def _sharpness(axes: Axes, data: xr.Dataset, epochs: Floats) -> None:
    values = scales.drawable(data["instability"].values)
    known = np.isfinite(values)
    axes.axhline(1, color=style.INK, linewidth=0.6)
    axes.plot(epochs[known], values[known], ".-", color=style.PINK, markersize=3, linewidth=0.8)
    if known.any() and (values[known] > 0).all():
        scales.log_axis(axes)
    axes.set_ylabel("sharpness over\nthreshold")
