"""Kaplan-Meier and the median lifetime, against published numbers and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chaotrain.statistics.survival import Median, median_lifetime, survival

# Weeks in remission of leukaemia (Freireich et al., Blood 21, 699, 1963): the textbook example of
# Kaplan-Meier, for instance in D. Collett, Modelling Survival Data in Medical Research.
TREATED_ENDED = [6, 6, 6, 7, 10, 13, 16, 22, 23]
TREATED_CENSORED = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def treated() -> tuple[list[int], list[bool]]:
    ended = [True] * len(TREATED_ENDED) + [False] * len(TREATED_CENSORED)
    return TREATED_ENDED + TREATED_CENSORED, ended


def test_the_published_estimate_with_censoring() -> None:
    found = survival(*treated())
    published = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    share = dict(zip(found.times.tolist(), found.share, strict=True))
    for time, value in published.items():
        assert share[time] == pytest.approx(value, abs=5e-4)
    assert share[35] == share[23]  # what is censored ends nothing
    assert found.size == 21


def test_the_published_medians_and_their_limits() -> None:
    assert median_lifetime(survival(*treated())) == Median(23, 13, math.inf)
    assert median_lifetime(survival(PLACEBO, [True] * 21)) == Median(8, 4, 11)


def test_the_interval_is_greenwoods_on_the_scale_of_log_minus_log() -> None:
    found = survival([1, 2, 3, 4], [True, True, False, False])
    assert found.share.tolist() == [0.75, 0.5, 0.5, 0.5]
    greenwood = 1 / (4 * 3) + 1 / (3 * 2)
    half = 1.959963984540054 * math.sqrt(greenwood) / abs(math.log(0.5))
    np.testing.assert_allclose(found.low[1], 0.5 ** math.exp(half))
    np.testing.assert_allclose(found.high[1], 0.5 ** math.exp(-half))


def test_without_censoring_it_is_the_share_that_lasts_longer() -> None:
    lifetimes = np.random.default_rng(0).integers(1, 30, 50)
    found = survival(lifetimes, np.ones(50, bool))
    longer = [(lifetimes > time).mean() for time in found.times]
    np.testing.assert_allclose(found.share, longer, atol=1e-12)
    assert median_lifetime(found).value == found.times[np.array(longer) <= 0.5][0]


@pytest.mark.parametrize(
    ("lifetimes", "ended", "expected"),
    [
        ([], [], (math.nan,) * 3),
        ([7], [True], (7, math.nan, math.nan)),
        ([7, 9], [False, False], (math.inf, math.nan, math.nan)),
        ([9, 9, 9], [True] * 3, (9, 9, math.inf)),
        ([9] * 5, [False] * 5, (math.inf, 0, math.inf)),  # five in a row is chance: 1 in 32
        ([9] * 6, [False] * 6, (math.inf, 9, math.inf)),
        ([5] + [9] * 30, [True] + [False] * 30, (math.inf, 5, math.inf)),
    ],
)
def test_the_median_of_few_and_of_many_that_outlast_the_run(
    lifetimes: list, ended: list, expected: tuple
) -> None:
    np.testing.assert_equal(tuple(median_lifetime(survival(lifetimes, ended))), expected)


@pytest.mark.parametrize("size", [4, 8, 25])
def test_the_interval_of_the_median_holds_it_as_often_as_it_says(size: int) -> None:
    random = np.random.default_rng(size)
    held = 0
    for _ in range(400):
        lifetimes, runs = random.exponential(size=size), random.uniform(0.3, 3, size)
        median = median_lifetime(survival(np.minimum(lifetimes, runs), lifetimes <= runs))
        held += median.low <= math.log(2) <= median.high
    assert held >= 0.92 * 400
