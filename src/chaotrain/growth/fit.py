"""Growth of a perturbation: from distances d(t) to the exponent Λ, its interval and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chaotrain.growth.curves import FEWEST_EPOCHS, as_table, log_mean, positive_part
from chaotrain.growth.phases import (
    Hinge,
    fit_phases,
    judge,
    level_window,
    line_window,
    quiet_levels,
)
from chaotrain.growth.ramp import estimate_slope
from chaotrain.growth.window import best_window
from chaotrain.schema import (
    BLOW_UP,
    BOUNDED,
    CONTRACTING,
    EXPONENTIAL,
    UNDECIDED,
)

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]

METHODS = ("ramp", "window")
# An exact zero after the first epoch says no more than a fall by the resolution of a float64.
RESOLUTION = float(np.log(np.finfo(np.float64).eps))
LARGEST = float(np.log(np.finfo(np.float64).max))
# What the predecessor keeps.
KEPT_R_SQUARED = 0.9
KEPT_RATE = 0.05


@dataclass(frozen=True)
class Growth:
    """How the distance between a reference and its perturbed copies grows.

    Attributes:
        rate: Λ, per epoch; NaN if undecided or blow-up.
        low: Lower 95% limit of Λ, NaN where there is no estimate.
        high: Upper 95% limit of Λ.
        verdict: One of `chaotrain.schema.VERDICTS`.
        start: First epoch of the fitted ramp, an integer; NaN if not exponential.
        stop: Last epoch of the fitted ramp, an integer; NaN if not exponential.
        saturation: Distance at which the ramp saturates; NaN if it does not, or is none.
        gain: Rise of the ramp between its levels, in e-folds (negative for a fall).
        intercept: ln d of the fitted line at epoch 0.
        r_squared: Share of the variance of ln d that the line explains within the ramp.
        delta_bic: BIC of the best power law less that of the ramp; above 10 the ramp wins.
        blow_up_epoch: First epoch that is not finite, an integer; NaN if all are.
        method: The method of the fit.
    """

    rate: float
    low: float
    high: float
    verdict: str
    start: float = math.nan
    stop: float = math.nan
    saturation: float = math.nan
    gain: float = math.nan
    intercept: float = math.nan
    r_squared: float = math.nan
    delta_bic: float = math.nan
    blow_up_epoch: float = math.nan
    method: str = "ramp"

    def line(self, epochs: ArrayLike) -> Floats:
        """Return the distances exp(intercept + rate·t) of the fitted line at these epochs."""
        return np.asarray(np.exp(self.intercept + self.rate * np.asarray(epochs, dtype=float)))


def fit_growth(
    distances: ArrayLike | xarray.DataArray,
    *,
    method: str = "ramp",
    min_growth: float = math.log(100.0),
) -> Growth:
    r"""Find the exponential phase of a perturbation's growth and its rate, the exponent Λ.

    The curve of a ball is the mean over replicas of ln d(t). The verdict is

    - `exponential`: a straight ramp that gains at least `min_growth` and beats the best power
      law by 10 in BIC. Λ is its slope: d(t) ∝ exp(Λ t) from `start` to `stop`.
    - `subexponential`: a power law d ∝ (1 + (t - t₀)/c)^b wins: the ramp gains enough but does
      not beat it by 10, or gains less and is beaten by 10, whatever the power law gains. (Where
      less is gained and the growth bends over smoothly into a plateau, a power law may describe
      it better than a ramp with a corner: then bounded and subexponential differ in name only.)
    - `contracting`: a fall beats a constant by 10 and any rise.
    - `undecided`: rising (beats a constant by 10) by one e-fold or more but short of `min_growth`,
      and no plateau is seen at the end; or all the growth within one epoch, too steep to tell a
      ramp.
    - `bounded`: all else that is finite: growth that stops short of `min_growth`, a drift whose
      e-folding time is longer than the run, or none (a flat curve, also a falling one that does
      not beat a constant). No growth because there is no perturbation (d = 0 at every epoch) is
      bounded with Λ = 0.
    - `blow-up`: some distance is not finite.

    Λ is the ramp's slope if exponential, NaN if undecided or blow-up, and otherwise

        Λ = (ln d(T) - ln d(0)) / T.

    A replica that starts at distance zero and stays there is left out. One that reaches zero and
    stays there has contracted: if at least half do, the ball is contracting, and T in the formula
    is the last epoch at which all still differ (if that is epoch 0, Λ is the logarithm of the
    machine epsilon, -36); if fewer do, the mean is over the others. Epochs before all distances
    are positive are left out.

    Method "ramp": a lag, a ramp and a plateau, each knot optional, are fitted by generalised least
    squares under AR(1) noise, knots and noise coefficient on a grid, variant by BIC. The slope is
    then estimated from the inner part of the ramp (without the lowest tenth of its gain and the
    highest fifth, at most 2 and 3 e-folds) under random walk plus AR(1) noise, averaged over the
    noise parameters by their marginal likelihood (`chaotrain.growth.ramp`). Its limits are
    quantiles of that average; where noise accumulates they are far wider than least squares'.

    Method "window", the predecessor's, for comparison: ordinary least squares of the logarithm
    of the *arithmetic* mean of d on the window with the highest R² among starts 0 to 100 and
    lengths of 30 to 100 epochs; `exponential` if R² > 0.9 and Λ > 0.05, otherwise contracting or
    bounded by the sign of Λ = (ln d(T) - ln d(0)) / T. Its limits assume independent errors and
    are too narrow.

    Args:
        distances: d(t), not its logarithm; shape (epoch,) or (replica, epoch), any unit, at
            least 3 epochs. A DataArray's dimension `epoch` is found by name.
        method: "ramp" or "window".
        min_growth: Least gain of an exponential phase, in e-folds. Only for "ramp".

    Returns:
        The fit. For verdicts other than exponential `low` and `high` hold the noise of the two
        end points only (NaN where it cannot be told).

    Raises:
        ValueError: Negative distances, no or too few epochs, not one or two dimensions, an unknown
            method, `min_growth` not above 0.

    Assumes one ramp, between levels that do not drift by as much as the ramp gains (where growth
    is undone by a later fall, the curve up to its peak is judged), in noise of constant variance.
    The power law's lag is at most a quarter of the curve and 40 epochs, and its c at most a tenth
    of the curve, since (c + t)^b with a large c imitates an exponential. Between about 3.5 and 6
    e-folds noise decides about `exponential`.

    Source: Jiménez-González, Soriano, Lacasa, "Leveraging chaotic transients in the training of
    artificial neural networks", arXiv 2506.08523. The window method: Danovski, Soriano, Lacasa,
    "Dynamical stability and chaos in artificial neural network trajectories along training"
    (2024), arXiv 2404.05782.

    Example:
        >>> import numpy as np
        >>> epochs = np.arange(101)
        >>> distances = 2.5e-4 * np.exp(0.7 * np.clip(epochs - 10, 0, 20))
        >>> growth = fit_growth(distances)
        >>> growth.verdict, round(growth.rate, 3)
        ('exponential', 0.7)
        >>> round(growth.saturation)
        301
        >>> fit_growth(np.full(101, 2.5e-4)).verdict
        'bounded'
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if not min_growth > 0.0:
        raise ValueError(f"min_growth must be above 0 e-folds, not {min_growth}")
    table = as_table(distances)
    finite = np.isfinite(table).all(axis=0)
    if not finite.all():
        epoch = int(np.argmin(finite))
        nan = math.nan
        return Growth(nan, nan, nan, BLOW_UP, blow_up_epoch=epoch, method=method)

    table = table[(table > 0.0).any(axis=1)]
    if len(table) == 0:
        # No perturbation: nothing grew.
        return Growth(0.0, 0.0, 0.0, BOUNDED, gain=0.0, method=method)
    vanished = table[:, -1] == 0.0
    contracted = 2 * int(vanished.sum()) >= len(table)
    if not contracted:
        table = table[~vanished]
    table, first = positive_part(table)
    if contracted:
        return fit_vanishing(log_mean(table), first, method)
    if table.shape[1] < FEWEST_EPOCHS:
        return Growth(math.nan, math.nan, math.nan, UNDECIDED, method=method)
    if method == "window":
        # From the logarithms, since the sum of large distances could overflow.
        mean = np.logaddexp.reduce(np.log(table), axis=0) - math.log(len(table))
        return shift(judge_window(mean), first)
    return shift(fit_ramp(log_mean(table), min_growth), first)


