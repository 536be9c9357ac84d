"""Averages over initialisations with honest intervals, and onsets on a grid of learning rates.

Pure functions over arrays. The letters in the shapes are R learning rates (ascending), I
initialisations, S bootstrap samples and E = T + 1 epochs.

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
from scipy.optimize import isotonic_regression
from scipy.stats import binomtest, norm
from scipy.stats import t as student

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]
Booleans = NDArray[np.bool_]

# Fewer members than this give no interval: the bootstrap of two has three distinct means.
MINIMUM_SIZE = 3
# An interval is NaN if a larger share of the bootstrap samples than this has no estimate.
MAXIMUM_MISSING = 0.05
# A fall of the loss, relative to the loss, that rounding alone could make.
ROUNDING = 1e-12


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


def supporting_size(learning_rates: Floats, sizes: Integers, estimate: float) -> int:
    """Return the size of the sample behind an estimate on the grid.

    It is the size at the estimate itself if that is a tested learning rate, else the smaller one
    of the two around it. A bootstrap cannot show how uncertain an onset between learning rates
    is that were run once or twice.

    Args:
        learning_rates: Ascending, shape (R,); those with size 0 were not tested.
        sizes: Sample size at each, shape (R,).
        estimate: A learning rate, such as an onset.

    Returns:
        The size; 0 if the estimate is not on the grid.

    Example:
        >>> supporting_size(np.array([1.0, 5.0, 7.5, 10.0]), np.array([2, 6, 5, 6]), 6.0)
        5
    """
    tested = sizes > 0
    learning_rates, sizes = learning_rates[tested], sizes[tested]
    if not (sizes.size and learning_rates[0] <= estimate <= learning_rates[-1]):
        return 0
    first = int(np.searchsorted(learning_rates, estimate, side="right")) - 1
    last = int(np.searchsorted(learning_rates, estimate, side="left"))
    return int(sizes[first : last + 1].min())


def half_crossing(learning_rates: Floats, rho: Floats, decided: Floats) -> float:
    """Return η_0, where the isotonic fit of ρ crosses 1/2, interpolated in ln η.

    The fit is the non-decreasing one with the least squared error weighted by the number of
    decided initialisations. If it stays at exactly 1/2 for a while, the middle of that stretch
    (in ln η) is the crossing. It crosses only if it is below 1/2 somewhere and above elsewhere.

    Args:
        learning_rates: Ascending, shape (R,).
        rho: Share of the decided initialisations that are exponential, shape (R,).
        decided: Their number, shape (R,); learning rates with none are left out.

    Returns:
        η_0; 0 if it lies below the grid, infinity if above, NaN if the fit is flat at 1/2 or
        nothing is decided.

    Source:
        `scipy.optimize.isotonic_regression`.

    Example:
        >>> half_crossing(np.array([1.0, 4.0]), np.array([0.0, 1.0]), np.array([6.0, 6.0]))
        2.0
    """
    tested = decided > 0
    if not tested.any():
        return float("nan")
    position = np.log(learning_rates[tested])
    fit = isotonic_regression(rho[tested], weights=decided[tested]).x
    above_half = np.round(fit - 0.5, 12)  # a pooled 1/2 may be off by rounding
    if above_half[0] >= 0 or above_half[-1] <= 0:
        if above_half[-1] > 0:
            return 0.0
        return float("inf") if above_half[0] < 0 else float("nan")
    arrival = int(np.argmax(above_half >= 0))
    departure = int(np.argmax(above_half > 0))
    crossings = [
        np.interp(0.0, above_half[end - 1 : end + 1], position[end - 1 : end + 1])
        for end in (arrival, departure)
    ]
    return float(np.exp(0.5 * (crossings[0] + crossings[1])))


def half_crossing_interval(
    learning_rates: Floats,
    exponential: Integers,
    decided: Integers,
    replicates: Floats,
    size: int,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return an interval of η_0 that joins its bootstrap with the Wilson limits of ρ.

    Where the sample is unanimous below and above a sharp onset, every bootstrap sample is the
    sample itself and its interval has no width (it covered a simulated onset in 1% of the cases).
    The crossings of the upper and of the lower limits of ρ, made monotone as ρ is taken to be,
    widen it by what that number of initialisations cannot exclude.

    Args:
        learning_rates: Ascending, shape (R,).
        exponential: Number of exponential initialisations, shape (R,).
        decided: Number of decided initialisations, shape (R,).
        replicates: Bootstrapped η_0, shape (S,).
        size: Number of initialisations behind η_0, see `supporting_size`.
        confidence: Nominal coverage.

    Returns:
        Lower limit (0: open) and upper limit (infinity: open); NaN where the bootstrap has none.

    Example:
        >>> grid, unanimous = np.array([5.0, 7.5]), np.full(100, 37.5**0.5)
        >>> exponential, decided = np.array([0, 6]), np.array([6, 6])
        >>> low, high = half_crossing_interval(grid, exponential, decided, unanimous, 6)
        >>> round(low, 2), round(high, 2)
        (5.38, 6.97)
    """
    low, high = bootstrap_interval(replicates, size, confidence)
    tested = decided > 0
    grid, weights = learning_rates[tested], decided[tested].astype(np.float64)
    least, most = wilson_interval(exponential[tested], decided[tested], confidence)
    least = np.maximum.accumulate(least)
    most = np.minimum.accumulate(most[::-1])[::-1]
    return (
        float(np.minimum(low, half_crossing(grid, most, weights))),
        float(np.maximum(high, half_crossing(grid, least, weights))),
    )


