"""The axes that the figures share: curves over epochs on a log axis, and the learning rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation, Transform

from chaotrain.figures import style
from chaotrain.figures.style import Floats

# Beyond this the decades of an axis and their margins near what a float64 holds.
LARGEST = 1e150


def drawable(values: Floats) -> Floats:
    """Return values for an axis, NaN where they are not finite or beyond 1e150 in magnitude."""
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def curve(
    axes: Axes, epochs: Floats, values: Floats, logarithmic: bool = True, **line: Any
) -> float | None:
    """Draw a curve, with a cross at its end if it blew up; return the last value that is shown.

    What is beyond 1e150 counts as blown up.
    """
    values = drawable(values)
    shown = np.isfinite(values) & ((values > 0) | (not logarithmic))
    axes.plot(epochs, np.where(shown, values, np.nan), **line)
    if not shown.any():
        return None
    last = np.flatnonzero(shown)[-1]
    if not np.isfinite(values[-1]):
        axes.plot(epochs[last], values[last], "x", color=line["color"], markersize=5, zorder=5)
    return float(values[last])


def log_axis(axes: Axes, ticks: int = 8) -> bool:
    """Make y logarithmic, with ticks at some whole decades or, within two, at 1, 2 and 5.

    Args:
        axes: The axes.
        ticks: The most ticks with a label.

    Returns whether there is anything to show; the axes say so if not.
    """
    if not any(np.isfinite(np.asarray(line.get_ydata(), float)).any() for line in axes.lines):
        axes.text(
            0.5,
            0.5,
            "no distance above zero",
            transform=axes.transAxes,
            ha="center",
            color=style.GREY,
        )
        axes.set(yticks=[], ylim=(0, 1))
        return False
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    decades = np.log10(high / low)
    subs = (1.0,) if decades > 2 else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=ticks))
    # Within more decades they would run together into a bar.
    minor = LogLocator(subs=np.arange(1, 10).tolist(), numticks=99)
    axes.yaxis.set_minor_locator(minor if decades <= 40 else NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    if decades <= 2:
        axes.yaxis.set_major_formatter(lambda value, _: style.number(value))
    return True


def beside(axes: Axes, points: float, up: float = 0) -> Transform:
    """Return the transform of the data moved sideways or up, so that neighbours do not hide."""
    shift = ScaledTranslation(points / 72, up / 72, style.root(axes).dpi_scale_trans)
    return axes.transData + shift


def rate_axis(axes: Axes, rates: Floats, onset: float, note: str = "") -> None:
    """Scale x logarithmically over the decades far below the onset and linearly above them.

    The onset is a matter of a factor two, the grid of some decades: one log axis would squeeze
    half of the points into a fifth of the width. The switch is at the largest tested learning
    rate of at most a third of the onset, and at an eighth of the largest one or above. A grid
    that is geometric all the way up keeps one log axis.
    """
    rates = np.unique(rates)
    first, last = rates[0], rates[-1]
    near = rates[rates >= last / 8]
    far = near[near <= onset / 3]
    switch = float(far[-1] if far.size else near[0])
    if last >= 10 * first and _smallest_gap(rates, last) > 1.3 * _smallest_gap(rates, switch):
        switch = float(last)
    label = "learning rate η"
    if first < switch:
        forward, inverse = _scale(first, last, switch)
        axes.set_xscale("function", functions=(forward, inverse))
        _rate_ticks(axes, forward, rates, switch)
        beyond = f", linear above {style.number(switch)}" if switch < last else ""
        label += f" (logarithmic{beyond})"
        start, stop = forward(np.array([first, last]))
        pad = 0.04 * (stop - start)
        axes.set_xlim(*inverse(np.array([start - pad, stop + pad])))
    else:
        pad = 0.06 * (last - first) if last > first else 0.5 * last
        axes.set_xlim(first - pad, last + pad)
        axes.xaxis.set_major_locator(MaxNLocator(6) if last > first else FixedLocator([last]))
    axes.set_xlabel(f"{label}\n{note}" if note else label)


def log_rates(axes: Axes, first: float, last: float) -> None:
    """Scale x logarithmically from the first to the last learning rate, with few round ticks."""
    air = max(0.05 * np.log(last / first), 0.1) if last > first else np.log(2.0)
    low, high = float(first * np.exp(-air)), float(last * np.exp(air))
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for subs in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), tuple(np.arange(1.0, 10.0))):
        ticks = np.array([sub * 10.0**power for power in powers for sub in subs])
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) >= 2:
            break
    axes.xaxis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // 4)].tolist()))
    axes.xaxis.set_major_formatter(lambda value, _: style.number(value))
    axes.xaxis.set_minor_locator(LogLocator(subs=np.arange(1, 10).tolist(), numticks=99))
    axes.xaxis.set_minor_formatter(NullFormatter())


Scaling = Callable[[Floats], Floats]


def _scale(first: float, last: float, switch: float) -> tuple[Scaling, Scaling]:
    """Return the scale, logarithmic up to the switch and linear beyond, and its inverse."""
    linear, decades = last / switch - 1, np.log(switch / first)
    # The decades get two fifths of the width at most: what matters is in the linear part.
    shrink = min(1.0, linear / decades / 1.5) if linear and decades else 1.0

    def forward(rate: Floats) -> Floats:
        below = shrink * np.log(np.maximum(rate, first / 1e6) / switch)
        return np.where(rate < switch, below, np.asarray(rate) / switch - 1)

    def inverse(place: Floats) -> Floats:
        below = switch * np.exp(np.minimum(place, 0) / shrink)
        return np.where(np.asarray(place) < 0, below, switch * (1 + np.asarray(place)))

    return forward, inverse


def _smallest_gap(rates: Floats, switch: float) -> float:
    """Return the smallest gap between tested learning rates, as a share of the axis."""
    places = _scale(rates[0], rates[-1], switch)[0](rates)
    return float(np.diff(places).min() / np.ptp(places)) if len(rates) > 1 else 1.0


def _rate_ticks(axes: Axes, forward: Scaling, rates: Floats, switch: float) -> None:
    """Put ticks at whole decades below the switch and at round numbers above, none too close."""
    first, last = rates[0], rates[-1]
    start, stop = forward(np.array([first, last]))
    wanted: list[float] = []
    if switch < last:
        steps = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(switch, last)
        wanted = [step for step in steps if step >= switch]
    powers = range(int(np.floor(np.log10(switch))), int(np.floor(np.log10(first))) - 1, -1)
    wanted += [10.0**power for power in powers]
    if switch <= 100 * first:
        wanted += [part * 10.0**power for power in powers for part in (5, 2)]
    wanted = [tick for tick in wanted if first <= tick <= last]
    kept: list[float] = []
    for tick in wanted:
        gaps = np.abs(forward(np.array(kept)) - forward(np.array(tick))) if kept else np.inf
        if np.min(gaps) >= 0.1 * (stop - start):
            kept.append(tick)
    axes.xaxis.set_major_locator(FixedLocator(sorted(kept)))
    axes.xaxis.set_major_formatter(lambda value, _: style.number(value))
    minor = [step * 10.0**power for power in range(-12, 12) for step in range(1, 10)]
    axes.xaxis.set_minor_locator(FixedLocator([tick for tick in minor if first <= tick <= switch]))
    axes.xaxis.set_minor_formatter(NullFormatter())
