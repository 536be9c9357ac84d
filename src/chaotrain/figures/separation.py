"""Figures 2 and 3: how nearby networks come apart, epoch by epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from chaotrain import schema
from chaotrain.figures import growths, layout, scales, selection, style
from chaotrain.figures.style import Floats


@style.house_style()
def ball(
    dataset: xr.Dataset,
    summary: xr.Dataset,
    axes: Axes | None = None,
    learning_rate: float | None = None,
    init: Hashable | None = None,
) -> Axes:
    """Draw how one ball of nearby networks comes apart (figure 2).

    Every copy's distance to the reference, their geometric mean, the fitted slope over the
    exponential phase with its 95% interval, and the level at which the growth saturates. Where a
    tangent was followed too, what it predicts; in a study by the tangent alone its growth.

    Args:
        dataset: The study: `distance` or `tangent_growth`, and what the fit derived from it.
        summary: Its summary, for the place of the onset.
        axes: Where to draw; a new figure if None.
        learning_rate: A tested learning rate; if None the chaotic one nearest to the onset.
        init: An initialisation; if None the one whose exponent is the median.

    Returns:
        The axes, whose `figure` can be saved.

    Example:
        >>> axes = ball(study.dataset, study.summary, learning_rate=7.5)
        >>> axes.get_title(loc="left")
        'One ball at η = 7.5: exponential separation'
    """
    axes = style.new_axes() if axes is None else axes
    rate = selection.tested(dataset, learning_rate, selection.chaotic_rate(dataset, summary))
    balls = dataset.sel(learning_rate=rate)
    one = balls.sel(init=selection.typical_init(balls) if init is None else init)
    epochs = np.asarray(dataset[schema.EPOCH].values, dtype=float)
    distances = growths.curves(one)
    mean = growths.mean_curve(one)
    several = len(distances) > 1
    if several:
        for index, last in enumerate(growths.lasts(one, len(distances))):
            label = None if index else f"{len(distances)} copies"
            shown = epochs[: last + 1], distances[index, : last + 1]
            scales.curve(axes, *shown, color=style.SKY, linewidth=0.6, label=label)
    name = "geometric mean" if several else growths.name(one)
    followed = epochs[: len(mean)]
    scales.curve(axes, followed, mean, color=style.BLUE, linewidth=1.4, label=name)
    if schema.DISTANCE in one and schema.TANGENT_GROWTH in one:
        predicted = growths.tangent_over(mean, one[schema.TANGENT_GROWTH].values)
        axes.plot(followed, predicted, color=style.ORANGE, dashes=(4, 1.5), label="tangent")
    axes.set(xlabel="epoch", ylabel=growths.label(one), xlim=(epochs[0], epochs[-1]))
    verdict = str(one["verdict"].values)
    axes.set_title(f"One ball at η = {style.number(rate)}: {_SEEN.get(verdict, verdict)}")
    if not scales.log_axis(axes):
        return axes
    saturation = float(one["saturation"])
    if np.isfinite(saturation) and saturation > 0:
        axes.axhline(saturation, color=style.INK, linewidth=0.8, dashes=(4, 3), zorder=4)
        text = f"saturates\nat {style.number(saturation)}"
    _fitted_slope(axes, one, followed, mean)
    if len(axes.get_legend_handles_labels()[0]) > 1:
        layout.legend_above(axes)
    if np.isfinite(saturation) and saturation > 0:
        layout.label_right(axes, [(saturation, text, style.INK)])
    return axes


@style.house_style()
def balls(
    dataset: xr.Dataset,
    summary: xr.Dataset,
    axes: Axes | None = None,
    learning_rate: float | None = None,
) -> Axes:
    """Draw how all the balls at one chaotic η come apart, with their exponents (figure 3).

    One curve for each initialisation, the geometric mean over its copies. The inset, which is
    placed where no curve is, counts the exponents Λ(Ω) of the decided ones and marks their mean
    λ_nMLE with ±1 standard deviation.

    Args:
        dataset: The study: `distance` or `tangent_growth`, `exponent` and `verdict`.
        summary: Its summary: `nmle`, `nmle_std` and the onset.
        axes: Where to draw; a new figure if None.
        learning_rate: A tested learning rate; if None the chaotic one nearest to the onset.

    Returns:
        The axes; the inset is the first of its `child_axes`.

    Example:
        >>> axes = balls(study.dataset, study.summary)
        >>> len(axes.child_axes)  # the inset
        1
    """
    axes = style.new_axes() if axes is None else axes
    rate = selection.tested(dataset, learning_rate, selection.chaotic_rate(dataset, summary))
    there = selection.ran(dataset).sel(learning_rate=rate).values
    some = dataset.sel(learning_rate=rate).isel(init=np.flatnonzero(there))
    epochs = np.asarray(dataset[schema.EPOCH].values, dtype=float)
    curves = [growths.mean_curve(some.isel(init=place)) for place in range(some.sizes[schema.INIT])]
    means = np.full((len(curves), len(epochs)), np.nan)
    for place, curve in enumerate(curves):
        means[place, : len(curve)] = curve
    verdicts = [str(verdict) for verdict in some["verdict"].values]
    counts = Counter(verdicts)
    order = {verdict: rank for rank, verdict in enumerate(growths.VERDICT_COLOURS)}
    for mean, verdict in zip(curves, verdicts, strict=True):
        colour = growths.VERDICT_COLOURS[verdict]
        width = 1.0 if len(means) < 10 else 0.5
        shown = epochs[: len(mean)], mean
        scales.curve(axes, *shown, color=colour, linewidth=width, alpha=0.7, zorder=2)
    axes.set(xlabel="epoch", ylabel=growths.label(some), xlim=(epochs[0], epochs[-1]))
    plural = "ball" if len(means) == 1 else "balls"
    what = "Distance of nearby networks" if schema.DISTANCE in some else "Growth of tangents"
    axes.set_title(f"{what}, {len(means)} {plural} at η = {style.number(rate)}")
    layout.legend_above(
        axes,
        handles=[
            Line2D(
                [], [], color=growths.VERDICT_COLOURS[verdict], label=f"{counts[verdict]} {verdict}"
            )
            for verdict in sorted(counts, key=lambda verdict: order[verdict])
        ],
    )
    if not scales.log_axis(axes):
        return axes
    exponents = some["exponent"].where(selection.decided(some)).values
    exponents = exponents[np.isfinite(exponents)]
    if exponents.size:
        at_rate = summary.sel(learning_rate=rate)
        inset = axes.inset_axes(_free_box(axes, epochs, means))
        scales.log_axis(axes)
        _exponent_counts(inset, exponents, float(at_rate["nmle"]), float(at_rate["nmle_std"]))
    return axes


_SEEN = {
    schema.EXPONENTIAL: "exponential separation",
    schema.BOUNDED: "bounded growth",
    schema.SUBEXPONENTIAL: "power-law growth",
    schema.CONTRACTING: "contraction",
    schema.UNDECIDED: "still growing at the end",
    schema.BLOW_UP: "blow-up",
}


def _fitted_slope(axes: Axes, one: xr.Dataset, epochs: Floats, mean: Floats) -> None:
    """Draw the fitted exponential over its phase and write the slope beside it, in free room."""
    rate, low, high, start, stop = (
        float(one[name])
        for name in ("exponent", "exponent_low", "exponent_high", "growth_start", "growth_stop")
    )
    if not np.isfinite(rate):
        return
    value = rf"$\Lambda$ = {_slope(rate, rate)} per epoch"
    if np.isfinite(low) and np.isfinite(high):
        value += f"\n95% interval {_slope(low, rate)} to {_slope(high, rate)}"
    phase = (epochs >= start) & (epochs <= stop) & np.isfinite(mean) & (mean > 0)
    if str(one["verdict"].values) != schema.EXPONENTIAL or not phase.any():
        # Then Λ is the mean rate from the first to the last epoch, which is no line of a fit.
        axes.set_title(axes.get_title(loc="left") + "\n" + value.replace("\n", ", "))
        return
    middle = epochs[phase].mean()
    level = np.log(mean[phase]).mean()
    ends = np.array([start, stop])
    line = np.exp(level + rate * (ends - middle))
    axes.plot(ends, line, color=style.RED, linewidth=2, label="fitted slope", zorder=5)
    # A rising curve leaves the room below its right and above its left side free.
    right = middle < epochs.mean()
    axes.annotate(
        value,
        xy=(middle, np.exp(level)),
        xytext=(14 if right else -14, -6 if right else 6),
        textcoords="offset points",
        ha="left" if right else "right",
        va="top" if right else "bottom",
        color=style.RED,
    )


def _slope(value: float, scale: float) -> str:
    """Format a rate to two decimals, or to as many as the estimate's size asks for."""
    places = 2 if abs(scale) >= 0.1 or scale == 0 else min(1 - int(np.log10(abs(scale))) + 1, 6)
    return f"{value:.{places}f}".replace("-", "−")


