"""The plateau on scans whose plateau is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, f, ttest_rel

from chaotrain.statistics.plateau import widest_plateau


def scan(means: list[float], members: int, own: float, noise: float, seed: int) -> np.ndarray:
    """Values (scale, member): a mean a scale, an offset a member, and noise."""
    generator = np.random.default_rng(seed)
    offsets = own * generator.normal(size=members)
    return (
        np.asarray(means)[:, None] + offsets + noise * generator.normal(size=(len(means), members))
    )


def test_a_known_plateau_is_found() -> None:
    values = scan([0.5, 0.8, 1, 1, 1, 1, 1, 0.9, 0.4], 200, own=0.3, noise=0.05, seed=0)
    found = widest_plateau(values)
    assert found is not None
    assert (found.start, found.stop, found.size) == (2, 6, 200)
    assert found.low < 1.0 < found.high
    assert found.p_value >= 0.05


def test_pairs_tell_what_unpaired_intervals_hide() -> None:
    """A step of 0.05 beside a spread of 1 between members, whose means are known to 0.1."""
    values = scan([1.0, 1.0, 1.0, 1.05, 1.05], 100, own=1.0, noise=0.05, seed=1)
    error = values.std(axis=1, ddof=1) / 10
    assert (np.abs(values.mean(axis=1) - values.mean()) < error).all()
    found = widest_plateau(values)
    assert found is not None
    assert (found.start, found.stop) == (0, 2)


def test_a_plateau_is_rejected_at_the_rate_of_the_test() -> None:
    """Of equal means the whole range is found in all but 5% of cases."""
    draws = [widest_plateau(scan([1.0] * 6, 40, 1.0, 0.2, seed)) for seed in range(400)]
    whole = sum(found is not None and found.stop - found.start == 5 for found in draws)
    assert 0.92 <= whole / 400 <= 0.98


def test_two_scales_are_the_paired_t_test() -> None:
    values = scan([1.0, 1.1], 20, own=1.0, noise=0.3, seed=3)
    found = widest_plateau(values, significance=0.0)
    assert found is not None
    assert found.p_value == pytest.approx(ttest_rel(*values).pvalue, rel=1e-9)


def test_the_statistic_is_the_chi_square_about_the_weighted_mean() -> None:
    """Hotelling's, from the k means with their covariance instead of their differences."""
    values = scan([1.0, 1.02, 0.99, 1.01], 60, own=0.5, noise=0.1, seed=4)
    means, inverse = values.mean(axis=1), np.linalg.inv(np.cov(values) / 60)
    common = (inverse @ means).sum() / inverse.sum()
    squared = (means - common) @ inverse @ (means - common)
    found = widest_plateau(values, significance=0.0)
    assert found is not None
    assert found.p_value == pytest.approx(f.sf(squared * 57 / (59 * 3), 3, 57), rel=1e-9)
    assert found.p_value == pytest.approx(chi2.sf(squared, 3), abs=0.05)


def test_members_without_a_value_are_left_out_where_it_is_missing() -> None:
    values = scan([1.0, 1.0, 1.0, 5.0], 50, own=0.3, noise=0.1, seed=5)
    values[3, :30], values[0, 45:] = np.nan, np.nan
    found = widest_plateau(values)
    assert found is not None
    assert (found.start, found.stop, found.size) == (0, 2, 45)


def test_equal_values_are_a_plateau_and_exact_differences_are_none() -> None:
    own = np.random.default_rng(6).normal(size=30)
    found = widest_plateau(np.stack([own, own, own]))
    assert found is not None
    assert (found.start, found.stop, found.p_value) == (0, 2, 1.0)
    assert widest_plateau(np.stack([own, own + 1e-3, own + 2e-3])) is None


def test_too_few_members_are_no_plateau() -> None:
    assert widest_plateau(scan([1.0, 1.0, 1.0], 3, 0.1, 0.1, seed=7)) is None
    assert widest_plateau(np.full((4, 10), np.nan)) is None
    assert widest_plateau(np.ones((1, 10))) is None
