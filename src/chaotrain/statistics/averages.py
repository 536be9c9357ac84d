"""Averages over initialisations with honest intervals.

Pure functions over arrays. The letters in the shapes are R learning rates (ascending), I
initialisations and S bootstrap samples.

Every average takes *weights* of shape (I, S, R): how often each initialisation counts in each
sample. Weights of one give the estimate itself (`count_once`), resampled weights its bootstrap
(`resample`), so the two can never follow different rules. Sums run over the initialisations in a
fixed order and without a linear algebra library, so the same input gives the same bytes on
every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, norm
from scipy.stats import t as student

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]
Booleans = NDArray[np.bool_]

# Fewer members than this give no interval: the bootstrap of two has three distinct means.
MINIMUM_SIZE = 3
# An interval is NaN if a larger share of the bootstrap samples than this has no estimate.
MAXIMUM_MISSING = 0.05


def wilson_interval(
    successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    r"""Return Wilson's interval of a share, element by element.

    With k successes in n trials and z the normal quantile of the confidence, the limits solve
    $|k/n - p| = z \sqrt{p (1 - p) / n}$ for p.

    Args:
        successes: Number of successes k, any shape.
        trials: Number of trials n, same shape.
        confidence: Coverage of the interval.

    Returns:
        Lower and upper limits in [0, 1], same shape; NaN where there is no trial.

    Source:
        E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927); `scipy.stats.binomtest`.

    Example:
        >>> low, high = wilson_interval([0, 5, 0], [5, 5, 0])
        >>> low.round(3).tolist(), high.round(3).tolist()
        ([0.0, 0.566, nan], [0.434, 1.0, nan])
    """
    successes, trials = np.broadcast_arrays(np.asarray(successes), np.asarray(trials))
    low, high = np.full(trials.shape, np.nan), np.full(trials.shape, np.nan)
    for index in np.ndindex(*trials.shape):
        if trials[index] > 0:
            test = binomtest(int(successes[index]), int(trials[index]))
            low[index], high[index] = test.proportion_ci(confidence, method="wilson")
    return low, high


def count_once(ran: Booleans) -> Integers:
    """Return the weights that count every initialisation that ran once.

    Args:
        ran: Which initialisations ran, shape (R, I).

    Returns:
        Weights 0 or 1, shape (I, 1, R).

    Example:
        >>> count_once(np.array([[True, True], [True, False]]))[:, 0].tolist()
        [[1, 1], [1, 0]]
    """
    return ran.T[:, None, :].astype(np.int32)


def resample(ran: Booleans, samples: int = 2000, seed: int = 0) -> Integers:
    """Return bootstrap weights: initialisations drawn with replacement.

    The same initial weights are used at every learning rate, so learning rates that ran the same
    set of initialisations share their draws. Groups that ran different sets draw independently.

    Args:
        ran: Which initialisations ran, shape (R, I).
        samples: Number of bootstrap samples S.
        seed: Seed of the generator.

    Returns:
        How often each initialisation was drawn, shape (I, S, R); 0 where it did not run.

    Source:
        B. Efron, Ann. Stat. 7, 1 (1979).

    Example:
        >>> weights = resample(np.array([[True, True, True], [True, True, True]]), samples=4)
        >>> weights.sum(axis=0)[:, 0].tolist(), bool((weights[..., 0] == weights[..., 1]).all())
        ([3, 3, 3, 3], True)
    """
    generator = np.random.default_rng(seed)
    weights = np.zeros((ran.shape[1], samples, ran.shape[0]), dtype=np.int32)
    groups: dict[bytes, list[int]] = {}
    for rate, row in enumerate(ran):
        groups.setdefault(row.tobytes(), []).append(rate)
    for rates in groups.values():
        members = np.flatnonzero(ran[rates[0]])
        if members.size:
            size = (samples, members.size)
            drawn = members[generator.integers(members.size, size=size, dtype=np.int64)]
            counts = np.zeros((ran.shape[1], samples), dtype=np.int32)
            np.add.at(counts, (drawn, np.arange(samples)[:, None]), 1)
            weights[:, :, rates] = counts[:, :, None]
    return weights


def weighted_sum(values: NDArray[Any], weights: Integers) -> Floats:
    """Return the sum over initialisations in each sample, NaN values left out.

    Args:
        values: One value a ball, shape (R, I).
        weights: Shape (I, S, R).

    Returns:
        Sums, shape (S, R).
    """
    values = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0)
    total = np.zeros(weights.shape[1:])
    for weight, value in zip(weights, values.T, strict=True):
        total += weight * value
    return total


def weighted_mean(values: NDArray[Any], weights: Integers) -> Floats:
    """Return the mean over initialisations in each sample, NaN values left out.

    Args:
        values: One value a ball, shape (R, I); NaN where the ball is left out.
        weights: Shape (I, S, R).

    Returns:
        Means, shape (S, R); NaN where no value is left.

    Example:
        >>> values = np.array([[0.5, 1.0, np.nan], [np.nan, np.nan, np.nan]])
        >>> weighted_mean(values, count_once(np.ones((2, 3), bool))).tolist()
        [[0.75, nan]]
    """
    count = weighted_sum(~np.isnan(values), weights)
    mean = np.full(count.shape, np.nan)
    np.divide(weighted_sum(values, weights), count, out=mean, where=count > 0)
    return mean


def weighted_median(values: Floats, weights: Integers) -> Floats:
    """Return the median over initialisations in each sample.

    Args:
        values: One value a ball, shape (R, I); any value where its weight is 0.
        weights: Shape (I, S, R).

    Returns:
        Medians, shape (S, R), the mean of the middle two for an even count; NaN for no value.

    Example:
        >>> weighted_median(np.array([[1.0, 5.0, 2.0]]), np.array([1, 1, 2]).reshape(3, 1, 1))
        array([[2.]])
    """
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    cumulative = np.take_along_axis(weights, order.T[:, None, :], axis=0).cumsum(axis=0)
    count = cumulative[-1]
    rates = np.arange(values.shape[0])
    last = values.shape[1] - 1
    middle = [
        ordered[rates, np.minimum((cumulative <= rank).sum(axis=0), last)]
        for rank in ((count - 1) // 2, count // 2)
    ]
    return np.where(count > 0, 0.5 * (middle[0] + middle[1]), np.nan)


def bootstrap_interval(
    replicates: NDArray[Any], size: ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    r"""Return the expanded percentile interval of bootstrapped estimates.

    The tail left out on each side is $\Phi(-t \sqrt{n / (n - 1)})$ instead of $\alpha / 2$, with t
    the quantile $1 - \alpha / 2$ of Student's distribution with n - 1 degrees of freedom: the
    plain percentile interval (the limit of large n) is too narrow for small samples. The limits
    are estimates of the sorted sample, rounded outward, so limits on a grid stay on the grid.
    An estimate of 0 or infinity stands for one below or above the grid, and such a limit for an
    interval that is open on that side.

    Args:
        replicates: Bootstrapped estimates, shape (S, ...); NaN where there is none.
        size: Number n of independent members behind each estimate, shape (...).
        confidence: Nominal coverage.

    Returns:
        Lower and upper limits, shape (...); NaN where n < 3 (a bootstrap of two has no honest
        interval) or where more than 5% of the samples have no estimate.

    Source:
        T. Hesterberg, "What teachers should know about the bootstrap", The American
        Statistician 69, 371 (2015), section 3.3.

    Example:
        >>> low, high = bootstrap_interval(np.arange(2001.0), size=50)
        >>> float(low), float(high)
        (42.0, 1958.0)
    """
    replicates = np.asarray(replicates, dtype=np.float64)
    size = np.broadcast_to(np.asarray(size), replicates.shape[1:])
    # Student's quantile needs a size that is valid; what is too small is masked below.
    valid = np.maximum(size, MINIMUM_SIZE)
    quantile = student.ppf(0.5 + 0.5 * confidence, valid - 1)
    tail = norm.cdf(-quantile * np.sqrt(valid / (valid - 1)))
    ordered = np.sort(replicates, axis=0)  # NaN last
    count = (~np.isnan(replicates)).sum(axis=0)
    # The subtracted sliver keeps a rank that is whole but for rounding where it is.
    ranks = tail * np.maximum(count - 1, 0)
    below = np.floor(ranks + 1e-9).astype(np.intp)
    above = np.maximum(count - 1, 0) - below
    missing = replicates.shape[0] - count
    honest = (size >= MINIMUM_SIZE) & (missing <= MAXIMUM_MISSING * replicates.shape[0])
    low, high = (
        np.where(honest, np.take_along_axis(ordered, rank[None], axis=0)[0], np.nan)
        for rank in (below, above)
    )
    return low, high
