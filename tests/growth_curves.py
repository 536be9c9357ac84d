"""Synthetic distance curves with a known answer, shared by the growth tests.

Every generator takes a `numpy.random.Generator` and one of `NOISES`, and returns a `Curve`: the
distances d(t) with the exponent and the verdict that a fit must find. The ranges are those of the
requirement: T from 100 to 200 epochs, Λ from 0.15 to 1.2 per epoch, lags to 20 epochs, plateaus
at 8 to 18 e-folds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chaotrain.growth import fit_growth

INDEPENDENT = "independent"
CORRELATED = "correlated"
ACCUMULATED = "accumulated"
NOISES = (INDEPENDENT, CORRELATED, ACCUMULATED)

FIRST_DISTANCE = 2.54e-4


@dataclass(frozen=True)
class Curve:
    """Distances, the true rate of the ramp (NaN where there is none), and fair verdicts."""

    distances: NDArray[np.float64]
    rate: float
    verdicts: tuple[str, ...]


def stationary_noise(
    rng: np.random.Generator, length: int, deviation: float, coefficient: float
) -> NDArray[np.float64]:
    """Return stationary AR(1) noise of a given standard deviation."""
    shocks = rng.normal(0.0, deviation, length)
    noise = np.empty(length)
    noise[0] = shocks[0]
    scale = math.sqrt(1.0 - coefficient**2)
    for epoch in range(1, length):
        noise[epoch] = coefficient * noise[epoch - 1] + scale * shocks[epoch]
    return noise


def noisy(
    rng: np.random.Generator,
    increments: NDArray[np.float64],
    noise: str,
    ceiling: float = math.inf,
    strength: float | None = None,
) -> NDArray[np.float64]:
    """Sum the mean increments of ln d up to a ceiling (or floor) and add the noise.

    `strength` fixes the size of the noise as a share of its largest value; else it is uniform.
    Accumulated noise multiplies each increment by 1 + U(0, 1/2)·N(0, 1) and adds a little
    stationary noise (standard deviation to 0.05) to every epoch.
    """
    share = rng.uniform() if strength is None else strength
    if noise == ACCUMULATED:
        increments = increments * (1.0 + 0.5 * share * rng.normal(size=len(increments)))
    levels = np.concatenate([[0.0], np.cumsum(increments)])
    if ceiling > 0:
        # A trajectory that has reached the attractor's size stays there.
        reached = np.maximum.accumulate(levels >= ceiling)
        levels = np.where(reached, ceiling, levels)
    else:
        reached = np.maximum.accumulate(levels <= ceiling)
        levels = np.where(reached, ceiling, levels)
    if noise == INDEPENDENT:
        levels = levels + rng.normal(0.0, 0.3 * share, len(levels))
    elif noise == CORRELATED:
        coefficient = 0.7 * (rng.uniform() if strength is None else strength)
        levels = levels + stationary_noise(rng, len(levels), 0.3 * share, coefficient)
    else:
        levels = levels + rng.normal(0.0, 0.05 * rng.uniform(), len(levels))
    return FIRST_DISTANCE * np.exp(levels)


def epochs_within(last: int, start: float, stop: float) -> NDArray[np.float64]:
    """Return the part of each of the epochs 1..last that lies between start and stop."""
    ends = np.arange(1.0, last + 1.0)
    return np.clip(np.minimum(ends, stop) - np.maximum(ends - 1.0, start), 0.0, 1.0)


def saturating_ramp(
    rng: np.random.Generator,
    noise: str,
    rate: float | None = None,
    gain: float | None = None,
    strength: float | None = None,
) -> Curve:
    """A lag, a straight ramp, a plateau (where the ramp gets there within T)."""
    last = int(rng.integers(100, 201))
    rate = rng.uniform(0.15, 1.2) if rate is None else rate
    lag = rng.uniform(0.0, 20.0)
    gain = rng.uniform(8.0, 18.0) if gain is None else gain
    increments = rate * epochs_within(last, lag, math.inf)
    return Curve(noisy(rng, increments, noise, gain, strength), rate, ("exponential",))


def endless_ramp(rng: np.random.Generator, noise: str) -> Curve:
    """A lag and a ramp that does not saturate within T."""
    last = int(rng.integers(100, 201))
    rate = rng.uniform(0.15, 1.2)
    increments = rate * epochs_within(last, rng.uniform(0.0, 20.0), math.inf)
    return Curve(noisy(rng, increments, noise), rate, ("exponential",))


def transient(rng: np.random.Generator, noise: str) -> Curve:
    """Growth by 1 to 3.5 e-folds that stops, with a third of the run to show it."""
    last = int(rng.integers(100, 201))
    lag = rng.uniform(0.0, 20.0)
    length = rng.uniform(3.0, 0.67 * last - lag)
    gain = rng.uniform(1.0, 3.5)
    increments = gain / length * epochs_within(last, lag, lag + length)
    # The gain is bounded, so that accumulated noise cannot carry it into the grey zone.
    return Curve(noisy(rng, increments, noise, min(gain, 3.5)), math.nan, ("bounded",))


def flat(rng: np.random.Generator, noise: str) -> Curve:
    """No trend at all; under accumulated noise only the little stationary noise is left."""
    last = int(rng.integers(100, 201))
    return Curve(noisy(rng, np.zeros(last), noise), math.nan, ("bounded",))


def slow_rise(rng: np.random.Generator, noise: str) -> Curve:
    """A straight rise by 1.5 to 3.5 e-folds that is still going on at T."""
    last = int(rng.integers(100, 201))
    lag = rng.uniform(0.0, 20.0)
    gain = rng.uniform(1.5, 3.5)
    increments = gain / (last - lag) * epochs_within(last, lag, math.inf)
    return Curve(noisy(rng, increments, noise), math.nan, ("undecided",))


def drift(rng: np.random.Generator, noise: str) -> Curve:
    """A straight rise by less than an e-fold that is still going on at T."""
    last = int(rng.integers(100, 201))
    increments = np.full(last, rng.uniform(0.05, 0.8) / last)
    verdicts = ("bounded", "subexponential")
    return Curve(noisy(rng, increments, noise), math.nan, verdicts)


def contraction(rng: np.random.Generator, noise: str) -> Curve:
    """A straight fall by 2 to 20 e-folds that goes on, or (half of them) ends on a floor."""
    last = int(rng.integers(100, 201))
    drop = rng.uniform(2.0, 20.0)
    length = last if rng.uniform() < 0.5 else rng.uniform(10.0, 0.9 * last)
    increments = np.full(last, -drop / length)
    floor = -drop if length < last else -math.inf
    return Curve(noisy(rng, increments, noise, floor), math.nan, ("contracting",))


def power_law(rng: np.random.Generator, noise: str) -> Curve:
    """ln d = a + b ln(1 + t) with b from 0.5 to 4, outside the grey zone.

    One that gains less than 3.5 e-folds is decided without being exponential, or still rising.
    """
    last = int(rng.integers(100, 201))
    while True:
        power = rng.uniform(0.5, 4.0)
        gain = power * math.log1p(last)
        if not 3.5 < gain < 6.0:
            break
    increments = np.diff(power * np.log1p(np.arange(last + 1.0)))
    short = ("subexponential", "bounded", "undecided")
    verdicts = ("subexponential",) if gain >= 6.0 else short
    return Curve(noisy(rng, increments, noise), math.nan, verdicts)


def blow_up(rng: np.random.Generator, noise: str) -> Curve:
    """A ramp that overflows: infinite, then not a number."""
    curve = endless_ramp(rng, noise)
    distances = curve.distances.copy()
    epoch = int(rng.integers(1, len(distances)))
    distances[epoch] = math.inf
    distances[epoch + 1 :] = math.nan
    return Curve(distances, math.nan, ("blow-up",))


def shouldered_ramp(rng: np.random.Generator, noise: str) -> Curve:
    """A ramp that bends smoothly into its plateau, 1/d = 1/ramp + 1/plateau, as real ones do.

    Accumulated noise is that of the ramp before it bends; stationary noise is on the whole curve.
    """
    last = int(rng.integers(100, 201))
    rate = rng.uniform(0.15, 1.2)
    increments = rate * epochs_within(last, rng.uniform(0.0, 20.0), math.inf)
    plateau = FIRST_DISTANCE * math.exp(rng.uniform(8.0, 18.0))
    if noise == ACCUMULATED:
        ramp = noisy(rng, increments, noise)
        levels = stationary_noise(rng, last + 1, 0.1, 0.7)
    else:
        ramp = FIRST_DISTANCE * np.exp(np.concatenate([[0.0], np.cumsum(increments)]))
        levels = np.log(noisy(rng, np.zeros(last), noise) / FIRST_DISTANCE)
    return Curve(np.exp(levels) / (1.0 / ramp + 1.0 / plateau), rate, ("exponential",))


RAMPS: dict[str, Callable[[np.random.Generator, str], Curve]] = {
    "saturating ramp": saturating_ramp,
    "endless ramp": endless_ramp,
}
KINDS: dict[str, Callable[[np.random.Generator, str], Curve]] = {
    **RAMPS,
    "transient": transient,
    "flat": flat,
    "slow rise": slow_rise,
    "drift": drift,
    "contraction": contraction,
    "power law": power_law,
    "blow-up": blow_up,
}


def draw(kind: str, noise: str, count: int, seed: int) -> list[Curve]:
    """Return `count` reproducible curves of a kind under a noise."""
    kinds = {**KINDS, "shouldered ramp": shouldered_ramp}
    rng = np.random.default_rng([seed, list(kinds).index(kind), NOISES.index(noise)])
    return [kinds[kind](rng, noise) for _ in range(count)]


@dataclass(frozen=True)
class Assessment:
    """What a fit makes of many curves of a kind.

    `bias` is the mean of rate/Λ - 1 over the curves found exponential, `bias_error` its standard
    error, `covered` the number of those whose 95% interval holds Λ.
    """

    count: int
    found: int
    wrong: Counter[str]
    bias: float
    bias_error: float
    covered: int

    @property
    def coverage(self) -> float:
        return self.covered / self.found

    def __str__(self) -> str:
        share = sum(self.wrong.values()) / self.count
        text = f"wrong {share:6.2%}"
        if self.found:
            text += f"  bias {self.bias:+.2%} ± {self.bias_error:.2%}  cover {self.coverage:.1%}"
        return f"{text}  {dict(self.wrong) or ''}"


def assess(curves: list[Curve]) -> Assessment:
    """Fit curves and compare with what they were made of."""
    wrong: Counter[str] = Counter()
    errors: list[float] = []
    covered = 0
    for curve in curves:
        growth = fit_growth(curve.distances)
        if growth.verdict not in curve.verdicts:
            wrong[growth.verdict] += 1
        if growth.verdict == "exponential" and math.isfinite(curve.rate):
            errors.append(growth.rate / curve.rate - 1.0)
            covered += growth.low <= curve.rate <= growth.high
    return Assessment(
        count=len(curves),
        found=len(errors),
        wrong=wrong,
        bias=float(np.mean(errors)) if errors else math.nan,
        bias_error=float(np.std(errors) / math.sqrt(len(errors))) if errors else math.nan,
        covered=covered,
    )
