"""The summary of a study as a table for a terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import xarray as xr
from rich import box
from rich.console import Console
from rich.table import Table

from chaotrain import schema

WIDTH = 132


def show(summary: xr.Dataset) -> None:
    """Print the statistics of every learning rate, the onsets and the fastest learning rates."""
    console = Console(file=sys.stdout, width=WIDTH, highlight=False, soft_wrap=False)
    console.print(by_learning_rate(summary))
    console.print(by_target(summary))
    for line in onset_lines(summary):
        console.print(line)


def by_learning_rate(summary: xr.Dataset) -> Table:
    """One row a learning rate; intervals are 95%."""
    target = float(summary.attrs["target"])
    table = Table(box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    chaos = ("η", "λ_nMLE ± std", "[95%]", "ρ", "[95%]", "decided", "regime")
    learning = ("best acc.", f"⟨τ⟩ to {target:g}", "[95%]", "reached", "loss rises", "path ratio")
    for heading in (*chaos, *learning):
        table.add_column(heading, justify="left" if heading == "regime" else "right", no_wrap=True)
    chosen = summary.sel({schema.TARGET: target})
    for index in range(summary.sizes[schema.LEARNING_RATE]):
        row = _scalars(chosen.isel({schema.LEARNING_RATE: index}))
        table.add_row(
            f"{row['learning_rate']:g}",
            f"{number(row['nmle'], 3)} ± {number(row['nmle_std'], 3)}",
            interval(row, "nmle", 3),
            number(row["rho"], 2),
            interval(row, "rho", 2),
            f"{row['decided']:g}/{row['ran']:g}",
            str(row["regime"]),
            number(row["best_accuracy"], 3),
            number(row["mean_training_time"], 1),
            interval(row, "mean_training_time", 1),
            number(row["reached"], 2),
            number(row["loss_rise_share"], 2),
            number(row["path_ratio"], 2),
        )
    return table


def by_target(summary: xr.Dataset) -> Table:
    """One row a target: the fastest learning rate, and its ratio to the onset."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("target", "fastest η*", "[95%]", "η*/η_1", "[95%]"):
        table.add_column(heading, justify="right", no_wrap=True)
    fastest = summary.drop_dims(schema.LEARNING_RATE)
    for target in summary[schema.TARGET].values:
        row = _scalars(fastest.sel({schema.TARGET: target}))
        table.add_row(
            f"{target:g}",
            number(row["eta_fastest"], 3),
            interval(row, "eta_fastest", 3),
            number(row["eta_ratio"], 2),
            interval(row, "eta_ratio", 2),
        )
    return table


def onset_lines(summary: xr.Dataset) -> list[str]:
    """The onset of chaos in words."""
    attributes = summary.attrs
    meaning = {
        "eta_0": "half of the initialisations are chaotic",
        "eta_1": "all are, here and at every larger trainable η",
    }
    return [
        f"{name}: {number(attributes[name], 3)} {interval(attributes, name, 3)}  ({words})"
        for name, words in meaning.items()
    ]


def number(value: float, digits: int) -> str:
    """A number with its digits, or a dash where there is none.

    Example:
        >>> from chaotrain.tables import number
        >>> number(0.12345, 3), number(float("nan"), 3)
        ('0.123', '-')
    """
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def interval(values: Mapping[str, float], name: str, digits: int) -> str:
    """The interval that belongs to a variable, or a dash where it has none."""
    low, high = values[f"{name}_low"], values[f"{name}_high"]
    if math.isnan(low) or math.isnan(high):
        return "-"
    return f"[{number(low, digits)}, {number(high, digits)}]"


def _scalars(summary: xr.Dataset) -> dict[str, Any]:
    return {str(name): variable.values.item() for name, variable in summary.variables.items()}
