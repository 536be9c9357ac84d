"""How a case is timed: the engine, a loop over PyTorch's modules, and the fastest of some calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import chaotrain as ct
from chaotrain import ensembles, layout, maps

REPEATS = 5
MODELS = 4


def fastest(function: Callable[[], object]) -> float:
    """Seconds of the fastest of several calls, after one that compiles."""
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def engine(system: ct.TrainingMap, balls: int, replicas: int, epochs: int) -> float:
    """Seconds a network-step of the engine, all balls side by side as the layout says."""
    plan = layout.plan(maps.cost(system), balls, 1 + replicas, epochs)
    with jax.enable_x64(True):
        keys = [jax.random.key(i) for i in range(balls)]
        states = ensembles.stack([ensembles.ball(system, key, replicas, 1e-8) for key in keys])
        etas = jnp.full(balls, 1.0)

    def run() -> object:
        return ensembles.evolve(system, states, etas, epochs, plan)

    return fastest(run) / (balls * (1 + replicas) * (epochs + 1))


def pytorch(build: Callable[[], Any], inputs: Any, targets: Any, flops: float) -> float:
    """Seconds a network-step of a plain loop over modules, full batch."""
    import torch

    x, y = torch.tensor(inputs), torch.tensor(targets, dtype=torch.long)
    models = [build().to(x.dtype) for _ in range(MODELS)]
    optimizers = [torch.optim.SGD(model.parameters(), lr=1.0) for model in models]
    loss = torch.nn.CrossEntropyLoss()
    steps = max(2, min(200, int(2e10 / (flops * MODELS))))

    def run() -> None:
        for model, optimizer in zip(models, optimizers, strict=True):
            for _ in range(steps):
                optimizer.zero_grad()
                loss(model(x), y).backward()
                optimizer.step()

    return fastest(run) / (steps * MODELS)


def report(title: str, flops: float, ours: float, others: dict[str, float]) -> None:
    """Print what the engine does, and its ratio to others; all in seconds a network-step."""
    print(title)
    print(f"  engine        {flops / ours / 1e9:8.1f} GFLOP/s  {ours * 1e6:10.2f} µs a step")
    for other, seconds in others.items():
        rate = flops / seconds / 1e9
        print(f"  {other:13} {rate:8.1f} GFLOP/s  engine / {other} = {seconds / ours:.2f}")
