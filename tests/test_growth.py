"""The growth fit against synthetic curves, dense references and closed forms."""

import math
import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from chaotrain.growth import Growth, fit_growth, phases, ramp, window
from chaotrain.growth.fit import RESOLUTION
from growth_curves import (
    ACCUMULATED,
    INDEPENDENT,
    KINDS,
    NOISES,
    RAMPS,
    assess,
    draw,
    epochs_within,
    stationary_noise,
)

COUNT = 120
EPOCHS = np.arange(121.0)
LEVELS = 0.7 * np.clip(EPOCHS - 10.0, 0.0, 20.0)
RAMP = 2.5e-4 * np.exp(LEVELS)


# Synthetic curves: a small version of slow/test_growth_truth.py, with room for chance.


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_curves_are_judged_and_measured(kind: str, noise: str) -> None:
    found = assess(draw(kind, noise, COUNT, seed=1))
    assert sum(found.wrong.values()) <= stats.binom.ppf(0.999, COUNT, 0.01)
    if kind in RAMPS:
        limit = 0.02 if noise == ACCUMULATED else 0.01
        assert abs(found.bias) < limit + 3.0 * found.bias_error
        assert found.covered >= stats.binom.ppf(0.001, found.found, 0.90)


def test_interval_is_not_merely_wide() -> None:
    curves = draw("saturating ramp", INDEPENDENT, COUNT, seed=2)
    widths = []
    for curve in curves:
        growth = fit_growth(curve.distances)
        widths.append((growth.high - growth.low) / curve.rate)
    assert np.median(widths) < 0.12


def test_accumulated_noise_widens_the_interval() -> None:
    """Against least squares on the same ramp, which takes residuals to be independent."""
    ratios = []
    for curve in draw("endless ramp", ACCUMULATED, 30, seed=3):
        growth = fit_growth(curve.distances)
        inside = slice(int(growth.start), int(growth.stop) + 1)
        values = np.log(curve.distances[inside])
        line = stats.linregress(np.arange(len(values)), values)
        ratios.append((growth.high - growth.low) / (2.0 * 1.96 * line.stderr))
    assert np.median(ratios) > 3.0


# Closed forms.


def test_clean_ramp_is_recovered() -> None:
    growth = fit_growth(RAMP)
    assert growth.verdict == "exponential"
    assert growth.rate == pytest.approx(0.7, rel=1e-9)
    assert growth.low <= 0.7 <= growth.high
    assert growth.high - growth.low < 0.01
    assert growth.saturation == pytest.approx(RAMP[-1], rel=1e-9)
    assert growth.gain == pytest.approx(14.0, rel=1e-6)
    assert 10 <= growth.start < growth.stop <= 30
    assert isinstance(growth.start, int)
    assert isinstance(growth.stop, int)
    assert growth.r_squared == pytest.approx(1.0)
    assert growth.delta_bic > 10.0
    inside = np.arange(growth.start, growth.stop + 1)
    np.testing.assert_allclose(growth.line(inside), RAMP[inside], rtol=1e-6)


def test_ramp_that_never_saturates_has_no_saturation() -> None:
    growth = fit_growth(1e-8 * np.exp(0.3 * EPOCHS))
    assert growth.verdict == "exponential"
    assert growth.rate == pytest.approx(0.3, rel=1e-9)
    assert math.isnan(growth.saturation)
    assert (growth.start, growth.stop) == (0, 120)


