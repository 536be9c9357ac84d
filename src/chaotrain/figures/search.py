"""The search for the onset of chaos: what each probe showed, and how the race went."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from matplotlib.transforms import Bbox

from chaotrain import schema
from chaotrain.figures import layout, scales, style
from chaotrain.figures.style import Floats

HEIGHTS = (2.3, 1.6)
# Marker, colour and words of what a probe showed.
KINDS = (
    ("D", style.BLUE, "exponential"),
    ("o", style.ORANGE, "grows by an e-fold"),
    ("o", style.PALE, "calm"),
    ("x", style.RED, "diverges"),
)
# The symbol of what is marked, its colour and its dashes.
MARKS = {
    "eta_first": ("first growth", style.ORANGE, (1, 0)),
    "eta_0": (r"$\eta_0$", style.BLUE, (1, 2)),
    "eta_1": (r"$\eta_1$", style.BLUE, (4, 2)),
    "divergence": ("diverges", style.RED, (2, 2)),
    "eta_fastest": (r"$\eta$*", style.GREEN, (6, 1.5)),
}
# What the race was for, in words.
MEASURES = {
    "time": ("mean_training_time", "epochs to {target:g}, mean"),
    "score": ("best_score", "best score, mean"),
    "loss": ("lowest_loss", "lowest loss, mean"),
}
E_FOLD = 1.0


@style.house_style()
def onset(probes: xr.Dataset, race: xr.Dataset) -> Figure:
    """Draw the exponent of every probe against η, the onset it brackets, and the race.

    Numbers give the order of the probes. Bars at the top are the intervals of the first growth, of
    η_0, η_1 and of the fastest learning rate.

    Args:
        probes: `Onset.probes`, with its attributes.
        race: `Onset.race`; without learning rates there is no second panel.

    Returns:
        The figure.
    """
    raced = race.sizes[schema.LEARNING_RATE] > 0
    heights = HEIGHTS if raced else HEIGHTS[:1]
    figure = Figure(figsize=(style.WIDTH, 0.9 + sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    axes = panels[0, 0]
    tested = np.append(probes[schema.LEARNING_RATE].values, race[schema.LEARNING_RATE].values)
    scales.log_rates(axes, float(tested.min()), float(tested.max()))
    _probes(axes, probes)
    if raced:
        _race(panels[1, 0], race)
        panels[1, 0].axvline(
            probes.attrs["eta_fastest"], color=style.GREEN, linewidth=0.8, dashes=(6, 1.5), zorder=0
        )
        figure.align_ylabels(panels[:, 0])
    panels[-1, 0].set_xlabel("learning rate η")
    outcome = str(probes.attrs["outcome"])
    title = "The search for the onset of chaos"
    axes.set_title(title if outcome == "onset" else f"{title}: {outcome}", pad=24)
    _marks(axes, probes.attrs)
    return figure


def save_onset(probes: xr.Dataset, race: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the files written."""
    return style.save(onset(probes, race), folder, "onset")


def _probes(axes: Axes, probes: xr.Dataset) -> None:
    """The exponent of each, numbered in the order of the search."""
    rates = np.asarray(probes[schema.LEARNING_RATE].values, dtype=float)
    exponents = np.nan_to_num(np.asarray(probes["exponent"].values, dtype=float))
    verdicts = probes["verdict"].values
    kinds = np.where(probes["peak_growth"].values > E_FOLD, 1, 2)
    kinds[probes["exponential"].values] = 0
    kinds[verdicts == schema.BLOW_UP] = 3
    axes.axhline(0, color=style.INK, linewidth=0.6, zorder=0)
    for kind, (marker, colour, words) in enumerate(KINDS):
        here = kinds == kind
        if here.any():
            axes.plot(rates[here], exponents[here], marker, color=colour, label=words, zorder=3)
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.05 * (high - low), high + 0.35 * (high - low))
    axes.set_ylabel("exponent Λ per epoch")
    axes.legend(loc="center left", bbox_to_anchor=(0, 0.6))
    _numbers(axes, rates, exponents)


def _numbers(axes: Axes, rates: Floats, exponents: Floats) -> None:
    """The order of the probes, but for those whose number would lie on an earlier one."""
    style.root(axes).draw_without_rendering()
    taken: list[Bbox] = []
    for number, point in enumerate(zip(rates, exponents, strict=True), start=1):
        text = axes.annotate(
            f"{number}",
            point,
            (0, 4),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=6,
            color=style.GREY,
        )
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)


def _marks(axes: Axes, attributes: Mapping[str, float]) -> None:
    """The learning rates found: lines named above, and their intervals at the top."""
    labels, row = [], 0
    limits = axes.get_xlim()
    for name, (symbol, colour, dashes) in MARKS.items():
        place, low, high = (attributes[name + end] for end in ("", "_low", "_high"))
        if not np.isfinite(place) or not limits[0] <= place <= limits[1]:
            continue
        axes.axvline(place, color=colour, linewidth=0.8, dashes=dashes, zorder=0)
        axes.plot(
            # An open limit ends at the edge of the axes.
            np.clip([low, place, high], *limits),
            np.full(3, 0.98 - 0.035 * row),
            "o-",
            color=colour,
            linewidth=1.2,
            markersize=3,
            markevery=[1],
            transform=axes.get_xaxis_transform(),
        )
        row += 1
        labels.append((place, f"{symbol} = {style.number(place)}", colour))
    layout.label_above(axes, labels)


def _race(axes: Axes, race: xr.Dataset) -> None:
    """The time to the target, the best score or the lowest loss of every learning rate."""
    rates = race[schema.LEARNING_RATE].values
    measure = str(race.attrs["measure"])
    name, words = MEASURES[measure]
    values = np.asarray(race[name].values, dtype=float)
    values = np.where(np.isfinite(values), values, np.nan)
    epochs = race["epochs"].values
    if measure == "time":
        full = race["reached"].values >= 0.5
        marker, bound = "^", "at least: dropped, or not reached by half"
    else:
        full = epochs == epochs.max()
        marker, bound = "o", f"dropped before epoch {epochs.max()}"
    axes.plot(rates[full], values[full], color=style.PALE, linewidth=0.6, zorder=1)
    axes.plot(rates[full], values[full], "o", color=style.RED)
    if not full.all():
        (rings,) = axes.plot(rates[~full], values[~full], marker, color=style.RED, label=bound)
        rings.set_markerfacecolor("white")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, borderpad=0.2)
    if measure == "loss" and np.nanmin(values) > 0:
        scales.log_axis(axes)
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel(words.format(**race.attrs))
    axes.margins(y=0.15)
