"""Where a share of initialisations crosses a level as the learning rate grows, by Bayes' rule."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

Floats = NDArray[np.float64]

# Widths s of the rise that are thought possible, in ln η: from sharp to a decade.
WIDTHS = np.geomspace(0.002, 0.7, 16)
# Uniform in √s. With one uniform in ln s, intervals covered soft onsets in 82% of simulated
# searches; with one uniform in s they are no better, and a third wider.
PRIOR = np.sqrt(WIDTHS)
# The share of verdicts that are wrong whatever the learning rate.
LAPSE = 0.02
POINTS = 301
NEGLIGIBLE = 1e-6
# How far the crossing may lie beyond what was tested, in ln η.
MARGIN = math.log(4.0)


class Crossing(NamedTuple):
    """A learning rate and its 95% interval; a limit of 0 or infinity is one that is open."""

    value: float
    low: float
    high: float

    @property
    def ratio(self) -> float:
        """The upper limit over the lower."""
        return self.high / self.low if self.low > 0 else math.inf


def crossing(
    etas: ArrayLike, verdicts: ArrayLike, share: float = 0.5, confidence: float = 0.95
) -> Crossing:
    r"""Estimate where the share of initialisations with a property crosses a level.

    The share is taken to rise as $\rho(\eta) = 1/(1 + e^{-(\ln\eta - \mu)/s})$, and a verdict to be
    wrong in 2% of the cases. The posterior over μ, uniform before, and s, uniform in √s from 0.002
    to 0.7, is computed on a grid. It is as narrow as the bracket of a bisection where the rise is
    sharp, and as wide as the binomial uncertainty of a soft one demands.

    Args:
        etas: Learning rates, shape (n,).
        verdicts: Whether an initialisation of its own at each had the property, shape (n,).
        share: The level to cross, between 0 and 1.
        confidence: Of the interval.

    Returns:
        The posterior median and quantiles; open on a side that no verdict bounds.

    Source: the logistic psychometric function with a lapse rate, F. A. Wichmann, N. J. Hill,
    Perception & Psychophysics 63, 1293 (2001).

    Example:
        >>> found = crossing([1, 4, 2, 3, 2.5, 2.7], [False, True, False, True, False, True])
        >>> 0.9 < found.low < 2.5 < found.value < 2.7 < found.high < 6
        True
    """
    positions = np.log(np.asarray(etas, dtype=np.float64))
    found = np.asarray(verdicts, dtype=bool)
    middles = np.linspace(positions.min() - MARGIN, positions.max() + MARGIN, POINTS)
    likely = np.flatnonzero(_posterior(positions, found, middles).max(axis=0) > NEGLIGIBLE)
    first, last = max(likely[0] - 1, 0), min(likely[-1] + 1, POINTS - 1)
    middles = np.linspace(middles[first], middles[last], POINTS)
    weights = _posterior(positions, found, middles)
    places = middles + WIDTHS[:, None] * math.log(share / (1 - share))
    order = np.argsort(places, axis=None)
    cumulative = np.cumsum(weights.ravel()[order])
    half = (1 - confidence) / 2
    quantiles = np.searchsorted(cumulative / cumulative[-1], (0.5, half, 1 - half))
    value, low, high = (float(np.exp(places.ravel()[order][index])) for index in quantiles)
    return Crossing(value, low if not found.all() else 0.0, high if found.any() else math.inf)


def _posterior(positions: Floats, verdicts: NDArray[np.bool_], middles: Floats) -> Floats:
    """Relative to its largest value, shape (width, middle)."""
    logarithm = np.log(PRIOR)[:, None] + np.zeros(len(middles))
    for position, verdict in zip(positions, verdicts, strict=True):
        rho = LAPSE + (1 - 2 * LAPSE) * expit((position - middles) / WIDTHS[:, None])
        logarithm += np.log(rho if verdict else 1 - rho)
    return np.asarray(np.exp(logarithm - logarithm.max()))
