"""Tasks from arrays: what they become, and what is refused by array and row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import chaotrain as ct
from chaotrain import tasks

X = np.arange(24.0).reshape(6, 4)
LABELS = np.array([0, 1, 2, 0, 1, 2])
REAL = np.array([0.5, 1.0, -2.0, 3.0, 0.0, 1.0])


def changed(array: np.ndarray, row: int, value: float) -> np.ndarray:
    """A copy with another value in a row."""
    other = array.astype(float)
    other[row] = value
    return other


def test_integers_make_a_classification() -> None:
    task = ct.Task.from_arrays(X, LABELS, X[:2], LABELS[:2])
    assert task.outputs == 3
    assert task.targets.dtype == np.int32
    assert task.loss is tasks.cross_entropy
    assert task.score is tasks.accuracy
    assert (task.score_name, task.target, task.train_score) == ("accuracy", 0.9, None)
    assert task.labelled


@pytest.mark.parametrize("outputs", [1, 2])
def test_real_numbers_make_a_regression(outputs: int) -> None:
    targets = np.column_stack([REAL, 2 * REAL])[:, :outputs]
    given = targets[:, 0] if outputs == 1 else targets
    task = ct.Task.from_arrays(X, given, X[:3], given[:3], target=0.7)
    assert task.targets.shape == (6, outputs)
    assert task.test_targets.shape == (3, outputs)
    assert task.outputs == outputs
    assert task.loss is tasks.mean_squared_error
    assert (task.score_name, task.target) == ("R²", 0.7)
    assert task.score == tasks.RSquared(np.var(targets[:3], axis=0).sum())
    assert task.train_score == tasks.RSquared(np.var(targets, axis=0).sum())
    assert not task.labelled


def test_whole_floats_are_labels_when_asked_and_integers_a_regression() -> None:
    floats = LABELS.astype(float)
    assert ct.Task.from_arrays(X, floats, X, floats, classification=True).outputs == 3
    assert ct.Task.from_arrays(X, floats, X, floats).score_name == "R²"
    task = ct.Task.from_arrays(X, LABELS, X, LABELS, classification=False)
    assert task.targets.dtype == np.float64
    assert task.score_name == "R²"
    booleans = LABELS > 0
    assert ct.Task.from_arrays(X, booleans, X, booleans).outputs == 2


def test_inputs_become_float64_and_lists_arrays() -> None:
    task = ct.Task.from_arrays(X.astype(np.uint8).tolist(), LABELS.tolist(), X, LABELS)
    assert task.inputs.dtype == np.float64
    np.testing.assert_array_equal(task.inputs, X)


def test_loss_is_a_name_or_a_function() -> None:
    named = ct.Task.from_arrays(X, LABELS, X, LABELS, loss="cross-entropy-of-softmax")
    assert named.loss is tasks.cross_entropy_of_softmax
    own = ct.Task.from_arrays(X, LABELS, X, LABELS, loss=lambda z, y: jnp.zeros(len(z)))
    assert own.loss(jnp.ones((2, 3)), jnp.ones(2)).tolist() == [0, 0]


ARRAYS = {"inputs": X, "targets": LABELS, "test_inputs": X, "test_targets": LABELS}
LINE = {**ARRAYS, "targets": REAL, "test_targets": REAL}


@pytest.mark.parametrize("name", LINE)
def test_the_digest_tells_when_an_array_changes(name: str) -> None:
    one = ct.Task.from_arrays(**LINE)
    same = ct.Task.from_arrays(**{key: array.copy() for key, array in LINE.items()})
    other = ct.Task.from_arrays(**{**LINE, name: changed(LINE[name], 5, 0.25)})
    assert one.hashes == same.hashes
    assert one.hashes != other.hashes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({**ARRAYS, "targets": LABELS[:5]}, "train set has 6 inputs and 5 targets"),
        ({**ARRAYS, "test_inputs": X[:0], "test_targets": LABELS[:0]}, "test set has 0 inputs"),
        ({**ARRAYS, "inputs": X[:, 0]}, r"train inputs have shape \(6,\): give \(samples, feat"),
        ({**ARRAYS, "inputs": X[:, :0]}, r"train inputs have shape \(6, 0\)"),
        ({**ARRAYS, "inputs": np.float64(1)}, "train set has 0 inputs and 6 targets"),
        ({**ARRAYS, "test_inputs": X[:, :3]}, r"inputs and test_inputs.*\(4,\) and \(3,\)"),
        ({**ARRAYS, "inputs": changed(X, 4, np.nan)}, "^inputs row 4 holds nan"),
        ({**ARRAYS, "test_inputs": changed(X, 2, np.inf)}, "^test_inputs row 2 holds inf"),
        ({**LINE, "targets": changed(REAL, 3, np.nan)}, "^targets row 3 holds nan"),
        ({**LINE, "test_targets": changed(REAL, 5, -np.inf)}, "^test_targets row 5 holds -inf"),
        ({**ARRAYS, "targets": LABELS - 1}, "^targets row 0 holds -1, below 0"),
        ({**ARRAYS, "test_targets": LABELS - 1}, "^test_targets row 0 holds -1, below 0"),
        ({**ARRAYS, "targets": LABELS * 10**9}, "^targets row 1 holds 1000000000, no label"),
        ({**ARRAYS, "targets": np.c_[LABELS, LABELS]}, r"targets have shape \(6, 2\): give one"),
        (
            {**LINE, "targets": changed(LABELS, 4, 1.5), "classification": True},
            "^targets row 4 holds 1.5, no whole number",
        ),
        (
            {**ARRAYS, "targets": changed(LABELS, 4, np.nan), "classification": True},
            "^targets row 4 holds nan",
        ),
        (
            {**ARRAYS, "targets": LABELS % 2},
            "training set of arrays has no sample of class 2, the test set has 2",
        ),
        (
            {**ARRAYS, "targets": LABELS * 2, "test_targets": LABELS * 2},
            "training set of arrays has no sample of class 1, of 5: number the classes",
        ),
        (
            {**ARRAYS, "targets": LABELS * 0, "test_targets": LABELS * 0},
            "targets of arrays hold one class: give labels of two or more",
        ),
        ({**ARRAYS, "inputs": X.astype(str)}, "^inputs holds <U32: give real numbers"),
        ({**ARRAYS, "targets": LABELS.astype(object)}, "^targets holds object: give real numbers"),
        ({**ARRAYS, "inputs": X * 1j}, "^inputs holds complex128"),
        ({**ARRAYS, "inputs": [[1.0], [1.0, 2.0]]}, "^inputs is ragged"),
        ({**LINE, "test_targets": np.ones(6)}, "^test_targets are all equal"),
        ({**LINE, "targets": np.ones(6)}, "^targets are all equal"),
        ({**LINE, "targets": REAL.reshape(1, 6, 1).repeat(6, 0)}, r"targets have shape \(6, 6, 1"),
        ({**LINE, "targets": np.c_[REAL, REAL]}, r"targets and test_targets.*\(2,\) and \(1,\)"),
        ({**LINE, "loss": "cross-entropy"}, "'cross-entropy' is one of labels"),
        ({**LINE, "loss": tasks.cross_entropy_of_softmax}, "'cross-entropy-of-softmax' is one of"),
        ({**ARRAYS, "loss": "hinge"}, "loss = 'hinge' is unknown"),
        ({**ARRAYS, "shape": (3, 1)}, r"shape = \(3, 1\): a sample has 4 numbers"),
    ],
)
def test_bad_arrays_are_refused_in_one_line(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(ct.UserError, match=message) as caught:
        ct.Task.from_arrays(**arrays)
    assert "\n" not in str(caught.value)


def test_large_finite_values_are_no_infinities() -> None:
    largest = np.full((6, 4), np.finfo(float).max)
    assert np.isfinite(ct.Task.from_arrays(largest, LABELS, X, LABELS).inputs).all()


def test_a_task_put_together_by_hand_is_checked_too() -> None:
    task = ct.Task.from_arrays(X, LABELS, X, LABELS)
    with pytest.raises(ct.UserError, match="inputs row 1 holds nan"):
        replace(task, inputs=changed(X, 1, np.nan))
    with pytest.raises(
        ct.UserError, match="targets row 2 holds 2, out of range: labels are 0 to 1"
    ):
        replace(task, outputs=2)
    with pytest.raises(ct.UserError, match="test_targets row 0 holds 3, out of range"):
        replace(task, test_targets=LABELS + 3)
    assert replace(task, test_targets=LABELS * 0).outputs == 3  # a small test set lacks classes
    with pytest.raises(ct.UserError, match="no sample of class 3"):
        replace(task, outputs=4)
    line = ct.Task.from_arrays(X, REAL, X, REAL)
    with pytest.raises(ct.UserError, match="score = accuracy is one of labels"):
        replace(line, score=tasks.accuracy)


def test_r_squared_is_that_of_the_restricted_sets() -> None:
    task = ct.Task.from_arrays(X, REAL, X, REAL[::-1])
    part = task.first(4, 3)
    assert part.train_score == tasks.RSquared(float(np.var(REAL[:4])))
    assert part.score == tasks.RSquared(float(np.var(REAL[::-1][:3])))
    assert part.score != task.score
    assert task.first(4).score == task.score
    with pytest.raises(ct.UserError, match="first test targets of arrays are all equal"):
        task.first(test_size=1)
    with pytest.raises(ct.UserError, match="first targets of arrays are all equal"):
        task.first(train_size=1)


def test_restriction_keeps_everything_else() -> None:
    task = ct.Task.from_arrays(X, LABELS, X, LABELS, shape=(2, 2), target=0.6, split="mine")
    part = task.first(3, 2)
    assert (part.shape, part.target, part.split, part.hashes) == ((2, 2), 0.6, "mine", task.hashes)
    assert len(part.inputs) == len(part.targets) == 3
    assert len(part.test_inputs) == len(part.test_targets) == 2
    with pytest.raises(ct.UserError, match=r"train_size = 2: .* class 2, choose at least 3"):
        task.first(2)