def test_realistic_ramp_is_cut_before_its_shoulder() -> None:
    """A drifting lag, a soft shoulder and a creeping plateau, as MNIST curves have them."""
    ramp = np.exp(-8.3 + 0.85 * np.clip(EPOCHS - 4.0, 0.0, None)) + np.exp(-8.3 + 0.02 * EPOCHS)
    plateau = np.exp(7.5 + 0.8 * (1.0 - np.exp(-EPOCHS / 40.0)))
    growth = fit_growth(1.0 / (1.0 / ramp + 1.0 / plateau))
    assert growth.verdict == "exponential"
    # What is left of the shoulder is no noise, so that the interval need not hold the rate.
    assert growth.rate == pytest.approx(0.85, rel=0.02)


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        (np.minimum(0.1 * EPOCHS, 2.5), "bounded"),
        (0.0 * EPOCHS, "bounded"),
        (3.0 * np.log1p(EPOCHS), "subexponential"),
        (-0.1 * EPOCHS, "contracting"),
        (-0.5 * np.minimum(EPOCHS, 30.0), "contracting"),
    ],
)
def test_rate_without_a_ramp_joins_the_end_points(curve: np.ndarray, verdict: str) -> None:
    growth = fit_growth(2.5e-4 * np.exp(curve))
    assert growth.verdict == verdict
    assert growth.rate == pytest.approx((curve[-1] - curve[0]) / 120.0, abs=1e-12)
    assert growth.low <= growth.rate <= growth.high
    assert math.isnan(growth.start)
    assert growth.line(0) == pytest.approx(2.5e-4)


def test_rise_that_goes_on_is_undecided() -> None:
    growth = fit_growth(np.exp(0.03 * EPOCHS))
    assert growth.verdict == "undecided"
    assert math.isnan(growth.rate)
    assert math.isnan(growth.low)
    assert fit_growth(np.exp(0.03 * EPOCHS), min_growth=3.0).verdict == "exponential"


def test_growth_that_a_later_fall_undoes_is_exponential() -> None:
    fall = 0.16 * np.clip(EPOCHS - 20.0, 0.0, None)
    growth = fit_growth(np.exp(0.7 * np.minimum(EPOCHS, 20.0) - fall))
    assert growth.verdict == "exponential"
    assert growth.rate == pytest.approx(0.7, rel=0.01)


@pytest.mark.parametrize("gain", [1e-4, 0.06, 0.9])
def test_drift_slower_than_the_run_is_bounded(gain: float) -> None:
    growth = fit_growth(np.exp(gain * EPOCHS / EPOCHS[-1]))
    assert growth.verdict == "bounded"
    assert growth.rate == pytest.approx(gain / EPOCHS[-1])


def test_growth_within_one_epoch_is_undecided() -> None:
    assert fit_growth(np.where(EPOCHS < 50, 1e-4, 1e3)).verdict == "undecided"


def test_curve_is_the_mean_of_logarithms() -> None:
    slow, fast = np.exp(0.2 * EPOCHS), np.exp(0.4 * EPOCHS)
    assert fit_growth(np.stack([slow, fast])).rate == pytest.approx(0.3, rel=1e-9)


# Invariances.


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("method", ["ramp", "window"])
def test_unit_of_distance_does_not_matter(method: str, noise: str) -> None:
    for curve in draw("saturating ramp", noise, 10, seed=4):
        one = fit_growth(curve.distances, method=method)
        other = fit_growth(1e3 * curve.distances, method=method)
        assert other.verdict == one.verdict
        np.testing.assert_equal((other.start, other.stop), (one.start, one.stop))
        np.testing.assert_allclose(other.rate, one.rate, rtol=1e-9)
        np.testing.assert_allclose(other.low, one.low, rtol=1e-6)


@pytest.mark.parametrize("method", ["ramp", "window"])
def test_order_of_replicas_and_dimensions_do_not_matter(method: str) -> None:
    rng = np.random.default_rng(5)
    table = RAMP * np.exp(rng.normal(0.0, 0.1, (5, len(RAMP))))
    growth = fit_growth(table, method=method)
    shuffled = fit_growth(table[::-1], method=method)
    assert shuffled.rate == pytest.approx(growth.rate, rel=1e-9)
    labelled = xr.DataArray(table.T, dims=("epoch", "replica"))
    assert fit_growth(labelled, method=method) == growth
    assert fit_growth(xr.DataArray(RAMP, dims="epoch")) == fit_growth(RAMP)
    assert fit_growth(RAMP.tolist()) == fit_growth(RAMP)


def test_input_is_left_as_it_was() -> None:
    table = np.stack([RAMP, 2.0 * RAMP])
    table[0, -3:] = 0.0
    before = table.copy()
    fit_growth(table)
    np.testing.assert_array_equal(table, before)


