"""What lies over the learning rates: the onset's marks, and the regimes as shaded bands."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from chaotrain import schema
from chaotrain.figures import layout, selection, style
from chaotrain.figures.style import Floats

# The shade of each band and the ink of its name, which is the same hue.
_SHADES = {
    schema.TOO_SLOW: ("#ececec", "#6e6e6e"),
    schema.EXPLOITATION: ("#d9ecf7", "#2f6f98"),
    schema.EXPLORATION_EXPLOITATION: ("#fdf0cf", "#8a6a00"),
    schema.NO_LEARNING: ("#f8dfd3", "#a5481a"),
}


def regime_bands(axes: Axes, rates: Floats, regimes: Sequence[str]) -> None:
    """Shade the runs of equal regime and write each regime's name into its widest band."""
    order = np.argsort(rates)
    rates, regimes = rates[order], [regimes[index] for index in order]
    scale = axes.xaxis.get_transform()
    places = scale.transform(rates)
    low, high = scale.transform(np.array(axes.get_xlim()))
    cuts = [index for index in range(1, len(rates)) if regimes[index] != regimes[index - 1]]
    edges = [low, *((places[cut - 1] + places[cut]) / 2 for cut in cuts), high]
    widest: dict[str, tuple[float, float]] = {}
    for start, stop, index in zip(edges[:-1], edges[1:], [0, *cuts], strict=True):
        regime = regimes[index]
        if regime not in _SHADES:
            continue
        left, right = scale.inverted().transform(np.array([start, stop]))
        axes.axvspan(left, right, color=_SHADES[regime][0], lw=0, zorder=0)
        width, middle = (stop - start) / (high - low), (start + stop) / 2
        widest[regime] = max(widest.get(regime, (0.0, 0.0)), (width, middle))
    _name_bands(
        axes,
        {
            name: (width, scale.inverted().transform(np.array([place]))[0])
            for name, (width, place) in widest.items()
        },
    )


def _name_bands(axes: Axes, bands: dict[str, tuple[float, float]]) -> None:
    """Write names at the top of their bands, in lines where a band is narrow.

    A name that is wider than its band all the same is told by its colour.
    """
    style.root(axes).draw_without_rendering()
    texts = []
    for name, (width, place) in bands.items():
        for most in (99, 13, 9):
            text = axes.annotate(
                "\n".join(textwrap.wrap(name, most, break_long_words=False)),
                xy=(place, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, -3),
                textcoords="offset points",
                ha="center",
                va="top",
                color=_SHADES[name][1],
            )
            if most == 9 or text.get_window_extent().width + 4 < width * axes.bbox.width:
                break
            text.remove()
        texts.append(text)
    tallest = max((text.get_window_extent().height for text in texts), default=0) + 8
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, bottom + (top - bottom) / (1 - tallest / axes.bbox.height))
    layout.move_apart(axes, texts, vertical=False)


# Each mark's symbol, its colour, that of the axis it belongs to, and its dashes.
_MARKS = {
    "eta_0": (r"$\eta_0$", style.BLUE, (1, 2)),
    "eta_1": (r"$\eta_1$", style.BLUE, (4, 2)),
    "eta_fastest": (r"$\eta$*", style.RED, (6, 1.5)),
}


def marks() -> list[tuple[str, str, tuple[float, float]]]:
    """Return the symbol, the colour and the dashes of η_0, η_1 and η*."""
    return list(_MARKS.values())


def onset_intervals(summary: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Return the intervals of those of η_0, η_1 and η* that have one; a limit may be infinite."""
    limits = {
        name: (
            selection.attribute(summary, f"{name}_low"),
            selection.attribute(summary, f"{name}_high"),
        )
        for name in _MARKS
        if np.isfinite(selection.attribute(summary, name))
    }
    return {name: (low, high) for name, (low, high) in limits.items() if low <= high}


def mark_onset(axes: Axes, summary: xr.Dataset) -> None:
    """Mark η_0, η_1 and η* by vertical lines, one for those that coincide, named above the axes."""
    labels = [
        (place, f"{' = '.join(symbols)} = {style.number(place)}", colour)
        for place, symbols, colour in onset_lines(axes, summary)
    ]
    for row, (name, (low, high)) in enumerate(onset_intervals(summary).items()):
        axes.plot(
            # An open limit ends at the edge of the axes; the dot is on the mark's own line.
            np.clip([low, selection.attribute(summary, name), high], *axes.get_xlim()),
            np.full(3, 0.98 - 0.024 * row),
            "o-",
            color=_MARKS[name][1],
            linewidth=1.2,
            markersize=3,
            markevery=[1],
            transform=axes.get_xaxis_transform(),
            label=name,
        )
    layout.label_above(axes, labels)


def onset_lines(axes: Axes, summary: xr.Dataset) -> list[tuple[float, list[str], str]]:
    """Draw the vertical lines of η_0, η_1 and η*, one for those that coincide.

    Returns:
        The place of each, the symbols of what is there, and their colour.
    """
    found: dict[float, list[str]] = {}
    for name in _MARKS:
        place = selection.attribute(summary, name)
        if np.isfinite(place):
            same = next((known for known in found if np.isclose(known, place)), place)
            found.setdefault(same, []).append(name)
    lines = []
    for place, names in found.items():
        symbols, colours, dashes = zip(*(_MARKS[name] for name in names), strict=True)
        colour = colours[0] if len(set(colours)) == 1 else style.INK
        axes.axvline(place, color=colour, linewidth=0.8, dashes=dashes[-1], zorder=0)
        lines.append((place, list(symbols), colour))
    return lines
