"""How far networks come apart for their initial weights, and for their batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chaotrain import schema
from chaotrain.figures import scales, selection, style
from chaotrain.figures.style import Floats

MOST_PANELS = 6
COLUMNS = 3
LABELS = ("other weights by ε, same noise", "same weights, other noise")


@style.house_style()
def sensitivities(weights: xr.Dataset, batches: xr.Dataset) -> Figure:
    """Draw d(t) of both studies side by side, a learning rate a panel.

    Blue: balls whose replicas start ε apart and see the batches, dropout masks and augmentations
    of their reference. Orange, dashed: replicas that start equal and have an order of the batches
    of their own. Thin lines are initialisations (geometric means over replicas), thick ones their
    geometric mean.

    Args:
        weights: Data set of the study of other weights: `distance`.
        batches: Data set of the study of other noise, on the same grid.

    Returns:
        The figure, with at most six panels spread over the learning rates.

    Example:
        >>> figure = sensitivities(study.dataset, study.dataset)
        >>> figure.axes[0].get_ylabel()
        'L1 distance to the reference $d(t)$'
    """
    rates = _spread(selection.rates_of(weights))
    columns = min(COLUMNS, len(rates))
    rows = -(-len(rates) // columns)
    size = (max(style.WIDTH, 2.4 * columns), 0.8 + 2.0 * rows)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index >= len(rates):
            axes.set_visible(False)
            continue
        _panel(axes, weights, batches, rates[index])
        if index + columns >= len(rates):
            axes.set_xlabel("epoch")
            axes.tick_params(labelbottom=True)
    for axes in grid[:, 0]:
        axes.set_ylabel(r"L1 distance to the reference $d(t)$")
    scales.log_axis(grid.flat[0])
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    return figure


def save_sensitivities(weights: xr.Dataset, batches: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the files written."""
    return style.save(sensitivities(weights, batches), folder, "sensitivities")


def _spread(rates: Floats) -> Floats:
    """At most `MOST_PANELS` learning rates, spread evenly over the tested ones."""
    places = np.linspace(0, len(rates) - 1, min(len(rates), MOST_PANELS))
    return np.asarray(rates[np.unique(places.round().astype(int))])


def _panel(axes: Axes, weights: xr.Dataset, batches: xr.Dataset, rate: float) -> None:
    styles = ((style.BLUE, (None, None)), (style.ORANGE, (5, 1.5)))
    for study, label, (colour, dashes) in zip((weights, batches), LABELS, styles, strict=True):
        order = (schema.INIT, schema.REPLICA, schema.EPOCH)
        distances = study["distance"].sel(learning_rate=rate).transpose(*order).values
        epochs = np.asarray(study[schema.EPOCH].values, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(distances).mean(axis=1)
        each = logs[np.isfinite(logs[:, -1])]
        for curve in each:
            scales.curve(axes, epochs, np.exp(curve), color=colour, linewidth=0.4, alpha=0.45)
        if len(each):
            mean = np.exp(each.mean(axis=0))
            scales.curve(
                axes, epochs, mean, color=colour, linewidth=1.6, dashes=dashes, label=label
            )
    axes.set_title(f"η = {style.number(rate)}")
    axes.set_xlim(epochs[0], epochs[-1])