def test_long_curves_are_scanned_on_a_coarser_grid() -> None:
    epochs = np.arange(3001.0)
    growth = fit_growth(np.exp(0.01 * np.clip(epochs - 500.0, 0.0, 1500.0)))
    assert growth.verdict == "exponential"
    assert growth.rate == pytest.approx(0.01, rel=1e-3)


# Zeros, and what is not finite.


@pytest.mark.parametrize("method", ["ramp", "window"])
def test_no_perturbation_means_no_growth(method: str) -> None:
    growth = fit_growth(np.zeros((3, 50)), method=method)
    assert (growth.verdict, growth.rate, growth.low, growth.high) == ("bounded", 0.0, 0.0, 0.0)


@pytest.mark.parametrize("method", ["ramp", "window"])
def test_contraction_to_bit_equality_has_the_rate_before_it(method: str) -> None:
    distances = np.exp(-0.5 * EPOCHS)
    distances[41:] = 0.0
    growth = fit_growth(distances, method=method)
    assert growth.verdict == "contracting"
    assert growth.rate == pytest.approx(-0.5, rel=1e-9)
    assert growth.low <= growth.rate <= growth.high


def test_contraction_within_one_epoch_is_finite() -> None:
    growth = fit_growth([1e-4, 0.0, 0.0, 0.0])
    assert growth.verdict == "contracting"
    assert growth.rate == RESOLUTION
    growth = fit_growth([1e-4, 1e-5, 0.0, 0.0])
    assert growth.rate == pytest.approx(-math.log(10.0))


def test_replicas_that_vanish_are_outvoted() -> None:
    table = np.stack([RAMP] * 4)
    table[0, 1:] = 0.0
    assert fit_growth(table) == fit_growth(RAMP)
    table[1] = 0.0
    assert fit_growth(table) == fit_growth(RAMP)
    table[2, 5:] = 0.0
    assert fit_growth(table).verdict == "contracting"


def test_perturbation_that_shows_late_keeps_its_epochs() -> None:
    late = np.concatenate([np.zeros(7), RAMP])
    growth, reference = fit_growth(late), fit_growth(RAMP)
    assert (growth.start, growth.stop) == (reference.start + 7, reference.stop + 7)
    assert growth.rate == reference.rate
    assert growth.line(growth.start) == pytest.approx(late[int(growth.start)], rel=1e-6)


def test_too_short_a_positive_part_is_undecided() -> None:
    assert fit_growth([0.0, 0.0, 1.0, 2.0]).verdict == "undecided"


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("method", ["ramp", "window"])
def test_blow_up_is_data(value: float, method: str) -> None:
    table = np.stack([RAMP, RAMP])
    table[1, 17] = value
    growth = fit_growth(table, method=method)
    assert growth.verdict == "blow-up"
    assert growth.blow_up_epoch == 17
    assert math.isnan(growth.rate)
    assert math.isnan(growth.low)


