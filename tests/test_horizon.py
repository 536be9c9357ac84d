"""The reproducibility horizon: two trainings that rounding alone tells apart."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

import chaotrain as ct
from chaotrain import schema, tables
from chaotrain.analysis.horizons import horizon_of
from chaotrain.growth import Growth, fit_growth
from chaotrain.maps.iterated import Iterated
from chaotrain.tables.studies import chaos
from chaotrain.training.reordering import reordered

IRIS = ct.tasks.load("iris-raw")
SIGMOID = ct.networks.mlp([4, 10, 3], "sigmoid")
SYSTEM = ct.TrainingMap(SIGMOID, IRIS)


def chunked() -> ct.Network:
    """A network whose 120 samples come in three chunks of 40 or, of 50 each, in padded ones."""
    return ct.Network(SIGMOID.init, SIGMOID.apply, "chunked", chunk=43)


@pytest.mark.parametrize(
    "options",
    [{}, {"batch_size": 50}, {"batch_size": 120}, {"optimizer": optax.adam, "batch_size": 7}],
    ids=["full", "batches", "one-batch", "adam"],
)
@pytest.mark.parametrize("network", [SIGMOID, chunked()], ids=["whole", "chunks"])
def test_another_order_is_the_same_training_but_for_rounding(
    network: ct.Network, options: dict[str, Any]
) -> None:
    system = ct.TrainingMap(network, IRIS, **options)
    other = reordered(system)
    state = system.init(0)
    one, two = (
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(each.step(state, 0.1)[0])])
        for each in (system, other)
    )
    np.testing.assert_allclose(one, two, rtol=1e-11, atol=1e-13)
    assert (one != two).any()
    before = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state[0])])
    assert np.abs(one - before).max() > 1e-3


def test_another_order_leaves_the_first_as_it_was_and_has_the_same_samples() -> None:
    held = np.asarray(SYSTEM.train.inputs).copy()
    other = reordered(SYSTEM)
    np.testing.assert_array_equal(SYSTEM.train.inputs, held)
    np.testing.assert_array_equal(np.asarray(other.train.inputs)[0, ::-1], held[0])
    np.testing.assert_array_equal(np.asarray(other.train.targets)[0, ::-1], SYSTEM.train.targets[0])
    np.testing.assert_array_equal(other.test.inputs, SYSTEM.test.inputs)


# ---- in closed form


def growth(rate: float = 0.5, saturation: float = 1.0, verdict: str = "exponential") -> Growth:
    return Growth(rate, rate - 0.1, rate + 0.1, verdict, saturation=saturation)


def apart(rate: float, start: float = 1e-16, first: int = 1) -> np.ndarray:
    """0 before `first`, then growth from `start` to 1."""
    epochs = np.arange(201.0)
    return np.where(epochs < first, 0.0, start * np.exp(rate * (epochs - first))).clip(max=1.0)


@pytest.mark.parametrize(("rate", "first"), [(0.2, 1), (0.5, 1), (0.5, 9), (2.0, 3)])
def test_exponential_separation_is_predicted_to_the_epoch(rate: float, first: int) -> None:
    found = horizon_of(apart(rate, first=first), growth(rate))
    exact = first + math.log(0.1 / 1e-16) / rate
    assert found.measured == math.ceil(exact - 1e-9)
    assert found.predicted == pytest.approx(exact)
    assert found.low == pytest.approx(first + (exact - first) * rate / (rate + 0.1))
    assert found.high == pytest.approx(first + (exact - first) * rate / (rate - 0.1))
    assert (found.rounding, found.level) == (1e-16, 0.1)


def test_what_is_never_apart_lies_beyond_the_run() -> None:
    never = horizon_of(np.zeros(50), growth())
    assert (never.measured, never.predicted, never.rounding) == (math.inf, math.inf, 0.0)
    slow = horizon_of(apart(0.01), growth(0.2))
    assert slow.measured == math.inf
    assert slow.predicted == pytest.approx(1 + math.log(1e15) / 0.2)
    for other in (growth(0.01, math.nan, "bounded"), growth(math.nan, math.nan, "undecided")):
        found = horizon_of(apart(0.01), other)
        assert (found.measured, found.predicted) == (math.inf, math.inf)


def test_without_a_saturation_of_the_ball_that_of_the_two_counts() -> None:
    found = horizon_of(apart(0.5), growth(0.5, math.nan, "bounded"))
    assert found.measured == math.ceil(1 + math.log(1e15) / 0.5)
    assert found.level == pytest.approx(0.1)
    assert found.predicted == math.inf  # growth that is not exponential tells nothing


def test_an_interval_of_the_exponent_that_reaches_zero_has_no_upper_limit() -> None:
    found = horizon_of(apart(0.5), growth(0.05))
    assert found.high == math.inf
    assert found.low < found.predicted < math.inf


# ---- measured


def test_the_logistic_map_computed_in_two_ways() -> None:
    """Rounding of 2⁻⁵³ grows by 2 a step: log₂(0.03/2⁻⁵³) = 48 steps and some."""
    first = ct.maps.logistic()

    def rule(u: jax.Array, eta: jax.Array) -> jax.Array:
        return eta * u - eta * u * u

    other = Iterated(rule, first.start, "logistic map, expanded")
    found = [
        ct.reproducibility_horizon(first, 4.0, key, epochs=100, other=other) for key in range(25)
    ]
    measured = np.array([horizon.measured for horizon in found])
    assert 48 < np.median(measured) < 62
    predicted = np.array([horizon.predicted for horizon in found])
    known = predicted[np.isfinite(predicted)]
    assert len(known) > 15
    assert np.median(known) == pytest.approx(np.median(measured), rel=0.15)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> ct.Study:
    """Iris at a regular and at a chaotic learning rate."""
    return ct.sweep(
        SYSTEM,
        [0.01, 1.0],
        out=tmp_path_factory.mktemp("study"),
        inits=24,
        replicas=2,
        epochs=320,
        horizon=True,
    )


@pytest.mark.slow
def test_prediction_and_measurement_agree_over_initialisations(study: ct.Study) -> None:
    chaotic = study.summary.sel(learning_rate=1.0)
    measured, predicted = (
        (float(chaotic[f"{name}_low"]), float(chaotic[f"{name}_high"]))
        for name in ("horizon", "horizon_predicted")
    )
    assert measured[0] <= predicted[1]
    assert predicted[0] <= measured[1]
    assert 100 < float(chaotic.horizon) < 250
    assert float(chaotic.horizon_predicted) == pytest.approx(float(chaotic.horizon), rel=0.25)


def test_a_regular_training_is_reproduced_all_through(study: ct.Study) -> None:
    regular = study.summary.sel(learning_rate=0.01)
    for name in ("horizon", "horizon_low", "horizon_predicted", "horizon_predicted_high"):
        assert regular[name].item() == math.inf
    distance = study.dataset.rounding_distance.sel(learning_rate=0.01)
    assert 0 < float(distance.max()) < 1e-10


def test_a_study_holds_what_the_single_call_measures(study: ct.Study) -> None:
    ball = study.dataset.sel(learning_rate=1.0, init=3)
    assert ball.rounding_distance[0] == 0
    found = horizon_of(ball.rounding_distance, fit_growth(ball.distance))
    assert (ball.horizon, ball.horizon_predicted) == (found.measured, found.predicted)
    key = ct.runs.key_of(study.grid, 3)
    alone = ct.reproducibility_horizon(SYSTEM, 1.0, key, epochs=320)
    # Alone it rounds otherwise: another draw of the same thing.
    assert alone.measured == pytest.approx(found.measured, rel=0.4)
    assert 0.1 < alone.rounding / found.rounding < 10


def test_the_first_distance_is_of_the_size_of_a_rounding_unit_of_all_weights() -> None:
    weights = sum(
        float(np.abs(np.asarray(leaf)).sum()) for leaf in jax.tree.leaves(SYSTEM.init(1)[0])
    )
    found = ct.reproducibility_horizon(SYSTEM, 1.0, 1, epochs=10)
    assert 0.03 < found.rounding / (2.0**-53 * weights) < 10


def test_the_table_shows_the_horizon_where_it_was_measured(
    study: ct.Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    headings = [str(column.header) for column in chaos(study.summary).columns]
    assert "horizon" in headings
    assert "predicted" in headings
    tables.show(study.summary)
    assert "∞" in capsys.readouterr().out
    plain = ct.sweep(SYSTEM, [1.0], out=tmp_path, inits=1, replicas=1, epochs=5)
    assert schema.ROUNDING_DISTANCE not in plain.recorded
    assert np.isnan(plain.summary.horizon).all()
    assert "horizon" not in [str(column.header) for column in chaos(plain.summary).columns]


@pytest.mark.slow
def test_the_distances_are_those_of_a_study_without_it(study: ct.Study, tmp_path: Path) -> None:
    options: dict[str, Any] = {"inits": 2, "replicas": 2, "epochs": 30}
    with_it, without = (
        ct.sweep(SYSTEM, [0.5], out=tmp_path / str(on), horizon=on, **options).recorded
        for on in (True, False)
    )
    for name in without.data_vars:
        np.testing.assert_array_equal(with_it[name], without[name])
    assert set(with_it.data_vars) - set(without.data_vars) == {schema.ROUNDING_DISTANCE}


@pytest.mark.slow
def test_a_tangent_and_a_horizon(tmp_path: Path) -> None:
    found = ct.sweep(
        SYSTEM, [1.0], out=tmp_path, inits=3, epochs=320, method="tangent", horizon=True
    )
    assert np.isfinite(found.dataset.horizon).any()
    assert found.summary.horizon.item() > 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "words"),
    [
        (ct.maps.logistic(), "give another map that computes the same as other"),
        (ct.TrainingMap(ct.networks.mlp([4, 5, 3], dropout=0.5), IRIS), "leave them out"),
        (
            ct.TrainingMap(SIGMOID, IRIS, augment=lambda key, inputs: inputs + 0.1),
            "leave them out",
        ),
    ],
)
def test_what_has_no_other_order_is_refused_in_one_line(
    system: ct.Map, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ct.UserError, match=words) as error:
        ct.reproducibility_horizon(system, 1.0, epochs=5)
    assert "\n" not in str(error.value)
    if not isinstance(system, ct.TrainingMap):  # a sweep takes no other
        words = r"horizon = True: .* for trainings only; .* chaotrain\.reproducibility_horizon"
    with pytest.raises(ct.UserError, match=words) as error:
        ct.sweep(system, [1.0], out=tmp_path / "out", inits=1, epochs=5, horizon=True)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
