"""The slope of a ramp in ln d(t) and its interval, when its noise may or may not accumulate.

On the ramp, ln d(t) = α + Λ t + w(t) + e(t): w is a random walk, the sum of the fluctuations of
the local rate, with variance s² per epoch; e is stationary AR(1) noise with coefficient φ and
innovation variance σ². Under w alone the best slope is the rise between the end points over the
time between them, under e alone it is least squares. Which of them rules is not known, so the
slope is averaged over a grid of φ and s²/σ², each weighed by its marginal likelihood.

The levels before and after the ramp tell σ² and φ. Where they are noisier than the ramp is, the
interval of a short ramp can come out too narrow: its own few epochs cannot contradict them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

Floats = NDArray[np.float64]

_COEFFICIENTS = np.array([0.0, 0.25, 0.5, 0.7, 0.85, 0.95])
_RATIOS = np.concatenate([[0.0], 2.0 ** np.arange(-8, 21)])
# The grid, flat: φ and s²/σ² of each of its points.
PHI, RATIO = (grid.ravel() for grid in np.meshgrid(_COEFFICIENTS, _RATIOS, indexing="ij"))
# A priori noise accumulates or not with odds of 1 to 2; if it does, ln s²/σ² is uniform.
LOG_PRIOR = np.where(RATIO == 0.0, np.log(2.0 * (len(_RATIOS) - 1)), 0.0)
# Levels are not taken to be steadier than this share of a step of the ramp.
STEADIEST = 1e-3
PROBABILITIES = np.array([0.025, 0.975])


@dataclass(frozen=True)
class Slope:
    """Posterior of the slope of a ramp, per epoch.

    Attributes:
        mean: Posterior mean.
        low: 2.5% quantile.
        high: 97.5% quantile.
        accumulated: Posterior mean of s²/(s² + σ²): 1 if the noise is a random walk.
    """

    mean: float
    low: float
    high: float
    accumulated: float


@lru_cache(maxsize=4)
def whitener(length: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the factors that whiten increments of the noise, for each point of the grid.

    With u(t) = x(t) - φ x(t-1), the increments x become a moving average of order one, whose
    covariance is tridiagonal: L D Lᵀ follows by recursion and does not depend on the data.

    Returns:
        The multipliers L(t, t-1); the variances D(t); the whitened slope; and Σ ln D up to t;
        each of shape (length, grid).
    """
    multipliers = np.zeros((length, len(PHI)))
    variances = np.empty_like(multipliers)
    slopes = np.empty_like(multipliers)
    beside = -(RATIO * PHI + 1.0)
    variances[0] = RATIO + 2.0 / (1.0 + PHI)
    slopes[0] = 1.0
    for t in range(1, length):
        multipliers[t] = beside / variances[t - 1]
        variances[t] = RATIO * (1.0 + PHI**2) + 2.0 - beside * multipliers[t]
        slopes[t] = (1.0 - PHI) - multipliers[t] * slopes[t - 1]
    return multipliers, variances, slopes, np.cumsum(np.log(variances), axis=0)


def whiten(increments: Floats, multipliers: Floats) -> Floats:
    """Return the innovations of increments, shape (epoch, grid)."""
    innovations = np.empty((len(increments), len(PHI)))
    innovations[0] = increments[0]
    innovations[1:] = increments[1:, None] - PHI * increments[:-1, None]
    for t in range(1, len(increments)):
        innovations[t] -= multipliers[t] * innovations[t - 1]
    return innovations


def estimate_slope(increments: Floats, levels: Sequence[Floats] = ()) -> Slope:
    """Estimate the mean of increments of a ramp whose noise is part walk, part stationary.

    Args:
        increments: ln d(t) - ln d(t-1) within the ramp, shape (epoch,), at least 2.
        levels: ln d(t) on the lag, on the plateau, or both, where nothing accumulates: they tell
            the stationary noise. At least 3 epochs each.

    Returns:
        The posterior of the slope: Student's t at each point of the grid (flat prior of the
        slope, 1/σ² of the scale), averaged over the grid.
    """
    count = len(increments)
    # Powers of two, so that ramps of many lengths share one cached whitener.
    multipliers, variances, slopes, log_variances = whitener(1 << max(count - 1, 127).bit_length())
    innovations = whiten(increments, multipliers)
    scaled = innovations / variances[:count]
    information = np.einsum("tg,tg->g", slopes[:count], slopes[:count] / variances[:count])
    means = np.einsum("tg,tg->g", scaled, slopes[:count]) / information
    squares = np.einsum("tg,tg->g", scaled, innovations) - means**2 * information
    log_likelihood = -0.5 * (log_variances[count - 1] + np.log(information))
    freedom = count - 1.0

    steadiest = (STEADIEST * float(np.mean(np.abs(increments)))) ** 2
    squares = np.maximum(squares, count * steadiest * 1e-6)
    for level in levels:
        residuals = level - level.mean()
        # Σ (r(t) - φ r(t-1))² + (1 - φ²) r(0)², as a polynomial in φ.
        around = float(residuals[1:] @ residuals[:-1])
        within = float(residuals[1:-1] @ residuals[1:-1])
        squares += float(residuals @ residuals) - 2.0 * PHI * around + PHI**2 * within
        squares += len(level) * steadiest
        log_likelihood += 0.5 * np.log1p(-(PHI**2))
        freedom += len(level) - 1.0
    squares = np.maximum(squares, np.finfo(float).tiny)

    weights = log_likelihood + LOG_PRIOR - 0.5 * freedom * np.log(squares)
    weights = np.exp(weights - weights.max())
    kept = weights > 1e-4
    weights = weights[kept] / weights[kept].sum()
    means = means[kept]
    scales = np.sqrt(squares[kept] / freedom / information[kept])
    low, high = mixture_quantiles(weights, means, scales, freedom)
    share = RATIO[kept] / (1.0 + RATIO[kept])
    return Slope(float(weights @ means), low, high, float(weights @ share))


def mixture_quantiles(
    weights: Floats, means: Floats, scales: Floats, freedom: float
) -> tuple[float, float]:
    """Return the 2.5% and 97.5% quantiles of a mixture of Student's t, by bisection."""
    reach = 60.0 * scales
    low = np.full(2, (means - reach).min())
    high = np.full(2, (means + reach).max())
    for _ in range(50):
        middle = 0.5 * (low + high)
        below = stdtr(freedom, (middle[:, None] - means) / scales) @ weights < PROBABILITIES
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return float(low[0]), float(high[1])