@pytest.mark.parametrize("length", [3, 4, 5, 8])
def test_short_curves_give_an_answer(length: int) -> None:
    rng = np.random.default_rng(6)
    for _ in range(50):
        growth = fit_growth(np.exp(rng.normal(0.0, 3.0, length)))
        assert growth.verdict != "blow-up"
        assert growth.verdict == "undecided" or math.isfinite(growth.rate)


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-30, 1e300])
@pytest.mark.parametrize("method", ["ramp", "window"])
def test_extreme_distances_do_not_overflow(scale: float, method: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        growth = fit_growth(np.full((5, 60), scale), method=method)
    assert growth.verdict == "bounded"
    assert growth.rate == pytest.approx(0.0, abs=1e-9)


# The caller's mistakes.


@pytest.mark.parametrize(
    ("distances", "options", "message"),
    [
        ([1.0, -2.0, 3.0], {}, "must not be negative.*-2"),
        ([], {}, "at least 1 replica and 3 epochs, not 1 and 0"),
        ([1.0, 2.0], {}, "not 1 and 2"),
        (np.ones((0, 10)), {}, "not 0 and 10"),
        (np.ones((2, 2, 10)), {}, r"shape.*\(2, 2, 10\)"),
        (1.0, {}, "shape"),
        (RAMP, {"method": "eye"}, "method must be one of ramp, window, not 'eye'"),
        (RAMP, {"min_growth": 0.0}, "min_growth must be above 0"),
        (RAMP, {"min_growth": math.nan}, "min_growth must be above 0"),
    ],
)
def test_mistakes_are_named_in_one_line(distances: object, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        fit_growth(distances, **options)
    assert "\n" not in str(error.value)


# The predecessor's window.


def window_by_hand(curve: np.ndarray) -> tuple[float, int, int, float]:
    best = (-1.0, 0, 0, 0.0)
    for start in range(101):
        for length in range(30, 101):
            values = curve[start : start + length]
            if len(values) == length:
                line = stats.linregress(np.arange(length), values)
                if line.rvalue**2 > best[0]:
                    best = (line.rvalue**2, start, start + length - 1, line.slope)
    return best


def test_window_agrees_with_least_squares_one_by_one() -> None:
    rng = np.random.default_rng(7)
    levels = 0.2 * np.cumsum(epochs_within(70, 5.0, 55.0))
    table = np.exp(levels + rng.normal(0.0, 0.3, (3, 70)))
    growth = fit_growth(table, method="window")
    share, start, stop, slope = window_by_hand(np.log(table.mean(axis=0)))
    assert (growth.start, growth.stop) == (start, stop)
    assert growth.rate == pytest.approx(slope, rel=1e-9)
    assert growth.r_squared == pytest.approx(share, rel=1e-9)
    line = stats.linregress(
        np.arange(start, stop + 1), np.log(table.mean(axis=0))[start : stop + 1]
    )
    half = stats.t.ppf(0.975, stop - start - 1) * line.stderr
    assert growth.high - growth.rate == pytest.approx(half, rel=1e-6)
    assert growth.intercept == pytest.approx(line.intercept, rel=1e-6)
    assert growth.verdict == "exponential"


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        (0.04 * EPOCHS, "bounded"),
        (-0.2 * EPOCHS, "contracting"),
        (0.0 * EPOCHS, "bounded"),
        (0.3 * EPOCHS[:29], "bounded"),
    ],
)
def test_window_keeps_only_steep_lines(curve: np.ndarray, verdict: str) -> None:
    growth = fit_growth(np.exp(curve), method="window")
    assert growth.verdict == verdict
    assert growth.rate == pytest.approx((curve[-1] - curve[0]) / (len(curve) - 1), abs=1e-12)


def test_window_is_biased_where_the_ramp_is_shorter_than_it() -> None:
    """Why this package has another method: 20 epochs of ramp in a window of at least 30."""
    assert fit_growth(RAMP, method="window").rate < 0.65
    assert fit_growth(RAMP).rate == pytest.approx(0.7)


# The low-level parts against dense references.


def dense_covariance(count: int, phi: float, ratio: float) -> np.ndarray:
    lags = np.abs(np.subtract.outer(np.arange(count + 1), np.arange(count + 1)))
    stationary = phi**lags / (1.0 - phi**2)
    difference = np.diff(np.eye(count + 1), axis=0)
    return difference @ stationary @ difference.T + ratio * np.eye(count)


@pytest.mark.parametrize("point", [0, 5, 40, 100, -1])
def test_whitening_agrees_with_the_dense_covariance(point: int) -> None:
    count = 12
    increments = np.random.default_rng(8).normal(size=count)
    multipliers, variances, slopes, log_variances = ramp.whitener(128)
    innovations = ramp.whiten(increments, multipliers)[:, point]
    covariance = dense_covariance(count, ramp.PHI[point], ramp.RATIO[point])
    inverse = np.linalg.inv(covariance)
    scaled = innovations / variances[:count, point]
    assert scaled @ innovations == pytest.approx(increments @ inverse @ increments)
    assert scaled @ slopes[:count, point] == pytest.approx(np.ones(count) @ inverse @ increments)
    assert log_variances[count - 1, point] == pytest.approx(np.linalg.slogdet(covariance)[1])


