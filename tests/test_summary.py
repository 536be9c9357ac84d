"""The summary of a study against cases worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from chaotrain import schema
from chaotrain.analysis import derive
from chaotrain.analysis.summary import summarise
from chaotrain.statistics import averages
from derived_data import study

NAN = np.nan


def test_summary_by_hand() -> None:
    dataset = study(
        ["bbsc", "eebu", "eeex", "uuuu"],
        exponents=[[0.1, 0.2, 0.3, -0.2], [0.5, 0.7, 0.0, 9], [0.6, 0.8, 1.0, 9], [9] * 4],
        times=[[50, 60, NAN, NAN], [20, 30, 40, 50], [10, NAN, NAN, 30], [NAN] * 4],
    )
    summary = summarise(dataset, target=0.9)
    np.testing.assert_allclose(summary.nmle, [0.1, 0.4, 0.8, NAN])
    np.testing.assert_allclose(
        summary.nmle_std, [np.std([0.1, 0.2, 0.3, -0.2], ddof=1), np.sqrt(0.13), 0.2, NAN]
    )
    np.testing.assert_allclose(summary.rho, [0, 2 / 3, 1, NAN])
    assert summary.ran.values.tolist() == [4, 4, 4, 4]
    assert summary.decided.values.tolist() == [4, 3, 3, 0]
    mean = summary.mean_training_time[:, 0]
    np.testing.assert_allclose(mean, [77.5, 35, 60, 100])  # the blown up counts with its 30
    np.testing.assert_allclose(summary.reached[:, 0], [0.5, 1, 0.5, 0])
    np.testing.assert_allclose(summary.reached_training_time[:, 0], [55, 35, 20, NAN])
    low, high = averages.wilson_interval([0, 2, 3], [4, 3, 3])
    np.testing.assert_allclose(summary.rho_low[:3], low)
    np.testing.assert_allclose(summary.rho_high[:3], high)
    assert (summary.nmle_low < summary.nmle)[:3].all()
    assert (summary.nmle < summary.nmle_high)[:3].all()
    assert (summary.mean_training_time_low[:3] < summary.mean_training_time[:3]).all()
    assert summary.mean_training_time_low[3] == summary.mean_training_time_high[3] == 100
    # ρ = 0, 2/3, 1 at η = 1, 2, 3; at η = 4, trainable, nothing confirms a full onset.
    assert summary.attrs["eta_0"] == pytest.approx(2**0.75)
    assert np.isnan(summary.attrs["eta_1"])
    assert np.isnan(summary.attrs["eta_1_high"])
    assert summary.attrs["eta_fastest"] == 2.0
    assert np.isnan(summary.attrs["eta_ratio"])


def test_summary_is_what_the_schema_promises() -> None:
    summary = summarise(study(["bbb", "eee"], targets=[0.7, 0.9]), target=0.7)
    assert list(summary.data_vars) == list(schema.SUMMARY)
    for name, variable in schema.SUMMARY.items():
        assert summary[name].dims == variable.dims
        assert summary[name].attrs == variable.attrs
    assert set(summary.attrs) == {*schema.SUMMARY_ATTRIBUTES, "target"}
    assert all(type(value) is float for value in summary.attrs.values())
    assert summary.attrs["target"] == 0.7


def test_eta_1_comes_with_the_tested_learning_rate_before_it() -> None:
    attributes = summarise(study(["bbb", "bbb", "eee", "eee"]), target=0.9).attrs
    limits = tuple(attributes[f"eta_1{limit}"] for limit in ("_low", "", "_high"))
    assert limits == (2.0, 3.0, 3.0)
    assert summarise(study(["eee"]), target=0.9).attrs["eta_1_low"] == 0.0


def test_fastest_and_ratio_for_every_target() -> None:
    dataset = study(["bbb", "eee", "eee"], targets=[0.8, 0.9])
    times = np.full((3, 3, 2), NAN)
    times[..., 0] = [[5, 6, 7], [15, 16, 17], [25, 26, 27]]
    times[1, :2, 1] = 30  # two of three reach it
    times[2, :1, 1] = 10
    summary = summarise(dataset.assign(training_time=(dataset.training_time.dims, times)), 0.9)
    assert summary.eta_fastest.values.tolist() == [1.0, 2.0]
    assert summary.eta_ratio.values.tolist() == [0.5, 1.0]
    assert summary.attrs["eta_fastest"] == 2.0
    assert summary.attrs["eta_ratio"] == 1.0
    assert summary.eta_fastest_low.values[0] == summary.eta_fastest_high.values[0] == 1.0


def test_summary_of_what_the_growth_fit_derives() -> None:
    epoch = np.arange(101)
    rates = np.array([[0.0, 0.0, 0.0], [0.4, 0.5, 0.6]])
    jitter = 0.01 * np.random.default_rng(0).normal(size=(2, 3, 2, 101))
    growth = np.minimum(rates[..., None] * epoch, 14.0)[:, :, None] + jitter
    data = xr.Dataset(
        {"distance": (schema.RECORDED["distance"].dims, 1e-6 * np.exp(growth))},
        {"learning_rate": [1.0, 5.0], "epoch": epoch},
    )
    summary = summarise(derive(data, targets=[0.7]), target=0.7)
    assert summary.rho.values.tolist() == [0.0, 1.0]
    assert summary.nmle.values[1] == pytest.approx(0.5, rel=0.02)
    assert summary.nmle_std.values[1] == pytest.approx(0.1, rel=0.05)


# Regimes

EPOCH = np.arange(101)
FLAT, FALLING = np.ones(101), 3.0 - 1e-4 * EPOCH


@pytest.mark.parametrize(
    ("verdicts", "best", "loss", "expected"),
    [
        ("bbb", 0.95, FLAT, "exploitation"),
        ("ebb", 0.95, FLAT, "exploitation"),
        ("eeb", 0.95, FLAT, "exploration-exploitation"),
        ("ebuu", 0.95, FLAT, "exploration-exploitation"),  # ρ = 1/2 of the decided
        ("ccc", 0.5, FALLING, "too slow"),
        ("eee", 0.5, FALLING, "too slow"),
        ("eee", 0.5, FLAT, "no learning"),
        ("eee", 0.5, np.where(EPOCH == 0, 1.0, FALLING), "no learning"),  # above its start
        ("xxx", 0.5, np.where(EPOCH < 50, 3.0, np.inf), "no learning"),
        ("eee", [[0.95, 0.95, 0.5]], FLAT, "exploration-exploitation"),  # by the median
        ("eee", [[0.95, 0.5, 0.5]], FLAT, "no learning"),
        ("uuu", 0.95, FLAT, schema.UNKNOWN),  # trainable, but ρ is not known
        ("---", 0.95, FLAT, schema.UNKNOWN),
    ],
)
def test_regimes(verdicts: str, best: Any, loss: np.ndarray, expected: str) -> None:
    summary = summarise(study([verdicts], best=best, loss=loss, targets=[0.95, 0.9]), target=0.95)
    assert summary.regime.values.tolist() == [expected]


def test_the_median_loss_counts_a_blow_up_as_infinite() -> None:
    loss = np.stack([FALLING, FALLING, np.where(EPOCH < 50, 3.0, NAN)])
    assert summarise(study(["bbx"], best=0.5, loss=loss), 0.9).regime.item() == "too slow"
    loss[1] = loss[2]
    assert summarise(study(["bxx"], best=0.5, loss=loss), 0.9).regime.item() == "no learning"


def test_trainability_is_the_median_at_the_lowest_target() -> None:
    dataset = study(["eeee", "bbbb"], best=[[0.6, 0.7, 0.8, 0.9], [0.6, 0.6, 0.78, 0.9]])
    dataset = dataset.assign_coords(target=[0.75])
    summary = summarise(dataset, target=0.75)
    np.testing.assert_allclose(summary.best_accuracy, [0.75, 0.69])
    assert summary.regime.values.tolist() == ["exploration-exploitation", "no learning"]
    assert summary.attrs["eta_1"] == 1.0  # the larger one is not trainable


# Ragged and missing data


def test_ragged_study_has_intervals_where_enough_was_run() -> None:
    # Two initialisations everywhere, six around the onset.
    dataset = study(
        ["bb----", "bb----", "bbbbbb", "eeeeeb", "eeeeee", "ee----"],
        learning_rates=[1, 2.5, 5, 7.5, 10, 15],
        exponents=np.linspace(0.4, 0.9, 6),
        times=[[NAN] * 6, [90] * 6, [50] * 6, [25, 30, 35, 20, 35, 25], [70] * 6, [NAN] * 6],
        best=[[0.99] * 6] * 5 + [[0.5] * 6],
    )
    summary = summarise(dataset, target=0.9)
    assert summary.ran.values.tolist() == [2, 2, 6, 6, 6, 2]
    enough = summary.ran.values >= 3
    assert (np.isfinite(summary.nmle_low.values) == enough).all()
    assert (np.isfinite(summary.mean_training_time_high.values[:, 0]) == enough).all()
    attributes = summary.attrs
    assert attributes["eta_1"] == 10.0
    assert (attributes["eta_1_low"], attributes["eta_1_high"]) == (5.0, 10.0)
    assert 5 < attributes["eta_0_low"] <= attributes["eta_0"] <= attributes["eta_0_high"] < 10
    assert attributes["eta_fastest_low"] == attributes["eta_fastest_high"] == 7.5
    assert attributes["eta_ratio"] == 0.75
    assert np.isfinite(attributes["eta_ratio_low"])


def test_two_initialisations_give_estimates_without_intervals() -> None:
    summary = summarise(study(["bb", "eb", "ee"]), target=0.9)
    assert summary.attrs["eta_0"] == 2.0
    assert summary.attrs["eta_1"] == 3.0
    for name, value in summary.attrs.items():
        assert np.isnan(value) == name.endswith(("_low", "_high"))
    assert summary.nmle_low.isnull().all()
    assert summary.rho_low.notnull().all()


def test_summary_without_an_accuracy() -> None:
    dataset = study(["bbbb", "eeee", "eeee", "xxxe"]).drop_vars("test_accuracy")
    dataset["training_time"] = xr.full_like(dataset.training_time, NAN)
    summary = summarise(dataset, target=0.9)
    for name in ("mean_training_time", "reached", "best_accuracy", "eta_fastest"):
        assert summary[name].isnull().all()
    assert (summary.regime == schema.UNKNOWN).all()
    assert summary.attrs["eta_1"] == 2.0


def test_summary_of_a_study_without_targets() -> None:
    dataset = study(["bbbb", "eeee"], targets=[]).drop_vars("test_accuracy")
    summary = summarise(dataset, target=NAN)
    assert summary.attrs["eta_1"] == 2.0
    assert np.isnan(summary.attrs["target"])
    assert np.isnan(summary.attrs["eta_fastest"])
    assert summary.mean_training_time.shape == (2, 0)


def test_summary_of_a_study_that_has_not_begun() -> None:
    summary = summarise(study(["---", "---"]), target=0.9)
    assert (summary.ran == 0).all()
    assert (summary.regime == schema.UNKNOWN).all()
    assert summary.nmle.isnull().all()
    assert summary.reached.isnull().all()
    assert all(np.isnan(summary.attrs[name]) for name in schema.SUMMARY_ATTRIBUTES)


def test_a_target_that_the_study_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"target = 0.5 is not a target .* choose from 0.9"):
        summarise(study(["bbb"]), target=0.5)