def _free_box(axes: Axes, epochs: Floats, means: Floats) -> tuple[float, float, float, float]:
    """Return the place of an inset, in fractions of the axes, that no curve passes through.

    A rising curve leaves the lower right free, a curve that rises late the upper left. Where
    neither is free, a limit of y gives way until the inset fits above all curves, or below what
    they are on its side: whichever stretches the axis less.
    """
    low, high = np.log(axes.get_ylim())
    across = np.broadcast_to((epochs - epochs[0]) / (epochs[-1] - epochs[0]), means.shape)
    # What is 0, as d(0) where only the noise differs, is below any log axis.
    up = (np.log(np.where(means > 0, means, np.nan)) - low) / (high - low)
    width, height, margin = 0.44, 0.36, 0.05
    # Around the inset itself: its tick labels below, its title above, and some air.
    room = (0.06, 0.21, 0.04, 0.13)
    places = [(1 - width - margin, bottom) for bottom in np.arange(0.2, 0.5, 0.05)]
    places += [(margin + 0.04, 1 - height - room[3])]
    for left, bottom in places:
        inside = (across > left - room[0]) & (across < left + width + room[2])
        inside &= (up > bottom - room[1]) & (up < bottom + height + room[3])
        if not inside.any() and bottom - room[1] > -0.02:
            return (float(left), float(bottom), width, height)
    left, share = 1 - width - margin, height + room[1] + room[3]
    beside = up[across > left - room[0]]
    raised = float(np.nanmax(up)) / (1 - share) - 1
    lowered = (share - float(np.nanmin(beside))) / (1 - share)
    if raised < lowered:
        axes.set_ylim(np.exp(low), np.exp(high + raised * (high - low)))
        return (left, 1 - height - room[3], width, height)
    axes.set_ylim(np.exp(low - lowered * (high - low)), np.exp(high))
    return (left, room[1], width, height)


