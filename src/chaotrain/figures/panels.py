"""Cases side by side: λ_nMLE, ρ and ⟨τ⟩ against the learning rate in one panel each."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chaotrain import schema
from chaotrain.figures import layout, overlays, points, scales, selection, style
from chaotrain.figures.style import Floats

# Most panels side by side; inches of a panel by how many there are, of its halves, and around.
COLUMNS = 4
WIDTHS, HEIGHTS, AROUND = {1: 3.4, 2: 2.7}, (1.15, 1.35), (1.1, 1.4)
WIDTH, BETWEEN = 2.15, 0.6
# A case whose λ_nMLE exceeds this multiple of the typical one does not set the common axis.
EXCEPTIONAL = 4.0


class Case(NamedTuple):
    """One panel: what a person reads above it, and the study; None where nothing ran yet."""

    title: str
    dataset: xr.Dataset | None
    summary: xr.Dataset | None


@style.house_style()
def cases(title: str, panels: Sequence[Case]) -> Figure:
    r"""Draw every case in a panel of two halves on a common layout.

    Above: λ_nMLE(η) with its 95% interval, the exponents of single balls, and the zero line, on
    one y axis for all cases; a triangle at its edge stands for a value beyond it. Below: ρ(η) in
    blue diamonds (left axis) and ⟨τ⟩(η) for the main target in red dots (right axis), as in
    figure 5. Vertical lines through both mark η_0, η_1 and η*. The learning rates are logarithmic
    on one axis for all, or on one for each case where those would share too little of it.

    Args:
        title: What the cases have in common.
        panels: The cases, in reading order; at least one.

    Returns:
        The figure, which can be saved.

    Example:
        >>> figure = cases("One task", [Case("tanh", study.dataset, study.summary)])
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['$\\lambda_\\mathrm{nMLE}$ per epoch', 'exponential share ρ', 'epochs to 0.85, mean ⟨τ⟩']
    """
    rows = math.ceil(len(panels) / COLUMNS)
    columns = math.ceil(len(panels) / rows)
    width = columns * WIDTHS.get(columns, WIDTH) + AROUND[0]
    height = rows * (sum(HEIGHTS) + BETWEEN) + AROUND[1]
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=HEIGHTS * rows)
    known = [panel for panel in panels if panel.summary is not None]
    limits, beyond = _exponent_limits(known)
    summaries = [panel.summary for panel in known if panel.summary is not None]
    goals = {(selection.score(one), _target(one)) for one in summaries}
    mixed = len({score for score, _ in goals}) > 1
    epochs = {float(data[schema.EPOCH][-1]) for _, data, _ in known if data is not None}
    ranges = _rate_limits(known)
    tops = []
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        top = figure.add_subplot(grid[2 * row, column])
        lower = figure.add_subplot(grid[2 * row + 1, column], sharex=top)
        first = column == 0
        last = all(panel.summary is None for panel in panels[index + 1 : (row + 1) * columns])
        lower.set_xlabel("learning rate η" if index + columns >= len(panels) else "")
        letters = int(15 * WIDTHS.get(columns, WIDTH))
        heading = textwrap.wrap(panel.title, letters)
        if panel.dataset is None or panel.summary is None:
            _not_run(top, lower)
        else:
            score = f"{selection.score(panel.summary)} " if mixed else ""
            target = _target(panel.summary)
            words = "" if len(goals) > 1 or not target else f" to {target}"
            heading += [f"target {score}{target or '-'}"] if len(goals) > 1 else []
            scales.log_rates(lower, *ranges[known.index(panel)])
            _exponents(top, panel.dataset, panel.summary, limits)
            right = _shares_and_times(lower, panel.dataset, panel.summary)
            right.set_ylabel(f"epochs{words}, mean ⟨τ⟩" if last else "")
            right.tick_params(labelright=last or len(epochs) > 1)
            overlays.onset_lines(lower, panel.summary)
            marks = overlays.onset_lines(top, panel.summary)
            tops.append((top, [(at, " = ".join(names), ink) for at, names, ink in marks]))
        top.set_ylabel(r"$\lambda_\mathrm{nMLE}$ per epoch" if first else "")
        lower.set_ylabel("exponential share ρ" if first else "")
        for half in (top, lower):
            half.tick_params(labelleft=first)
        top.tick_params(labelbottom=False)
        top.set_title("\n".join(heading), pad=18)
    figure.suptitle(
        "\n".join(textwrap.wrap(title, int(13 * width))), x=0.01, ha="left", fontsize=10
    )
    _legend(figure, width, beyond)
    layout.labels_above(tops, rise=6)
    return figure


@style.house_style()
def save_cases(title: str, panels: Sequence[Case], folder: str | Path, name: str) -> list[Path]:
    """Write the figure of some cases as PDF and PNG, the same bytes whenever it is written.

    Args:
        title: What the cases have in common.
        panels: The cases, in reading order.
        folder: Where to write; made if it is not there.
        name: The name of the files without their ending.

    Returns:
        The files written.

    Example:
        >>> paths = save_cases("One", [Case("tanh", study.dataset, study.summary)], folder, "one")
        >>> [path.name for path in paths]
        ['one.pdf', 'one.png']
    """
    return style.save(cases(title, panels), folder, name)


def _target(summary: xr.Dataset) -> str:
    """The main target in three digits; "" if no score was recorded."""
    return f"{selection.main_target(summary):.3g}" if summary[schema.TARGET].size else ""


def _exponents(
    axes: Axes, dataset: xr.Dataset, summary: xr.Dataset, limits: tuple[float, float]
) -> None:
    """Draw λ_nMLE(η) between the limits of y, and a triangle for each mean beyond them."""
    rates, mean = selection.rates_of(summary), points.column(summary, "nmle")
    low, high = points.column(summary, "nmle_low"), points.column(summary, "nmle_high")
    axes.axhline(0, color=style.INK, linewidth=0.6, zorder=1)
    points.single_exponents(axes, dataset, scales.beside(axes, 3))
    axes.plot(rates, mean, color=style.BLUE, linewidth=0.6, alpha=0.5, zorder=2)
    points.intervals(axes, rates, low, high, width=2)
    inside = (mean >= limits[0]) & (mean <= limits[1])
    axes.plot(rates[inside], mean[inside], "o", color=style.BLUE, markersize=3.5, zorder=5)
    for marker, chosen, height in (("^", mean > limits[1], 0.96), ("v", mean < limits[0], 0.04)):
        if not chosen.any():
            continue
        axes.plot(
            rates[chosen],
            np.full(chosen.sum(), height),
            marker,
            color=style.BLUE,
            markersize=4,
            transform=axes.get_xaxis_transform(),
            zorder=5,
        )
    axes.set_ylim(limits)
    if not np.isfinite(mean).any():
        axes.text(
            0.5,
            0.75,
            "no ball is decided",
            transform=axes.transAxes,
            ha="center",
            backgroundcolor="white",
        )


def _shares_and_times(axes: Axes, dataset: xr.Dataset, summary: xr.Dataset) -> Axes:
    """Draw ρ(η) and ⟨τ⟩(η); return the axes of ⟨τ⟩."""
    right = points.two_sides(axes)
    points.shares(axes, summary, scales.beside(axes, -1.5), size=3.5)
    axes.set(ylim=(-0.08, 1.14), yticks=[0, 0.5, 1])
    if summary[schema.TARGET].size:
        here = summary.sel(target=selection.main_target(summary))
        points.training_time(right, here, style.RED, scales.beside(right, 1.5), "⟨τ⟩", 3.6)
    # Then ρ = 1 and a censored ⟨τ⟩ = T do not fall on each other.
    right.set_ylim(0, 1.24 * float(dataset[schema.EPOCH][-1]))
    return right


def _not_run(*halves: Axes) -> None:
    for axes in halves:
        axes.set(xticks=[], yticks=[])
    halves[0].text(
        0.5, 0.5, "not run yet", transform=halves[0].transAxes, ha="center", color=style.GREY
    )


def _exponent_limits(panels: Sequence[Case]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the limits of y for all, and how far means lie below and above them; 0 if none does.

    An exceptional case does not set them: either limit is at most `EXCEPTIONAL` times the median,
    over the cases, of how far they reach.
    """
    reach: list[tuple[float, float]] = []
    for _, _, summary in panels:
        assert summary is not None
        names = ("nmle", "nmle_low", "nmle_high")
        values = np.concatenate([points.column(summary, name) for name in names])
        values = values[np.isfinite(values)]
        if values.size:
            reach.append((max(-values.min(), 0), max(values.max(), 0)))
    if not reach:
        return (-1, 1), (0, 0)
    down, up = np.transpose(reach)
    most = EXCEPTIONAL * float(np.median(np.maximum(down, up))) or 1.0
    low, high = min(down.max(), most), min(up.max(), most)
    air = 0.12 * ((low + high) or 1.0)
    bottom, top = -low - air, high + air
    return (bottom, top), (
        -down.max() if down.max() > -bottom else 0.0,
        up.max() if up.max() > top else 0.0,
    )


