"""Phases of a curve ln d(t): flat, a straight ramp between two levels, or a power law.

All three are fitted by generalised least squares under one noise model, a first-order
autoregression whose coefficient runs over `COEFFICIENTS`: from independent errors to (nearly) a
random walk, since errors of ln d(t) accumulate while it grows. So their BICs can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtr

from chaotrain.schema import BOUNDED, CONTRACTING, EXPONENTIAL, SUBEXPONENTIAL, UNDECIDED

Floats = NDArray[np.float64]

COEFFICIENTS = (0.0, 0.5, 0.8, 0.95)
# A curve is not known better than to 1e-4 e-folds: keeps the BIC of an exact fit finite.
SMALLEST_VARIANCE = 1e-8
# Longer curves are scanned with a coarser grid of knots, so that memory stays bounded.
MOST_KNOTS = 400
# The fit leaves out the shoulders: this share of the ramp's gain, and at most so many e-folds.
# A ramp bends over gradually into its plateau, more than out of its lag.
FOOT = (0.1, 2.0)
SHOULDER = (0.2, 3.0)
# Shorter levels, in epochs, say too little about the noise.
SHORTEST_LEVEL = 4
QUIETER = 1e-3
# A difference of 10 in BIC is decisive (Kass and Raftery, 1995: very strong).
DECISIVE = 10.0
# One of 6 is strong.
STRONG = 6.0
# A rise by less than this, in e-folds, has an e-folding time longer than the run: none was seen.
LEAST_RISE = 1.0


@dataclass(frozen=True)
class Hinge:
    """A level until epoch `start`, a straight ramp, another level from epoch `stop`.

    Attributes:
        start: Epoch at which the ramp starts; 0 without a lag before it.
        stop: Epoch at which it stops; the last epoch without a plateau after it.
        slope: Slope of the ramp, e-folds per epoch.
        level: ln d before the ramp.
        saturates: Whether there is a plateau.
        bic: Bayesian information criterion.
        deviation: Standard deviation of the residuals, e-folds.
    """

    start: int
    stop: int
    slope: float
    level: float
    saturates: bool
    bic: float
    deviation: float

    @property
    def gain(self) -> float:
        """Total rise of the ramp in e-folds; negative for a fall."""
        return self.slope * (self.stop - self.start)


@dataclass(frozen=True)
class Phases:
    """The rival descriptions of one curve.

    Attributes:
        rise: Best hinge with a positive slope, or None.
        endless_rise: Best of those without a plateau, or None.
        fall: Best hinge with a negative slope, or None.
        flat_bic: BIC of a constant.
        power_bic: BIC of the best growing power law.
        flat_deviation: Standard deviation around the constant, e-folds.
    """

    rise: Hinge | None
    endless_rise: Hinge | None
    fall: Hinge | None
    flat_bic: float
    power_bic: float
    flat_deviation: float


def weigh(vectors: Floats, coefficient: float) -> Floats:
    """Multiply columns of length n by the precision matrix of unit-innovation AR(1) noise."""
    weighed = (1.0 + coefficient**2) * vectors
    weighed[0] -= coefficient**2 * vectors[0]
    weighed[-1] -= coefficient**2 * vectors[-1]
    weighed[1:] -= coefficient * vectors[:-1]
    weighed[:-1] -= coefficient * vectors[1:]
    return weighed


def deviance(squares: float | Floats, length: int, coefficient: float) -> Floats:
    """Return -2 ln L of AR(1) noise, its variance at the maximum, from the weighed squares."""
    variance = np.maximum(squares / length, SMALLEST_VARIANCE)
    return np.asarray(length * np.log(variance) - math.log1p(-(coefficient**2)))


def deviation(squares: float, length: int, coefficient: float) -> float:
    """Return the stationary standard deviation of AR(1) noise from the weighed squares."""
    return math.sqrt(max(squares, 0.0) / length / (1.0 - coefficient**2))


def hinge_products(weights: Floats, knots: NDArray[np.int64]) -> Floats:
    """Return Σ_t clip(t - i, 0, j - i)·weights[t] for all pairs of knots (i, j), i before j."""
    epochs = np.arange(len(weights))
    tails = np.cumsum(weights[::-1])[::-1]
    # The ramp from i is the ramp from 0 less that up to i: one vector serves all pairs.
    ramps = np.cumsum(epochs * weights) - epochs * weights + epochs * tails
    return np.asarray(ramps[knots][None, :] - ramps[knots][:, None])


@lru_cache(maxsize=16)
def hinge_design(
    length: int, coefficient: float
) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """Return what all curves of a length share.

    Returns:
        The knots; the weighed vector of ones; the weighed means of the hinges; and their weighed
        squares about the mean (infinite where j is not after i).
    """
    knots = np.unique(np.append(np.arange(0, length, -(-length // MOST_KNOTS)), length - 1))
    ones = weigh(np.ones(length), coefficient)
    means = hinge_products(ones, knots) / ones.sum()
    rise = np.subtract.outer(knots, knots).T.astype(float)
    after = (length - knots).astype(float)[None, :]
    squares = (rise - 1.0) * rise * (2.0 * rise - 1.0) / 6.0 + rise**2 * after
    lagged = (rise - 1.0) * rise * (rise + 1.0) / 3.0 + rise**2 * (after - 1.0)
    weighed = (1.0 + coefficient**2) * squares - 2.0 * coefficient * lagged
    weighed -= coefficient**2 * rise**2 + means**2 * ones.sum()
    return knots, ones, means, np.where(rise > 0, weighed, math.inf)


@lru_cache(maxsize=16)
def power_design(length: int, coefficient: float) -> tuple[Floats, Floats, Floats]:
    """Return the power laws ln(1 + (t - t₀)/c) to compare with: weighed, squares, parameters.

    The lag t₀ is at most a quarter of the curve (and 40 epochs), the offset c at most a tenth of
    it: with a large free c, (c + t)^b imitates an exponential.
    """
    epochs = np.arange(length, dtype=float)
    lags = np.unique(np.append(0.0, np.arange(2.0, min(length // 4, 40), 2.0)))
    offsets = np.unique(np.geomspace(1.0, max(1.0, length / 10.0), 5))
    lag, offset = (grid.ravel() for grid in np.meshgrid(lags, offsets, indexing="ij"))
    laws = np.log1p(np.maximum(epochs[:, None] - lag, 0.0) / offset)
    ones = weigh(np.ones(length), coefficient)
    laws -= ones @ laws / ones.sum()
    weighed = weigh(laws, coefficient)
    parameters = 2.0 + (lag > 0.0) + (offset > 1.0)
    return weighed, np.einsum("ij,ij->j", laws, weighed), parameters


def hinges(curve: Floats, coefficient: float) -> Iterator[Hinge]:
    """Yield the best hinge of each variant under AR(1) noise of one coefficient.

    Variants: rising or falling, with or without a lag, with or without a plateau.
    """
    length = len(curve)
    knots, ones, means, design_squares = hinge_design(length, coefficient)
    weighed = weigh(curve, coefficient)
    mean = float(weighed.sum() / ones.sum())
    weighed -= mean * ones
    total = float(curve @ weighed)
    products = hinge_products(weighed, knots)
    explained = products * np.abs(products) / design_squares
    for rising, lag, plateau in product((True, False), repeat=3):
        rows = slice(1, None) if lag else slice(0, 1)
        columns = slice(0, -1) if plateau else slice(-1, None)
        block = explained[rows, columns]
        if block.size == 0:
            continue
        best = int(block.argmax() if rising else block.argmin())
        row, column = np.unravel_index(best, block.shape)
        if (block[row, column] > 0.0) != rising or block[row, column] == 0.0:
            continue
        i = int(row) + lag
        j = int(column) if plateau else len(knots) - 1
        squares = max(total - abs(float(block[row, column])), 0.0)
        slope = float(products[i, j] / design_squares[i, j])
        yield Hinge(
            start=int(knots[i]),
            stop=int(knots[j]),
            slope=slope,
            level=mean - slope * float(means[i, j]),
            saturates=plateau,
            bic=float(deviance(squares, length, coefficient))
            + (2 + lag + plateau) * math.log(length),
            deviation=deviation(squares, length, coefficient),
        )


def flat_and_power(curve: Floats, coefficient: float) -> tuple[float, float, float]:
    """Return the BIC of a constant, its residual deviation, and the BIC of the best power law."""
    length = len(curve)
    ones = hinge_design(length, coefficient)[1]
    weighed = weigh(curve, coefficient)
    total = float(curve @ weighed - weighed.sum() ** 2 / ones.sum())
    flat = float(deviance(total, length, coefficient)) + math.log(length)
    laws, law_squares, parameters = power_design(length, coefficient)
    # Only growing power laws are rivals of an exponential.
    squares = total - np.maximum(curve @ laws, 0.0) ** 2 / law_squares
    power = deviance(squares, length, coefficient) + parameters * math.log(length)
    return flat, deviation(total, length, coefficient), float(np.min(power))


def fit_phases(curve: Floats) -> Phases:
    """Fit a constant, hinges with and without lag and plateau, and power laws to ln d(t).

    Args:
        curve: ln d(t), shape (epoch,), finite, at least 3 epochs.

    Returns:
        The best of each, with BIC = -2 ln L + k ln n. A constant has k = 1; a ramp 2, and 1 more
        for each knot; a power law 2, and 1 more each for its lag and its offset. The two
        parameters of the noise, the same in all, are not counted.
    """
    found = [hinge for coefficient in COEFFICIENTS for hinge in hinges(curve, coefficient)]
    others = [flat_and_power(curve, coefficient) for coefficient in COEFFICIENTS]
    rises = [hinge for hinge in found if hinge.slope > 0.0]
    falls = [hinge for hinge in found if hinge.slope < 0.0]
    endless = [hinge for hinge in rises if not hinge.saturates]
    flat_bic, flat_deviation, _ = min(others)

    def best(rivals: list[Hinge]) -> Hinge | None:
        return min(rivals, key=lambda hinge: hinge.bic, default=None)

    return Phases(
        rise=best(rises),
        endless_rise=best(endless),
        fall=best(falls),
        flat_bic=flat_bic,
        power_bic=min(power for _, _, power in others),
        flat_deviation=flat_deviation,
    )


def judge(phases: Phases, min_growth: float) -> str:
    """Return the verdict on a curve from the BICs of its phases and the gain of its ramp."""
    rise, fall = phases.rise, phases.fall
    if fall is not None and (rise is None or fall.bic < rise.bic):
        return CONTRACTING if phases.flat_bic - fall.bic >= DECISIVE else BOUNDED
    if rise is None or phases.flat_bic - rise.bic < DECISIVE:
        return BOUNDED
    lead = phases.power_bic - rise.bic
    if rise.gain >= min_growth:
        if rise.stop - rise.start < 2:
            return UNDECIDED
        return EXPONENTIAL if lead >= DECISIVE else SUBEXPONENTIAL
    if lead <= -DECISIVE:
        return SUBEXPONENTIAL
    if rise.gain < LEAST_RISE:
        return BOUNDED
    endless = phases.endless_rise
    # The place of a plateau is chosen among many, so a slight lead does not show that it exists.
    if endless is not None and endless.bic - rise.bic < STRONG:
        return UNDECIDED
    return BOUNDED


def margins(rise: Hinge) -> tuple[float, float]:
    """Return how many e-folds of a ramp to leave out at its foot and at its shoulder."""
    foot = min(FOOT[0] * rise.gain, FOOT[1]) if rise.start > 0 else 0.0
    shoulder = min(SHOULDER[0] * rise.gain, SHOULDER[1]) if rise.saturates else 0.0
    return foot, shoulder


def line_window(rise: Hinge) -> tuple[int, int]:
    """Return the first and last epoch at which the fitted ramp is within its margins.

    For stationary noise: where single epochs cross a level depends on their noise, where the
    fitted line crosses it hardly does.
    """
    foot, shoulder = margins(rise)
    start = math.ceil(rise.start + foot / rise.slope)
    stop = math.floor(rise.stop - shoulder / rise.slope)
    return (start, stop) if stop - start >= 2 else (rise.start, rise.stop)


def level_window(curve: Floats, rise: Hinge) -> tuple[int, int]:
    """Return the epochs from the first crossing above the foot to the last below the shoulder.

    For accumulated noise: what follows the first crossing of a level does not depend on what
    came before, so that the choice of the window does not bias the slope.
    """
    foot, shoulder = margins(rise)
    start, stop = rise.start, rise.stop
    if rise.start > 0:
        above = curve >= float(np.median(curve[: rise.start + 1])) + foot
        below = int(np.argmin(above))
        start = below + int(np.argmax(above[below:]))
    if rise.saturates:
        top = float(np.median(curve[rise.stop :])) - shoulder
        stop = start + int(np.argmax(curve[start:] >= top)) - 1
    return (start, stop) if stop - start >= 2 else (rise.start, rise.stop)


def quiet_levels(curve: Floats, rise: Hinge) -> tuple[Floats, ...]:
    """Return the levels that tell the stationary noise: the lag, the plateau, or both.

    The parts next to the ramp are left out: where noise accumulates the knots are a few epochs
    off, and a shoulder is no noise. If one level is significantly quieter (F test of the steps)
    the other wanders for a reason of its own, which says nothing about the ramp.
    """
    last_of_lag = rise.start - 1 - rise.start // 4
    first_of_plateau = rise.stop + 2 + (len(curve) - rise.stop) // 10
    levels = [curve[: max(last_of_lag, 0)], curve[first_of_plateau:]]
    levels = [level for level in levels if len(level) >= SHORTEST_LEVEL]
    if len(levels) < 2:
        return tuple(levels)
    steps = [np.diff(level) for level in levels]
    power = [max(float(step @ step) / len(step), SMALLEST_VARIANCE) for step in steps]
    quiet, loud = (0, 1) if power[0] < power[1] else (1, 0)
    chance = fdtr(len(steps[quiet]), len(steps[loud]), power[quiet] / power[loud])
    return (levels[quiet],) if chance < QUIETER else tuple(levels)
