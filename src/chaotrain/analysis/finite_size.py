"""The finite-size exponent: the growth rate of a perturbation as a function of its size."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from chaotrain import schema
from chaotrain.errors import UserError
from chaotrain.statistics import finite_size
from chaotrain.statistics.averages import Floats

SIZE = "size"
RATIO = 10.0
# Default thresholds for each growth by the ratio, and the most of them.
SIZES_EACH = 2
MOST_SIZES = 1000
ATTRIBUTES = {
    SIZE: {"long_name": "size δ of the perturbation", "units": "1"},
    "rate": {"long_name": "finite-size exponent λ(δ)", "units": "1/epoch"},
    "rate_low": {"long_name": "its lower 95% limit", "units": "1/epoch"},
    "rate_high": {"long_name": "its upper 95% limit", "units": "1/epoch"},
    "balls": {"long_name": "balls that grow past the size", "units": "1"},
    "grown": {"long_name": "share of replicas past it that grow by the ratio", "units": "1"},
}


def finite_size_exponent(
    distance: xr.DataArray | ArrayLike,
    thresholds: ArrayLike | None = None,
    *,
    ratio: float = RATIO,
) -> xr.Dataset:
    r"""Estimate the growth rate of a perturbation as a function of its size δ.

    $\lambda(\delta) = \langle \ln d(t_2)/d(t_1) \rangle / \langle t_2 - t_1 \rangle$, where a
    replica passes δ at the epoch $t_1$, the first one with $d \ge \delta$, and has grown by the
    ratio r at $t_2$, the first later one with $d \ge r\, d(t_1)$. Epochs are discrete, so the
    logarithm is that of the realised growth and not ln r. The means are over all replicas of all
    balls that pass δ from below, by less than r at once.

    One that does not grow by r before the run ends counts with the growth and the epochs it had:
    $t_2$ is a stopping time either way, so for independent growths from epoch to epoch the ratio of
    means is their mean (Wald). It makes λ(δ) fall to 0 where the growth saturates, where those that
    happen to grow would tell of growth alone.

    Small δ give the Lyapunov exponent, as long as rounding (the machine epsilon times Σ|w|) is
    smaller still.

    Args:
        distance: d(t): a DataArray over `epoch`, if need be `replica`, and any others, which make
            different balls; or an array (epoch,), (ball, epoch) or (ball, replica, epoch).
        thresholds: The sizes δ, increasing; by default δ_0 r^(n/2) from the smallest d(0) to the
            largest d(t).
        ratio: The growth r, above 1. The more, the less the correlation of successive growths
            errs: for the logistic map at η = 4 by 6% at r = 2, 2% at 4, below 1% at 10.

    Returns:
        Over `size`: `rate`, λ(δ) per epoch; `rate_low` and `rate_high`, 95% bootstrap limits over
        balls (NaN below three); `balls` that pass the size; `grown`, the share of their replicas
        that grow by r. NaN where none passes.

    Raises:
        UserError: On distances of another shape, or a threshold or ratio out of range.

    Source: E. Aurell, G. Boffetta, A. Crisanti, G. Paladin, A. Vulpiani, J. Phys. A 30, 1 (1997),
    and its form for discrete time.

    Example:
        >>> d = 1e-8 * np.exp(0.7 * np.arange(30))
        >>> finite_size_exponent(d, [1e-6, 1e-3, 1.0]).rate.values.round(12).tolist()
        [0.7, 0.7, 0.7]
    """
    table = _table(distance)
    if not (1 < ratio < np.inf):
        raise UserError(f"ratio = {ratio}: give a number above 1")
    sizes = default_sizes(table, ratio) if thresholds is None else _given(thresholds)
    found = finite_size.passages(table, sizes, ratio)
    count = found.passed.sum(axis=(1, 2))
    grown = np.full(len(sizes), np.nan)
    np.divide(found.grown.sum(axis=(1, 2)), count, out=grown, where=count > 0)
    rate, low, high = finite_size.rates(found)
    values: dict[str, Any] = {
        "rate": rate,
        "rate_low": low,
        "rate_high": high,
        "balls": found.passed.any(axis=2).sum(axis=1),
        "grown": grown,
    }
    return xr.Dataset(
        {name: (SIZE, value, ATTRIBUTES[name]) for name, value in values.items()},
        coords={SIZE: (SIZE, sizes, ATTRIBUTES[SIZE])},
        attrs={"ratio": float(ratio)},
    )


def _table(distance: Any) -> Floats:
    """Distances as (ball, replica, epoch)."""
    if isinstance(distance, xr.DataArray):
        if schema.EPOCH not in distance.dims:
            raise UserError(f"distance: it is over {distance.dims}, give it over epoch")
        if distance.sizes.get(schema.LEARNING_RATE, 1) > 1:
            raise UserError(
                "distance: it has several learning rates, take one with .sel(learning_rate=...)"
            )
        if schema.REPLICA not in distance.dims:
            distance = distance.expand_dims(schema.REPLICA)
        distance = distance.transpose(..., schema.REPLICA, schema.EPOCH)
        shape = (-1, *distance.shape[-2:])
        values = np.asarray(distance.values, dtype=np.float64).reshape(shape)
    else:
        values = np.asarray(distance, dtype=np.float64)
        if values.ndim not in (1, 2, 3):
            raise UserError(
                f"distance: its shape is {values.shape}, give (epoch,), (ball, epoch) or "
                "(ball, replica, epoch)"
            )
        if values.ndim < 3:
            values = np.atleast_2d(values)[:, None]
    if values.size == 0 or values.shape[2] < 2:
        raise UserError(f"distance: its shape is {values.shape}, give two epochs or more")
    if (values < 0).any():
        raise UserError(
            f"distance: it holds {np.nanmin(values):g}, give d(t) and not its logarithm"
        )
    return values


def _given(thresholds: ArrayLike) -> Floats:
    sizes = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    sound = sizes.ndim == 1 and sizes.size > 0 and np.isfinite(sizes).all() and (sizes > 0).all()
    if not sound or (np.diff(sizes) <= 0).any():
        raise UserError("thresholds: give positive sizes in increasing order")
    return sizes


def default_sizes(table: Floats, ratio: float = RATIO) -> Floats:
    """δ_0 r^(n/2) from the smallest initial to the largest of distances (..., epoch)."""
    first, known = table[..., 0], table[np.isfinite(table) & (table > 0)]
    first = first[np.isfinite(first) & (first > 0)]
    if not first.size:
        raise UserError("distance: no replica starts at a positive distance, give thresholds")
    step = np.log(ratio) / SIZES_EACH
    steps = int(np.log(known.max() / first.min()) / step) + 1
    if steps > MOST_SIZES:
        raise UserError(f"ratio = {ratio}: that makes {steps} sizes, raise it or give thresholds")
    return np.asarray(first.min() * np.exp(step * np.arange(steps)), dtype=np.float64)
