"""Statistics of chaos on a grid of learning rates: its onsets, and where training is fastest.

Pure functions over arrays, with R learning rates (ascending), S bootstrap samples (see
`chaotrain.statistics.averages`) and E = T + 1 epochs. A limit of 0 or infinity is one that the
grid leaves open.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression

from chaotrain.statistics.averages import (
    Booleans,
    Floats,
    Integers,
    bootstrap_interval,
    wilson_interval,
)

# A fall of the loss, relative to the loss, that rounding alone could make.
ROUNDING = 1e-12


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
