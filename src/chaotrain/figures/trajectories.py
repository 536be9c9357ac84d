"""Figure 1: the training loss, epoch by epoch."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from chaotrain import schema
from chaotrain.figures import layout, scales, selection, style


@style.house_style()
def loss_trajectories(
    dataset: xr.Dataset,
    summary: xr.Dataset,
    axes: Axes | None = None,
    learning_rates: Sequence[float] | None = None,
) -> Axes:
    """Draw the training loss against the epoch at a small, an onset and a too large η (figure 1).

    One initialisation of each learning rate is bold, the others are faint; a cross ends a run
    that blew up, and one that left earlier just ends. Each learning rate is named beside its
    curve, with its regime.

    Args:
        dataset: The study: `loss`, and `status` where balls are absent.
        summary: Its summary: `regime` and the onset.
        axes: Where to draw; a new figure if None.
        learning_rates: The tested learning rates to show; chosen if None.

    Returns:
        The axes, whose `figure` can be saved.

    Example:
        >>> axes = loss_trajectories(study.dataset, study.summary)
        >>> axes.get_xlabel(), axes.get_ylabel()
        ('epoch', 'training loss')
    """
    axes = style.new_axes() if axes is None else axes
    chosen = list(learning_rates or selection.telling_rates(dataset, summary))
    chosen = [selection.tested(dataset, rate, rate) for rate in chosen]
    palette = (style.GREEN, style.BLUE, style.RED, style.ORANGE, style.PINK)
    colours = dict(zip(chosen, itertools.cycle(palette), strict=False))
    epochs = dataset[schema.EPOCH].values
    labels = []
    there = selection.ran(dataset)
    logarithmic = not bool((dataset["loss"].sel(learning_rate=chosen) <= 0).any())
    for rate in chosen:
        here = np.flatnonzero(there.sel(learning_rate=rate).values)
        losses = dataset["loss"].sel(learning_rate=rate).isel(init=here)
        trained = np.full(len(here), len(epochs) - 1)
        if schema.TRAINED in dataset:
            trained = dataset[schema.TRAINED].sel(learning_rate=rate).values[here].astype(int)
        level = None
        for index, loss in enumerate(losses.transpose(schema.INIT, schema.EPOCH).values):
            bold = index == 0
            shown = slice(trained[index] + 1)
            end = scales.curve(
                axes,
                epochs[shown],
                loss[shown],
                logarithmic,
                color=colours[rate],
                linewidth=1.1 if bold else 0.5,
                alpha=1 if bold else 0.8 / (1 + len(here) / 10),
                zorder=3 if bold else 2,
            )
            level = end if bold else level
        if level is not None:
            labels.append((level, _rate_label(summary, rate), colours[rate]))
    axes.set(xlabel="epoch", ylabel="training loss", xlim=(epochs[0], epochs[-1]))
    if logarithmic and labels:
        scales.log_axis(axes)
    axes.set_title("Training loss, one initialisation bold, the others faint")
    layout.label_right(axes, labels)
    return axes


def _rate_label(summary: xr.Dataset, rate: float) -> str:
    """Name a learning rate and its regime in lines short enough for the margin."""
    regime = str(summary["regime"].sel(learning_rate=rate).values) if "regime" in summary else ""
    words = "\n".join(textwrap.wrap(regime, width=13, break_long_words=False))
    return f"η = {style.number(rate)}" + (f"\n{words}" if words else "")
