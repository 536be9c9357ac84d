"""Everything that has a name, each as a map: register here what tests/test_conformance.py tests.

A name starts with its kind; what only varies another one is left to `make test-slow`.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from itertools import cycle, product
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import Array

import chaotrain as ct
import small_files
from chaotrain import optimizers

EXAMPLES = Path(__file__).parents[1] / "examples"
Make = Callable[[], ct.Map]
MakeNetwork = Callable[[], ct.Network]


def points(shape: tuple[int, ...] = (5,), classes: int = 3) -> ct.Task:
    """Gaussian clouds around random centres, 24 to train and 12 to test."""
    random = np.random.default_rng(0)
    labels = np.arange(36) % classes
    centres = random.normal(size=(classes, *shape))
    inputs = centres[labels] + 0.5 * random.normal(size=(36, *shape))
    return ct.Task.from_arrays(inputs[:24], labels[:24], inputs[24:], labels[24:])


def equinox_conv(key: Array) -> eqx.Module:
    """A convolution and a dense layer, which take one picture (1, 4, 5)."""
    first, second = jax.random.split(key)
    layers = [
        eqx.nn.Conv2d(1, 3, 3, padding=1, key=first),
        eqx.nn.Lambda(jnp.tanh),
        eqx.nn.Lambda(jnp.ravel),
        eqx.nn.Linear(3 * 4 * 5, 3, key=second),
    ]
    return eqx.nn.Sequential(layers)


class FlaxMLP(nnx.Module):
    """Two dense layers."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(5, 8, rngs=rngs)
        self.last = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        return self.last(jnp.tanh(self.first(x)))


def example(name: str) -> ct.Network:
    """The network of an example, for pictures of 4 x 2."""
    with pytest.MonkeyPatch.context() as patcher:
        patcher.syspath_prepend(str(EXAMPLES))
        return ct.networks.from_function(f"{name}:network", (4, 2, 1), 3)


def networks() -> dict[str, tuple[MakeNetwork, tuple[int, ...]]]:
    """Every network with three outputs, and the shape of a sample."""
    mlp, cnn = ct.networks.mlp, ct.networks.cnn
    own: dict[str, tuple[MakeNetwork, tuple[int, ...]]] = {}
    # What is applied does not depend on how it was drawn, so that pairs cover all.
    for activation, init in zip(ct.networks.ACTIVATIONS, cycle(ct.networks.INITS), strict=False):
        own[f"mlp-{activation}-{init}"] = lambda a=activation, i=init: mlp([5, 6, 3], a, i), (5,)
    own["mlp-linear"] = lambda: mlp([5, 3]), (5,)
    own["mlp-deep"] = lambda: mlp([5, 6, 4, 6, 4, 6, 3], init="glorot", scale=1.3), (5,)
    own["mlp-image"] = lambda: mlp([20, 4, 3]), (5, 4, 1)
    own["mlp-dropout"] = lambda: mlp([5, 6, 6, 3], dropout=0.3), (5,)
    for pooling, activation in product(("max", "average"), ("tanh", "relu")):
        options = {"activation": activation, "pooling": pooling, "init": "pytorch"}
        own[f"cnn-{pooling}-{activation}"] = (
            lambda o=options: cnn((6, 5, 2), 3, (2, 3), hidden=(4,), **o),
            (60,),
        )
    for init in ("he", "orthogonal"):
        own[f"cnn-{init}"] = lambda i=init: cnn((4, 4, 1), 3, init=i, scale=0.7), (16,)
    own["cnn-wide-kernel"] = lambda: cnn((8, 8, 1), 3, (2, 3, 4), kernel=5), (8, 8, 1)
    own["cnn-even-kernel"] = lambda: cnn((4, 4, 1), 3, (2,), kernel=2), (16,)
    from_equinox, from_flax = ct.networks.from_equinox, ct.networks.from_flax
    own["equinox"] = lambda: from_equinox(lambda key: eqx.nn.MLP(5, 3, 8, 2, key=key)), (5,)
    own["equinox-conv"] = lambda: from_equinox(equinox_conv), (1, 4, 5)
    own["flax"] = lambda: from_flax(FlaxMLP), (5,)
    own["residual"] = lambda: example("residual"), (8,)
    own["transformer"] = lambda: example("transformer"), (8,)
    return own


