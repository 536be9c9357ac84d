"""What a search for the onset of chaos found: its learning rates, and its race."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import xarray as xr
from rich.table import Table

from chaotrain import schema
from chaotrain.tables.cells import interval, new_table, number, significant

MEANINGS = {
    "eta_first": ("first growth", "half of the initialisations grow by an e-fold"),
    "eta_0": ("η_0", "half are exponential"),
    "eta_1": ("η_1", "nine in ten are"),
    "divergence": ("divergence", "training diverges"),
    "eta_fastest": ("fastest η*", "train at it"),
}


def learning_rates(attributes: Mapping[str, Any]) -> Table:
    """One row a learning rate that was found, with its interval.

    Args:
        attributes: Those of `Onset.probes`.
    """
    table = new_table(("learning rate", "η", "[95%]", "where"))
    for name, (symbol, meaning) in MEANINGS.items():
        if math.isfinite(attributes[name]):
            limits = interval(attributes, name)
            table.add_row(symbol, significant(attributes[name]), limits, meaning)
    return table


def raced(race: xr.Dataset) -> Table:
    """One row a learning rate of the race; a time is a bound where the target is not reached."""
    target = float(race.attrs.get("target", math.nan))
    timed = math.isfinite(target)
    by_loss = race.attrs.get("measure") == "loss"
    best = "lowest loss" if by_loss else "best score"
    headings = ["raced η", "epochs", best]
    table = new_table([*headings, f"⟨τ⟩ to {target:g}", "reached"] if timed else headings)
    for index in range(race.sizes[schema.LEARNING_RATE]):
        row = race.isel({schema.LEARNING_RATE: index})
        score = float(row["lowest_loss" if by_loss else "best_score"])
        cells = [significant(float(row[schema.LEARNING_RATE])), f"{int(row['epochs'])}"]
        cells.append(significant(score))
        if timed:
            reached = float(row["reached"])
            bound = "" if reached == 1 else "≥ "
            cells += [bound + number(float(row["mean_training_time"]), 1), number(reached, 2)]
        table.add_row(*cells)
    return table
