"""The learning rate to use, against cases worked out by hand."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import xarray as xr

from chaotrain import schema
from chaotrain.analysis import derive
from chaotrain.analysis.best import best_for_epochs, best_for_target
from chaotrain.analysis.summary import summarise
from chaotrain.errors import UserError

NAN = np.nan


def accuracies(curves: Any) -> xr.Dataset:
    """Recorded test accuracies, shape (learning_rate, init, epoch), learning rates 1, 2, ..."""
    values = np.asarray(curves, dtype=float)
    return xr.Dataset(
        {"test_accuracy": (schema.RECORDED["test_accuracy"].dims, values)},
        {
            schema.LEARNING_RATE: np.arange(1.0, 1 + values.shape[0]),
            schema.EPOCH: np.arange(values.shape[2]),
        },
    )


CURVES = [
    [[0.1, 0.8, 0.85, 0.9], [0.1, 0.8, 0.85, 0.88], [0.1, 0.8, 0.85, 0.88]],
    [[0.1, 0.5, 0.92, 0.92], [0.1, 0.5, 0.7, 0.91], [0.1, 0.5, 0.6, 0.7]],
    [[0.1, 0.1, 0.99, 0.99], [0.1, 0.1, 0.2, 0.3], [0.1, 0.1, 0.2, 0.3]],
]


def test_best_for_a_target_by_hand() -> None:
    best = best_for_target(accuracies(CURVES), target=0.9)
    assert best.learning_rate == 2.0  # 3 is faster once but only a third reach it
    assert best.time == pytest.approx((2 + 3 + 3) / 3)
    assert best.share == pytest.approx(2 / 3)
    # In more than 5% of the samples no learning rate qualifies.
    assert np.isnan(best.low)
    assert np.isnan(best.high)
    assert np.isnan(best.score)
    assert best.epochs == 3
    assert str(best).startswith("The learning rate 2 (no interval from these initialisations) ")
    assert "0.9 first: mean time 2.7 of 3 epochs, reached by 67% of the" in str(best)
    best = best_for_target(accuracies(CURVES), target=0.8)
    assert (best.learning_rate, best.low, best.high) == (1.0, 1.0, 1.0)


def test_best_for_epochs_by_hand() -> None:
    best = best_for_epochs(accuracies(CURVES), epochs=2)
    assert (best.learning_rate, best.score) == (1.0, pytest.approx(0.85))
    assert best.low <= best.learning_rate <= best.high
    assert str(best).endswith("has the best test accuracy after 2 epochs: 0.8500.")
    assert np.isnan(best.time)
    assert np.isnan(best.target)


def test_best_counts_a_blow_up_with_nothing() -> None:
    curves = np.array(CURVES)
    curves[0, :2, 2:] = NAN
    assert best_for_epochs(accuracies(curves), epochs=2).learning_rate == 2.0


def test_best_agrees_with_the_summary() -> None:
    dataset = accuracies(np.random.default_rng(3).uniform(size=(5, 8, 30)) ** 0.2)
    dataset["distance"] = (
        schema.RECORDED["distance"].dims,
        np.ones((5, 8, 1, 30)) + 0.01 * np.random.default_rng(4).uniform(size=(5, 8, 1, 30)),
    )
    derived = derive(dataset, targets=[0.99, 0.995])
    summary = summarise(derived, target=0.99)
    best = best_for_target(derived, target=0.99)
    assert best.learning_rate == summary.attrs["eta_fastest"]
    assert best.low == summary.attrs["eta_fastest_low"]
    assert best.high == summary.attrs["eta_fastest_high"]
    assert best.time == summary.mean_training_time.sel(learning_rate=best.learning_rate)[0]


def test_nothing_qualifies() -> None:
    best = best_for_target(accuracies(CURVES), target=1.0)
    assert np.isnan([best.learning_rate, best.low, best.high, best.time, best.share]).all()
    assert str(best) == (
        "No learning rate reaches a test accuracy of 1 within 3 epochs in at least half of the "
        "initialisations."
    )


def test_two_initialisations_choose_without_an_interval() -> None:
    best = best_for_epochs(accuracies(np.array(CURVES)[:, :2]), epochs=3)
    assert best.learning_rate == 2.0
    assert np.isnan(best.low)
    assert np.isnan(best.high)
    assert "no interval" in str(best)


@pytest.mark.parametrize("target", [0.0, -0.1, 1.5, NAN, True, "x", [0.9]])
def test_targets_outside_the_range_are_refused(target: Any) -> None:
    with pytest.raises(
        UserError, match=f"target = {re.escape(repr(target))} .* above 0 and at most 1"
    ):
        best_for_target(accuracies(CURVES), target)


def test_numbers_of_numpy_and_xarray_are_numbers() -> None:
    data = accuracies(CURVES)
    for number in (np.float64(0.9), np.array(0.9), xr.DataArray(0.9)):
        assert str(best_for_target(data, number)) == str(best_for_target(data, 0.9))
    assert str(best_for_epochs(data, np.int64(3))) == str(best_for_epochs(data, 3))


@pytest.mark.parametrize("epochs", [0, -1, 4, 1.5, True, NAN, "x", [3]])
def test_epochs_outside_the_run_are_refused(epochs: Any) -> None:
    with pytest.raises(
        UserError, match=f"epochs = {re.escape(repr(epochs))} is not in the run: .* 1 to 3"
    ):
        best_for_epochs(accuracies(CURVES), epochs)


def test_best_needs_an_accuracy() -> None:
    data = accuracies(CURVES).rename(test_accuracy="train_accuracy")
    for call in (lambda: best_for_target(data, 0.9), lambda: best_for_epochs(data, 3)):
        with pytest.raises(ValueError, match="test_accuracy is not recorded"):
            call()
