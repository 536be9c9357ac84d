"""What the page draws of single balls: their curves, thinned to what the eye can tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.figures import growths, selection
from chaotrain.report import clocks
from chaotrain.report.numbers import number, numbers

Floats = NDArray[np.float64]

# At most 10 bytes each.
NUMBERS = 90_000
MOST_BALLS, MOST_EPOCHS = 20, 200
# Fewer epochs are no curve, and fewer exponents no histogram.
FEWEST = 60
LINES = ("loss", "test_accuracy")


def curves(dataset: xr.Dataset, most: int = NUMBERS) -> dict[str, Any]:
    """The curves of the balls, for JSON: numbers with four digits, null for what is not finite.

    Args:
        dataset: What `derive` returns, sorted by learning rate.
        most: How many numbers all curves have together, but two epochs of one ball at least.

    Returns:
        `epochs` that are kept, and the `last` one; `growth`, whether "distance" or "tangent" was
        followed; and `rates`, for every learning rate the number of balls that `ran`, of those
        `decided`, their `exponents`, the `lifetimes` of their transients, the initialisations in
        which replicas and tangent `disagree`, and the first `balls`: initialisation, verdict, Λ
        with its interval, the `curve` (d(t), the geometric mean over the replicas, or
        ln‖v(t)‖/‖v(0)‖), beside d(t) what the `tangent` predicts where both were followed, the
        ends of the fitted line (`fit`, null but for an exponential verdict), when it is `chaotic`,
        the `times` at which it reaches the targets, loss and test score.
    """
    recorded = [name for name in LINES if name in dataset]
    both = schema.DISTANCE in dataset and schema.TANGENT_GROWTH in dataset
    count = max(dataset.sizes[schema.LEARNING_RATE], 1)
    epochs, shown = _thinned(dataset, most // (count * (len(recorded) + 1 + both)))
    ran, decided = selection.ran(dataset), selection.decided(dataset)
    rates = []
    for index in range(dataset.sizes[schema.LEARNING_RATE]):
        some = dataset.isel({schema.LEARNING_RATE: index})
        there = np.flatnonzero(ran[index].values)
        exponents = some["exponent"].values[decided[index].values]
        rates.append(
            {
                "ran": len(there),
                "decided": len(exponents),
                "exponents": numbers(_ranked(exponents, max(most // (4 * count), FEWEST))),
                "lifetimes": clocks.lifetimes(some.isel({schema.INIT: there})),
                "disagree": some[schema.INIT].values[some["disagrees"].values == 1].tolist(),
                "balls": [
                    _ball(some.isel({schema.INIT: init}), epochs, recorded)
                    for init in there[:shown]
                ],
            }
        )
    times = dataset[schema.EPOCH].values
    return {
        "epochs": times[epochs].tolist(),
        "last": int(times[-1]),
        "growth": growths.name(dataset),
        "rates": rates,
    }


def _thinned(dataset: xr.Dataset, most: int) -> tuple[NDArray[np.intp], int]:
    """Which epochs are kept and how many balls, of so many numbers a kind of curve."""
    last = dataset.sizes[schema.EPOCH] - 1
    shown = int(np.clip(most // FEWEST, 1, min(MOST_BALLS, dataset.sizes[schema.INIT])))
    steps = int(np.clip(most // shown, 2, MOST_EPOCHS + 1))
    return _evenly(last + 1, steps), shown


def _evenly(length: int, most: int) -> NDArray[np.intp]:
    """At most so many places, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, min(most, length)).round().astype(np.intp))


def _ranked(values: Floats, most: int) -> Floats:
    """All, or where there are more so many of them evenly by rank: the same distribution."""
    return values if len(values) <= most else np.sort(values)[_evenly(len(values), most)]


def _ball(one: xr.Dataset, epochs: NDArray[np.intp], recorded: list[str]) -> dict[str, Any]:
    whole = _curve(one)
    exponent = (_value(one, f"exponent{limit}") for limit in ("", "_low", "_high"))
    ball: dict[str, Any] = {
        "init": int(one[schema.INIT]),
        "verdict": str(one["verdict"].values),
        "exponent": list(map(number, exponent)),
        "curve": numbers(whole[epochs]),
        "fit": _fit(one, whole),
        "chaotic": clocks.chaotic(one),
        "times": numbers(one["training_time"].values),
    }
    if schema.DISTANCE in one and schema.TANGENT_GROWTH in one:
        predicted = growths.tangent_over(whole, one[schema.TANGENT_GROWTH].values)
        ball["tangent"] = numbers(predicted[epochs])
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
