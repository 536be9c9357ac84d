"""Figures 4 and 5: what is measured at each learning rate, and where training is fastest."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from chaotrain import schema
from chaotrain.figures import layout, overlays, points, scales, selection, style


@style.house_style()
def exponents(dataset: xr.Dataset, summary: xr.Dataset, axes: Axes | None = None) -> Axes:
    """Draw λ_nMLE against the learning rate (figure 4).

    At each η the mean exponent with the 95% bootstrap interval of the mean (thick) and ±1
    standard deviation (thin), beside it the exponent of every decided ball (faint), and the zero
    line. Where a tangent was followed beside the replicas, the mean by it, and a red ring where
    the two disagree in some initialisations. The axis is logarithmic over the decades below the
    onset and linear around and above it.

    Args:
        dataset: The study: `exponent` and `verdict`.
        summary: Its summary: `nmle` with `nmle_std`, `nmle_low` and `nmle_high`.
        axes: Where to draw; a new figure if None.

    Returns:
        The axes, whose `figure` can be saved.

    Example:
        >>> axes = exponents(study.dataset, study.summary)
        >>> axes.get_title(loc="left")
        'Mean local Lyapunov exponent against the learning rate'
    """
    axes = style.new_axes() if axes is None else axes
    rates = selection.rates_of(summary)
    mean, deviation, low, high = (
        points.column(summary, name) for name in ("nmle", "nmle_std", "nmle_low", "nmle_high")
    )
    axes.axhline(0, color=style.INK, linewidth=0.6, zorder=1)
    values = points.single_exponents(axes, dataset, scales.beside(axes, 4))
    axes.plot(rates, mean, color=style.BLUE, linewidth=0.6, alpha=0.5, zorder=2)
    thin = points.intervals(axes, rates, mean - deviation, mean + deviation, width=0.8)
    thick = points.intervals(axes, rates, low, high, width=2.4)
    if thin:
        axes.plot([], [], color=style.BLUE, linewidth=0.8, label="±1 standard deviation")
    if thick:
        axes.plot([], [], color=style.BLUE, linewidth=2.4, label="95% interval of the mean")
    label = r"mean $\lambda_\mathrm{nMLE}$"
    axes.plot(rates, mean, "o", color=style.BLUE, markersize=3.8, label=label, zorder=5)
    by_tangent = points.by_tangent(axes, summary, scales.beside(axes, -4))
    heights = (values, mean - deviation, mean + deviation, low, high, mean, *by_tangent)
    points.fit_heights(axes, heights)
    axes.set_ylabel(r"local Lyapunov exponent $\Lambda$ per epoch")
    scales.rate_axis(axes, rates, selection.onset(summary))
    axes.set_title("Mean local Lyapunov exponent against the learning rate")
    if not np.isfinite(mean).any():
        axes.text(0.5, 0.6, "no ball is decided", transform=axes.transAxes, ha="center")
        return axes
    handles, _ = axes.get_legend_handles_labels()
    layout.legend_above(axes, columns=2, handles=handles[::-1])
    return axes


@style.house_style()
def transition(dataset: xr.Dataset, summary: xr.Dataset, axes: Axes | None = None) -> Axes:
    """Draw the onset of chaos and the time to train on two axes (figure 5).

    Left, blue diamonds: ρ(η), the share of exponential balls, with Wilson intervals. Right, red
    dots: ⟨τ⟩(η) for the main target with bootstrap intervals, hollow where fewer than half
    reached the target. Vertical lines mark η_0, η_1 and η*, bars at the top their intervals.

    Args:
        dataset: The study, for the number of epochs.
        summary: Its summary, with the attributes `target`, `eta_0`, `eta_1`, `eta_fastest`.
        axes: Where to draw; a new figure if None.

    Returns:
        The left axes; the right ones are `axes.figure.axes[-1]`.

    Example:
        >>> axes = transition(study.dataset, study.summary)
        >>> axes.get_ylabel()
        'exponential share ρ (diamonds)'
    """
    axes = style.new_axes() if axes is None else axes
    rates = selection.rates_of(summary)
    target = selection.main_target(summary)
    here = summary.sel(target=target)
    right = points.two_sides(axes)
    points.shares(axes, summary, scales.beside(axes, -2))
    hollow = points.training_time(right, here, style.RED, scales.beside(right, 2), "⟨τ⟩")
    last = float(dataset[schema.EPOCH][-1])
    # With these limits ρ = 1 and a censored ⟨τ⟩ = T do not fall on each other, nor on the bars.
    axes.set(ylim=(-0.06, 1.14), ylabel="exponential share ρ (diamonds)")
    right.set(ylim=(0, 1.24 * last), ylabel=f"epochs to {target:.2f}, mean ⟨τ⟩ (dots)")
    notes = ["top bars: 95% intervals"] if overlays.onset_intervals(summary) else []
    notes += [f"hollow: fewer than half reached {target:.2f}"] if hollow else []
    scales.rate_axis(axes, rates, selection.onset(summary), "; ".join(notes))
    score = selection.score(summary)
    axes.set_title(f"Onset of chaos and training time to {target:.2f} test {score}", pad=24)
    overlays.mark_onset(axes, summary)
    return axes


@style.house_style()
def training_times(dataset: xr.Dataset, summary: xr.Dataset, axes: Axes | None = None) -> Axes:
    """Draw one ⟨τ⟩(η) curve a target over the shaded regimes (the companion of figure 5).

    A star marks the fastest learning rate η* of each target; dots are hollow where fewer than
    half reached it. Each regime is named in the widest of its bands.

    Args:
        dataset: The study, for the number of epochs.
        summary: Its summary: `mean_training_time`, `reached`, `eta_fastest` and `regime`.
        axes: Where to draw; a new figure if None.

    Returns:
        The axes, whose `figure` can be saved.

    Example:
        >>> axes = training_times(study.dataset, study.summary)
        >>> axes.get_ylabel()
        'mean epochs to the target ⟨τ⟩'
    """
    axes = style.new_axes() if axes is None else axes
    rates = selection.rates_of(summary)
    last = float(dataset[schema.EPOCH][-1])
    targets = summary[schema.TARGET].values.tolist()
    shades = _target_colours(len(targets))
    hollow = False
    handles = []
    for index, (target, shade) in enumerate(zip(targets, shades, strict=True)):
        here = summary.sel(target=target)
        shift = 2.5 * (index - (len(targets) - 1) / 2)
        # All curves lie on each other where none reached: dots there would be a heap of rings.
        hollow |= points.training_time(
            axes, here, shade, scales.beside(axes, shift), f"{target:g}", 3.6, 1e-9
        )
        label = f"to {target:.2f}: not by half"
        fastest = float(here["eta_fastest"])
        if np.isfinite(fastest):
            label = f"to {target:.2f}: η* = {style.number(fastest)}"
            time = float(here["mean_training_time"].sel(learning_rate=fastest, method="nearest"))
            axes.plot(
                [fastest],
                [time],
                "*",
                color=shade,
                markersize=11,
                markeredgecolor="white",
                markeredgewidth=0.6,
                transform=scales.beside(axes, shift),
                zorder=6,
            )
        handles.append(Line2D([], [], marker="o", color=shade, label=label))
    notes = ["hollow: fewer than half reached it"] if hollow else []
    if bool((summary["reached"] == 0).any()):
        notes += ["no dot: none" if hollow else "no dot: none reached it"]
    note = f"{'; '.join(notes)} in {last:g} epochs" if notes else ""
    scales.rate_axis(axes, rates, selection.onset(summary), note)
    axes.set(ylim=(0, 1.05 * last), ylabel="mean epochs to the target ⟨τ⟩")
    axes.set_title(f"Training time to each test {selection.score(summary)}, fastest at the star")
    layout.legend_above(axes, columns=2 if len(targets) > 3 else len(targets), handles=handles)
    if "regime" in summary:
        overlays.regime_bands(axes, rates, [str(regime) for regime in summary["regime"].values])
    return axes


def _target_colours(count: int) -> list[str]:
    """Return dark to light shades for rising targets, which have an order."""
    shades = ["#0b3c5d", style.BLUE, style.GREEN, style.RED, style.PINK, style.GREY]
    return [shades[index % len(shades)] for index in range(count)]
