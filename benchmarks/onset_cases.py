"""The cases of the onset benchmark: what is trained, how long, and towards which score."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import optax
from examples.transformer import network as transformer

import chaotrain as ct
from chaotrain.optimizers import Optimizer

GRID_STEPS = 26


@dataclass(frozen=True)
class Case:
    """A network on a task.

    Attributes:
        name: What the table calls it.
        load: Returns the task.
        network: Returns the network for the task.
        target: The test score to reach: by the atlas's rule the highest multiple of 0.05 at least
            0.02 below the best median of a pilot over the grid.
        grid: The first and the last learning rate of the dense grid.
        epochs: The length T of a run.
        optimizer: The optimiser.
        batch_size: Samples of a mini-batch; None for the full batch.
    """

    name: str
    load: Callable[[], ct.Task]
    network: Callable[[ct.Task], ct.Network]
    target: float
    grid: tuple[float, float]
    epochs: int = 100
    optimizer: Optimizer = optax.sgd
    batch_size: int | None = None

    @functools.cached_property
    def system(self) -> ct.TrainingMap:
        """The training."""
        task = self.load()
        return ct.TrainingMap(self.network(task), task, self.optimizer, batch_size=self.batch_size)

    @property
    def default(self) -> float:
        """The learning rate that one tries without a reason."""
        return 0.1 if self.optimizer is optax.sgd else 1e-3


def mlp(
    hidden: int, activation: str = "tanh", init: str = "glorot"
) -> Callable[[ct.Task], ct.Network]:
    """A network with one hidden layer."""

    def build(task: ct.Task) -> ct.Network:
        layers = [task.inputs[0].size, hidden, task.outputs]
        return ct.networks.mlp(layers, activation=activation, init=init)

    return build


def cnn(task: ct.Task) -> ct.Network:
    """Two small convolutions."""
    assert task.shape is not None
    return ct.networks.cnn(task.shape, task.outputs, channels=(4, 8), init="glorot")


def attention(task: ct.Task) -> ct.Network:
    """The one-block transformer of the examples."""
    assert task.shape is not None
    return transformer(task.shape, task.outputs, width=8)


def named(name: str, **sizes: int) -> Callable[[], ct.Task]:
    """A task by its name."""
    return functools.partial(ct.tasks.load, name, **sizes)


SOME = {"train_size": 2000, "test_size": 2000}
CASES = (
    Case("digits, tanh", named("digits"), mlp(64), 0.95, (0.03, 100)),
    Case("digits, relu", named("digits"), mlp(64, "relu", "he"), 0.95, (0.03, 100)),
    Case("digits, tanh, N(0,1)", named("digits"), mlp(64, init="normal"), 0.9, (0.03, 100)),
    Case("wine, tanh", named("wine"), mlp(16), 0.95, (0.03, 300)),
    Case("breast cancer, tanh", named("breast-cancer"), mlp(16), 0.9, (0.03, 300)),
    Case("two moons, tanh", named("two-moons"), mlp(16), 0.9, (0.03, 100)),
    Case("two moons, relu", named("two-moons"), mlp(16, "relu", "he"), 0.9, (0.03, 100)),
    Case("MNIST 2000", named("mnist", **SOME), mlp(64, init="normal"), 0.75, (0.1, 30)),
    Case(
        "MNIST 2000, batches of 100",
        named("mnist", **SOME),
        mlp(64),
        0.8,
        (0.003, 10),
        epochs=20,
        batch_size=100,
    ),
    Case("Fashion-MNIST 2000", named("fashion-mnist", **SOME), mlp(64), 0.75, (0.003, 10)),
    Case("digits, CNN", named("digits"), cnn, 0.9, (0.003, 10)),
    Case("diabetes, regression", named("diabetes"), mlp(16), 0.35, (0.003, 10)),
    Case(
        "MNIST 300, transformer",
        named("mnist", train_size=300, test_size=300),
        attention,
        0.4,
        (0.01, 10),
        epochs=60,
    ),
    Case(
        "digits, tanh, Adam",
        named("digits"),
        mlp(64),
        0.95,
        (1e-4, 1),
        optimizer=optax.adam,
    ),
)
