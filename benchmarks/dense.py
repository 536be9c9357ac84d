"""Multilayer perceptrons against the bare matrix products, and against PyTorch, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import chaotrain as ct
import timing

PIXELS = 28 * 28
# Of samples at a time in the bare products.
CHUNKS = (500, 1000, 2000, 4000)


@dataclass(frozen=True)
class Dense:
    """A network, its number of samples, and how many members step side by side."""

    layers: tuple[int, ...]
    samples: int
    balls: int
    replicas: int
    epochs: int

    @property
    def members(self) -> int:
        """All networks of the run."""
        return self.balls * (1 + self.replicas)

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths that products have: inputs that are zero in every sample are left out."""
        busy = ct.TrainingMap(self.network(), self.task()).busy
        return (self.layers[0] if busy is None else len(busy.kept), *self.layers[1:])

    @property
    def flops(self) -> float:
        """Useful operations of one step of one network."""
        first, *others = (a * b for a, b in pairwise(self.widths))
        return 2.0 * self.samples * (2 * first + 3 * sum(others))

    def task(self) -> ct.Task:
        """Images of MNIST where they fit, or random inputs and labels; one test sample."""
        if self.layers[0] == PIXELS:
            return ct.tasks.load("mnist", train_size=self.samples, test_size=1)
        random = np.random.default_rng(0)
        inputs = random.random((self.samples, self.layers[0]))
        labels = np.arange(self.samples) % self.layers[-1]
        return ct.Task.from_arrays(inputs, labels, inputs[:1], labels[:1])

    def network(self) -> ct.Network:
        """The network of the engine."""
        return ct.networks.mlp(self.layers)

    def engine(self) -> float:
        """Seconds a network-step of the engine."""
        system = ct.TrainingMap(self.network(), self.task())
        return timing.engine(system, self.balls, self.replicas, self.epochs)

    def module(self) -> Any:
        """The same network of PyTorch."""
        import torch

        *hidden, last = (torch.nn.Linear(a, b) for a, b in pairwise(self.layers))
        return torch.nn.Sequential(*(m for h in hidden for m in (h, torch.nn.Tanh())), last)

    def products(self, chunk: int) -> dict[str, float]:
        """Seconds a network-step of the bare products, in XLA and in BLAS.

        The samples are taken as many at a time as is fastest, the engine's number among those.
        """
        found = [self._products(rows) for rows in sorted({chunk, *CHUNKS})]
        return {name: min(one[name] for one in found) for name in found[0]}

    def _products(self, chunk: int) -> dict[str, float]:
        random = np.random.default_rng(0)
        rows = min(self.samples, chunk)
        members = self.members
        inputs, hidden, *_ = self.widths
        x = random.random((rows, inputs))
        w = random.random((inputs, members * hidden))
        d = random.random((rows, members * hidden))
        # Of every later layer: its signals, its weights, and the errors of what it makes.
        later = [
            tuple(random.random((members, *size)) for size in ((rows, a), (a, b), (rows, b)))
            for a, b in pairwise(self.layers[1:])
        ]

        def all_products(x, w, d, later):  # type: ignore[no-untyped-def]
            out = [x @ w, x.T @ d]
            for h, v, e in later:
                out += [h @ v, h.swapaxes(1, 2) @ e, e @ v.swapaxes(1, 2)]
            return out

        per_step = rows * members / self.samples
        with jax.enable_x64(True):
            compiled = jax.jit(all_products)
            arrays = jax.tree.map(jnp.asarray, (x, w, d, later))
            xla = timing.fastest(lambda: jax.block_until_ready(compiled(*arrays)))
        blas = timing.fastest(lambda: all_products(x, w, d, later))
        return {"XLA": xla / per_step, "BLAS": blas / per_step}

    def report(self, with_torch: bool, with_products: bool = True) -> None:
        """Print the ratios."""
        ours = self.engine()
        others = self.products(self.network().chunk) if with_products else {}
        if with_torch:
            task = self.task()
            others["PyTorch loop"] = timing.pytorch(
                self.module, task.inputs, task.targets, self.flops
            )
        name = "-".join(map(str, self.layers))
        title = f"{name}, {self.samples} samples, float64, {self.members} networks side by side"
        timing.report(title, self.flops, ours, others)
