"""Averages, intervals and onsets against closed forms, scipy and cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, norm
from scipy.stats import t as student

from chaotrain import statistics

INF, NAN = np.inf, np.nan


def expanded(size: int, confidence: float = 0.95) -> float:
    """The confidence at which a plain percentile interval has the expanded tails."""
    quantile = student.ppf(0.5 + confidence / 2, size - 1)
    return float(1 - 2 * norm.cdf(-quantile * np.sqrt(size / (size - 1))))


# Wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 6), (3, 6), (6, 6), (17, 50)])
def test_wilson_is_the_closed_form_and_scipy(successes: int, trials: int) -> None:
    low, high = statistics.wilson_interval(successes, trials)
    z, share = norm.ppf(0.975), successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials)
    half *= np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    assert (float(low), float(high)) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert (float(low), float(high)) == tuple(
        binomtest(successes, trials).proportion_ci(method="wilson")
    )


def test_wilson_without_a_trial_is_nan() -> None:
    low, high = statistics.wilson_interval([0, 1], [0, 2])
    assert np.isnan(low[0])
    assert np.isnan(high[0])
    assert low[1] < 0.5 < high[1]


# Resampling


def test_resampling_is_joint_within_a_group_and_independent_between() -> None:
    ran = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], dtype=bool)
    weights = statistics.resample(ran, samples=500, seed=3)
    assert weights.shape == (4, 500, 4)
    assert (weights.sum(axis=0) == [4, 2, 4, 0]).all()
    assert (weights[..., 0] == weights[..., 2]).all()
    assert (weights[~ran.T.astype(bool)[:, None, :].repeat(500, axis=1)] == 0).all()
    first, other = weights[0, :, 0], weights[0, :, 1]
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.15
    assert first.mean() == pytest.approx(1.0, abs=0.15)


def test_resampling_repeats_itself() -> None:
    ran = np.ones((3, 7), dtype=bool)
    assert statistics.resample(ran, 50, 1).tobytes() == statistics.resample(ran, 50, 1).tobytes()
    assert statistics.resample(ran, 50, 1).tobytes() != statistics.resample(ran, 50, 2).tobytes()


def test_weighted_averages_are_those_of_the_drawn_sample() -> None:
    generator = np.random.default_rng(5)
    ran = generator.random((4, 9)) < 0.8
    values = np.where(ran, generator.normal(size=ran.shape), NAN)
    weights = statistics.resample(ran, samples=40)
    means, medians = (
        statistics.weighted_mean(values, weights),
        statistics.weighted_median(values, weights),
    )
    for sample in range(40):
        for rate in range(4):
            drawn = np.repeat(values[rate], weights[:, sample, rate])
            assert means[sample, rate] == pytest.approx(drawn.mean(), abs=1e-12)
            assert medians[sample, rate] == pytest.approx(np.median(drawn), abs=1e-12)


def test_weighted_averages_of_nothing_are_nan() -> None:
    nothing = np.zeros((1, 3), dtype=bool)
    values = np.full((1, 3), NAN)
    assert np.isnan(statistics.weighted_mean(values, statistics.count_once(nothing))).all()
    assert np.isnan(statistics.weighted_median(values, statistics.resample(nothing, 5))).all()


# Bootstrap interval


@pytest.mark.parametrize("size", [4, 8, 50])
def test_interval_of_the_mean_is_that_of_scipy(size: int) -> None:
    data = np.random.default_rng(size).gamma(2.0, size=size)
    weights = statistics.resample(np.ones((1, size), dtype=bool), samples=20000)
    low, high = statistics.bootstrap_interval(
        statistics.weighted_mean(data[None], weights)[:, 0], size
    )
    reference = bootstrap(
        (data,),
        np.mean,
        method="percentile",
        confidence_level=expanded(size),
        n_resamples=20000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    tolerance = 0.12 * reference.high - 0.12 * reference.low
    assert (float(low), float(high)) == pytest.approx(tuple(reference), abs=tolerance)


@pytest.mark.parametrize(("size", "least"), [(3, 0.70), (5, 0.85), (10, 0.91), (50, 0.93)])
def test_interval_of_the_mean_covers_it(size: int, least: float) -> None:
    # The rows stand for repeated experiments: each is one normal sample with mean 0.
    experiments = np.random.default_rng(7).normal(size=(1000, size))
    weights = statistics.resample(np.ones((1, size), dtype=bool), samples=1000)
    replicates = statistics.weighted_mean(experiments, np.broadcast_to(weights, (size, 1000, 1000)))
    low, high = statistics.bootstrap_interval(replicates, np.full(1000, size))
    coverage = float(((low <= 0) & (high >= 0)).mean())
    assert least <= coverage <= 0.98


@pytest.mark.parametrize("size", [0, 1, 2])
def test_fewer_than_three_give_no_interval(size: int) -> None:
    low, high = statistics.bootstrap_interval(np.linspace(0.0, 1.0, 100), size)
    assert np.isnan(low)
    assert np.isnan(high)


def test_three_give_their_range_and_equals_no_width() -> None:
    values = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]])
    weights = statistics.resample(np.ones((2, 3), dtype=bool))
    low, high = statistics.bootstrap_interval(statistics.weighted_mean(values, weights), [3, 3])
    assert (low.tolist(), high.tolist()) == ([1.0, 3.0], [4.0, 3.0])


def test_large_samples_give_the_plain_percentiles() -> None:
    low, high = statistics.bootstrap_interval(np.arange(10001.0), 10**9)
    assert (float(low), float(high)) == pytest.approx((250.0, 9750.0), abs=1.0)


@pytest.mark.parametrize(
    ("missing", "below", "above", "expected"),
    [
        (0, 0, 0, (5.0, 5.0)),
        (50, 0, 0, (5.0, 5.0)),
        (51, 0, 0, (NAN, NAN)),
        (0, 30, 0, (0.0, 5.0)),
        (0, 0, 30, (5.0, INF)),
        (0, 20, 20, (5.0, 5.0)),
    ],
)
def test_missing_estimates_and_those_off_the_grid(
    missing: int, below: int, above: int, expected: tuple[float, float]
) -> None:
    replicates = np.full(1000, 5.0)
    replicates[:missing] = NAN
    replicates[500 : 500 + below] = 0.0
    replicates[700 : 700 + above] = INF
    low, high = statistics.bootstrap_interval(replicates, 10**6)
    np.testing.assert_equal((float(low), float(high)), expected)


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
    crossing = statistics.half_crossing(grid, np.array(rho), np.array(decided, dtype=float))
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
    limits = statistics.half_crossing_interval(grid, *counts, np.full(200, 4.0), 6)
    assert limits == pytest.approx(expected, rel=1e-3)
    nothing = statistics.half_crossing_interval(grid, *counts, np.full(200, 4.0), 2)
    assert np.isnan(nothing).all()


@pytest.mark.parametrize(("size", "spread"), [(6, 0.05), (6, 0.5), (50, 0.15)])
def test_interval_of_the_onset_covers_it(size: int, spread: float) -> None:
    # Every initialisation turns chaotic at its own threshold, ln-normal about 6.5.
    grid = np.array([1, 2.5, 5, 7.5, 10, 12.5, 15])
    decided = np.full(7, size)
    share = norm.cdf((np.log(grid) - np.log(6.5)) / spread)
    onset = statistics.half_crossing(grid, share, decided.astype(float))
    generator = np.random.default_rng(size)
    covered = []
    for seed in range(60):
        threshold = generator.normal(np.log(6.5), spread, size=size)
        exponential = np.log(grid)[:, None] > threshold
        weights = statistics.resample(np.ones((7, size), dtype=bool), 200, seed)
        replicates = np.array(
            [
                statistics.half_crossing(grid, counts / size, decided.astype(float))
                for counts in statistics.weighted_sum(exponential, weights)
            ]
        )
        low, high = statistics.half_crossing_interval(
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
    before, onset = statistics.full_onset(
        grid, np.array([exponential], float), np.array([decided], float), trains
    )
    assert (before[0], onset[0]) == expected


def test_full_onset_takes_every_sample_by_itself() -> None:
    grid, six, trainable = np.array([5.0, 7.5]), np.full((3, 2), 6.0), np.ones((3, 2), dtype=bool)
    before, onset = statistics.full_onset(
        grid, np.array([[0.0, 6], [6, 6], [6, 0]]), six, trainable
    )
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
    found = statistics.fastest(grid, np.array([mean_time]), np.array([reached]))
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
    assert statistics.supporting_size(grid, np.array(sizes), estimate) == expected


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
    assert bool(statistics.still_falling(loss)) is expected


@pytest.mark.parametrize(("loss", "expected"), [([2.0, 1.0], True), ([1.0, 1.0, 2.0], False)])
def test_still_falling_of_a_short_run(loss: list[float], expected: bool) -> None:
    assert bool(statistics.still_falling(np.array(loss))) is expected


def test_noise_about_a_level_is_rarely_falling() -> None:
    noise = np.random.default_rng(2).normal(size=(5000, 202))
    assert statistics.still_falling(noise).mean() < 0.002
