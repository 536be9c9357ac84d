"""Growth at a given size: how far perturbations grow, and how long they take, from each size on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chaotrain.statistics import averages
from chaotrain.statistics.averages import Booleans, Floats


class Passages(NamedTuple):
    """What every replica does from each size on; arrays of shape (size, ball, replica).

    Attributes:
        passed: Whether it grows past the size, from below and by less than the ratio at once.
        gain: ln of its growth until it has grown by the ratio, or until the end; 0 if not passed.
        time: The epochs that takes; 0 if not passed.
        grown: Whether it grows by the ratio.
    """

    passed: Booleans
    gain: Floats
    time: Floats
    grown: Booleans


def passages(distance: Floats, sizes: Floats, ratio: float) -> Passages:
    """Follow every replica from each size until it has grown by the ratio.

    Args:
        distance: d(t), shape (ball, replica, epoch); what follows an epoch that is not finite, or
            is 0, does not count.
        sizes: The sizes δ, shape (size,).
        ratio: The growth r.
    """
    balls, replicas, epochs = distance.shape
    usable = np.logical_and.accumulate(np.isfinite(distance) & (distance > 0), axis=2)
    logs = np.log(np.where(usable, distance, 1.0))
    last = usable.sum(axis=2) - 1
    shape = (len(sizes), balls, replicas)
    passed, grown = np.zeros(shape, bool), np.zeros(shape, bool)
    gain, time = np.zeros(shape), np.zeros(shape)
    clock = np.arange(epochs)
    for index, size in enumerate(np.log(sizes)):
        above = usable & (logs >= size)
        start = above.argmax(axis=2)
        at_start = np.take_along_axis(logs, start[..., None], axis=2)
        passed[index] = above.any(axis=2) & (start > 0) & (at_start[..., 0] < size + np.log(ratio))
        passed[index] &= start < last
        later = usable & (clock > start[..., None]) & (logs >= at_start + np.log(ratio))
        grown[index] = passed[index] & later.any(axis=2)
        stop = np.where(grown[index], later.argmax(axis=2), np.maximum(last, 0))
        at_stop = np.take_along_axis(logs, stop[..., None], axis=2)
        gain[index] = np.where(passed[index], (at_stop - at_start)[..., 0], 0.0)
        time[index] = np.where(passed[index], stop - start, 0.0)
    return Passages(passed, gain, time, grown)


def rates(found: Passages, samples: int = 2000, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """The mean gain over the mean time at each size, with 95% bootstrap limits over balls.

    Args:
        found: What `passages` returns.
        samples: Number of bootstrap samples.
        seed: Seed of the bootstrap.

    Returns:
        λ(δ) and its limits, shape (size,); NaN where no ball passes, limits also where fewer than
        three do.
    """
    gain, time = found.gain.sum(axis=2), found.time.sum(axis=2)
    ran = np.ones((1, gain.shape[1]), bool)

    def ratio_of(weights: averages.Integers) -> Floats:
        weights = np.broadcast_to(weights, (*weights.shape[:2], len(gain)))
        total = averages.weighted_sum(time, weights)
        rate = np.full(total.shape, np.nan)
        np.divide(averages.weighted_sum(gain, weights), total, out=rate, where=total > 0)
        return rate

    rate = ratio_of(averages.count_once(ran))[0]
    replicates = ratio_of(averages.resample(ran, samples, seed))
    low, high = averages.bootstrap_interval(replicates, found.passed.any(axis=2).sum(axis=1))
    return rate, low, high
