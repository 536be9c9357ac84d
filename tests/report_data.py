"""Synthetic studies as the report takes them, and where they come from."""

from __future__ import annotations

import functools

import numpy as np
import xarray as xr

import study_data
from chaotrain import schema
from chaotrain.analysis import derive, summarise
from chaotrain.provenance import Record
from chaotrain.report.page import Origin

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
# What may be recorded.
WHOLE = ("distance", "loss", "test_accuracy")
TANGENT = (schema.TANGENT_GROWTH, "loss", "test_accuracy")
BOTH = ("distance", schema.TANGENT_GROWTH, "loss", "test_accuracy")


def origin(text: str = "plain", finished: int = 4) -> Origin:
    """Where a study comes from, with the same text in every field that is free."""
    run = {
        "started": text,
        "versions": {text: text},
        "git_commit": text,
        "device": text,
        "threads": 2,
        "data_sha256": {text: text},
        "outcome": text,
    }
    layout = {"balls_per_tile": 1, "members_per_block": 1, "epochs_per_call": 1}
    record = Record.model_validate({"experiment_sha256": text, "layout": layout, "runs": [run]})
    return Origin(text, f'task = "{text}"', record, finished, 4, f"chaotrain run {text}")


@functools.cache
def drawn(*names: str) -> tuple[xr.Dataset, xr.Dataset]:
    """A synthetic study of which these variables were recorded."""
    dataset, _ = study_data.study(rates=(1.0, 5.0, 7.5, 20.0), inits=3, epochs=80)
    dataset[schema.TANGENT_GROWTH] = np.log(dataset["distance"] / dataset["distance"][..., 0])[
        :, :, 0
    ]
    # One ball in which the tangent does not say what the replicas say.
    dataset[schema.TANGENT_GROWTH][2, 1] *= 2
    return summarised(dataset[list(names or WHOLE)])


def summarised(recorded: xr.Dataset, score: str = "accuracy") -> tuple[xr.Dataset, xr.Dataset]:
    if "replica" in recorded.coords and "replica" not in recorded.dims:
        recorded = recorded.drop_vars("replica")
    derived = derive(recorded, (0.7, 0.8) if "test_accuracy" in recorded else ())
    return derived, summarise(derived, 0.8).assign_attrs({schema.SCORE: score})
