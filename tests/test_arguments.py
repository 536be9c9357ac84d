"""Arguments in Python that are none: one line with the name, the value and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pytest

import chaotrain as ct
from chaotrain import optimizers

X, Y = np.random.default_rng(0).normal(size=(20, 5)), np.arange(20) % 3
NETWORK = ct.networks.mlp([5, 4, 3])


def task(**options: Any) -> ct.Task:
    return ct.Task.from_arrays(X, Y, X, Y, **options)


def training(*parts: Any, **options: Any) -> ct.TrainingMap:
    network, data = parts or (NETWORK, task())
    return ct.TrainingMap(network, data, **options)


def adam(**options: Any) -> Callable[[], object]:
    return lambda: training(optimizer=optimizers.named("adam", options))


PAIR = (NETWORK.init, NETWORK.apply)
mlp, cnn, load, named = ct.networks.mlp, ct.networks.cnn, ct.tasks.load, optimizers.named


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: training(NETWORK, "iris"), "task = 'iris': give a Task, like tasks.load"),
        (lambda: training(3, task()), "network = 3: give a Network, like networks.mlp"),
        (lambda: training(PAIR, task()), r"network = (.*: give a Network, .* Network(init, apply)"),
        (lambda: training(optimizer="adam"), "optimizer = 'adam': give a function of the learning"),
        (lambda: training(penalty=0.1), "penalty = 0.1: give a Penalty, like Penalty(l2=0.1)"),
        (lambda: training(penalty=None), "penalty = None: give a Penalty"),
        (lambda: training(batch_size=10.0), "batch_size = 10.0: choose 1 to 20"),
        (lambda: training(batch_size="10"), "batch_size = '10': choose 1 to 20"),
        (lambda: training(batch_size=True), "batch_size = True: choose 1 to 20"),
        (lambda: training(dtype="float16"), "dtype = 'float16' is unknown: choose float64 or flo"),
        (adam(mu_dtype="float32"), "optimizer = adam(mu_dtype=float32): its buffers are float32"),
        (adam(mu_dtype="complex64"), "optimizer = adam(mu_dtype=complex64): its buffers are comp"),
        (
            adam(b1=float("nan")),
            "optimizer = adam(b1=nan): optax refuses it (its step along .* not",
        ),
        (
            lambda: training(optimizer=lambda eta: optax.adam(eta, mu_dtype="bfloat16")),
            "optimizer = <lambda>: its buffers are bfloat16, .* let them be float64",
        ),
        (lambda: named(3), "optimizer = 3 is unknown; choose one of"),
        (lambda: named("adam", ["b1"]), "optimizer.options = ['b1']: give a table"),
        (lambda: named("adam", schedule="cosine"), "optimizer.schedule = 'cosine': give a table"),
        (lambda: named("adam", weight_decay="a"), "weight_decay = 'a': give a finite number"),
        (lambda: ct.Penalty(l2="a"), "l2 = 'a': give a finite number, 0 or more"),
        (lambda: load("iris", train_size=10.0), "train_size = 10.0: iris has 105 samples, choose"),
        (lambda: load("iris", test_size="a"), "test_size = 'a': iris has 45 samples, choose"),
        (lambda: load("iris", loss=3), "loss = 3 is unknown; choose one of cross-entropy"),
        (lambda: load(None), "task = None: give the name of a task, or FILE.npz"),
        (lambda: load(Path("x.npz")), "task = 'x.npz': there is no such file"),
        (lambda: task(target=float("nan")), "target = nan: give a score above 0"),
        (lambda: task(target="a"), "target = 'a': give a score above 0"),
        (lambda: task(shape=5), "shape = 5: a sample has 5 numbers, give a shape of as many"),
        (lambda: task(loss=3), "loss = 3: give a function of outputs and targets"),
        (lambda: mlp([5.5, 3]), r"layers = [5.5, 3]: give at least two widths, whole numbers"),
        (lambda: mlp(5), "layers = 5: give at least two widths"),
        (lambda: mlp([5, 3], activation=["tanh"]), r"activation = ['tanh'] is unknown; did you m"),
        (lambda: mlp([5, 3], init=None), "init = None is unknown; choose one of normal"),
        (lambda: mlp([5, 3], scale="a"), "scale = 'a': give a number above 0"),
        (lambda: mlp([5, 3], dropout=None), "dropout = None: give a share of at least 0"),
        (lambda: cnn(3, 10), "shape = 3: give height, width and channels"),
        (lambda: cnn((8, 8, 1), 10.0), "outputs = 10.0: give a whole number of at least 1"),
        (lambda: cnn((8, 8, 1), 10, channels=3), "channels = 3: give channels, whole numbers"),
        (lambda: cnn((8, 8, 1), 10, kernel=3.0), "kernel = 3.0: give a whole number"),
        (lambda: cnn((8, 8, 1), 10, pooling=["max"]), r"pooling = ['max'] is unknown; did you"),
        (lambda: ct.divergence(training(), 0.1, distance=3), "distance = 3 is unknown; choose one"),
    ],
)
def test_what_is_no_such_argument_is_refused_in_one_line(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(ct.UserError) as caught:
        make()
    said = str(caught.value)
    assert "\n" not in said
    assert re.match(".*".join(map(re.escape, message.split(".*"))), said)


def test_numbers_of_numpy_are_numbers() -> None:
    small = load("iris", train_size=np.int64(60), test_size=np.int32(20))
    network = mlp(np.array([4, 3, 3]), scale=np.float32(0.5))
    assert network.name == "mlp 4-3-3 tanh normal scale 0.5"
    system = ct.TrainingMap(
        network, small, batch_size=np.int64(10), penalty=ct.Penalty(np.float64(1))
    )
    assert system.samples == 60
