"""A network, a task and data of one's own, from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chaotrain as ct
from chaotrain.cli import main

MODULE = """
import jax
import numpy as np
import chaotrain as ct

def network(shape, outputs, width=3):
    return ct.networks.mlp([int(np.prod(shape)), width, outputs], activation="sin", init="glorot")

def wrong_width(shape, outputs):
    return ct.networks.mlp([int(np.prod(shape)), 3, outputs + 1])

def noisy(shape, outputs):
    plain = network(shape, outputs)
    def apply(parameters, inputs):
        return plain.apply(parameters, inputs + np.random.default_rng().normal())
    return ct.Network(plain.init, apply, "noisy")

def jitter(key, inputs):
    return inputs + 0.1 * jax.random.normal(key, inputs.shape, inputs.dtype)

number = 3

def task():
    points = np.random.default_rng(0).normal(size=(40, 2))
    labels = (points.sum(axis=1) > 0).astype(int)
    return ct.Task.from_arrays(points, labels, points, labels, name="half-plane")
"""
FILE = """
task = "points.csv"
learning_rates = [0.1, 1.0]
inits = 2
replicas = 1
epochs = 5
batch_size = 10
augment = "my_parts:jitter"
loss = "mean-squared-error"
network = { function = "my_parts:network", options = { width = 4 } }

[optimizer]
name = "adam"
options = { b1 = 0.8 }
schedule = { name = "linear", end_value = 0.1, transition_steps = 20 }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    monkeypatch.delitem(__import__("sys").modules, "my_parts", raising=False)
    (tmp_path / "my_parts.py").write_text(MODULE)
    (tmp_path / "mine.toml").write_text(FILE)
    points = np.random.default_rng(1).normal(size=(60, 2))
    rows = [f"{a},{b},{'up' if a > b else 'down'}" for a, b in points]
    (tmp_path / "points.csv").write_text("\n".join(["a,b,side", *rows]) + "\n")
    return tmp_path


@pytest.mark.slow
def test_all_of_ones_own_in_one_file(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "mine.toml", "--out", "study"]) == 0
    study = ct.Study(folder / "study")
    assert study.dataset.sizes["epoch"] == 6
    assert (study.dataset.distance > 0).all()
    assert study.grid.targets  # those of the task
    # Going on with what is finished computes nothing and needs no other fields.
    before = (folder / "study" / "tiles" / "00000.npz").stat().st_mtime_ns
    assert main(["run", "mine.toml", "--out", "study"]) == 0
    assert (folder / "study" / "tiles" / "00000.npz").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_task_of_ones_own(folder: Path) -> None:
    changes = ["task='my_parts:task'", "loss='cross-entropy'", "targets=[0.8]"]
    more = [word for change in changes for word in ("--set", change)]
    assert main(["run", "mine.toml", "--out", "study", *more]) == 0


def _complaint(said: str) -> str:
    """The one line that says what is wrong, after that which says what is imported."""
    *before, complaint = said.splitlines()
    assert [line.partition(":")[0] for line in before] in ([], ["imports and runs 'my_parts"])
    return complaint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("network={function='my_parts:wrong_width'}", "have shape (8, 3), points.csv needs (8, 2)"),
        ("network={function='my_parts:noisy'}", "draws randomness without the key"),
        ("network={function='my_parts:netwerk'}", "did you mean network?"),
        ("network={function='my_parts:network', options={depth=3}}", "depth"),
        ("task=pionts.csv", "pionts.csv"),
        ("task='my_parts:tusk'", "did you mean task?"),
        ("augment='my_parts:jittr'", "did you mean jitter?"),
        ("augment='my_parts:number'", "augment = 'my_parts:number': it is no function but 3"),
        ("loss=mse", "loss = 'mse' is unknown"),
        ("optimizer=adamm", "did you mean adam"),
        ("batch_size=1000", "batch_size = 1000: choose 1 to 42"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line_and_nothing_is_written(
    folder: Path, capfd: pytest.CaptureFixture[str], change: str, words: str
) -> None:
    assert main(["run", "mine.toml", "--out", "study", "--set", change]) == 2
    assert words in _complaint(capfd.readouterr().err)
    assert not (folder / "study").exists()


def test_a_data_folder_without_the_data_is_told(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "data").mkdir()
    changes = ["task=fashion-mnist", "train_size=100"]
    more = [word for change in changes for word in ("--set", change)]
    assert main(["run", "mine.toml", "--out", "study", "--data-dir", "data", *more]) == 2
    assert "train-images-idx3-ubyte.gz" in _complaint(capfd.readouterr().err)
    assert not (folder / "study").exists()
