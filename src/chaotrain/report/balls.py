"""What the page draws of single balls: their curves, thinned to what the eye can tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.figures import growths, selection

Floats = NDArray[np.float64]

# At most 10 bytes a number: with plotly's 4.8 MB the page stays below 6 MB.
NUMBERS = 90_000
MOST_BALLS, MOST_EPOCHS, FEWEST_EPOCHS = 20, 200, 60
LINES = ("loss", "test_accuracy")


def curves(dataset: xr.Dataset) -> dict[str, Any]:
    """The curves of the balls, for JSON: numbers with four digits, null for what is not finite.

    Args:
        dataset: What `derive` returns, sorted by learning rate.

    Returns:
        `epochs` that are kept; `growth`, whether "distance" or "tangent" was followed; and `rates`,
        for every learning rate the number of balls that `ran`, all the `exponents` of the decided
        ones, and the first `balls`: initialisation, verdict, Λ with its interval, the `curve`
        (d(t), the geometric mean over the replicas, or ln‖v(t)‖/‖v(0)‖), the ends of the fitted
        line (`fit`, null but for an exponential verdict), loss and test score.
    """
    recorded = [name for name in LINES if name in dataset]
    epochs, most = _thinned(dataset, len(recorded) + 1)
    ran, decided = selection.ran(dataset), selection.decided(dataset)
    rates = []
    for index in range(dataset.sizes[schema.LEARNING_RATE]):
        some = dataset.isel({schema.LEARNING_RATE: index})
        there = np.flatnonzero(ran[index].values)
        exponents = some["exponent"].values[decided[index].values]
        rates.append(
            {
                "ran": len(there),
                "exponents": numbers(exponents),
                "balls": [
                    _ball(some.isel({schema.INIT: init}), epochs, recorded) for init in there[:most]
                ],
            }
        )
    times = dataset[schema.EPOCH].values[epochs].tolist()
    return {"epochs": times, "growth": growths.name(dataset), "rates": rates}


def numbers(values: Any) -> list[float | None]:
    """Four significant digits of each, null for what is not finite.

    Example:
        >>> numbers([0.123456, np.nan])
        [0.1235, None]
    """
    return [float(f"{x:.4g}") if np.isfinite(x) else None for x in np.ravel(values).tolist()]


def _thinned(dataset: xr.Dataset, kinds: int) -> tuple[NDArray[np.intp], int]:
    """Which epochs are kept, evenly, and how many balls a learning rate."""
    last = dataset.sizes[schema.EPOCH] - 1
    shares = NUMBERS // (max(dataset.sizes[schema.LEARNING_RATE], 1) * kinds)
    most = int(np.clip(shares // FEWEST_EPOCHS, 1, min(MOST_BALLS, dataset.sizes[schema.INIT])))
    steps = int(np.clip(shares // most, 2, MOST_EPOCHS + 1))
    return np.unique(np.linspace(0, last, min(steps, last + 1)).round().astype(int)), most


def _ball(one: xr.Dataset, epochs: NDArray[np.intp], recorded: list[str]) -> dict[str, Any]:
    whole = _curve(one)
    low, high = (_value(one, f"exponent_{limit}") for limit in ("low", "high"))
    ball: dict[str, Any] = {
        "init": int(one[schema.INIT]),
        "verdict": str(one["verdict"].values),
        "exponent": numbers([_value(one, "exponent"), low, high]),
        "curve": numbers(whole[epochs]),
        "fit": _fit(one, whole),
    }
    return ball | {name: numbers(one[name].values[epochs]) for name in recorded}


def _curve(one: xr.Dataset) -> Floats:
    """d(t), or ln of what the tangent grew by, which may be beyond any float."""
    if schema.DISTANCE in one:
        curve = np.full(one.sizes[schema.EPOCH], np.nan)
        mean = growths.mean_curve(one)
        curve[: len(mean)] = mean
        return curve
    return np.asarray(one[schema.TANGENT_GROWTH].values, dtype=float)


def _fit(one: xr.Dataset, curve: Floats) -> dict[str, list[float | None]] | None:
    """The ends of the fitted exponential, through the middle of its phase."""
    rate, start, stop = (_value(one, f) for f in ("exponent", "growth_start", "growth_stop"))
    times = one[schema.EPOCH].values
    logarithm = curve
    if schema.DISTANCE in one:
        with np.errstate(divide="ignore"):
            logarithm = np.log(curve)
    phase = (times >= start) & (times <= stop) & np.isfinite(logarithm)
    if str(one["verdict"].values) != schema.EXPONENTIAL or not phase.any():
        return None
    ends = np.array([start, stop])
    line = logarithm[phase].mean() + rate * (ends - times[phase].mean())
    return {"x": numbers(ends), "y": numbers(np.exp(line) if schema.DISTANCE in one else line)}


def _value(one: xr.Dataset, name: str) -> float:
    return float(one[name]) if name in one else np.nan
