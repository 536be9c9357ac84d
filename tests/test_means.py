"""The mean of a correlated series: the coverage of its interval, and its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import lfilter

import chaotrain as ct
from chaotrain.statistics.means import correlated_mean

SERIES = 1500


def autoregressive(correlation: float, length: int) -> np.ndarray:
    """Stationary AR(1) series with mean 0, one a row."""
    noise = np.random.default_rng(3).normal(size=(SERIES, length + 500))
    return np.asarray(lfilter([1.0], [1.0, -correlation], noise, axis=1)[:, 500:])


@pytest.mark.parametrize(
    ("correlation", "length", "least"),
    [
        (0.0, 5, 0.92),
        (0.0, 30, 0.92),
        (0.0, 1000, 0.93),
        (-0.7, 100, 0.92),
        (0.5, 30, 0.91),
        (0.5, 300, 0.92),
        (0.8, 100, 0.90),
        (0.9, 300, 0.91),
        (0.95, 1000, 0.91),
    ],
)
def test_the_interval_covers_the_mean_of_an_ar1_series(
    correlation: float, length: int, least: float
) -> None:
    series = autoregressive(correlation, length)
    means = [correlated_mean(row) for row in series]
    covered = np.mean([mean.low <= 0 <= mean.high for mean in means])
    assert least <= covered <= 0.985
    # And it is not wide for nothing.
    width = np.mean([mean.high - mean.low for mean in means])
    assert width < 2 * 1.96 * 1.6 * np.std(series.mean(axis=1)) * (2 if length < 10 else 1)


def test_an_interval_that_takes_correlated_values_for_independent_would_be_too_narrow() -> None:
    series = autoregressive(0.9, 300)
    naive = 1.96 * series.std(axis=1, ddof=1) / math.sqrt(300)
    assert np.mean(np.abs(series.mean(axis=1)) < naive) < 0.5


def test_the_effective_size_is_that_of_the_process() -> None:
    """Of an AR(1) series with coefficient φ it is n (1 - φ) / (1 + φ)."""
    for correlation in (-0.5, 0.0, 0.5, 0.8):
        sizes = [correlated_mean(row).effective for row in autoregressive(correlation, 2000)[:200]]
        wanted = 2000 * (1 - correlation) / (1 + correlation)
        assert np.median(sizes) == pytest.approx(wanted, rel=0.15)


@pytest.mark.parametrize(("eta", "least"), [(4.0, 0.93), (3.8, 0.91)])
def test_the_interval_covers_the_exponent_of_the_logistic_map(eta: float, least: float) -> None:
    def orbit(start: np.ndarray, length: int) -> np.ndarray:
        u, rates = start, []
        for _ in range(length + 200):
            rates.append(np.log(np.abs(eta * (1 - 2 * u))))
            u = eta * u * (1 - u)
        return np.array(rates[200:]).T

    starts = np.random.default_rng(0).random(1000)
    # At r = 3.8 the exponent of the many orbits together; at r = 4 it is known.
    exponent = math.log(2) if eta == 4.0 else orbit(starts, 4000).mean()
    for length in (50, 400):
        means = [correlated_mean(row) for row in orbit(starts, length)]
        assert np.mean([mean.low <= exponent <= mean.high for mean in means]) >= least


def test_a_drift_widens_the_interval() -> None:
    noise = np.random.default_rng(0).normal(size=100)
    still, drifting = (correlated_mean(noise + slope * np.arange(100)) for slope in (0.0, 0.1))
    assert drifting.high - drifting.low > 5 * (still.high - still.low)


def test_the_mean_is_translated_and_scaled_with_the_series() -> None:
    series = np.random.default_rng(1).normal(size=57)
    one, other = correlated_mean(series), correlated_mean(3 - 2 * series)
    assert other.value == pytest.approx(3 - 2 * one.value)
    assert (other.low, other.high) == pytest.approx((3 - 2 * one.high, 3 - 2 * one.low))
    assert other.effective == pytest.approx(one.effective)


def test_series_without_an_interval() -> None:
    nan, inf = math.nan, math.inf
    for series, value in (
        ([], nan),
        ([2.0], 2.0),
        ([1.0, 2.0], 1.5),
        ([0.0, -inf, 1.0], -inf),
        ([0.0, inf, 1.0], nan),
        ([0.0, nan, -inf], nan),
    ):
        mean = correlated_mean(series)
        np.testing.assert_equal(mean.value, value)
        assert all(math.isnan(part) for part in mean[1:])


def test_a_constant_series_has_no_width() -> None:
    assert correlated_mean(np.full(50, 0.25)) == (0.25, 0.25, 0.25, math.inf)


def test_the_finite_time_exponent_has_this_interval() -> None:
    run = ct.tangent_growth(ct.maps.logistic(), 3.8, epochs=300)
    exponent = ct.finite_time_exponent(run, 100, 300)
    mean = correlated_mean(run.rate.values[100:300])
    assert exponent == (*mean[:3], 100, 300, mean.effective)
