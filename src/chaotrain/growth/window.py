"""The predecessor's fit: least squares on the window of ln d(t) with the highest R²."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]

STARTS = range(0, 101)
LENGTHS = range(30, 101)


@dataclass(frozen=True)
class Window:
    """A straight line through a window of a curve.

    Attributes:
        start: First epoch of the window.
        stop: Last epoch of the window.
        rate: Slope per epoch.
        low: Lower 95% limit of the slope, for independent errors.
        high: Upper 95% limit.
        intercept: Value of the line at epoch 0.
        r_squared: Share of the variance that the line explains.
    """

    start: int
    stop: int
    rate: float
    low: float
    high: float
    intercept: float
    r_squared: float


def best_window(
    curve: Floats,
    starts: Sequence[int] = STARTS,
    lengths: Sequence[int] = LENGTHS,
) -> Window | None:
    """Find the window of highest R², fitted by ordinary least squares.

    Args:
        curve: ln of the arithmetic mean of d(t), shape (epoch,), finite.
        starts: First epochs of the windows.
        lengths: Numbers of epochs in the windows.

    Returns:
        The window, the earliest and shortest of equals, or None if none fits into the curve.
    """
    first, length = (grid.ravel() for grid in np.meshgrid(starts, lengths, indexing="ij"))
    within = first + length <= len(curve)
    if not within.any():
        return None
    first, length = first[within], length[within]
    values = curve - curve.mean()
    epochs = np.arange(len(curve), dtype=float)

    def sums(terms: Floats) -> Floats:
        totals = np.concatenate([[0.0], np.cumsum(terms)])
        return np.asarray(totals[first + length] - totals[first])

    value_sums = sums(values)
    centres = first + 0.5 * (length - 1.0)
    covariances = sums(epochs * values) - centres * value_sums
    spreads = length * (length**2 - 1.0) / 12.0
    variations = sums(values**2) - value_sums**2 / length
    # What cancellation in the cumulative sums leaves of a constant window is not a variation.
    varied = variations > 1e-9
    r_squared = np.zeros(len(first))
    r_squared[varied] = covariances[varied] ** 2 / (spreads[varied] * variations[varied])
    best = int(np.argmax(r_squared))
    share = min(float(r_squared[best]), 1.0)
    rate = float(covariances[best] / spreads[best])
    freedom = length[best] - 2.0
    error = abs(rate) * math.sqrt((1.0 / share - 1.0) / freedom) if share > 0.0 else 0.0
    half = float(stdtrit(freedom, 0.975)) * error
    return Window(
        start=int(first[best]),
        stop=int(first[best] + length[best] - 1),
        rate=rate,
        low=rate - half,
        high=rate + half,
        intercept=float(curve.mean() + value_sums[best] / length[best] - rate * centres[best]),
        r_squared=share,
    )