def _rate_limits(panels: Sequence[Case]) -> list[tuple[float, float]]:
    """Return the ends of each case's learning rates, those of all where most of it is shared."""
    ends = [(rates.min(), rates.max()) for rates in map(_rates, panels)]
    if not ends:
        return []
    first, last = min(low for low, _ in ends), max(high for _, high in ends)
    widest = max(math.log(high / low) for low, high in ends)
    shared = math.log(last / first) <= 1.6 * widest
    return [(first, last)] * len(ends) if shared else ends


def _rates(panel: Case) -> Floats:
    assert panel.summary is not None
    return selection.rates_of(panel.summary)


def _legend(figure: Figure, width: float, beyond: tuple[float, float]) -> None:
    """Explain all marks once, below the panels."""

    def mark(label: str, **line: object) -> Line2D:
        return Line2D([], [], label=label, **line)  # type: ignore[arg-type]

    dot: dict[str, object] = {"marker": "o", "markersize": 4}
    handles: list[Artist] = [
        mark(r"$\lambda_\mathrm{nMLE}$, 95% interval", color=style.BLUE, linewidth=2, **dot),
        mark("single balls", color=style.GREY, marker=".", linestyle="none", alpha=0.6),
        mark("share ρ (left)", color=style.BLUE, marker="D", markersize=3.5, linewidth=1),
        mark("mean time ⟨τ⟩ (right)", color=style.RED, linewidth=1, **dot),
        mark(
            "⟨τ⟩, fewer than half reach it",
            color=style.RED,
            markerfacecolor="white",
            linestyle="none",
            **dot,
        ),
        *(
            mark(f"{symbol}: {meaning}", color=colour, linewidth=0.8, dashes=dashes)
            for meaning, (symbol, colour, dashes) in zip(
                ("half are chaotic", "all are chaotic", "fastest"), overlays.marks(), strict=True
            )
        ),
    ]
    for marker, most in zip("v^", beyond, strict=True):
        if most:
            label = f"beyond the axis, to {style.number(most)}"
            handles.append(
                mark(label, color=style.BLUE, marker=marker, linestyle="none", markersize=4)
            )
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=max(1, int(width / 1.75)),
        handlelength=1.8,
        columnspacing=1.2,
        borderaxespad=0.4,
    )
