"""How long chaotic transients last, and when in them training reaches its target."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chaotrain import schema
from chaotrain.figures import layout, points, scales, selection, style
from chaotrain.figures.style import Floats
from chaotrain.statistics.survival import Survival, survival

HEIGHTS = (2.9, 2.5)
# More curves than this cannot be told apart; more bands than that hide each other.
MOST_CURVES, MOST_BANDS = 6, 3

# From the bottom up: in the order of time, then what has none.
PHASES = {
    schema.BEFORE: style.SKY,
    schema.INSIDE: style.ORANGE,
    schema.AT_END: style.RED,
    schema.AFTER: style.BLUE,
    schema.WITHOUT: style.GREEN,
    schema.NEVER: style.PALE,
}


@style.house_style()
def lifetimes(dataset: xr.Dataset, summary: xr.Dataset) -> Axes:
    """Draw the survival of chaotic transients, and below when in them the target is reached.

    Above, for up to six learning rates, dark to light, the share of the transients that last
    longer than t (Kaplan-Meier), a tick where one is censored, with the 95% interval for up to
    three. Below, at each learning rate, the shares of the initialisations that reach the main
    target before, inside, at the end of or after the transient, without one, or never; left out
    where there is no target.

    Args:
        dataset: The study: `transient` and `transient_lifetime`.
        summary: Its summary: `transient_share`, and `target_before` and the like.

    Returns:
        The upper axes; the lower ones are `axes.figure.axes[-1]`.

    Example:
        >>> dims = ("learning_rate", "init")
        >>> words, lasted = [["ended", "ended", "censored"]], [[8.0, 15.0, 60.0]]
        >>> dataset = xr.Dataset(
        ...     {"transient": (dims, words), "transient_lifetime": (dims, lasted)},
        ...     {"learning_rate": [7.5], "init": [0, 1, 2]},
        ... )
        >>> axes = lifetimes(dataset, summary=xr.Dataset())
        >>> [text.get_text() for text in axes.get_legend().get_texts()]
        ['η = 7.5 (3 of 3)']
    """
    reached = "target_never" in summary and bool(summary["target_never"].notnull().any())
    heights = HEIGHTS if reached else HEIGHTS[:1]
    figure = Figure(figsize=(style.WIDTH, sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    upper: Axes = figure.add_subplot(grid[0])
    _survival(upper, dataset)
    if reached:
        _phases(figure.add_subplot(grid[1]), summary)
    return upper


def _survival(axes: Axes, dataset: xr.Dataset) -> None:
    """Draw the survival curves."""
    axes.set_title("Survival of the chaotic transient; tick: not over within the run")
    axes.set_ylabel("share that lasts longer")
    words, lasted = (
        dataset[name].transpose(schema.LEARNING_RATE, schema.INIT).values
        for name in ("transient", "transient_lifetime")
    )
    chaotic, censored = lasted > 0, words == schema.CENSORED
    rates = selection.rates_of(dataset)
    order = np.argsort(rates)
    shown = order[chaotic[order].any(axis=1)]
    if not shown.size:
        nothing = "no chaotic transient"
        axes.text(0.5, 0.5, nothing, transform=axes.transAxes, ha="center", color=style.GREY)
        last = float(dataset[schema.EPOCH][-1])
        axes.set(xlim=(0, last), ylim=(0, 1.08), xlabel="lifetime in epochs")
        return
    if shown.size > MOST_CURVES:
        shown = shown[np.linspace(0, shown.size - 1, MOST_CURVES).round().astype(int)]
    note = "\nshaded: 95% interval" if shown.size <= MOST_BANDS else ""
    axes.set_xlabel(
        f"lifetime in epochs (in brackets: initialisations that have a transient){note}"
    )
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, shown.size))
    for index, (row, shade) in enumerate(zip(shown, shades, strict=True)):
        here = chaotic[row]
        known = int((words[row] != schema.UNKNOWN).sum())
        # Side by side, curves that coincide do not hide each other.
        place = scales.beside(axes, 0, 1.3 * (index - (shown.size - 1) / 2))
        _curve(
            axes,
            survival(lasted[row, here], ~censored[row, here]),
            np.unique(lasted[row, censored[row]]),
            banded=shown.size <= MOST_BANDS,
            color=shade,
            transform=place,
            label=f"η = {style.number(rates[row])} ({here.sum()} of {known})",
        )
    axes.set(xlim=(0, 1.04 * float(np.nanmax(lasted))), ylim=(0, 1.08))
    layout.legend_above(axes, columns=min(3, shown.size))


def _curve(
    axes: Axes, found: Survival, censored: Floats, banded: bool, label: str, **look: Any
) -> None:
    """Draw one survival curve from 1 at time 0 on, with its ticks, and its interval if wanted."""
    times, share = np.append(0.0, found.times), np.append(1.0, found.share)
    axes.plot(times, share, drawstyle="steps-post", label=label, **look)
    level = share[np.searchsorted(times, censored, side="right") - 1]
    axes.plot(censored, level, "|", markersize=7, markeredgewidth=1.2, **look)
    if banded:
        axes.fill_between(
            found.times, found.low, found.high, step="post", alpha=0.15, linewidth=0, **look
        )


def _phases(axes: Axes, summary: xr.Dataset) -> None:
    """Draw the stacked shares of when the main target is reached."""
    target = selection.main_target(summary)
    here = summary.sel({schema.TARGET: target}).sortby(schema.LEARNING_RATE)
    rates = selection.rates_of(here)
    scales.rate_axis(axes, rates, selection.onset(summary))
    left, right = _edges(axes, rates)
    floor = np.zeros(rates.shape)
    for phase, colour in PHASES.items():
        share = np.nan_to_num(points.column(here, f"target_{phase.replace(' ', '_')}"))
        axes.bar(
            left,
            share,
            right - left,
            floor,
            align="edge",
            color=colour,
            edgecolor="white",
            linewidth=0.6,
            label=phase,
        )
        floor = floor + share
    axes.set(ylim=(0, 1), ylabel="share of initialisations")
    score = selection.score(summary)
    axes.set_title(f"When {target:.2f} test {score} is reached, relative to the transient")
    layout.legend_above(axes, columns=3)


def _edges(axes: Axes, rates: Floats) -> tuple[Floats, Floats]:
    """Return where the bars begin and end: halfway between neighbours on the scale of the axis."""
    scale = axes.xaxis.get_transform()
    places = scale.transform(rates)
    low, high = scale.transform(np.array(axes.get_xlim()))
    edges = np.concatenate([[low], (places[1:] + places[:-1]) / 2, [high]])
    edges = np.asarray(scale.inverted().transform(edges))
    return edges[:-1], edges[1:]
