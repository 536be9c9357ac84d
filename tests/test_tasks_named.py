"""Every named task that needs no download, through one suite; some against their source."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression

import chaotrain as ct
from chaotrain import tasks
from chaotrain.tasks import generated, splitting
from chaotrain.tasks.losses import name_of

BUNDLED = [name for name in tasks.TASKS if name not in tasks.DOWNLOADED]
STANDARDISED = ["iris", "wine", "breast-cancer", "diabetes", "teacher-student"]
REGRESSIONS = ["diabetes", "teacher-student"]

load = cache(tasks.load)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_task_is_whole(name: str) -> None:
    task = load(name)
    assert task.name == name
    for part, inputs, targets in (
        ("train", task.inputs, task.targets),
        ("test", task.test_inputs, task.test_targets),
    ):
        assert inputs.dtype == np.float64, part
        assert inputs.ndim == 2
        assert len(inputs) == len(targets) > 0
        assert np.isfinite(inputs).all()
        assert np.isfinite(targets).all()
    assert task.inputs.shape[1:] == task.test_inputs.shape[1:]
    if task.shape is not None:
        assert np.prod(task.shape) == task.inputs.shape[1]
    assert task.hashes
    assert all(len(sha) == 64 for sha in task.hashes.values())
    assert str(len(task.inputs)) in task.split.replace(",", "")
    assert 0 < task.target < 1


@pytest.mark.parametrize("name", BUNDLED)
def test_targets_fit_the_kind_of_task(name: str) -> None:
    task = load(name)
    if name in REGRESSIONS:
        assert task.targets.dtype == np.float64
        assert task.targets.shape == (len(task.inputs), task.outputs)
        assert task.score_name == "R²"
        assert task.train_score == tasks.RSquared.of(task.targets)
        assert task.score == tasks.RSquared.of(task.test_targets)
    else:
        assert task.targets.dtype == np.int32
        assert set(task.targets) == set(range(task.outputs))
        assert set(task.test_targets) == set(range(task.outputs))
        assert task.score_name == "accuracy"
        assert task.score is tasks.accuracy
    assert name_of(task.loss) in tasks.LOSSES


@pytest.mark.parametrize("name", BUNDLED)
def test_loss_and_score_are_finite_and_a_sample_each(name: str) -> None:
    task = load(name)
    with jax.enable_x64(True):
        outputs = jax.random.normal(jax.random.key(1), (len(task.targets), task.outputs))
        targets = jnp.asarray(task.targets)
        for function in (task.loss, task.score, task.train_score or task.score):
            values = function(outputs, targets)
            assert values.shape == (len(targets),)
            assert values.dtype == "float64"
            assert np.isfinite(values).all()


@pytest.mark.parametrize("name", [name for name in BUNDLED if name != "mnist"])
def test_a_task_is_the_same_every_time(name: str) -> None:
    one, other = load(name), tasks.TASKS[name]()
    np.testing.assert_array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.test_targets, other.test_targets)
    assert one.hashes == other.hashes


@pytest.mark.parametrize("name", [name for name in BUNDLED if name != "mnist"])
def test_no_sample_is_in_both_parts_or_lost(name: str) -> None:
    task = load(name)
    share = len(task.test_inputs) / (len(task.inputs) + len(task.test_inputs))
    assert share == pytest.approx(
        0.2 if name in ("modular-addition", "iris-raw") else 0.3, abs=0.01
    )
    if name in ("two-moons", "spirals", "teacher-student", "modular-addition"):
        both = np.vstack([task.inputs, task.test_inputs])
        assert len(np.unique(both, axis=0)) == len(both)


@pytest.mark.parametrize("name", STANDARDISED)
def test_standardised_on_the_training_part_only(name: str) -> None:
    task = load(name)
    np.testing.assert_allclose(task.inputs.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(task.inputs.std(axis=0), 1, rtol=1e-12)
    # The test part has moments of its own, so nothing of it was used.
    assert np.abs(task.test_inputs.mean(axis=0)).max() > 1e-3
    assert np.abs(task.test_inputs.std(axis=0) - 1).max() > 1e-3
    if name in REGRESSIONS:
        np.testing.assert_allclose(task.targets.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(task.targets.std(axis=0), 1, rtol=1e-12)
        assert abs(task.test_targets.mean()) > 1e-6
    assert "standardised on the training part" in task.split


def test_test_samples_do_not_move_the_training_part() -> None:
    random = np.random.default_rng(3)
    inputs, labels = random.normal(size=(40, 3)), np.repeat([0, 1], 20)
    rows = splitting.task_of("rows", np.c_[inputs, np.arange(40.0)], labels, standardise=False)
    tested = rows.test_inputs[:, 3].astype(int)
    one = splitting.task_of("one", inputs, labels)
    inputs[tested] *= 100
    other = splitting.task_of("other", inputs, labels)
    np.testing.assert_array_equal(one.inputs, other.inputs)
    assert np.abs(other.test_inputs).max() > 10 * np.abs(one.test_inputs).max()


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast-cancer", "two-moons"])
def test_split_has_the_same_share_of_every_class(name: str) -> None:
    task = load(name)
    trained, tested = np.bincount(task.targets), np.bincount(task.test_targets)
    # Each count is within one sample of 30% of its class.
    assert np.abs(tested - 0.3 * (trained + tested)).max() <= 1


def test_iris_is_that_of_scikit_learn_in_another_order() -> None:
    task = load("iris")
    inputs, labels = load_iris(return_X_y=True)
    both = np.vstack([task.inputs, task.test_inputs])
    affine = LinearRegression().fit(both[np.lexsort(both.T)], inputs[np.lexsort(inputs.T)])
    assert affine.score(both[np.lexsort(both.T)], inputs[np.lexsort(inputs.T)]) > 0.999
    assert np.bincount(np.r_[task.targets, task.test_targets]).tolist() == [50, 50, 50]
    assert np.bincount(labels).tolist() == [50, 50, 50]


def test_raw_iris_is_that_of_scikit_learn_in_cm() -> None:
    task = load("iris-raw")
    inputs, labels = load_iris(return_X_y=True)
    both = np.c_[np.vstack([task.inputs, task.test_inputs]), np.r_[task.targets, task.test_targets]]
    known = np.c_[inputs, labels]
    np.testing.assert_array_equal(both[np.lexsort(both.T)], known[np.lexsort(known.T)])
    assert np.bincount(task.targets).tolist() == [40, 40, 40]
    assert np.bincount(task.test_targets).tolist() == [10, 10, 10]


def test_least_squares_on_diabetes_reaches_what_its_docstring_says() -> None:
    task = load("diabetes")
    model = LinearRegression().fit(task.inputs, task.targets)
    assert model.score(task.test_inputs, task.test_targets) == pytest.approx(0.39, abs=0.005)
    predicted = model.predict(task.test_inputs)
    shares = task.score(jnp.asarray(predicted), jnp.asarray(task.test_targets))
    assert float(shares.mean()) == pytest.approx(0.39, abs=0.005)
    targets = load_diabetes(return_X_y=True)[1]
    assert len(task.targets) + len(task.test_targets) == len(targets)


def test_spirals_have_as_many_points_on_every_arm_at_their_angle() -> None:
    task = generated.spirals(arms=4, samples=400, turns=0.5, noise=0.0)
    points = np.vstack([task.inputs, task.test_inputs])
    labels = np.r_[task.targets, task.test_targets]
    radii = np.hypot(*points.T)
    assert 0.1 <= radii.min() < radii.max() <= 1.0
    turned = np.arctan2(points[:, 1], points[:, 0]) - 2 * np.pi * (labels / 4 + 0.5 * radii)
    np.testing.assert_allclose(np.cos(turned), 1, atol=1e-12)
    assert np.bincount(labels).tolist() == [100] * 4


def test_modular_addition_has_every_pair_once_and_the_right_sum() -> None:
    task = generated.modular_addition(7)
    inputs = np.vstack([task.inputs, task.test_inputs])
    first, second = inputs[:, :7].argmax(axis=1), inputs[:, 7:].argmax(axis=1)
    np.testing.assert_array_equal(inputs.sum(axis=1), 2)
    assert len(set(zip(first, second, strict=True))) == len(inputs) == 49
    labels = np.r_[task.targets, task.test_targets]
    np.testing.assert_array_equal(labels, (first + second) % 7)


def test_teacher_is_recovered_by_its_own_network() -> None:
    random = np.random.default_rng(splitting.SEED)
    hidden = random.normal(size=(10, 8)) / np.sqrt(10)
    last = random.normal(size=(8, 1)) / np.sqrt(8)
    inputs = random.normal(size=(2000, 10))
    targets = (np.tanh(2 * inputs @ hidden) @ last)[:, 0]
    task = load("teacher-student")
    given = np.r_[task.targets, task.test_targets][:, 0]
    order = np.argsort(targets)
    # Standardised targets are an increasing affine function of the teacher's answers.
    line = np.polyfit(targets[order], np.sort(given), 1)
    np.testing.assert_allclose(np.polyval(line, targets[order]), np.sort(given), atol=1e-7)


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (np.ones((4, 1)), [0, 0, 0, 1], "tiny has 4 samples, the rarest class 1: too few"),
        (np.ones((1, 1)), [0], "tiny has 1 samples"),
        (np.array([[1.0], [np.nan]]), [0, 1], "inputs row 1 holds nan"),
    ],
)
def test_a_table_that_cannot_be_split_is_refused(
    inputs: np.ndarray, labels: list[int], message: str
) -> None:
    with pytest.raises(ct.UserError, match=message):
        splitting.task_of("tiny", inputs, np.array(labels))


@pytest.mark.parametrize("name", ["iris", "diabetes", "spirals"])
def test_training_on_a_named_task_learns(name: str) -> None:
    task = load(name)
    system = ct.TrainingMap(ct.networks.mlp([task.inputs.shape[1], 8, task.outputs]), task)
    state = system.init(0)
    before = float(system.observe(state)["loss"])
    for _ in range(20):
        state = system.step(state, 0.05)
    assert float(system.observe(state)["loss"]) < before
