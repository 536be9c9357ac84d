"""The clock of the transient, on curves whose transient is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chaotrain import anatomy
from chaotrain.errors import UserError
from chaotrain.statistics.clock import Transient, transient
from growth_curves import stationary_noise

NAN = math.nan


@pytest.mark.parametrize(
    ("growth", "start", "stop"),
    [
        ([0, 0, 0, 3, 6, 9, 8, 7, 6, 5], 2, 5),
        ([0, -2, -1.5, 3, 6, 5, 4, 3], 2, 4),
        ([0, 3, 6, 6.5, 6.4, 6.9, 6.8], 0, 2),  # the slow drift after it is no growth
        ([0, 1, 3, 5, 7, 6.5], 1, NAN),  # too short a calm to tell
        ([0, 2, 4, 6, 8], 0, NAN),  # still growing at the end
        ([0, 1, 2, 1, 0], NAN, NAN),  # too little
        ([0, -1, -2, -3], NAN, NAN),
        ([0, 3, 6, NAN, NAN], 0, NAN),  # blew up
        ([0, 3, 6, 9, math.inf], 0, NAN),
        ([0, 3, 6, 9, -math.inf, -math.inf], 0, 3),  # vanished
        ([NAN, 1], NAN, NAN),
        ([-math.inf, 1], NAN, NAN),
        ([], NAN, NAN),
        ([0], NAN, NAN),
    ],
)
def test_the_transient_ends_where_growth_ends(growth: list, start: float, stop: float) -> None:
    np.testing.assert_equal(transient(growth)[:2], (start, stop))


def test_what_a_transient_gains_at_least_is_a_choice() -> None:
    growth = [0, 0, 1.5, 3, 3, 3, 3]
    assert math.isnan(transient(growth).start)
    assert transient(growth, min_growth=1.9) == (1, 3, 2)
    assert anatomy.transient is transient


def bursts(*lengths: int, rate: float = 1.0) -> np.ndarray:
    """Growth that alternates between growth at a rate and calm, beginning with growth."""
    rates = [rate * (1 - index % 2) for index, n in enumerate(lengths) for _ in range(n)]
    return np.concatenate([[0], np.cumsum(rates)])


def test_chaos_that_comes_back_was_not_over() -> None:
    growth = bursts(40, 15, 12, 80)
    start, stop, lifetime = transient(growth)
    assert start == 1  # the last epoch within an e-fold of the minimum
    assert (stop, lifetime) == (67, 66)
    assert math.isnan(transient(growth[:56]).stop)  # in the calm between
    # Half as long a calm is enough, a burst of less than a decade is none.
    assert transient(bursts(40, 20)).stop == 40
    assert math.isnan(transient(bursts(40, 19)).stop)
    assert transient(bursts(40, 30, 2, 80)).stop == 40


@pytest.mark.parametrize("last", range(12, 120, 7))
def test_a_censored_lifetime_is_exceeded_and_says_nothing_of_the_end(last: int) -> None:
    growth = bursts(40, 80)
    start, stop, lifetime = transient(growth[: last + 1])
    assert start == 1
    assert math.isnan(stop) == (last < 40 + 0.5 * 39)
    assert lifetime <= 39
    if math.isnan(stop):
        assert lifetime == pytest.approx((last - 1) / 1.5)
    else:
        assert (stop, lifetime) == (40, 39)


def test_a_drift_that_is_no_chaos_does_not_prolong_it() -> None:
    epochs = np.arange(300.0)
    growth = np.minimum(epochs, 20) + 0.4 * np.log1p(np.maximum(epochs - 20, 0))
    assert 20 <= transient(growth).stop <= 22
    assert math.isnan(transient(0.4 * np.log1p(epochs)).start)


def test_words() -> None:
    assert str(Transient(3, 8, 5)) == "chaotic transient from epoch 3 to epoch 8"
    assert str(Transient(3, NAN, 5)) == "chaotic transient from epoch 3 beyond the end"
    assert str(transient([0])) == "no chaotic transient"


def noisy_transient(
    random: np.random.Generator, deviation: float, calm: float
) -> tuple[np.ndarray, int, int]:
    """Growth with AR(1) local rates, and the epochs at which their mean changes.

    Args:
        random: Draws all.
        deviation: The largest standard deviation of a local rate over the rate of the transient.
        calm: How much smaller the noise is after it.
    """
    last = int(random.integers(150, 301))
    start, lifetime = int(random.integers(0, 10)), int(random.integers(15, 81))
    rate = random.uniform(0.4, 1.3)
    noise = stationary_noise(
        random, last, deviation * random.uniform() * rate, random.uniform(-0.4, 0.7)
    )
    noise[start + lifetime :] *= calm
    mean = np.full(last, random.uniform(-0.25, 0.0))
    mean[:start] = random.uniform(-0.2, 0.0)
    mean[start : start + lifetime] = rate
    return np.concatenate([[0], np.cumsum(mean + noise)]), start, start + lifetime


# Largest noise, how much of it is left in the calm: share found with both ends at least, and within
# how many epochs of the truth the end of nine in ten lies at most.
KNOWN = [
    (0.0, 1.0, 1.0, 1),
    (0.5, 1.0, 0.98, 3),
    (1.0, 1.0, 0.88, 4),
    (1.0, 0.1, 0.97, 4),
]


@pytest.mark.parametrize(("deviation", "calm", "found", "within"), KNOWN)
def test_start_and_stop_in_correlated_noise(
    deviation: float, calm: float, found: float, within: float
) -> None:
    random = np.random.default_rng(7)
    errors = []
    for _ in range(300):
        growth, start, stop = noisy_transient(random, deviation, calm)
        clock = transient(growth)
        errors.append((clock.start - start, clock.stop - stop))
    late, over = np.array(errors).T
    known = ~np.isnan(late + over)
    assert known.mean() >= found
    # An e-fold has grown by the start, so it is late by at most one over the rate.
    assert 0 <= np.median(late[known]) <= 2
    assert np.quantile(np.abs(late[known]), 0.9) <= 4
    assert -1 <= np.median(over[known]) <= 0
    assert np.quantile(np.abs(over[known]), 0.9) <= within


def test_noise_without_growth_is_seldom_a_transient() -> None:
    random = np.random.default_rng(3)
    found = [
        transient(np.cumsum(stationary_noise(random, 200, 0.7, random.uniform(-0.4, 0.7)))).start
        for _ in range(300)
    ]
    assert np.isfinite(found).mean() <= 0.04


@pytest.mark.parametrize("shape", [(), (2, 30), (2, 3, 30)])
def test_the_growth_of_many_balls_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"growth: its shape is \(.*give that of one ball"):
        transient(np.zeros(shape))
