"""Weight space against function space: how far apart a pair is in either, along one training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chaotrain import schema
from chaotrain.figures import layout, scales, selection, style
from chaotrain.figures.dissection import over_epochs, transient_words
from chaotrain.figures.style import Floats

HEIGHTS = (1.9, 1.4, 1.4)
# Colours and dashes of layers, told apart without the colour too.
LINES = (
    (style.BLUE, (None, None)),
    (style.ORANGE, (5, 1.5)),
    (style.GREEN, (1.5, 1)),
    (style.PINK, (6, 1.5, 1.5, 1.5)),
    (style.INK, (3, 1)),
)


@style.house_style()
def weights_and_function(data: xr.Dataset) -> Figure:
    """Draw how far the networks of a pair are apart in weights, in outputs and in classes.

    Above: the L2 distances of weights, plain and after alignment of the hidden units, and of test
    outputs, each over the norm of the reference. Middle: the share of test samples that the two
    give another class, beside their scores. Below: the distances of weights layer by layer. The
    chaotic transient is shaded in all.

    Args:
        data: What `anatomy.dissect` returns.

    Returns:
        The figure, three panels over one time axis.
    """
    figure, panels, epochs = over_epochs(data, HEIGHTS)
    panels[0].set_title(
        f"Weights against function at η = {style.number(data.attrs['eta'])}{transient_words(data)}"
    )
    _distances(panels[0], data, epochs)
    _classes(panels[1], data, epochs)
    _layers(panels[2], data, epochs)
    panels[-1].set_xlabel("epoch")
    figure.align_ylabels(panels)
    return figure


def save_weights_and_function(data: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the files written."""
    return style.save(weights_and_function(data), folder, "weights-and-function")


def _distances(axes: Axes, data: xr.Dataset, epochs: Floats) -> None:
    layers = data["layer_norm"].transpose(schema.LAYER, schema.EPOCH).values
    with np.errstate(over="ignore", invalid="ignore"):  # of a training that blew up
        norm = np.linalg.norm(layers, axis=0)
        weights, aligned = (data[name].values / norm for name in ("l2", "l2_aligned"))
        outputs = data["output_l2"].values / data["output_norm"].values
    lines: Sequence[tuple[Floats, str, str, tuple[float | None, ...], float]] = (
        (weights, "weights", style.BLUE, (None, None), 1.2),
        (aligned, "weights, aligned", style.SKY, (1.5, 1.2), 1.6),
        (outputs, "test outputs", style.RED, (5, 1.5), 1.2),
    )
    for values, label, colour, dashes, width in lines:
        scales.curve(
            axes, epochs, values, color=colour, dashes=dashes, linewidth=width, label=label
        )
    if scales.log_axis(axes):
        layout.legend_above(axes)
    axes.set_ylabel("L2 distance\nover norm")


def _classes(axes: Axes, data: xr.Dataset, epochs: Floats) -> None:
    score = selection.score(data)
    own: Sequence[tuple[str, str, str, tuple[float | None, ...]]] = (
        ("test_accuracy", score, style.GREEN, (None, None)),
        ("replica_accuracy", f"{score} of the copy", style.INK, (1.5, 1.2)),
    )
    for name, label, colour, dashes in own:
        axes.plot(
            epochs,
            scales.drawable(data[name].values),
            color=colour,
            dashes=dashes,
            linewidth=1,
            label=label,
        )
    if data["disagreement"].notnull().any():
        values = data["disagreement"].values
        axes.plot(epochs, values, color=style.RED, dashes=(5, 1.5), label="disagreement")
        axes.set_ylim(0, 1)
    axes.set_ylabel("share of the\ntest samples" if score == "accuracy" else f"test {score}")
    layout.legend_above(axes)


def _layers(axes: Axes, data: xr.Dataset, epochs: Floats) -> None:
    for index, name in enumerate(data[schema.LAYER].values):
        layer = data.sel({schema.LAYER: name})
        colour, dashes = LINES[index % len(LINES)]
        norm = layer["layer_norm"]  # 0 of biases before the first step
        values = (layer["layer_l2"] / norm.where(norm > 0)).values
        label = f"layer {int(name) + 1}" if str(name).isdigit() else str(name)
        scales.curve(axes, epochs, values, color=colour, dashes=dashes, label=label)
    if scales.log_axis(axes, ticks=5):
        layout.legend_above(axes)
    axes.set_ylabel("L2 distance\nover norm, by layer")
