"""The mean of a series whose values are correlated, with an interval that says so."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct
from scipy.stats import t as student

Floats = NDArray[np.float64]

# Fewer cosines than this give an interval that is honest but useless.
FEWEST_COSINES = 3


class Mean(NamedTuple):
    """A mean, its interval, and how many independent values are worth as much."""

    value: float
    low: float
    high: float
    effective: float


def correlated_mean(series: ArrayLike, confidence: float = 0.95) -> Mean:
    r"""Estimate the mean of a stationary series and its interval.

    The variance of the mean of n values is $\Omega / n$, with $\Omega$ the spectral density of the
    series at frequency 0, the sum of all its autocovariances. It is estimated by the mean square
    of the B lowest coefficients of the orthonormal cosine transform,

    $\hat\Omega = \frac{1}{B} \sum_{j=1}^{B} \Big( \sqrt{2/n} \sum_{t=0}^{n-1} x_t
    \cos \pi j \frac{t + 1/2}{n} \Big)^2$,

    which are independent normals of variance $\Omega$, whatever the mean, as long as their
    frequencies lie below the corner of the spectrum. So the interval is Student's with B degrees of
    freedom. B is 0.4 n^(2/3), less where the corner of an AR(1) fit asks for it, at least 3. A
    drift lies in the lowest coefficients and widens the interval.

    Args:
        series: The values, shape (n,).
        confidence: Coverage of the interval.

    Returns:
        Mean, limits and effective sample size n s² / Ω̂. A series with -inf has the mean -inf, one
        with NaN or +inf NaN; their limits, and those of fewer than 3 values, are NaN.

    Source: E. Lazarus, D. J. Lewis, J. H. Stock, M. W. Watson, "HAR Inference: Recommendations for
    Practice", J. Bus. Econ. Stat. 36, 541 (2018), the equal-weighted cosine estimator.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=1000)
        >>> mean = correlated_mean(noise)
        >>> mean.low < 0 < mean.high, 500 < mean.effective < 2000
        (True, True)
    """
    values = np.asarray(series, dtype=np.float64)
    count = len(values)
    if not np.isfinite(values).all():
        dead = bool(np.isfinite(values[~np.isneginf(values)]).all())
        return Mean(-math.inf if dead else math.nan, math.nan, math.nan, math.nan)
    if count == 0:
        return Mean(math.nan, math.nan, math.nan, math.nan)
    mean = float(values.mean())
    if count < 3:
        return Mean(mean, math.nan, math.nan, math.nan)
    deviations = values - mean
    variance = float(np.mean(deviations**2))
    cosines = _cosines(deviations, variance)
    coefficients = dct(deviations, type=2, norm="ortho")[1 : cosines + 1]
    density = float(np.mean(coefficients**2))
    half = float(student.ppf(0.5 + confidence / 2, cosines)) * math.sqrt(density / count)
    effective = count * variance / density if density > 0 else math.inf
    return Mean(mean, mean - half, mean + half, effective)


def _cosines(deviations: Floats, variance: float) -> int:
    """How many of the lowest frequencies see the spectrum as flat."""
    count = len(deviations)
    usual = 0.4 * count ** (2 / 3)
    correlation = 0.0
    if variance > 0:
        correlation = float(np.mean(deviations[1:] * deviations[:-1])) / variance
        # The estimate is low by this much in the mean, when the true mean is not known.
        correlation = min(correlation + (1 + 4 * max(correlation, 0.0)) / count, 0.999)
    corner = math.pi
    if correlation > 0:
        # Where the spectrum of an AR(1) series has fallen by a quarter from its height at 0.
        cosine = (1 + correlation**2 - 4 / 3 * (1 - correlation) ** 2) / (2 * correlation)
        corner = math.acos(max(cosine, -1.0))
    return max(min(int(usual), int(count * corner / math.pi)), min(FEWEST_COSINES, count - 1))
