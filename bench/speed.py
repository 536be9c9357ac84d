"""Speed as ratios in one run: the engine against bare matrix products, and against PyTorch.

Run it with `make bench` on an idle machine. Useful work is counted as the matrix products of a
training step: forwards, the gradients of the weights, and those of the hidden activations.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from threadpoolctl import threadpool_info

import chaotrain as ct
from chaotrain import ensembles, layout, maps
from chaotrain.training import CHUNK

REPEATS = 5


@dataclass(frozen=True)
class Case:
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
    def flops(self) -> float:
        """Useful operations of one step of one network."""
        first, *others = (a * b for a, b in pairwise(self.layers))
        return 2.0 * self.samples * (2 * first + 3 * sum(others))


def fastest(function: Callable[[], object]) -> float:
    """Seconds of the fastest of several calls, after one that compiles."""
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def task_for(case: Case) -> ct.Task:
    """Random inputs, as sparse as pixels; labels at random. One test sample: only steps count."""
    random = np.random.default_rng(0)
    inputs = random.random((case.samples, case.layers[0]))
    inputs *= inputs > 0.8
    labels = np.arange(case.samples) % case.layers[-1]
    return ct.Task.from_arrays(inputs, labels, inputs[:1], labels[:1])


def engine(case: Case) -> float:
    """Seconds a network-step."""
    system = ct.TrainingMap(ct.networks.mlp(case.layers), task_for(case))
    plan = layout.plan(maps.cost(system), case.balls, 1 + case.replicas, case.epochs)
    with jax.enable_x64(True):
        keys = [jax.random.key(i) for i in range(case.balls)]
        balls = [ensembles.ball(system, key, case.replicas, 1e-8) for key in keys]
        states, etas = ensembles.stack(balls), jnp.full(case.balls, 1.0)

    def run() -> object:
        return ensembles.evolve(system, states, etas, case.epochs, plan)

    return fastest(run) / (case.members * (case.epochs + 1))


def products(case: Case) -> dict[str, float]:
    """Seconds a network-step of the bare products of the same shapes, in XLA and in BLAS."""
    random = np.random.default_rng(0)
    rows = min(case.samples, CHUNK)
    inputs, hidden, outputs = case.layers
    x = random.random((rows, inputs))
    w = random.random((inputs, case.members * hidden))
    d = random.random((rows, case.members * hidden))
    h = random.random((case.members, rows, hidden))
    v = random.random((case.members, hidden, outputs))
    e = random.random((case.members, rows, outputs))

    def all_products(x, w, d, h, v, e):  # type: ignore[no-untyped-def]
        transposed = h.swapaxes(1, 2), v.swapaxes(1, 2)
        return x @ w, x.T @ d, h @ v, transposed[0] @ e, e @ transposed[1]

    per_step = rows * case.members / case.samples
    with jax.enable_x64(True):
        compiled = jax.jit(all_products)
        arrays = tuple(map(jnp.asarray, (x, w, d, h, v, e)))
        xla = fastest(lambda: jax.block_until_ready(compiled(*arrays)))
    blas = fastest(lambda: all_products(x, w, d, h, v, e))
    return {"XLA": xla / per_step, "BLAS": blas / per_step}


def pytorch(case: Case) -> float:
    """Seconds a network-step of a plain loop over modules."""
    import torch

    task = task_for(case)
    x, y = torch.tensor(task.inputs), torch.tensor(task.targets, dtype=torch.long)
    inputs, hidden, outputs = case.layers
    models = [
        torch.nn.Sequential(
            torch.nn.Linear(inputs, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, outputs)
        ).double()
        for _ in range(4)
    ]
    optimizers = [torch.optim.SGD(model.parameters(), lr=1.0) for model in models]
    loss = torch.nn.CrossEntropyLoss()
    steps = max(2, min(200, int(2e10 / (case.flops * len(models)))))

    def run() -> None:
        for model, optimizer in zip(models, optimizers, strict=True):
            for _ in range(steps):
                optimizer.zero_grad()
                loss(model(x), y).backward()
                optimizer.step()

    return fastest(run) / (steps * len(models))


def report(case: Case, with_torch: bool, with_products: bool = True) -> None:
    """Print the ratios of one case."""
    ours = engine(case)
    name = "-".join(map(str, case.layers))
    print(f"{name}, {case.samples} samples, float64, {case.members} networks side by side")
    print(f"  engine        {case.flops / ours / 1e9:8.1f} GFLOP/s  {ours * 1e6:10.2f} µs a step")
    rows = products(case) if with_products else {}
    if with_torch:
        rows["PyTorch loop"] = pytorch(case)
    for other, seconds in rows.items():
        rate = case.flops / seconds / 1e9
        print(f"  {other:13} {rate:8.1f} GFLOP/s  engine / {other} = {seconds / ours:.2f}")


def main() -> None:
    """Print every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    with_torch = not parser.parse_args().no_torch
    for pool in threadpool_info():
        kernel = f"{pool['internal_api']} {pool.get('architecture')}"
        print(f"BLAS: {kernel}, {pool['num_threads']} threads")
    report(Case((784, 64, 10), 10_000, balls=2, replicas=5, epochs=3), with_torch)
    report(Case((4, 10, 3), 120, balls=100, replicas=5, epochs=100), with_torch, False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
