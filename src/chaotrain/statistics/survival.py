"""How long chaotic transients last, when some outlast the run: the Kaplan-Meier estimate."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import CensoredData, ecdf

from chaotrain.statistics.averages import MINIMUM_SIZE, Floats


class Survival(NamedTuple):
    """The share of lifetimes longer than t, right after each of the times.

    Attributes:
        times: Ended or censored lifetimes, ascending and distinct, shape (n,).
        share: The share that lasts longer, shape (n,); before the first time it is 1.
        low: Its lower 95% limit, shape (n,); NaN where the share is 0 or 1.
        high: Its upper 95% limit, shape (n,); NaN where the share is 0 or 1.
        size: How many lifetimes were given.
    """

    times: Floats
    share: Floats
    low: Floats
    high: Floats
    size: int


class Median(NamedTuple):
    """A median lifetime and its 95% limits; infinite where the run is too short to tell."""

    value: float
    low: float
    high: float


def survival(lifetimes: ArrayLike, ended: ArrayLike, confidence: float = 0.95) -> Survival:
    r"""Estimate the distribution of lifetimes of which some are censored from the right.

    $S(t) = \prod_{t_i \le t} (1 - d_i / n_i)$, with $d_i$ the lifetimes that end at $t_i$ and $n_i$
    those that last to $t_i$ or longer. The interval is that of $\ln(-\ln S)$ with Greenwood's
    variance, which stays within 0 and 1.

    Args:
        lifetimes: Positive, shape (n,); a censored one is a lower bound.
        ended: Whether each one ended, shape (n,).
        confidence: Coverage of the interval at each time.

    Returns:
        The estimate; empty for no lifetime.

    Source: E. L. Kaplan, P. Meier, J. Am. Stat. Assoc. 53, 457 (1958); `scipy.stats.ecdf`.

    Example:
        >>> found = survival([2, 3, 3, 5], [True, True, False, True])
        >>> found.times.tolist(), found.share.tolist()
        ([2.0, 3.0, 5.0], [0.75, 0.5, 0.0])
    """
    lasted, over = np.asarray(lifetimes, dtype=np.float64), np.asarray(ended, dtype=bool)
    if not lasted.size:
        nothing = np.empty(0)
        return Survival(nothing, nothing, nothing, nothing, 0)
    curve = ecdf(CensoredData(uncensored=lasted[over], right=lasted[~over])).sf
    with warnings.catch_warnings():
        # SciPy says that there is no interval where the share is 0 or 1.
        warnings.simplefilter("ignore", RuntimeWarning)
        limits = curve.confidence_interval(confidence, method="log-log")
    low, high = limits.low.probabilities, limits.high.probabilities
    return Survival(curve.quantiles, curve.probabilities, low, high, lasted.size)


def median_lifetime(found: Survival) -> Median:
    """Return the smallest time that at most half of the lifetimes exceed, with its 95% limits.

    The limits are the smallest times at which the limits of the share are at most a half. Where
    those stay above a half, the median is at least the time of the last end (of none: the first
    censored time, if 6 or more outlast it, else 0), and its upper limit is open (infinite). That
    is so for fewer than 7 lifetimes.

    Args:
        found: What `survival` returns.

    Returns:
        The median and its limits, infinite where the share stays above a half; all NaN for no
        lifetime, the limits NaN for fewer than 3.

    Source: R. Brookmeyer, J. Crowley, Biometrics 38, 29 (1982).

    Example:
        >>> median_lifetime(survival([3, 4, 5, 6, 7, 8, 9], [True] * 7))
        Median(value=6.0, low=3.0, high=8.0)
        >>> median_lifetime(survival([4, 5, 6, 7, 8], [True, True, False, False, False])).value
        inf
    """
    if not found.size:
        return Median(np.nan, np.nan, np.nan)
    value, low, high = _first(found, found.share), _lower_limit(found), _first(found, found.high)
    if found.size < MINIMUM_SIZE:
        low = high = np.nan
    return Median(value, low, high)


def _first(found: Survival, share: Floats) -> float:
    """Return the first time at which a share is at most a half; NaN is more."""
    return float(found.times[share <= 0.5][0]) if (share <= 0.5).any() else np.inf


def _lower_limit(found: Survival) -> float:
    """Return the first time that the median may be, or the last that it is known to exceed."""
    first = _first(found, np.where(found.share > 0, found.low, 0.0))
    ends = found.times[np.diff(found.share, prepend=1.0) < 0]
    if not ends.size:
        # With n lifetimes longer than t and a median of at most t the chance is at most 1/2 each.
        return float(found.times[0]) if 0.5**found.size <= 0.025 else 0.0
    return first if np.isfinite(first) else float(ends[-1])