def _exponent_counts(inset: Axes, exponents: Floats, mean: float, deviation: float) -> None:
    """Draw the histogram of Λ(Ω), its mean and ±1 standard deviation."""
    spread = float(np.ptp(exponents))
    # A little wider than the data, since rounding must not put its ends outside.
    half = max(0.501 * spread, 0.03 * float(np.abs(exponents).max())) or 0.01
    centre = float(exponents.min() + spread / 2)
    bins = int(np.clip(np.ceil(1.5 * np.sqrt(exponents.size)), 3, 20))
    inset.hist(
        exponents,
        bins=bins,
        range=(centre - half, centre + half),
        color=style.SKY,
        edgecolor="white",
        linewidth=0.5,
    )
    text = rf"$\lambda_\mathrm{{nMLE}}$ = {_slope(mean, mean)}"
    if np.isfinite(deviation):
        inset.axvspan(mean - deviation, mean + deviation, color=style.PALE, alpha=0.5, zorder=0)
        text += f" ± {_slope(deviation, mean)} (std)"
    inset.axvline(mean, color=style.INK, linewidth=1)
    inset.set_title(text, fontsize=8, loc="center", pad=3)
    inset.set_xlabel(r"$\Lambda(\Omega)$ per epoch", labelpad=1)
    inset.set_ylabel("balls", labelpad=2)
    inset.xaxis.set_major_locator(MaxNLocator(4))
    inset.yaxis.set_major_locator(MaxNLocator(3, integer=True))
