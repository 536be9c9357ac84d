"""What is drawn at the learning rates: exponents, shares and training times with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.transforms import Transform

from chaotrain import schema
from chaotrain.figures import selection, style
from chaotrain.figures.style import Floats


def two_sides(axes: Axes) -> Axes:
    """Return new axes over these with y on the right, the left ones blue and the right ones red."""
    right = axes.twinx()
    right.spines["right"].set(visible=True, color=style.RED)
    axes.spines["left"].set_color(style.BLUE)
    for side, colour in ((axes, style.BLUE), (right, style.RED)):
        side.tick_params(axis="y", which="both", colors=colour)
        side.yaxis.label.set_color(colour)
    return right


def shares(axes: Axes, summary: xr.Dataset, transform: Transform, size: float = 4.5) -> None:
    """Draw ρ(η) in blue diamonds with Wilson intervals."""
    rates, rho = selection.rates_of(summary), column(summary, "rho")
    low, high = column(summary, "rho_low"), column(summary, "rho_high")
    axes.plot(rates, rho, color=style.BLUE, linewidth=0.6, alpha=0.5, transform=transform)
    intervals(axes, rates, low, high, width=1, transform=transform)
    axes.plot(rates, rho, "D", color=style.BLUE, markersize=size, transform=transform, label="ρ")


def single_exponents(axes: Axes, dataset: xr.Dataset, transform: Transform) -> Floats:
    """Draw Λ of every decided ball, faint; return them all, NaN where undecided."""
    each = dataset["exponent"].where(selection.decided(dataset))
    each = each.transpose(schema.LEARNING_RATE, schema.INIT)
    places, values = np.broadcast_arrays(selection.rates_of(each)[:, None], each.values)
    single = np.isfinite(values)
    axes.plot(
        places[single],
        values[single],
        ".",
        color=style.GREY,
        alpha=0.45,
        markersize=4,
        markeredgewidth=0,
        transform=transform,
        label=r"single balls $\Lambda(\Omega)$",
        zorder=2,
    )
    return np.asarray(values, dtype=float)


def by_tangent(axes: Axes, summary: xr.Dataset, transform: Transform) -> tuple[Floats, ...]:
    """Draw λ_nMLE by the tangent where it was compared, ringed where it disagrees in some balls.

    Returns its values and limits, NaN where it was not.
    """
    rates = selection.rates_of(summary)
    mean, low, high, disagreeing = (
        column(summary, name)
        for name in ("tangent_nmle", "tangent_nmle_low", "tangent_nmle_high", "disagreeing")
    )
    known = np.isfinite(mean)
    if known.any():
        intervals(axes, rates, low, high, 1, style.ORANGE, transform)
        axes.plot(
            rates[known],
            mean[known],
            "D",
            color=style.ORANGE,
            markersize=4.2,
            transform=transform,
            label="mean by the tangent",
            zorder=5,
        )
    flagged = known & (disagreeing > 0)
    if flagged.any():
        axes.plot(
            rates[flagged],
            mean[flagged],
            "o",
            color=style.RED,
            markerfacecolor="none",
            markersize=9,
            transform=transform,
            label="disagrees in some balls",
            zorder=6,
        )
    return mean, low, high


def column(summary: xr.Dataset, name: str) -> Floats:
    """Return a variable of the summary over the learning rates; NaN if it is not there."""
    if name not in summary:
        return np.full(summary.sizes[schema.LEARNING_RATE], np.nan)
    return np.asarray(summary[name].values, dtype=float)


def fit_heights(axes: Axes, heights: Sequence[Floats]) -> None:
    """Set the limits of y to show zero and every height, with some air."""
    known = np.concatenate([[0.0], *(np.ravel(values) for values in heights)])
    known = known[np.isfinite(known)]
    air = 0.06 * (np.ptp(known) or 1.0)
    axes.set_ylim(known.min() - air, known.max() + air)


def intervals(
    axes: Axes,
    rates: Floats,
    low: Floats,
    high: Floats,
    width: float,
    colour: str = style.BLUE,
    transform: Transform | None = None,
) -> bool:
    """Draw the vertical intervals that are known; return whether there is any."""
    known = np.isfinite(low) & np.isfinite(high)
    transform = axes.transData if transform is None else transform
    axes.vlines(
        rates[known],
        low[known],
        high[known],
        color=colour,
        linewidth=width,
        transform=transform,
        zorder=3,
    )
    return bool(known.any())


def training_time(
    axes: Axes,
    here: xr.Dataset,
    colour: str,
    transform: Transform,
    label: str,
    size: float = 4.5,
    least: float = 0,
) -> bool:
    """Draw ⟨τ⟩(η) for one target, a dot where a share of `least` or more reached it.

    Returns whether a dot is hollow, fewer than half having reached the target.
    """
    rates = selection.rates_of(here)
    time, reached = column(here, "mean_training_time"), column(here, "reached")
    low, high = (column(here, f"mean_training_time_{limit}") for limit in ("low", "high"))
    axes.plot(rates, time, color=colour, linewidth=0.8, alpha=0.6, transform=transform, zorder=2)
    intervals(axes, rates, low, high, 1, colour, transform)
    some, few = reached >= 0.5, (reached < 0.5) & (reached >= least)
    for chosen, face in ((some, colour), (few, "white")):
        axes.plot(
            rates[chosen],
            time[chosen],
            "o",
            color=colour,
            markerfacecolor=face,
            markersize=size,
            transform=transform,
            label=label if chosen is some else None,
            zorder=4,
        )
    return bool((few & np.isfinite(time)).any())
