"""Which learning rates and which balls a figure shows when the caller does not say."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import xarray as xr

from chaotrain import schema


def ran(dataset: xr.Dataset) -> xr.DataArray:
    """Return which balls were run at all, over (learning_rate, init)."""
    if "status" in dataset:
        return dataset["status"] != schema.ABSENT
    recorded = (schema.DISTANCE, schema.TANGENT_GROWTH)
    name = next((name for name in recorded if name in dataset), "loss")
    extra = [dim for dim in dataset[name].dims if dim not in (schema.LEARNING_RATE, schema.INIT)]
    known: xr.DataArray = dataset[name].notnull().any(extra)
    return known


def decided(dataset: xr.Dataset) -> xr.DataArray:
    """Return which balls have a verdict that counts in ρ and λ_nMLE, over (learning_rate, init)."""
    return dataset["verdict"].isin(schema.DECIDED) & ran(dataset)


def attribute(summary: xr.Dataset, name: str) -> float:
    """Return an attribute of the summary; NaN where it is missing or None."""
    value = summary.attrs.get(name)
    return float("nan") if value is None else float(value)


def onset(summary: xr.Dataset) -> float:
    """Return the best known place of the onset, η_1, else η_0, else η*; NaN if there is none."""
    places = [attribute(summary, name) for name in ("eta_1", "eta_0", "eta_fastest")]
    return next((place for place in places if np.isfinite(place)), float("nan"))


def main_target(summary: xr.Dataset) -> float:
    """Return the target that η* stands for, by default the highest, as the summary spells it."""
    targets = np.asarray(summary[schema.TARGET].values, dtype=float)
    wanted = attribute(summary, "target")
    return float(targets[np.argmin(np.abs(targets - wanted))] if wanted == wanted else targets[-1])


def score(summary: xr.Dataset) -> str:
    """Return what the task calls its score."""
    return str(summary.attrs.get(schema.SCORE, "accuracy"))


def rates_of(data: xr.Dataset | xr.DataArray) -> npt.NDArray[np.float64]:
    """Return the learning rates as an array."""
    return np.asarray(data[schema.LEARNING_RATE].values, dtype=float)


def tested(dataset: xr.Dataset, wanted: float | None, chosen: float) -> float:
    """Return the wanted learning rate if it was tested, the chosen one if none is wanted."""
    rates = rates_of(dataset)
    if wanted is None:
        return chosen
    if wanted not in rates:
        known = ", ".join(f"{rate:g}" for rate in rates)
        raise ValueError(f"learning_rate: {wanted:g} was not tested; choose one of {known}")
    return float(wanted)


def nearest(rates: npt.NDArray[np.float64], wanted: float) -> float:
    """Return the learning rate nearest to the wanted one in the logarithm."""
    return float(rates[np.argmin(np.abs(np.log(rates) - np.log(wanted)))])


def telling_rates(dataset: xr.Dataset, summary: xr.Dataset) -> list[float]:
    """Return a small, an onset and a too large learning rate; fewer where they coincide.

    The onset rate is the tested one nearest to η_1 (or η_0, or η*). The small one is nearest to a
    tenth of it among the exploitation rates of at most half of it, so that it clearly learns and
    clearly is not chaotic. The too large one is the largest without learning, else the largest.
    """
    rates = np.sort(rates_of(dataset)[ran(dataset).any(schema.INIT).values])
    regime = {}
    if "regime" in summary:
        regime = dict(zip(rates_of(summary).tolist(), summary["regime"].values, strict=True))
    place = onset(summary)
    middle = nearest(rates, place if np.isfinite(place) else float(np.sqrt(rates[0] * rates[-1])))
    below = rates[rates <= middle / 2]
    learning = np.array([rate for rate in below if regime.get(rate) == schema.EXPLOITATION])
    stuck = [rate for rate in rates if regime.get(rate) == schema.NO_LEARNING and rate > middle]
    chosen = {middle, float(max(stuck)) if stuck else float(rates[-1])}
    if learning.size or below.size:
        chosen.add(nearest(learning, middle / 10) if learning.size else float(below[0]))
    return sorted(chosen)


def chaotic_rate(dataset: xr.Dataset, summary: xr.Dataset) -> float:
    """Return the tested learning rate at the onset whose balls separate exponentially.

    It is the one nearest to η_1 (or η_0, or η*) among those where at least half of the decided
    balls are exponential, else among those with any. Where no ball is exponential it is the one
    with the largest mean exponent, else the largest that was run.
    """
    rates, known = rates_of(dataset), decided(dataset)
    exponential = ((dataset["verdict"] == schema.EXPONENTIAL) & known).sum(schema.INIT).values
    share = exponential / np.maximum(known.sum(schema.INIT).values, 1)
    for chosen in (share >= 0.5, share > 0):
        if chosen.any():
            place = onset(summary)
            return nearest(rates[chosen], place) if np.isfinite(place) else float(rates[chosen][0])
    exponent = dataset["exponent"].where(known).fillna(-np.inf).max(schema.INIT).values
    if np.isfinite(exponent).any():
        return float(rates[np.argmax(exponent)])
    return float(rates[ran(dataset).any(schema.INIT).values].max())


def typical_init(balls: xr.Dataset) -> Hashable:
    """Return the initialisation, at one learning rate, that is most like the others.

    Args:
        balls: The data set at one learning rate.

    Returns:
        The exponential ball whose exponent is the median one; without exponential balls the same
        among the decided ones, and without those the first that was run.
    """
    there = ran(balls)
    for chosen in ((balls["verdict"] == schema.EXPONENTIAL) & there, decided(balls), there):
        some = balls.isel({schema.INIT: np.flatnonzero(chosen.values)})
        if some.sizes[schema.INIT]:
            order = np.argsort(some["exponent"].values, kind="stable")
            middle = order[(len(order) - 1) // 2] if chosen is not there else 0
            label: Hashable = some[schema.INIT].values[middle].item()
            return label
    raise ValueError("dataset: no ball was run at this learning rate")
