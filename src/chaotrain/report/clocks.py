"""What the page draws of time: when each ball is chaotic, and how long such transients last."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from chaotrain import schema
from chaotrain.report.numbers import number, numbers
from chaotrain.statistics.survival import survival


def followed(dataset: xr.Dataset) -> bool:
    """Whether a tangent says how long chaos lasts; distances saturate and cannot."""
    return bool((dataset["transient"] != schema.UNKNOWN).any())


def chaotic(one: xr.Dataset) -> dict[str, float | None] | None:
    """When a ball is chaotic: by its tangent, or else while its distances grow exponentially.

    Returns:
        `start` and `stop` in epochs, the latter None where the run does not show the end; or None
        without a transient.
    """
    word = str(one["transient"].values)
    if word == schema.UNKNOWN and str(one["verdict"].values) == schema.EXPONENTIAL:
        return {name: number(float(one[f"growth_{name}"])) for name in ("start", "stop")}
    if word in (schema.ENDED, schema.CENSORED):
        return {name: number(float(one[f"transient_{name}"])) for name in ("start", "stop")}
    return None


def lifetimes(balls: xr.Dataset) -> dict[str, Any] | None:
    """The survival of the transients at one learning rate, from 1 at time 0 on; None without any.

    Args:
        balls: The data set at one learning rate, where every ball ran.

    Returns:
        `x`, `y`, `low` and `high` of the Kaplan-Meier curve; and `censored`, the lifetimes that
        are only known to be exceeded, with the share at them in `level`.
    """
    lasted, words = balls["transient_lifetime"].values, balls["transient"].values
    there = lasted > 0
    if not there.any():
        return None
    found = survival(lasted[there], words[there] == schema.ENDED)
    times, share = np.append(0.0, found.times), np.append(1.0, found.share)
    cut = np.unique(lasted[there & (words == schema.CENSORED)])
    level = share[np.searchsorted(times, cut, side="right") - 1]
    return {
        "x": numbers(times),
        "y": numbers(share),
        "low": numbers(np.append(1.0, found.low)),
        "high": numbers(np.append(1.0, found.high)),
        "censored": numbers(cut),
        "level": numbers(level),
    }