def shift(growth: Growth, epochs: int) -> Growth:
    """Return a growth whose curve began so many epochs later."""
    if epochs == 0:
        return growth
    return replace(
        growth,
        start=growth.start + epochs,
        stop=growth.stop + epochs,
        intercept=growth.intercept - growth.rate * epochs,
    )


def overall(
    curve: Floats, verdict: str, deviation: float = math.nan, method: str = "ramp"
) -> Growth:
    """Return the growth (ln d(T) - ln d(0)) / T between end points of a given noise."""
    last = len(curve) - 1
    rate = float(curve[-1] - curve[0]) / last
    half = 1.96 * math.sqrt(2.0) * deviation / last
    return Growth(
        rate=rate,
        low=rate - half,
        high=rate + half,
        verdict=verdict,
        gain=float(curve[-1] - curve[0]),
        intercept=float(curve[0]),
        method=method,
    )


def fit_vanishing(curve: Floats, first: int, method: str) -> Growth:
    """Return the growth of a ball that contracts until it equals its reference bit for bit."""
    if len(curve) < 2:
        nan = math.nan
        intercept = float(curve[0]) - RESOLUTION * first
        return Growth(RESOLUTION, nan, nan, CONTRACTING, intercept=intercept, method=method)
    deviation = math.nan
    if len(curve) >= FEWEST_EPOCHS:
        phases = fit_phases(curve)
        deviation = phases.fall.deviation if phases.fall else phases.flat_deviation
    return shift(overall(curve, CONTRACTING, deviation, method), first)


