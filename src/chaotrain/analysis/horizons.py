"""The reproducibility horizon: from which epoch on rounding alone makes another training."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from chaotrain import schema
from chaotrain.analysis.arrays import ordered
from chaotrain.growth import Growth, fit_growth
from chaotrain.statistics import averages

# Two runs are apart once their distance is this share of that at which growth saturates.
APART = 0.1
FIELDS = ("horizon", "horizon_predicted")


class Horizon(NamedTuple):
    """From which epoch on two computations of one training differ; infinite beyond the run.

    Attributes:
        measured: The first epoch at which they are apart, by a tenth of the saturation.
        predicted: The epoch that the exponent of the ball tells.
        low: Its lower limit, by the upper 95% limit of the exponent.
        high: Its upper limit.
        rounding: The distance at the first epoch at which they differ; 0 if they never do.
        level: The distance that counts as apart; NaN where no growth saturates.
    """

    measured: float
    predicted: float
    low: float
    high: float
    rounding: float
    level: float


def horizon_of(rounding: ArrayLike, growth: Growth) -> Horizon:
    r"""Say from which epoch on two computations of a training are apart.

    They differ first at an epoch $t_0$, by $d_r$, and then come apart at the exponent Λ, so that
    they reach a tenth of the saturation at

    $t_0 + \ln(d_s / 10\, d_r) / \Lambda$.

    Args:
        rounding: Their distance, shape (epoch,).
        growth: The fit of a ball's growth; by its saturation they are apart, or by that of their
            own growth where it has none.

    Returns:
        The horizon. A prediction is infinite if the ball's growth is not exponential, or does not
        saturate in the run: rounding starts from less.

    Example:
        >>> pair = fit_growth(1e-8 * np.exp(np.minimum(0.5 * np.arange(101), 18.0)))
        >>> found = horizon_of(1e-16 * np.exp(np.minimum(0.5 * np.arange(101), 36.0)), pair)
        >>> found.measured, round(found.predicted, 1)
        (69.0, 68.2)
    """
    curve = np.asarray(rounding, dtype=np.float64)
    infinite = float(np.inf)
    differs = np.flatnonzero(curve > 0)
    if not differs.size:
        return Horizon(infinite, infinite, infinite, infinite, 0.0, float(np.nan))
    first, start = int(differs[0]), float(curve[differs[0]])
    saturation = growth.saturation
    if not np.isfinite(saturation):
        saturation = fit_growth(curve).saturation
    level = APART * saturation
    apart = np.flatnonzero(curve >= level)
    measured = float(apart[0]) if apart.size else infinite

    def reached(rate: float) -> float:
        chaotic = growth.verdict == schema.EXPONENTIAL and np.isfinite(level)
        if not (chaotic and rate > 0):
            return infinite
        return first + max(float(np.log(level / start)), 0.0) / rate

    limits = reached(growth.high), reached(growth.low)
    return Horizon(measured, reached(growth.rate), *limits, start, level)


def horizons_of(dataset: xr.Dataset) -> dict[str, NDArray[np.float64]]:
    """The medians over initialisations of a derived data set, with 95% bootstrap limits.

    Args:
        dataset: What `derive` returns, sorted by learning rate.

    Returns:
        For each of `FIELDS`, and with `_low` and `_high`: shape (learning rate,), infinite where
        at least half are beyond the run, NaN where nothing is known.
    """
    found: dict[str, Any] = {}
    for name in FIELDS:
        values = ordered(dataset, name)
        known = ~np.isnan(values)
        found[name] = averages.weighted_median(values, averages.count_once(known))[0]
        replicates = averages.weighted_median(values, averages.resample(known))
        limits = averages.bootstrap_interval(replicates, known.sum(axis=1))
        found[f"{name}_low"], found[f"{name}_high"] = limits
    return found
