"""The summary of a random study against a plain, slow implementation, and what leaves it alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from chaotrain import schema
from chaotrain.analysis.summary import summarise
from chaotrain.statistics.averages import bootstrap_interval, resample
from chaotrain.statistics.onsets import half_crossing_interval, supporting_size
from derived_data import study

NAN = np.nan


def random_study(seed: int = 0) -> xr.Dataset:
    """A ragged study with all kinds of balls, chaotic for large learning rates."""
    generator = np.random.default_rng(seed)
    grid = np.array([1.0, 2.5, 5.0, 7.5, 10.0, 15.0])
    shape = (grid.size, 12)
    chances = [  # of each verdict, a learning rate a row
        [0.0, 0.8, 0.2, 0.0, 0.0],
        [0.1, 0.9, 0.0, 0.0, 0.0],
        [0.4, 0.4, 0.0, 0.2, 0.0],
        [0.9, 0.1, 0.0, 0.0, 0.0],
        [0.98, 0.0, 0.0, 0.02, 0.0],
        [0.8, 0.0, 0.0, 0.1, 0.1],
    ]
    words = [generator.choice(list("ebsux"), 12, p=chance) for chance in chances]
    for word in (words[0], words[-1]):
        word[5:] = "-"
    times = generator.integers(20, 120, size=shape) / [[0.5], [1], [2], [3], [2], [0.5]]
    return study(
        ["".join(word) for word in words],
        learning_rates=list(grid),
        exponents=generator.normal(0.5, 0.2, size=shape),
        times=np.where(times > 100, NAN, np.ceil(times)),
        best=generator.uniform(0.85, 0.99, size=shape),
    )


def plain_summary(dataset: xr.Dataset, drawn: list[np.ndarray]) -> dict[str, Any]:
    """The definitions once more, for one sample: drawn[r] are the initialisations at rate r."""
    grid = dataset.learning_rate.values
    last = float(dataset.epoch[-1])
    nmle, rho, decided, trainable, time, reached = [], [], [], [], [], []
    for rate, members in enumerate(drawn):
        balls = dataset.isel(learning_rate=rate, init=members)
        verdict = balls.verdict.values
        known = np.isin(verdict, schema.DECIDED)
        decided.append(known.sum())
        rho.append((verdict == "exponential").sum() / known.sum() if known.any() else NAN)
        nmle.append(balls.exponent.values[known].mean() if known.any() else NAN)
        trainable.append(np.median(balls.test_accuracy.max("epoch")) >= 0.9)
        tau = balls.training_time.values[:, 0]
        time.append(np.where(np.isnan(tau), last, tau).mean())
        reached.append((~np.isnan(tau)).mean())
    eta_1 = np.inf
    for rate in range(grid.size):
        larger = [s for s in range(rate + 1, grid.size) if trainable[s]]
        if all(decided[s] > 0 and rho[s] == 1 for s in [rate, *larger]):
            eta_1 = grid[rate]
            break
    before = max([0.0, *(g for g, d in zip(grid, decided, strict=True) if d and g < eta_1)])
    able = [rate for rate in range(grid.size) if reached[rate] >= 0.5]
    eta_fastest = grid[min(able, key=lambda rate: time[rate])] if able else NAN
    return {
        "nmle": np.array(nmle),
        "mean_training_time": np.array(time),
        "eta_0": plain_half_crossing(grid, np.array(rho), np.array(decided)),
        "eta_1": eta_1,
        "before": before,
        "eta_fastest": eta_fastest,
    }


def plain_half_crossing(grid: np.ndarray, rho: np.ndarray, decided: np.ndarray) -> float:
    """η_0 from the isotonic fit by its max-min formula."""
    known = np.flatnonzero(decided)
    rho, decided = rho[known], decided[known]

    def mean(first: int, last: int) -> float:
        members = slice(first, last + 1)
        return float(np.average(rho[members], weights=decided[members]))

    count = len(known)
    bounds = [
        max(min(mean(first, last) for last in range(k, count)) for first in range(k + 1))
        for k in range(count)
    ]
    fit = np.round(bounds, 12)
    if fit[0] >= 0.5 or fit[-1] <= 0.5:
        return 0.0 if fit[-1] > 0.5 else np.inf if fit[0] < 0.5 else NAN
    # The generalised inverse from below and from above.
    sides = [np.interp(0.5 + side, fit, np.log(grid[known])) for side in (-1e-11, 1e-11)]
    return float(np.exp(np.mean(sides)))


def test_summary_is_that_of_a_plain_implementation() -> None:
    dataset = random_study()
    samples = 150
    summary = summarise(dataset, target=0.9, samples=samples, seed=4)
    ran = dataset.verdict.values != schema.UNKNOWN
    weights = resample(ran, samples, 4)
    point = plain_summary(dataset, [np.flatnonzero(row) for row in ran])
    replicates = [
        plain_summary(dataset, [np.repeat(np.arange(12), weights[:, s, r]) for r in range(6)])
        for s in range(samples)
    ]
    np.testing.assert_allclose(summary.nmle, point["nmle"])
    np.testing.assert_allclose(summary.mean_training_time[:, 0], point["mean_training_time"])
    for name in ("eta_0", "eta_1", "eta_fastest"):
        assert summary.attrs[name] == pytest.approx(point[name], rel=1e-9)
    assert summary.attrs["eta_ratio"] == point["eta_fastest"] / point["eta_1"]

    def limits(name: str, size: Any) -> tuple[np.ndarray, np.ndarray]:
        return bootstrap_interval(np.array([r[name] for r in replicates]), size)

    decided = summary.decided.values
    np.testing.assert_allclose((summary.nmle_low, summary.nmle_high), limits("nmle", decided))
    np.testing.assert_allclose(
        (summary.mean_training_time_low[:, 0], summary.mean_training_time_high[:, 0]),
        limits("mean_training_time", summary.ran.values),
    )
    grid = dataset.learning_rate.values
    size_0 = supporting_size(grid, decided, point["eta_0"])
    size_1 = supporting_size(grid, decided, point["eta_1"])
    size_1 = min(size_1, supporting_size(grid, decided, point["before"]))
    assert size_0 >= 3
    assert size_1 >= 3
    attributes = summary.attrs
    low, high = half_crossing_interval(
        grid,
        (dataset.verdict.values == "exponential").sum(axis=1),
        decided,
        np.array([replicate["eta_0"] for replicate in replicates]),
        size_0,
    )
    assert (attributes["eta_0_low"], attributes["eta_0_high"]) == pytest.approx((low, high), 1e-6)
    assert attributes["eta_1_low"] == limits("before", size_1)[0]
    assert attributes["eta_1_high"] == limits("eta_1", size_1)[1]
    assert attributes["eta_1_low"] < attributes["eta_1"] <= attributes["eta_1_high"]
    size = supporting_size(grid, summary.ran.values, point["eta_fastest"])
    assert (attributes["eta_fastest_low"], attributes["eta_fastest_high"]) == tuple(
        map(float, limits("eta_fastest", size))
    )


def test_summary_repeats_itself_to_the_byte() -> None:
    first, second = (summarise(random_study(), target=0.9) for _ in range(2))
    assert repr(first.to_dict()) == repr(second.to_dict())
    for name in first.data_vars:
        assert first[name].values.tobytes() == second[name].values.tobytes()


def test_permuted_initialisations_and_learning_rates_change_no_estimate() -> None:
    dataset = random_study()
    turned = dataset.isel(
        init=np.random.default_rng(1).permutation(12), learning_rate=slice(None, None, -1)
    )
    first, second = (summarise(data, target=0.9) for data in (dataset, turned))
    for name in schema.SUMMARY:
        if not name.endswith(("_low", "_high")) and name != "regime":
            np.testing.assert_allclose(first[name].values, second[name].values, rtol=1e-12)
    assert first.regime.equals(second.regime)
    for name in ("eta_0", "eta_1", "eta_fastest", "eta_ratio"):
        assert first.attrs[name] == pytest.approx(second.attrs[name], rel=1e-12, nan_ok=True)
