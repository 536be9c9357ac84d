"""Onsets, the fastest learning rate and falling losses against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from chaotrain.statistics import onsets
from chaotrain.statistics.averages import resample, weighted_sum

INF, NAN = np.inf, np.nan


# Onsets


@pytest.mark.parametrize(
    ("rho", "decided", "expected"),
    [
        ([0.0, 0.0, 1.0, 1.0], [1, 1, 1, 1], 4.0),  # half way from 2 to 8 in ln η
        ([0.0, 0.25, 0.75, 1.0], [4, 4, 4, 4], 4.0),
        ([0.0, 0.25, 1.0, 1.0], [4, 4, 4, 4], 2.0 * 4.0 ** (1 / 3)),
        ([0.0, 0.75, 0.25, 1.0], [4, 4, 4, 4], 4.0),  # pooled to 1/2 from 2 to 8: its middle
        ([0.0, 0.9, 0.1, 1.0], [1, 3, 1, 1], 0.5 * 4.0 ** (0.5 / 0.7)),  # pooled to 0.7
        ([0.0, 0.5, 1.0, 1.0], [4, 4, 4, 4], 2.0),
        ([0.0, NAN, 1.0, 1.0], [4, 0, 4, 4], 2.0),  # half way from 0.5 to 8
        ([0.0, 0.0, 0.0, 0.0], [4, 4, 4, 4], INF),
        ([0.0, 0.0, 0.0, 0.5], [4, 4, 4, 4], INF),  # touches but does not cross
        ([1.0, 1.0, 1.0, 1.0], [4, 4, 4, 4], 0.0),
        ([0.5, 1.0, 1.0, 1.0], [4, 4, 4, 4], 0.0),
        ([1.0, 0.0, 1.0, 0.0], [4, 4, 4, 4], NAN),  # flat at 1/2
        ([NAN, NAN, NAN, NAN], [0, 0, 0, 0], NAN),
    ],
)
def test_half_crossing(rho: list[float], decided: list[int], expected: float) -> None:
    grid = np.array([0.5, 2.0, 8.0, 32.0])
    crossing = onsets.half_crossing(grid, np.array(rho), np.array(decided, dtype=float))
    assert crossing == pytest.approx(expected, rel=1e-10, nan_ok=True)


@pytest.mark.parametrize(
    ("exponential", "decided", "expected"),
    [
        # Wilson: 0 of 6 is up to 0.3903, 0 of 3 up to 0.5615, 0 of 2 up to 0.6576.
        ([0, 0, 6, 6], [6, 6, 6, 6], (2 * 4 ** (0.1097 / 0.6097), 2 * 4 ** (0.5 / 0.6097))),
        ([0, 0, 3, 3], [3, 3, 3, 3], (0.0, INF)),
        ([0, 0, 6, 3], [3, 6, 6, 3], (2 * 4 ** (0.1097 / 0.6097), 2 * 4 ** (0.5 / 0.6097))),
        ([0, 0, 6, 0], [0, 6, 6, 0], (2 * 4 ** (0.1097 / 0.6097), 2 * 4 ** (0.5 / 0.6097))),
    ],
)
def test_interval_of_a_sharp_onset_has_a_width(
    exponential: list[int], decided: list[int], expected: tuple[float, float]
) -> None:
    grid = np.array([0.5, 2.0, 8.0, 32.0])
    counts = np.array(exponential), np.array(decided)
    limits = onsets.half_crossing_interval(grid, *counts, np.full(200, 4.0), 6)
    assert limits == pytest.approx(expected, rel=1e-3)
    nothing = onsets.half_crossing_interval(grid, *counts, np.full(200, 4.0), 2)
    assert np.isnan(nothing).all()


@pytest.mark.parametrize(("size", "spread"), [(6, 0.05), (6, 0.5), (50, 0.15)])
def test_interval_of_the_onset_covers_it(size: int, spread: float) -> None:
    # Every initialisation turns chaotic at its own threshold, ln-normal about 6.5.
    grid = np.array([1, 2.5, 5, 7.5, 10, 12.5, 15])
    decided = np.full(7, size)
    share = norm.cdf((np.log(grid) - np.log(6.5)) / spread)
    onset = onsets.half_crossing(grid, share, decided.astype(float))
    generator = np.random.default_rng(size)
    covered = []
    for seed in range(60):
        threshold = generator.normal(np.log(6.5), spread, size=size)
        exponential = np.log(grid)[:, None] > threshold
        weights = resample(np.ones((7, size), dtype=bool), 200, seed)
        replicates = np.array(
            [
                onsets.half_crossing(grid, counts / size, decided.astype(float))
                for counts in weighted_sum(exponential, weights)
            ]
        )
        low, high = onsets.half_crossing_interval(
            grid, exponential.sum(axis=1), decided, replicates, size
        )
        covered.append(low <= onset <= high)
    assert np.mean(covered) > 0.9


@pytest.mark.parametrize(
    ("exponential", "decided", "trainable", "expected"),
    [
        ([0, 0, 6, 6, 6], [6, 6, 6, 6, 6], "yyyyn", (5.0, 7.5)),
        ([0, 6, 5, 6, 6], [6, 6, 6, 6, 6], "yyyyn", (7.5, 10.0)),  # not monotone
        ([0, 0, 6, 6, 3], [6, 6, 6, 6, 6], "yyyyn", (5.0, 7.5)),  # the tail cannot be trained
        ([0, 0, 6, 6, 3], [6, 6, 6, 6, 6], "yyyyy", (20.0, INF)),  # it can
        ([0, 0, 6, 5, 6], [6, 6, 6, 6, 6], "yyyyn", (10.0, 20.0)),  # only beyond what trains
        ([0, 0, 0, 0, 0], [6, 6, 6, 6, 6], "yyyyn", (20.0, INF)),
        ([6, 6, 6, 6, 6], [6, 6, 6, 6, 6], "yyyyy", (0.0, 2.5)),  # nothing tested before
        ([0, 0, 6, 6, 0], [6, 6, 6, 6, 0], "yyyyy", (10.0, INF)),  # trainable, none decided
        ([0, 0, 6, 6, 0], [6, 6, 6, 6, 0], "yyyyn", (5.0, 7.5)),  # none decided, not trainable
        ([0, 0, 6, 6, 6], [6, 0, 6, 6, 6], "yyyyn", (2.5, 7.5)),  # 5 was no test
        ([0, 6, 0, 6, 6], [6, 6, 0, 6, 6], "yyyyn", (5.0, 10.0)),  # 7.5 confirms nothing
        ([0, 1, 2, 6, 6], [6, 1, 2, 6, 6], "yyyyn", (2.5, 5.0)),  # undecided ones left out
        ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], "nnnnn", (0.0, INF)),
    ],
)
def test_full_onset(
    exponential: list[int], decided: list[int], trainable: str, expected: tuple[float, float]
) -> None:
    grid = np.array([2.5, 5.0, 7.5, 10.0, 20.0])
    trains = np.array([[letter == "y" for letter in trainable]])
    before, onset = onsets.full_onset(
        grid, np.array([exponential], float), np.array([decided], float), trains
    )
    assert (before[0], onset[0]) == expected


def test_full_onset_takes_every_sample_by_itself() -> None:
    grid, six, trainable = np.array([5.0, 7.5]), np.full((3, 2), 6.0), np.ones((3, 2), dtype=bool)
    before, onset = onsets.full_onset(grid, np.array([[0.0, 6], [6, 6], [6, 0]]), six, trainable)
    assert (before.tolist(), onset.tolist()) == ([5.0, 0.0, 7.5], [7.5, 5.0, INF])


@pytest.mark.parametrize(
    ("mean_time", "reached", "expected"),
    [
        ([101.0, 39.0, 25.0], [1.0, 1.0, 1.0], 7.5),
        ([101.0, 39.0, 25.0], [1.0, 1.0, 0.49], 5.0),
        ([101.0, 39.0, 25.0], [1.0, 1.0, 0.5], 7.5),
        ([50.0, 25.0, 25.0], [1.0, 1.0, 1.0], 5.0),  # the smaller one of equals
        ([201.0, 201.0, NAN], [0.0, 0.2, NAN], NAN),
    ],
)
def test_fastest(mean_time: list[float], reached: list[float], expected: float) -> None:
    grid = np.array([2.5, 5.0, 7.5])
    found = onsets.fastest(grid, np.array([mean_time]), np.array([reached]))
    np.testing.assert_equal(found, [expected])


@pytest.mark.parametrize(
    ("sizes", "estimate", "expected"),
    [
        ([2, 6, 5, 6, 2], 7.5, 5),
        ([2, 6, 5, 6, 2], 6.0, 5),  # 5 and 7.5
        ([2, 6, 5, 6, 2], 12.0, 2),  # 10 and 15
        ([2, 6, 5, 6, 2], 1.0, 2),
        ([2, 6, 0, 6, 0], 6.0, 6),  # 7.5 was not tested
        ([2, 6, 5, 6, 2], INF, 0),
        ([2, 6, 5, 6, 2], 0.0, 0),
        ([2, 6, 5, 6, 2], NAN, 0),
        ([0, 0, 0, 0, 0], 7.5, 0),
    ],
)
def test_supporting_size(sizes: list[int], estimate: float, expected: int) -> None:
    grid = np.array([1.0, 5.0, 7.5, 10.0, 15.0])
    assert onsets.supporting_size(grid, np.array(sizes), estimate) == expected


# Still falling

EPOCH = np.arange(202)
NOISE = np.random.default_rng(11).normal(size=202)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (3.0 - 1e-3 * EPOCH, True),
        (3.0 - 1e-9 * EPOCH, True),  # however slowly
        (-1e-3 * EPOCH, True),  # a loss may be negative
        (3.0 + 0.0 * EPOCH, False),
        (3.0 - 1e-16 * EPOCH, False),  # rounding
        (3.0 + 1e-3 * EPOCH, False),
        (3.0 + 0.1 * NOISE, False),
        (3.0 - 1e-3 * EPOCH + 1e-3 * NOISE, True),
        (3.0 - 1e-4 * EPOCH + 0.1 * NOISE, False),  # lost in the noise
        (3.0 - 1e-3 * EPOCH + 5.0 * (EPOCH == 195), True),  # a spike
        (np.exp(-EPOCH / 5.0), True),
        (np.where(EPOCH < 100, 3.0 - 1e-3 * EPOCH, INF), False),  # blown up
        (np.where(EPOCH < 190, INF, 1.0), False),
        (np.full(202, NAN), False),
    ],
)
def test_still_falling(loss: np.ndarray, expected: bool) -> None:
    assert bool(onsets.still_falling(loss)) is expected


@pytest.mark.parametrize(("loss", "expected"), [([2.0, 1.0], True), ([1.0, 1.0, 2.0], False)])
def test_still_falling_of_a_short_run(loss: list[float], expected: bool) -> None:
    assert bool(onsets.still_falling(np.array(loss))) is expected


def test_noise_about_a_level_is_rarely_falling() -> None:
    noise = np.random.default_rng(2).normal(size=(5000, 202))
    assert onsets.still_falling(noise).mean() < 0.002
