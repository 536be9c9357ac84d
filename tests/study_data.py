"""Synthetic studies with the shape of the MNIST baseline, for tests that need no engine.

`study` returns a data set and its summary that obey `chaotrain.schema`. The truth behind them
follows the table of design.md: distances start at 2.5e-4, learning rates above about 6 grow at
0.7 per epoch until 5e2 or more, those below gain a decade at most, and 20 learns nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from chaotrain import schema

PAPER_RATES = (
    *(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
    *(2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.5, 20.0),
)
QUICK_RATES = (0.5, 1.0, 2.5, 5.0, 6.0, 7.5, 10.0, 15.0, 20.0)
RAGGED_RATES = (1.0, 2.5, 5.0, 7.5, 10.0, 15.0)
RAGGED_INITS = (2, 2, 6, 6, 6, 2)
TARGETS = (0.70, 0.80, 0.85, 0.90)

Floats = npt.NDArray[np.float64]


def study(
    rates: Sequence[float] = QUICK_RATES,
    inits: int | Sequence[int] = 4,
    replicas: int = 1,
    epochs: int = 201,
    targets: Sequence[float] = TARGETS,
    target: float = 0.85,
    onset: float = 6.1,
    seed: int = 0,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Draw a study; a sequence of `inits` gives each learning rate its own number of balls."""
    generator = np.random.default_rng(seed)
    counts = np.broadcast_to(np.asarray(inits), len(rates))
    shape = (len(rates), int(counts.max()))
    recorded = {
        "distance": np.full((*shape, replicas, epochs + 1), np.nan),
        **{name: np.full((*shape, epochs + 1), np.nan) for name in ("loss", "test_accuracy")},
    }
    derived: dict[str, npt.NDArray[np.generic]] = {
        name: np.full(shape, np.nan)
        for name in ("exponent", "exponent_low", "exponent_high", "growth_start", "growth_stop")
    }
    derived |= {
        "saturation": np.full(shape, np.nan),
        "verdict": np.full(shape, schema.UNDECIDED, dtype="U16"),
        "status": np.full(shape, schema.ABSENT, dtype="U16"),
    }
    for row, rate in enumerate(rates):
        for init in range(counts[row]):
            ball = _ball(generator, rate, onset, replicas, epochs)
            for name, value in ball.items():
                (recorded if name in recorded else derived)[name][row, init] = value
    dataset = xr.Dataset(
        {name: (schema.RECORDED[name].dims, values) for name, values in recorded.items()}
        | {name: (schema.DERIVED[name].dims, values) for name, values in derived.items()},
        coords={
            "learning_rate": list(map(float, rates)),
            "init": np.arange(shape[1]),
            "replica": np.arange(replicas),
            "epoch": np.arange(epochs + 1),
            "target": list(map(float, targets)),
        },
    )
    reached = dataset["test_accuracy"] >= dataset["target"]
    time = dataset["epoch"].where(reached).min("epoch")
    dataset["training_time"] = time.transpose("learning_rate", "init", "target")
    known = schema.RECORDED | schema.DERIVED | schema.COORDINATES
    for label, variable in dataset.variables.items():
        variable.attrs.update(known[str(label)].attrs)
    return dataset, summarise(dataset, target)


def _ball(
    generator: np.random.Generator, rate: float, onset: float, replicas: int, epochs: int
) -> dict[str, Any]:
    """One ball: what a run would record of it and what the growth fit would say."""
    time = np.arange(epochs + 1.0)
    chaotic = generator.random() < 1 / (1 + (onset / rate) ** 24)
    noise = np.cumsum(generator.normal(0, 0.12, (replicas, epochs + 1)), axis=1)
    noise -= noise[:, :1]
    ball: dict[str, Any] = {"status": schema.FINITE}
    if chaotic:
        slope = 0.68 * (rate / 7.5) ** 0.35 * (1 + 0.06 * generator.normal())
        lag = generator.uniform(2, 9)
        plateau = np.log(5e2 * (rate / 7.5) ** 2.5)
        ramp = slope * np.maximum(time - lag, 0) + np.log(2.54e-4) + noise
        stop = np.ceil(lag + (plateau - np.log(2.54e-4)) / slope)
        flat = plateau + 0.15 * generator.normal(size=noise.shape)
        log_distance = -np.logaddexp(-2 * ramp, -2 * flat) / 2
        log_distance[:, 0] = np.log(2.54e-4)
        ball |= {
            "verdict": schema.EXPONENTIAL,
            "exponent": slope,
            "exponent_low": slope - 0.03,
            "exponent_high": slope + 0.03,
            "growth_start": np.ceil(lag),
            "growth_stop": stop - 2,
            "saturation": np.exp(plateau),
        }
    else:
        gain = 2.5 * min(rate / 5, 1) ** 1.5 * generator.uniform(0.5, 1.2)
        curve = gain * (1 - np.exp(-time / 60)) + 0.15 * (noise if rate > 1 else 0 * noise)
        log_distance = curve + np.log(2.54e-4)
        exponent = float(log_distance[:, -1].mean() - log_distance[:, 0].mean()) / epochs
        ball |= {"verdict": schema.BOUNDED, "exponent": exponent}
        ball |= {"exponent_low": exponent - 0.002, "exponent_high": exponent + 0.002}
    progress = rate * time * (1 / (1 + (rate / 13) ** 6)) * generator.uniform(0.85, 1.15)
    accuracy = 0.93 - 0.83 / (1 + (progress / 8) ** 0.7)
    loss = 11 * generator.uniform(0.9, 1.1) / (1 + progress / 3) ** 0.55
    if chaotic:
        shake = np.convolve(generator.normal(size=epochs + 1), np.ones(3) / 3, mode="same")
        fade = (rate / 7.5) ** 1.5 * np.exp(-time / 60)
        loss = loss * np.exp(0.5 * fade * np.abs(shake))
        accuracy = accuracy - 0.2 * fade * (0.5 + np.abs(shake))
    if rate > 17:
        loss = 30 * np.exp(0.6 * np.abs(generator.normal(size=epochs + 1)))
        accuracy = np.full(epochs + 1, 0.11)
    loss[0] = 11.0
    ball |= {"loss": loss, "test_accuracy": accuracy, "distance": np.exp(log_distance)}
    return ball


