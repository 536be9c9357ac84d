"""The search for the onset of chaos: what each probe showed, and how the race went."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chaotrain import schema
from chaotrain.figures import layout, scales, style

HEIGHTS = (2.3, 1.6)
# Marker, colour and words of what a probe showed.
KINDS = (
    ("D", style.BLUE, "exponential"),
    ("o", style.ORANGE, "grows by an e-fold"),
    ("o", style.PALE, "calm"),
    ("x", style.RED, "diverges"),
)
# What is marked, its colour and its symbol.
MARKS = (
    ("eta_first", style.ORANGE, "first growth"),
    ("eta_0", style.SKY, "η_0"),
    ("eta_1", style.BLUE, "η_1"),
    ("eta_fastest", style.GREEN, "fastest"),
)
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
    rates = probes[schema.LEARNING_RATE].values
    _probes(axes, probes, rates)
    _marks(axes, probes.attrs)
    tested = np.append(rates, race[schema.LEARNING_RATE].values)
    if raced:
        _race(panels[1, 0], race, float(probes.attrs["eta_fastest"]))
    scales.log_rates(axes, float(tested.min()), float(tested.max()))
    panels[-1, 0].set_xlabel("learning rate η")
    axes.set_title(_title(probes.attrs), pad=34)
    layout.legend_above(axes, columns=4)
    return figure


def save_onset(probes: xr.Dataset, race: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the files written."""
    return style.save(onset(probes, race), folder, "onset")


def _probes(axes: Axes, probes: xr.Dataset, rates: style.Floats) -> None:
    """The exponent of each, numbered in the order of the search."""
    exponents = np.asarray(probes["exponent"].values, dtype=float)
    verdicts = probes["verdict"].values
    kinds = np.where(probes["peak_growth"].values > E_FOLD, 1, 2)
    kinds[verdicts == schema.EXPONENTIAL] = 0
    kinds[verdicts == schema.BLOW_UP] = 3
    finite = np.nan_to_num(exponents)
    axes.axhline(0, color=style.INK, linewidth=0.6, zorder=0)
    order = np.argsort(rates, kind="stable")
    axes.plot(rates[order], finite[order], color=style.PALE, linewidth=0.6, zorder=1)
    for kind, (marker, colour, words) in enumerate(KINDS):
        here = kinds == kind
        if here.any():
            axes.plot(rates[here], finite[here], marker, color=colour, label=words, zorder=3)
    for number, (rate, exponent) in enumerate(zip(rates, finite, strict=True), start=1):
        axes.annotate(
            f"{number}",
            (rate, exponent),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=6,
            color=style.GREY,
        )
    axes.set_ylabel("exponent Λ per epoch")
    axes.margins(y=0.12)


def _marks(axes: Axes, attributes: dict[str, float]) -> None:
    """The learning rates found, and their intervals one above the other at the top."""
    first, last = axes.get_xlim()
    for index, (name, colour, _) in enumerate(MARKS):
        value = attributes[name]
        if not np.isfinite(value):
            continue
        axes.axvline(value, color=colour, linewidth=0.8, zorder=0)
        low, high = attributes[f"{name}_low"], attributes[f"{name}_high"]
        height = 1.02 + 0.025 * (len(MARKS) - index)
        axes.plot(
            [max(low, first), min(high, last)],
            [height, height],
            color=colour,
            linewidth=2,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )


def _race(axes: Axes, race: xr.Dataset, fastest: float) -> None:
    """The time to the target, or the best score, of every learning rate."""
    rates = race[schema.LEARNING_RATE].values
    target = race.attrs.get("target")
    name = "best_score" if target is None else "mean_training_time"
    values = np.asarray(race[name].values, dtype=float)
    values = np.where(np.isfinite(values), values, np.nan)
    whole = race["epochs"].values == race["epochs"].values.max()
    axes.plot(rates, values, color=style.PALE, linewidth=0.6, zorder=1)
    axes.plot(rates[whole], values[whole], "o", color=style.RED, label="to the end")
    axes.plot(
        rates[~whole],
        values[~whole],
        "o",
        color=style.RED,
        markerfacecolor="white",
        label="dropped on the way",
    )
    best = rates == fastest
    axes.plot(rates[best], values[best], "*", color=style.GREEN, markersize=12, zorder=4)
    axes.set_ylabel("best score" if target is None else f"epochs to {target:g}")
    axes.axvline(fastest, color=style.GREEN, linewidth=0.8, zorder=0)
    axes.margins(y=0.15)
    axes.legend(loc="best")


def _title(attributes: dict[str, float]) -> str:
    if not np.isfinite(attributes["eta_fastest"]):
        return f"The search for the onset: {attributes['outcome']}"
    return (
        f"The search for the onset: {attributes['outcome']}; "
        f"train at η = {style.number(attributes['eta_fastest'])}"
    )
