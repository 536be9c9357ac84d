"""One small training in PyTorch and in JAX, on the same network, data and initial weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import chaotrain as ct

# The machines that run the tests share their cores, and threads that wait for one another crawl.
torch.set_num_threads(1)

SIZES = [5, 4, 3]
Example = tuple[Any, Any]


def task(samples: int = 60) -> ct.Task:
    """Gaussian blobs of three classes."""
    random = np.random.default_rng(7)
    labels = np.arange(2 * samples) % 3
    points = random.normal(size=(3, 5))[labels] + 0.5 * random.normal(size=(2 * samples, 5))
    half = slice(samples), slice(samples, None)
    return ct.Task.from_arrays(points[half[0]], labels[half[0]], points[half[1]], labels[half[1]])


def batch(data: ct.Task, dtype: Any = torch.float64) -> Example:
    """All training samples as tensors."""
    inputs, labels = np.array(data.inputs), np.array(data.targets)
    return torch.from_numpy(inputs).to(dtype), torch.from_numpy(labels).long()


def model(state: Any, dtype: Any = torch.float64) -> Any:
    """An MLP with the weights of a state of the same network in JAX."""
    first, last = state.parameters
    layers = torch.nn.Linear(5, 4), torch.nn.Linear(4, 3)
    for layer, drawn in zip(layers, (first, last), strict=True):
        layer.double()
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.array(drawn["weight"])))
            layer.bias.copy_(torch.from_numpy(np.array(drawn["bias"])))
    return torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1]).to(dtype)


def cross_entropy(model: Any, batch: Example) -> Any:
    """The mean cross-entropy of a batch."""
    return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])


def direction(pair: Any, state: Any) -> Any:
    """The deviation of a shadow as a tangent of a state in JAX."""
    moves = [
        (there - here).detach().numpy() / 1e-8
        for here, there in zip(pair.reference.parameters(), pair.shadow.parameters(), strict=True)
    ]
    with jax.enable_x64(True):
        zero = jax.tree.map(jnp.zeros_like, state)
        keys = ("weight", "bias")
        layers = [dict(zip(keys, map(jnp.asarray, moves[i : i + 2]), strict=True)) for i in (0, 2)]
        return zero._replace(parameters=tuple(layers))


def snapshot(model: Any, optimizer: Any) -> list[Any]:
    """Every tensor of a model and its optimiser, copied."""
    held = [value for state in optimizer.state.values() for value in state.values()]
    every = [*model.state_dict().values(), *(value for value in held if torch.is_tensor(value))]
    return [tensor.detach().clone() for tensor in every]


def equal(some: list[Any], others: list[Any]) -> bool:
    """Whether two lists of tensors are equal to the bit."""
    return len(some) == len(others) and all(map(torch.equal, some, others))


Loss = Callable[[Any, Any], Any]