def fit_ramp(curve: Floats, min_growth: float) -> Growth:
    """Judge a curve by its phases and estimate the slope of its ramp.

    Args:
        curve: ln d(t), shape (epoch,), finite, at least 3 epochs.
        min_growth: Least gain of an exponential phase, in e-folds.

    Returns:
        The growth, epochs counted from the start of the curve.
    """
    phases = fit_phases(curve)
    verdict = judge(phases, min_growth)
    rise, fall = phases.rise, phases.fall
    peak = int(curve.argmax())
    if verdict in (CONTRACTING, BOUNDED) and FEWEST_EPOCHS <= peak + 1 < len(curve):
        # What a later fall undoes has grown all the same.
        early = curve[: peak + 1]
        if early[-1] - early[0] >= min_growth:
            growth = fit_ramp(early, min_growth)
            if growth.verdict == EXPONENTIAL:
                return growth
    if verdict == EXPONENTIAL and rise is not None:
        return replace(fit_slope(curve, rise), delta_bic=phases.power_bic - rise.bic)
    if verdict == CONTRACTING and fall is not None:
        return replace(overall(curve, verdict, fall.deviation), gain=fall.gain)
    if rise is None or phases.flat_bic < rise.bic:
        return overall(curve, verdict, phases.flat_deviation)
    growth = overall(curve, verdict, rise.deviation)
    growth = replace(growth, gain=rise.gain, delta_bic=phases.power_bic - rise.bic)
    if verdict == UNDECIDED:
        return replace(growth, rate=math.nan, low=math.nan, high=math.nan)
    return growth


def fit_slope(curve: Floats, rise: Hinge) -> Growth:
    """Estimate the slope of the ramp of a curve within its shoulders."""
    start, stop = line_window(rise)
    levels = quiet_levels(curve, rise)
    slope = estimate_slope(np.diff(curve[start : stop + 1]), levels)
    if slope.accumulated > 0.5:
        start, stop = level_window(curve, rise)
        slope = estimate_slope(np.diff(curve[start : stop + 1]), levels)
    epochs = np.arange(start, stop + 1)
    inside = curve[start : stop + 1]
    intercept = float(inside.mean() - slope.mean * epochs.mean())
    residuals = inside - intercept - slope.mean * epochs
    return Growth(
        rate=slope.mean,
        low=slope.low,
        high=slope.high,
        verdict=EXPONENTIAL,
        start=start,
        stop=stop,
        saturation=exp(float(np.median(curve[rise.stop :]))) if rise.saturates else math.nan,
        gain=rise.gain,
        intercept=intercept,
        r_squared=float(1.0 - residuals.var() / inside.var()),
    )


def exp(value: float) -> float:
    """Return the exponential, infinite where it overflows: a tangent may grow without end."""
    return math.exp(value) if value < LARGEST else math.inf


def judge_window(curve: Floats) -> Growth:
    """Judge the logarithm of the mean distance as the predecessor does."""
    window = best_window(curve)
    if window is None or window.r_squared <= KEPT_R_SQUARED or window.rate <= KEPT_RATE:
        verdict = CONTRACTING if curve[-1] < curve[0] else BOUNDED
        return overall(curve, verdict, method="window")
    return Growth(
        rate=window.rate,
        low=window.low,
        high=window.high,
        verdict=EXPONENTIAL,
        start=window.start,
        stop=window.stop,
        gain=window.rate * (window.stop - window.start),
        intercept=window.intercept,
        r_squared=window.r_squared,
        method="window",
    )
