"""Numbers of a summary at one learning rate, with their 95% intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from chaotrain import schema


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval; NaN for what does not exist.

    Attributes:
        value: The number.
        low: Lower limit.
        high: Upper limit.
        bound: Whether the truth is larger: a mean of min(τ, T) of which some did not reach.
    """

    value: float
    low: float
    high: float
    bound: bool = False


LIMITS = ("", "_low", "_high")
NONE = Estimate(math.nan, math.nan, math.nan)


def attribute(summary: xr.Dataset, name: str) -> Estimate:
    """An attribute of the summary, such as "eta_1"."""
    value, low, high = (float(summary.attrs.get(f"{name}{limit}", math.nan)) for limit in LIMITS)
    return Estimate(value, low, high)


def exponent_at(summary: xr.Dataset, eta: float) -> Estimate:
    """λ_nMLE at a tested learning rate; nothing at NaN."""
    if math.isnan(eta):
        return NONE
    here = summary.sel({schema.LEARNING_RATE: eta}, method="nearest")
    value, low, high = (float(here[f"nmle{limit}"]) for limit in LIMITS)
    return Estimate(value, low, high)


def time_at(summary: xr.Dataset, eta: float) -> Estimate:
    """⟨τ⟩ to the main target at a tested learning rate; nothing at NaN.

    ⟨τ⟩ is the mean of min(τ, T): a bound where an initialisation did not reach the target.
    """
    if math.isnan(eta) or not summary[schema.TARGET].size:
        return NONE
    here = summary.sel({schema.LEARNING_RATE: eta}, method="nearest")
    here = here.sel({schema.TARGET: summary.attrs["target"]})
    value, low, high = (float(here[f"mean_training_time{limit}"]) for limit in LIMITS)
    return Estimate(value, low, high, bound=bool(here["reached"] < 1))


def nearest_tested(summary: xr.Dataset, eta: float) -> float:
    """The learning rate that ran nearest to η, in the logarithm; NaN if η is.

    Example:
        >>> summary = xr.Dataset({"ran": ("learning_rate", [4, 4, 0])})
        >>> nearest_tested(summary.assign_coords(learning_rate=[0.1, 1.0, 3.0]), eta=4.0)
        1.0
    """
    rates = summary[schema.LEARNING_RATE].values[summary["ran"].values > 0]
    if math.isnan(eta) or not rates.size:
        return math.nan
    return float(rates[np.abs(np.log(rates / eta)).argmin()])