def with_network(make: MakeNetwork, shape: tuple[int, ...], dtype: str = "float64") -> Make:
    """A network on points of its shape, in two chunks, the second of them not full."""
    return lambda: ct.TrainingMap(dataclasses.replace(make(), chunk=17), points(shape), dtype=dtype)


def trained(**options: Any) -> Make:
    """A small network trained in another way."""
    network = dataclasses.replace(ct.networks.mlp([5, 4, 3]), chunk=17)
    return lambda: ct.TrainingMap(network, points(), **options)


def of_task(name: str) -> Make:
    """A small network on the first samples of a task that have every class."""

    def make() -> ct.Map:
        task = loaded(name)
        for size in (20, 60, 200, 400):
            try:
                task = task.first(min(size, len(task.inputs)), min(60, len(task.test_inputs)))
                break
            except ct.UserError:
                continue
        features = int(np.prod(task.inputs.shape[1:]))
        return ct.TrainingMap(ct.networks.mlp([features, 4, task.outputs], init="glorot"), task)

    return make


def loaded(name: str) -> ct.Task:
    """A task; where its data is downloaded, that of small files of the same format."""
    if name not in ct.tasks.DOWNLOADED:
        return ct.tasks.load(name)
    with pytest.MonkeyPatch.context() as patcher, tempfile.TemporaryDirectory() as folder:
        small_files.put(Path(folder) / name, small_files.DOWNLOADED[name](patcher))
        return ct.tasks.load(name, data_dir=folder)


def of_optimiser(name: str) -> Make:
    """An optimiser of optax with its own options."""
    return lambda: trained(optimizer=optimizers.named(name, OPTIONS.get(name)))()


def of_loss(name: str) -> Make:
    """A small network that descends another loss."""
    return lambda: ct.TrainingMap(ct.networks.mlp([5, 4, 3]), points().with_loss(name))


def brightened(key: Array, inputs: Array) -> Array:
    """An augmentation."""
    return inputs * (1 + 0.1 * jax.random.normal(key, (len(inputs), 1), inputs.dtype))


NETWORKS = networks()
# All that optax gives by name; tests/test_optimizers.py has why this one is refused.
OPTIMISERS = [name for name in optimizers._known() if name != "optimistic_adam"]
# What optax needs to be told before it gives one.
OPTIONS: dict[str, dict[str, Any]] = {"noisy_sgd": {"key": 0}}
MAPS: dict[str, Make] = {
    "map-quadratic": lambda: ct.maps.quadratic((1.0, 2.0)),
    "map-cubic": ct.maps.cubic,
    "map-logistic": ct.maps.logistic,
    "map-tent": ct.maps.tent,
    "map-henon": ct.maps.henon,
    "map-linear": lambda: ct.maps.linear(((0.5, 0.2), (0.0, 0.9))),
    **{f"network-{name}": with_network(*case) for name, case in NETWORKS.items()},
    **{
        f"float32-{name}": with_network(*NETWORKS[name], "float32")
        for name in ("mlp-tanh-normal", "cnn-max-relu", "transformer")
    },
    **{f"task-{name}": of_task(name) for name in ct.tasks.TASKS},
    **{f"loss-{name}": of_loss(name) for name in ct.tasks.LOSSES},
    **{f"optimiser-{name}": of_optimiser(name) for name in OPTIMISERS},
    "penalty": trained(penalty=ct.Penalty(l1=0.01, l2=0.1)),
    "decay": trained(optimizer=optimizers.named("sgd", weight_decay=0.1)),
    "schedule": trained(
        optimizer=optimizers.named("sgd", schedule={"name": "cosine", "decay_steps": 9})
    ),
    "noise-batches": trained(batch_size=10),
    "noise-augment": trained(augment=brightened),
    "state": trained(optimizer=optimizers.named("momentum"), measured="state"),
}
# Gradient descent without more, whose step is the gradient of the loss that is observed.
DESCENTS = [
    name
    for name in MAPS
    if name.startswith(("network", "float32", "task", "loss", "penalty"))
    or name in ("map-quadratic", "map-cubic", "optimiser-sgd")
    if name != "network-mlp-dropout"
]
# Left to `make test-slow`: optimisers outside the documentation, and variants of a convolution.
COMMON = ("sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "lion")
RARE = [
    *[f"optimiser-{name}" for name in OPTIMISERS if name not in COMMON],
    *[f"network-cnn-{name}" for name in ("he", "orthogonal", "wide-kernel", "max-tanh")],
    "float32-transformer",
]
