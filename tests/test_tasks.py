from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

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
    assert mnist.shape == (28, 28, 1)
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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", r"^task = 'mnits' is unknown: choose one of mnist, .*; did you mean mnist\?$"),
        ("cifar", r"did you mean cifar-10\?$"),
        ("xyz", "choose one of .*, or FILE.npz, FILE.csv or package.module:function$"),
    ],
)
def test_unknown_task_is_refused_with_the_near_names(name: str, message: str) -> None:
    with pytest.raises(ct.UserError, match=message):
        ct.tasks.load(name)


def test_loss_is_chosen_by_name_before_the_data_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ct.tasks.load("iris", loss="mean-squared-error")
    assert other.loss is ct.tasks.mean_squared_error
    assert ct.tasks.load("iris").loss is ct.tasks.cross_entropy
    monkeypatch.setitem(ct.tasks.TASKS, "iris", pytest.fail)
    with pytest.raises(ct.UserError, match=r"loss = 'mse' is unknown; choose one of cross-entropy"):
        ct.tasks.load("iris", loss="mse")
    with pytest.raises(ct.UserError, match="did you mean cross-entropy"):
        ct.tasks.load("iris", loss="cross_entropy")


def test_loss_of_labels_is_refused_for_a_regression() -> None:
    with pytest.raises(ct.UserError, match=r"'cross-entropy' is one of labels.*diabetes") as caught:
        ct.tasks.load("diabetes", loss="cross-entropy")
    assert "\n" not in str(caught.value)


def test_a_restriction_that_leaves_a_class_out_is_refused_with_a_size(mnist: ct.Task) -> None:
    # The first 8 of MNIST is its 18th training image.
    with pytest.raises(ct.UserError, match="have none of class 8, choose at least 18"):
        mnist.first(17)
    assert set(mnist.first(18).targets) == set(range(10))


def test_a_part_is_cut_from_all_bit_for_bit() -> None:
    part, whole = ct.tasks.load("mnist", train_size=18, test_size=3), ct.tasks.load("mnist")
    for name in ("inputs", "targets", "test_inputs", "test_targets"):
        own = getattr(part, name)
        assert own.dtype == getattr(whole, name).dtype
        np.testing.assert_array_equal(own, getattr(whole, name)[: len(own)])


def test_import_is_light() -> None:
    code = (
        "import sys, chaotrain.tasks\n"
        "print({'pandas', 'pooch', 'requests', 'sklearn'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


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
        bytes([0, 0, 8, 1, 0, 0, 0, 0]),
        bytes([0, 0, 8, 5]) + b"\xff" * 16 + bytes(4),
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
