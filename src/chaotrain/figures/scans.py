"""A scan of ε: how λ_nMLE depends on the perturbation's initial size, and λ(δ) on its present."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from chaotrain.figures import layout, points, scales, selection, style
from chaotrain.figures.style import Floats

HEIGHTS = (2.1, 2.1)
COLOURS = (style.BLUE, style.RED, style.GREEN, style.ORANGE, style.PINK, style.SKY)
MARKERS = "osD^vP"


@style.house_style()
def epsilon_scan(title: str, scan: xr.Dataset) -> Figure:
    """Draw λ_nMLE against ε with its plateau, and below the finite-size exponent λ(δ).

    Above, for each learning rate: λ_nMLE(ε) with its 95% interval, and a band over the plateau, as
    high as its own interval. Below: λ(δ) with its 95% band, of the study with the smallest ε.

    Args:
        title: What was scanned.
        scan: What `analysis.scan.scan` returns.

    Returns:
        The figure, two panels.

    Example:
        >>> from chaotrain.analysis.scan import scan
        >>> found = scan({1e-8: (study.dataset, study.summary)})
        >>> [axes.get_xlabel() for axes in epsilon_scan("One", found).axes]
        ['perturbation of the initial weights ε', 'distance δ, of balls with ε = $10^{-8}$']
    """
    figure = Figure(figsize=(style.WIDTH, 0.5 + sum(HEIGHTS)), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, height_ratios=HEIGHTS)
    for axes in (top, bottom):
        axes.axhline(0, color=style.INK, linewidth=0.6, zorder=1)
    for index, rate in enumerate(selection.rates_of(scan)):
        here = scan.sel(learning_rate=rate)
        colour, marker = (some[index % len(some)] for some in (COLOURS, MARKERS))
        shift = 2.0 * (index - (scan.sizes["learning_rate"] - 1) / 2)
        _means(top, here, colour, marker, shift, f"η = {style.number(rate)}")
        _sizes(bottom, here, colour)
    _decades(top, np.asarray(scan["epsilon"].values, dtype=float))
    _decades(bottom, np.asarray(scan["size"].values, dtype=float))
    top.set_xlabel("perturbation of the initial weights ε")
    start = style.number(float(scan["epsilon"][0]))
    bottom.set(
        xlabel=f"distance δ, of balls with ε = {start}",
        ylabel="finite-size exponent\nλ(δ) per epoch",
    )
    top.set_title(f"{title}\nbands: the plateaus, with their 95% intervals")
    top.set_ylabel(r"$\lambda_\mathrm{nMLE}$ per epoch")
    figure.align_ylabels([top, bottom])
    layout.legend_above(top)
    return figure


def save_epsilon_scan(title: str, scan: xr.Dataset, folder: str | Path, name: str) -> list[Path]:
    """Write the figure as PDF and PNG, and return the files written."""
    return style.save(epsilon_scan(title, scan), folder, name)


def _means(
    axes: Axes, here: xr.Dataset, colour: str, marker: str, shift: float, label: str
) -> None:
    """λ_nMLE(ε) of one learning rate, moved sideways by so many points, and its plateau."""
    epsilons = np.asarray(here["epsilon"].values, dtype=float)
    mean, low, high = (
        np.asarray(here[name].values, dtype=float) for name in ("nmle", "nmle_low", "nmle_high")
    )
    place = scales.beside(axes, shift)
    if np.isfinite(float(here["plateau"])):
        first, last = float(here["plateau_first"]), float(here["plateau_last"])
        bottom, top = float(here["plateau_low"]), float(here["plateau_high"])
        axes.fill_between([first, last], bottom, top, color=colour, alpha=0.25, linewidth=0)
    axes.plot(epsilons, mean, color=colour, linewidth=0.6, alpha=0.5, transform=place)
    points.intervals(axes, epsilons, low, high, 1, colour, place)
    axes.plot(
        epsilons,
        mean,
        marker,
        color=colour,
        markersize=3.5,
        transform=place,
        label=label,
        zorder=5,
    )


def _sizes(axes: Axes, here: xr.Dataset, colour: str) -> None:
    """λ(δ) of one learning rate with its band."""
    sizes = np.asarray(here["size"].values, dtype=float)
    low, high = (np.asarray(here[f"rate_{limit}"].values, dtype=float) for limit in ("low", "high"))
    axes.fill_between(sizes, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(sizes, here["rate"].values, color=colour)


def _decades(axes: Axes, values: Floats) -> None:
    """Scale x logarithmically, with air on both sides and ticks at whole decades."""
    axes.set_xscale("log")
    axes.set_xlim(values.min() / 2, values.max() * 2)
    axes.xaxis.set_major_locator(LogLocator(numticks=9))
    axes.xaxis.set_minor_locator(LogLocator(numticks=99))
    axes.xaxis.set_minor_formatter(NullFormatter())
