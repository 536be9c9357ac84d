"""The plateau of a scan: the widest range over which a mean does not depend on what was varied."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import f as fisher
from scipy.stats import t as student

from chaotrain.statistics.averages import Floats

# Directions in which differences vary by less than this share of the largest variance are exact.
EXACT = 1e-12


class Plateau(NamedTuple):
    """A run of neighbouring scales over which the means are equal within their errors.

    Attributes:
        start: Index of its first scale.
        stop: Index of its last scale.
        value: The mean over all of them.
        low: Its lower 95% limit, by Student's distribution over the members' own means.
        high: Its upper 95% limit.
        p_value: Of the test that the means are equal.
        size: The members that have a value at every scale of the run.
    """

    start: int
    stop: int
    value: float
    low: float
    high: float
    p_value: float
    size: int


def widest_plateau(values: Floats, significance: float = 0.05) -> Plateau | None:
    r"""Find the widest range of neighbouring scales over which the mean is constant.

    The same members (initialisations) are measured at every scale, so their values are paired: what
    tells members apart cancels in the differences between scales. A range of k scales counts as
    constant if Hotelling's test of equal means does not reject it. With the mean d and the
    covariance S of the k - 1 differences between neighbours over n members,

    $T^2 = n\, d^\top S^{-1} d$, and $\frac{n - k + 1}{(n - 1)(k - 1)} T^2$ is distributed as
    $F_{k-1,\, n-k+1}$,

    which for large n is the $\chi^2$ of the k means about their common weighted mean. Of ranges of
    equal width the one with the largest p value is taken.

    Args:
        values: One value a member and scale, shape (scale, member), scales in order; NaN where
            there is none. A member counts in a range if it has a value all over it.
        significance: The range is rejected at p values below this.

    Returns:
        The plateau, of two scales or more; None if there is none. A range with fewer than k + 2
        members cannot be tested and is none.

    Source: T. W. Anderson, An Introduction to Multivariate Statistical Analysis (Wiley, 2003),
    section 5.3.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=(6, 200))
        >>> means = np.array([2.0, 1.0, 1.0, 1.0, 1.0, 0.0])
        >>> found = widest_plateau(means[:, None] + 0.1 * noise)
        >>> found.start, found.stop, round(found.value, 1)
        (1, 4, 1.0)
    """
    scales = len(values)
    for width in range(scales, 1, -1):
        runs = (_tested(values, start, start + width - 1) for start in range(scales - width + 1))
        passed = [run for run in runs if run is not None and run.p_value >= significance]
        if passed:
            return max(passed, key=lambda run: run.p_value)
    return None


def _tested(values: Floats, start: int, stop: int) -> Plateau | None:
    """The range from `start` to `stop` with its p value; None if it has too few members."""
    rows = values[start : stop + 1]
    rows = rows[:, np.isfinite(rows).all(axis=0)]
    scales, size = rows.shape
    if size < scales + 2:
        return None
    own = rows.mean(axis=0)
    mean, half = float(own.mean()), float(student.ppf(0.975, size - 1) * own.std(ddof=1))
    half /= float(np.sqrt(size))
    return Plateau(start, stop, mean, mean - half, mean + half, _equal(np.diff(rows, axis=0)), size)


def _equal(differences: Floats) -> float:
    """The p value of the test that all differences (difference, member) have the mean 0."""
    count, size = differences.shape
    mean = differences.mean(axis=1)
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(differences)))
    along = axes.T @ mean
    exact = variances <= EXACT * max(variances[-1], np.finfo(float).tiny)
    if (np.abs(along[exact]) > np.sqrt(EXACT) * np.abs(mean).max()).any():
        return 0.0
    squared = size * float(np.sum(along[~exact] ** 2 / variances[~exact]))
    return float(fisher.sf(squared * (size - count) / ((size - 1) * count), count, size - count))
