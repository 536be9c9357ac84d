from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import chaotrain as ct
from chaotrain.tasks import idx, mnist

LABELS = "t10k-labels-idx1-ubyte"


def test_mnist_is_the_original(mnist: ct.Task) -> None:
    assert mnist.inputs.shape == (60_000, 784)
    assert mnist.test_inputs.shape == (10_000, 784)
    assert mnist.inputs.min() == 0.0
    assert mnist.inputs.max() == 1.0
    assert mnist.inputs.dtype == np.float64
    # The first labels and the class counts, as published with the data.
    assert mnist.targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.targets).tolist() == counts


def test_sizes_take_the_first_samples(mnist: ct.Task) -> None:
    part = ct.tasks.load("mnist", train_size=2000)
    assert len(part.test_inputs) == 10_000
    np.testing.assert_array_equal(part.inputs, mnist.inputs[:2000])
    np.testing.assert_array_equal(part.targets, mnist.targets[:2000])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train_size": 60_001}, "train_size = 60001: mnist has 60000 samples, choose 1 to 60000"),
        ({"train_size": 0}, "train_size = 0"),
        ({"test_size": -1}, "test_size = -1"),
    ],
)
def test_sizes_outside_the_data_are_refused(
    mnist: ct.Task, sizes: dict[str, int], message: str
) -> None:
    with pytest.raises(ct.UserError, match=message):
        mnist.first(**sizes)


def test_unknown_task_is_refused() -> None:
    with pytest.raises(ct.UserError, match="task = 'mnits' is unknown: choose one of mnist"):
        ct.tasks.load("mnits")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.unlink(), "is missing: reinstall chaotrain"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "cannot be read.*: reinstall"),
        (lambda path: path.write_bytes(b""), "damaged.*: reinstall"),
        (lambda path: path.write_bytes(b"no gzip"), "cannot be read.*: reinstall"),
        (lambda path: _flip(path), "reinstall chaotrain"),
        (lambda path: path.write_bytes(gzip.compress(bytes(10_008))), "damaged.*: reinstall"),
    ],
)
def test_a_harmed_file_is_named_with_the_remedy(tmp_path: Path, harm: object, message: str) -> None:
    folder = tmp_path / "mnist"
    shutil.copytree(mnist.FOLDER, folder)
    harm(folder / f"{LABELS}.gz")  # type: ignore[operator]
    with pytest.raises(ct.UserError, match=rf"{LABELS}\.gz.*{message}") as caught:
        mnist.load(folder)
    assert "\n" not in str(caught.value)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


HEADER = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])


def test_idx_is_parsed_in_row_order() -> None:
    array = idx.parse(HEADER + bytes(range(6)), "x")
    np.testing.assert_array_equal(array, np.arange(6).reshape(2, 3))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x08\0",
        b"\0\0\x0d\x01\0\0\0\x01\0",
        HEADER[:-1],
        HEADER + bytes(5),
        HEADER + bytes(7),
        bytes([0, 0, 8, 3]) + b"\xff" * 12,
        bytes([0, 0, 8, 255]) + b"\xff" * 1020,
    ],
)
def test_malformed_idx_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(ct.UserError, match="data file x") as caught:
        idx.parse(content, "x")
    assert "\n" not in str(caught.value)


def test_idx_read_checks_the_digest(tmp_path: Path) -> None:
    content = HEADER + bytes(range(6))
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content))
    right = hashlib.sha256(content).hexdigest()
    assert idx.read(path, right, "do this").shape == (2, 3)
    with pytest.raises(ct.UserError, match=r"SHA-256 differs.*do this"):
        idx.read(path, "0" * 64, "do this")


def test_losses_and_scores_agree_with_their_definitions() -> None:
    random = np.random.default_rng(1)
    logits, labels = 5 * random.normal(size=(50, 4)), random.integers(4, size=50)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    with jax.enable_x64(True):
        loss = ct.tasks.cross_entropy(jnp.asarray(logits), jnp.asarray(labels))
        score = ct.tasks.accuracy(jnp.asarray(logits), jnp.asarray(labels))
    np.testing.assert_allclose(loss, -np.log(p[np.arange(50), labels]), rtol=1e-10)
    np.testing.assert_array_equal(score, p.argmax(axis=1) == labels)


def test_arrays_make_a_task_with_a_digest_of_their_own() -> None:
    x, y = np.eye(4), np.array([0, 1, 2, 1])
    one, same = ct.Task.from_arrays(x, y, x, y), ct.Task.from_arrays(x.copy(), y, x, y)
    other = ct.Task.from_arrays(2 * x, y, x, y)
    assert one.outputs == 3
    assert one.hashes == same.hashes
    assert one.hashes != other.hashes
    with pytest.raises(ct.UserError, match="train set has 4 inputs and 3 targets"):
        ct.Task.from_arrays(x, y[:3], x, y)
    with pytest.raises(ct.UserError, match="test set has 0 inputs and 0 targets"):
        ct.Task.from_arrays(x, y, x[:0], y[:0])
