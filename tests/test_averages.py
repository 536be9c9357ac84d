"""Averages and their intervals against closed forms, scipy and cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, norm
from scipy.stats import t as student

from chaotrain.statistics import averages

INF, NAN = np.inf, np.nan


def expanded(size: int, confidence: float = 0.95) -> float:
    """The confidence at which a plain percentile interval has the expanded tails."""
    quantile = student.ppf(0.5 + confidence / 2, size - 1)
    return float(1 - 2 * norm.cdf(-quantile * np.sqrt(size / (size - 1))))


# Wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 6), (3, 6), (6, 6), (17, 50)])
def test_wilson_is_the_closed_form_and_scipy(successes: int, trials: int) -> None:
    low, high = averages.wilson_interval(successes, trials)
    z, share = norm.ppf(0.975), successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials)
    half *= np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    assert (float(low), float(high)) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert (float(low), float(high)) == tuple(
        binomtest(successes, trials).proportion_ci(method="wilson")
    )


def test_wilson_without_a_trial_is_nan() -> None:
    low, high = averages.wilson_interval([0, 1], [0, 2])
    assert np.isnan(low[0])
    assert np.isnan(high[0])
    assert low[1] < 0.5 < high[1]


# Resampling


def test_resampling_is_joint_within_a_group_and_independent_between() -> None:
    ran = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], dtype=bool)
    weights = averages.resample(ran, samples=500, seed=3)
    assert weights.shape == (4, 500, 4)
    assert (weights.sum(axis=0) == [4, 2, 4, 0]).all()
    assert (weights[..., 0] == weights[..., 2]).all()
    assert (weights[~ran.T.astype(bool)[:, None, :].repeat(500, axis=1)] == 0).all()
    first, other = weights[0, :, 0], weights[0, :, 1]
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.15
    assert first.mean() == pytest.approx(1.0, abs=0.15)


def test_resampling_repeats_itself() -> None:
    ran = np.ones((3, 7), dtype=bool)
    assert averages.resample(ran, 50, 1).tobytes() == averages.resample(ran, 50, 1).tobytes()
    assert averages.resample(ran, 50, 1).tobytes() != averages.resample(ran, 50, 2).tobytes()


def test_weighted_averages_are_those_of_the_drawn_sample() -> None:
    generator = np.random.default_rng(5)
    ran = generator.random((4, 9)) < 0.8
    values = np.where(ran, generator.normal(size=ran.shape), NAN)
    weights = averages.resample(ran, samples=40)
    means, medians = (
        averages.weighted_mean(values, weights),
        averages.weighted_median(values, weights),
    )
    for sample in range(40):
        for rate in range(4):
            drawn = np.repeat(values[rate], weights[:, sample, rate])
            assert means[sample, rate] == pytest.approx(drawn.mean(), abs=1e-12)
            assert medians[sample, rate] == pytest.approx(np.median(drawn), abs=1e-12)


def test_weighted_averages_of_nothing_are_nan() -> None:
    nothing = np.zeros((1, 3), dtype=bool)
    values = np.full((1, 3), NAN)
    assert np.isnan(averages.weighted_mean(values, averages.count_once(nothing))).all()
    assert np.isnan(averages.weighted_median(values, averages.resample(nothing, 5))).all()


# Bootstrap interval


@pytest.mark.parametrize("size", [4, 8, 50])
def test_interval_of_the_mean_is_that_of_scipy(size: int) -> None:
    data = np.random.default_rng(size).gamma(2.0, size=size)
    weights = averages.resample(np.ones((1, size), dtype=bool), samples=20000)
    low, high = averages.bootstrap_interval(averages.weighted_mean(data[None], weights)[:, 0], size)
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
    weights = averages.resample(np.ones((1, size), dtype=bool), samples=1000)
    replicates = averages.weighted_mean(experiments, np.broadcast_to(weights, (size, 1000, 1000)))
    low, high = averages.bootstrap_interval(replicates, np.full(1000, size))
    coverage = float(((low <= 0) & (high >= 0)).mean())
    assert least <= coverage <= 0.98


@pytest.mark.parametrize("size", [0, 1, 2])
def test_fewer_than_three_give_no_interval(size: int) -> None:
    low, high = averages.bootstrap_interval(np.linspace(0.0, 1.0, 100), size)
    assert np.isnan(low)
    assert np.isnan(high)


def test_three_give_their_range_and_equals_no_width() -> None:
    values = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]])
    weights = averages.resample(np.ones((2, 3), dtype=bool))
    low, high = averages.bootstrap_interval(averages.weighted_mean(values, weights), [3, 3])
    assert (low.tolist(), high.tolist()) == ([1.0, 3.0], [4.0, 3.0])


def test_large_samples_give_the_plain_percentiles() -> None:
    low, high = averages.bootstrap_interval(np.arange(10001.0), 10**9)
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
    low, high = averages.bootstrap_interval(replicates, 10**6)
    np.testing.assert_equal((float(low), float(high)), expected)