def test_slope_of_a_pure_walk_is_that_of_student() -> None:
    """Steady levels show that the noise on the ramp accumulates: then Student's t is exact."""
    rng = np.random.default_rng(9)
    increments = 0.7 + rng.normal(0.0, 0.3, 25)
    slope = ramp.estimate_slope(increments, [rng.normal(0.0, 0.003, 60)])
    half = stats.t.ppf(0.975, 24) * increments.std(ddof=1) / 5.0
    assert slope.accumulated > 0.99
    assert slope.mean == pytest.approx(increments.mean(), rel=0.01)
    assert slope.high - slope.low == pytest.approx(2.0 * half, rel=0.1)


def test_slope_in_stationary_noise_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(10)
    values = 0.2 * np.arange(80) + rng.normal(0.0, 0.3, 80)
    slope = ramp.estimate_slope(np.diff(values), [rng.normal(0.0, 0.3, 60)])
    line = stats.linregress(np.arange(80), values)
    assert slope.accumulated < 0.05
    assert slope.mean == pytest.approx(line.slope, abs=line.stderr)
    assert slope.high - slope.low < 6.0 * 1.96 * line.stderr


def test_mixture_of_one_is_student() -> None:
    one = np.array([1.0])
    low, high = ramp.mixture_quantiles(one, 2.0 * one, 0.5 * one, 3.0)
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 3.0, loc=2.0, scale=0.5))


@pytest.mark.parametrize("coefficient", phases.COEFFICIENTS)
def test_hinges_agree_with_dense_least_squares(coefficient: float) -> None:
    length = 14
    rng = np.random.default_rng(11)
    epochs = np.arange(length)
    curve = np.clip(epochs - 4, 0, 5) + rng.normal(0.0, 0.4, length)
    precision = phases.weigh(np.eye(length), coefficient)
    noise = stationary_noise(rng, 20_000, 1.0, coefficient)
    # The weights are those of AR(1) noise: the innovations they leave are white.
    assert noise[:1000] @ phases.weigh(noise[:1000].copy(), coefficient) == pytest.approx(
        1000.0 * (1.0 - coefficient**2), rel=0.15
    )
    best = math.inf
    for i in range(1, length):
        for j in range(i + 1, length - 1):
            design = np.stack([np.ones(length), np.clip(epochs - i, 0, j - i)], axis=1)
            solution = np.linalg.solve(design.T @ precision @ design, design.T @ precision @ curve)
            left = curve - design @ solution
            if solution[1] > 0.0 and left @ precision @ left < best:
                best = left @ precision @ left
                expected = (i, j, *solution)
    found = next(
        hinge
        for hinge in phases.hinges(curve, coefficient)
        if hinge.slope > 0.0 and hinge.start > 0 and hinge.saturates
    )
    assert (found.start, found.stop) == expected[:2]
    assert (found.level, found.slope) == pytest.approx(expected[2:])
    deviance = length * math.log(best / length) - math.log(1.0 - coefficient**2)
    assert found.bic == pytest.approx(deviance + 4.0 * math.log(length))


def test_restless_plateau_says_nothing_about_the_ramp() -> None:
    rng = np.random.default_rng(12)
    rise = phases.Hinge(20, 40, 0.7, 0.0, saturates=True, bic=0.0, deviation=0.0)
    calm, loud = rng.normal(0.0, 0.01, 120), rng.normal(0.0, 0.1, 120)
    curve = 0.7 * np.clip(np.arange(120) - 20, 0, 20)
    both = phases.quiet_levels(curve + calm, rise)
    assert [len(level) for level in both] == [14, 70]
    (lag,) = phases.quiet_levels(curve + np.where(np.arange(120) > 40, loud, calm), rise)
    np.testing.assert_array_equal(lag, calm[:14])
    (plateau,) = phases.quiet_levels(curve + np.where(np.arange(120) > 40, calm, loud), rise)
    assert len(plateau) == 70


def test_window_search_finds_none_in_a_short_curve() -> None:
    assert window.best_window(np.arange(20.0)) is None


def test_growth_is_small() -> None:
    growth = fit_growth(RAMP)
    assert isinstance(growth, Growth)
    assert all(np.ndim(value) == 0 for value in vars(growth).values())
