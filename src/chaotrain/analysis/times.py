"""The training time τ of a ball: the first epoch at which its test accuracy reaches a target."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chaotrain.analysis.arrays import if_recorded
from chaotrain.arguments import is_number
from chaotrain.errors import UserError
from chaotrain.explaining import short
from chaotrain.statistics.averages import Booleans, Floats


def check_target(target: float) -> None:
    """Refuse what is no test accuracy."""
    if not (is_number(target) and 0 < target <= 1):
        raise UserError(
            f"target = {short(target)} is no test accuracy: give a number above 0 and at most 1"
        )


def valid_accuracy(dataset: xr.Dataset) -> Floats | None:
    """Return the test accuracy, (R, I, E), NaN from the epoch at which the loss blows up."""
    accuracy, loss = if_recorded(dataset, "test_accuracy"), if_recorded(dataset, "loss")
    if accuracy is None or loss is None:
        return accuracy
    # The accuracy of a network that is not finite is that of its arg max of NaN: no result.
    return np.where(np.logical_and.accumulate(np.isfinite(loss), axis=2), accuracy, np.nan)


def training_time(accuracy: Floats, epochs: NDArray[Any], target: float) -> Floats:
    """Return τ of each ball, (R, I), NaN where the target is not reached."""
    reached = accuracy >= target
    return np.where(reached.any(axis=2), epochs[reached.argmax(axis=2)], np.nan)


def censored(time: Floats, ran: Booleans, last: float) -> tuple[Floats, Floats]:
    """Return min(τ, T) and whether τ exists (1 or 0), both NaN for balls that did not run."""
    reached = ~np.isnan(time)
    return np.where(ran, np.where(reached, time, last), np.nan), np.where(ran, reached, np.nan)