def full_onset(
    learning_rates: Floats, exponential: Floats, decided: Floats, trainable: Booleans
) -> tuple[Floats, Floats]:
    """Return η_1, the onset of fully developed chaos, and the tested learning rate before it.

    η_1 is the smallest tested η such that at it and at every larger trainable η all decided
    initialisations are exponential. A learning rate where nothing is decided confirms nothing:
    it cannot be η_1, it is not the one before it, and if it is trainable η_1 lies above it.

    Args:
        learning_rates: Ascending, shape (R,).
        exponential: Number of exponential initialisations, shape (S, R).
        decided: Number of decided initialisations, shape (S, R).
        trainable: Whether the learning rate is trainable, shape (S, R).

    Returns:
        The previous tested η (0 if there is none) and η_1 (infinity if it is not on the grid),
        each of shape (S,). The onset lies between them.

    Example:
        >>> grid, six, yes = np.array([5.0, 7.5, 10.0]), np.full((1, 3), 6), np.full((1, 3), True)
        >>> full_onset(grid, np.array([[0, 6, 6]]), six, yes)
        (array([5.]), array([7.5]))
    """
    tested = decided > 0
    full = tested & (exponential == decided)
    failed = trainable & ~full
    failed_from = np.logical_or.accumulate(failed[:, ::-1], axis=1)[:, ::-1]
    failed_later = np.zeros_like(failed)
    failed_later[:, :-1] = failed_from[:, 1:]
    onset = np.where(full & ~failed_later, learning_rates, np.inf).min(axis=1)
    smaller = tested & (learning_rates < onset[:, None])
    return np.where(smaller, learning_rates, 0.0).max(axis=1), onset


def fastest(learning_rates: Floats, mean_time: Floats, reached: Floats) -> Floats:
    """Return η*, the learning rate with the smallest ⟨τ⟩ among those that at least half reach.

    Args:
        learning_rates: Ascending, shape (R,).
        mean_time: ⟨τ⟩ in epochs, shape (S, R).
        reached: Share of the initialisations that reach the target, shape (S, R).

    Returns:
        η*, shape (S,): the smaller one of equals; NaN where no learning rate qualifies.

    Example:
        >>> fastest(np.array([5.0, 7.5]), np.array([[72.0, 58.0]]), np.array([[1.0, 0.5]]))
        array([7.5])
    """
    return highest(learning_rates, np.where(reached >= 0.5, -mean_time, np.nan))


def highest(learning_rates: Floats, score: Floats) -> Floats:
    """Return the learning rate with the highest score.

    Args:
        learning_rates: Ascending, shape (R,).
        score: Shape (S, R); NaN where the learning rate does not qualify.

    Returns:
        Shape (S,): the smaller one of equals; NaN where no learning rate qualifies.

    Example:
        >>> highest(np.array([5.0, 7.5, 10.0]), np.array([[0.89, 0.91, np.nan]]))
        array([7.5])
    """
    score = np.where(np.isnan(score), -np.inf, score)
    found = learning_rates[np.argmax(score, axis=1)]
    return np.where(np.isneginf(score).all(axis=1), np.nan, found)


def still_falling(loss: Floats) -> Booleans:
    """Return whether a loss curve is still falling at its end.

    It is if the upper quartile of its last tenth lies below the lower quartile of the tenth
    before: a steady descent always passes, however slow; fluctuations about a level do not, since
    they must shift by their own interquartile range. The quartiles ignore single spikes.

    Args:
        loss: Loss against epoch, shape (..., E) with E > 1. A tenth is at least one epoch.

    Returns:
        Shape (...); False where either quartile is not finite.

    Example:
        >>> epoch = np.arange(101)
        >>> still_falling(np.stack([1 - 1e-6 * epoch, np.cos(epoch), np.ones(101)])).tolist()
        [True, False, False]
    """
    width = max(1, (loss.shape[-1] - 1) // 10)
    # Order statistics, not interpolated: an infinite loss must not become NaN.
    last = np.sort(loss[..., -width:], axis=-1)[..., -(1 + width // 4)]
    before = np.sort(loss[..., -2 * width : -width], axis=-1)[..., width // 4]
    finite = np.isfinite(last) & np.isfinite(before)
    fall = np.subtract(before, last, out=np.zeros(last.shape), where=finite)
    return finite & (fall > ROUNDING * np.abs(np.where(finite, before, 0.0)))
