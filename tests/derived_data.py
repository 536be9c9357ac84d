"""Derived data sets made by hand, as `chaotrain.analysis.derive` would give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from chaotrain import schema

VERDICTS = {
    "e": schema.EXPONENTIAL,
    "b": schema.BOUNDED,
    "s": schema.SUBEXPONENTIAL,
    "c": schema.CONTRACTING,
    "u": schema.UNDECIDED,
    "x": schema.BLOW_UP,
    "-": schema.UNKNOWN,
}


def study(
    verdicts: Sequence[str],
    *,
    learning_rates: Sequence[float] | None = None,
    exponents: Any = 0.5,
    times: Any = 10.0,
    targets: Sequence[float] = (0.9,),
    best: Any = 1.0,
    last: int = 100,
    loss: Any = 1.0,
) -> xr.Dataset:
    """A derived data set: one word of verdicts a learning rate, the rest broadcast to the balls.

    A ball '-' did not run. `best` is the test accuracy at every epoch up to the `last`, `times`
    holds for every target, and the learning rates are 1, 2, ... if not given.
    """
    verdict = np.array([[VERDICTS[letter] for letter in word] for word in verdicts])
    shape = verdict.shape
    absent, decided = verdict == schema.UNKNOWN, np.isin(verdict, schema.DECIDED)
    status = np.where(verdict == schema.BLOW_UP, schema.BLOW_UP, schema.FINITE)
    accuracy = np.broadcast_to(np.asarray(best, float), shape)[..., None]
    time = np.broadcast_to(np.asarray(times, float), shape)[..., None]
    missing = absent[..., None]

    def curves(values: Any) -> np.ndarray:
        return np.where(missing, np.nan, np.broadcast_to(values, (*shape, last + 1)))

    arrays = {name: np.full(shape, np.nan) for name in schema.DERIVED} | {
        "loss": curves(loss),
        "test_accuracy": curves(accuracy),
        "exponent": np.where(decided, exponents, np.nan),
        "verdict": verdict,
        "status": np.where(absent, schema.ABSENT, status),
        "training_time": np.where(missing, np.nan, time).repeat(len(targets), axis=2),
        "transient": np.full(shape, schema.UNKNOWN),
        "target_phase": np.full((*shape, len(targets)), schema.UNKNOWN),
    }
    known = schema.RECORDED | schema.DERIVED
    grid = np.arange(1.0, 1 + shape[0]) if learning_rates is None else np.array(learning_rates)
    return xr.Dataset(
        {name: (known[name].dims, values) for name, values in arrays.items()},
        {
            schema.LEARNING_RATE: grid,
            schema.INIT: np.arange(shape[1]),
            schema.EPOCH: np.arange(last + 1),
            schema.TARGET: np.array(targets, float),
        },
    )
