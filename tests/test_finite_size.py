"""The finite-size exponent on curves and maps whose growth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

import chaotrain as ct
from chaotrain.analysis.finite_size import default_sizes


def balls(system: ct.Map, eta: float, count: int, epochs: int) -> np.ndarray:
    """d(t) of single replicas, (ball, replica, epoch)."""
    runs = (
        ct.divergence(system, eta, key, epochs=epochs, replicas=1, epsilon=1e-13)
        for key in range(count)
    )
    return np.stack([run.distance.values for run in runs])


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("ratio", [1.5, 10.0, 1e4])
def test_exponential_growth_has_its_rate_at_every_size(rate: float, ratio: float) -> None:
    distance = 1e-8 * np.exp(rate * np.arange(200))
    found = ct.finite_size_exponent(distance, ratio=ratio)
    known = found.rate.values[~np.isnan(found.rate.values)]
    assert len(known) >= 0.2 * len(found.size)
    np.testing.assert_allclose(known, rate, rtol=1e-12)


def test_growth_that_slows_down_with_size_is_seen_at_each_size() -> None:
    """ln d has slope 1 up to d = 1 and 0.1 beyond it."""
    logs = np.concatenate([np.arange(-20.0, 0.0), 0.1 * np.arange(100.0)])
    found = ct.finite_size_exponent(np.exp(logs), np.exp([-15.5, -10.5, 2.05]))
    np.testing.assert_allclose(found.rate, [1.0, 1.0, 0.1], rtol=1e-9)


def test_the_formula_by_hand() -> None:
    """From 3, the first above 2: one reaches 3·4 = 12 after two epochs, the other never."""
    table = np.array([[1.0, 3.0, 6.0, 24.0, 1.0], [1.0, 3.0, 6.0, 6.0, 4.0]])
    found = ct.finite_size_exponent(table, [2.0], ratio=4.0)
    assert found.rate.item() == pytest.approx((math.log(8) + math.log(4 / 3)) / (2 + 3))
    assert found.balls.item() == 2
    assert found.grown.item() == 0.5
    assert math.isnan(found.rate_low.item())  # two balls have no interval


def test_one_that_jumps_over_the_size_or_starts_above_it_does_not_count() -> None:
    table = np.array([[1.0, 100.0, 1e3, 1e4], [5.0, 50.0, 500.0, 5e3]])
    found = ct.finite_size_exponent(table, [2.0, 40.0], ratio=10.0)
    assert found.balls.values.tolist() == [0, 2]
    assert math.isnan(found.rate.values[0])


def test_what_blows_up_or_meets_its_reference_ends_there() -> None:
    table = np.exp(0.5 * np.tile(np.arange(30.0), (3, 1)))
    table[0, 20:], table[1, 20:], table[2, 20:] = np.inf, np.nan, 0.0
    found = ct.finite_size_exponent(table, [math.exp(2.4), math.exp(8.9)])
    np.testing.assert_allclose(found.rate, [0.5, 0.5], rtol=1e-12)
    assert found.grown.values.tolist() == [1.0, 0.0]


def test_a_linear_map_has_the_logarithm_of_its_factor() -> None:
    system = ct.maps.linear(((1.5, 0.0), (0.0, 0.5)))
    found = ct.finite_size_exponent(balls(system, 1.0, 4, 80), [1e-9, 1e-6, 1e-3])
    np.testing.assert_allclose(found.rate, math.log(1.5), rtol=1e-6)
    np.testing.assert_allclose(found.rate_high - found.rate_low, 0.0, atol=1e-6)


def test_the_logistic_map_has_ln_2_far_below_its_size_and_less_near_it() -> None:
    found = ct.finite_size_exponent(
        balls(ct.maps.logistic(), 4.0, 150, 90), 10.0 ** np.arange(-11.0, 0.0)
    )
    small, large = found.sel(size=slice(0, 1e-3)), found.sel(size=0.1, method="nearest")
    assert float(small.rate.mean()) == pytest.approx(math.log(2), rel=0.02)
    covered = (small.rate_low < math.log(2)) & (math.log(2) < small.rate_high)
    assert covered.sum() >= 7  # of 9, which are not independent
    assert large.rate_high.item() < 0.8 * math.log(2)


def test_a_data_array_of_a_study_is_taken_by_its_names() -> None:
    table = 1e-8 * np.exp(np.multiply.outer([0.4, 0.5, 0.6], np.arange(50.0)))
    plain = ct.finite_size_exponent(table)
    named = xr.DataArray(table[:, None, None], dims=("init", "replica", "learning_rate", "epoch"))
    xr.testing.assert_identical(ct.finite_size_exponent(named.transpose("epoch", ...)), plain)
    xr.testing.assert_identical(
        ct.finite_size_exponent(named.isel(replica=0, learning_rate=0)), plain
    )


def test_default_sizes_reach_from_the_first_to_the_last_distance() -> None:
    sizes = default_sizes(np.array([[1e-6, 1.0, 2e3], [2e-6, 1.0, np.nan]]))
    assert sizes[0] == 1e-6
    np.testing.assert_allclose(sizes[2:] / sizes[:-2], 10.0)
    assert sizes[-1] <= 2e3 < sizes[-1] * math.sqrt(10) * (1 + 1e-12)


STUDY = xr.DataArray(np.ones((2, 3, 4)), dims=("learning_rate", "init", "epoch"))


@pytest.mark.parametrize(
    ("distance", "options", "words"),
    [
        (STUDY, {}, "distance: it has several learning rates, take one with .sel"),
        (STUDY.isel(epoch=0), {}, "distance: it is over ('learning_rate', 'init'), give it over"),
        (np.ones((2, 2, 2, 2)), {}, "distance: its shape is (2, 2, 2, 2), give"),
        (np.ones(1), {}, "give two epochs or more"),
        (-np.ones(5), {}, "distance: it holds -1, give d(t) and not its logarithm"),
        (np.zeros(5), {}, "distance: no replica starts at a positive distance"),
        (np.ones(5), {"ratio": 1.0}, "ratio = 1.0: give a number above 1"),
        (np.exp(np.arange(50.0)), {"ratio": 1.0001}, "ratio = 1.0001: that makes"),
        (np.ones(5), {"thresholds": [2.0, 1.0]}, "thresholds: give positive sizes in increasing"),
        (np.ones(5), {"thresholds": [0.0, 1.0]}, "thresholds: give positive sizes in increasing"),
        (np.ones(5), {"thresholds": []}, "thresholds: give positive sizes in increasing"),
    ],
)
def test_bad_input_is_told_in_one_line(
    distance: object, options: dict[str, object], words: str
) -> None:
    with pytest.raises(ct.UserError) as error:
        ct.finite_size_exponent(distance, **options)  # type: ignore[arg-type]
    assert words in str(error.value)
    assert "\n" not in str(error.value)