def summarise(dataset: xr.Dataset, target: float, draws: int = 200) -> xr.Dataset:
    """Average over initialisations as design.md defines it (a plain stand-in for analysis)."""
    generator = np.random.default_rng(1)
    rates = dataset["learning_rate"].values
    ran = (dataset["status"] != schema.ABSENT).sum("init")
    last = float(dataset["epoch"][-1])
    decided = dataset["verdict"].isin(schema.DECIDED) & (dataset["status"] != schema.ABSENT)
    count = decided.sum("init")
    exponential = ((dataset["verdict"] == schema.EXPONENTIAL) & decided).sum("init")
    exponent = dataset["exponent"].where(decided)
    rho = exponential / count.where(count > 0)
    centre = (rho + 1.92 / count) / (1 + 3.84 / count)
    half = 1.96 / (1 + 3.84 / count) * np.sqrt(rho * (1 - rho) / count + 0.96 / count**2)
    present = dataset["status"] != schema.ABSENT
    time = dataset["training_time"].fillna(last).where(present)
    columns: dict[str, xr.DataArray] = {
        "nmle": exponent.mean("init"),
        "nmle_std": exponent.std("init", ddof=1) if exponent.sizes["init"] > 1 else exponent[:, 0],
        "ran": ran,
        "decided": count,
        "rho": rho,
        "rho_low": (centre - half).clip(0, 1),
        "rho_high": (centre + half).clip(0, 1),
        "mean_training_time": time.mean("init"),
        "reached": (dataset["training_time"].notnull() & present).sum("init") / ran.where(ran > 0),
        "reached_training_time": dataset["training_time"].mean("init"),
        "best_accuracy": dataset["test_accuracy"].max("epoch").median("init"),
    }
    columns["nmle_std"] = columns["nmle_std"].where(count > 1)
    for name, values in (("nmle", exponent), ("mean_training_time", time)):
        low, high = _bootstrap(generator, values, draws)
        columns[f"{name}_low"], columns[f"{name}_high"] = low, high
    trainable = columns["best_accuracy"] >= float(dataset["target"][0])
    regime = np.where(rho >= 0.5, schema.EXPLORATION_EXPLOITATION, schema.EXPLOITATION)
    median_loss = dataset["loss"].median("init")
    falling = ((median_loss[:, -1] < median_loss[:, -20]) & (rho < 0.5)).values
    untrained = np.where(falling, schema.TOO_SLOW, schema.NO_LEARNING)
    columns["regime"] = trainable.copy(data=np.where(trainable, regime, untrained))
    summary = xr.Dataset(columns)
    reached = summary["reached"] >= 0.5
    best = summary["mean_training_time"].where(reached).fillna(np.inf).argmin("learning_rate")
    fastest = xr.DataArray(rates[best.values], dims="target").where(reached.any("learning_rate"))
    summary["eta_fastest"] = fastest
    crossed = np.flatnonzero(rho.values >= 0.5)
    full = np.flatnonzero((rho.values < 1) & trainable.values)
    first = full[-1] + 1 if full.size else 0
    eta_0 = eta_1 = np.nan
    if crossed.size:
        upper = crossed[0]
        eta_0 = float(np.sqrt(rates[max(upper - 1, 0)] * rates[upper]))
        eta_1 = float(rates[first]) if first < len(rates) and trainable[first] else np.nan
    summary.attrs |= {"target": target, "eta_0": eta_0, "eta_1": eta_1}
    summary.attrs["eta_fastest"] = float(fastest.sel(target=target))
    for name in ("eta_0", "eta_1", "eta_fastest"):
        limits = {"low": 0.8, "high": 1.2}
        summary.attrs |= {f"{name}_{at}": summary.attrs[name] * by for at, by in limits.items()}
    for label, variable in summary.data_vars.items():
        variable.attrs.update(schema.SUMMARY[str(label)].attrs)
    return summary


def _bootstrap(
    generator: np.random.Generator, values: xr.DataArray, draws: int
) -> tuple[xr.DataArray, xr.DataArray]:
    """Percentile limits of the mean over `init`; NaN where fewer than three are known."""
    axis = values.dims.index("init")
    picks = generator.integers(values.sizes["init"], size=(draws, values.sizes["init"]))
    drawn = np.take(values.values, picks, axis=axis)
    count = np.isfinite(drawn).sum(axis=axis + 1)
    means = np.nan_to_num(drawn).sum(axis=axis + 1) / np.maximum(count, 1)
    limits = np.quantile(means, [0.025, 0.975], axis=axis)
    known = values.notnull().sum("init") >= 3
    low, high = (known.copy(data=limit).where(known) for limit in limits)
    return low, high
