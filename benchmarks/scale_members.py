"""What a network costs beside others, and whether memory stays within its budget."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp

import chaotrain as ct
from chaotrain import ensembles, layout, maps
from chaotrain.device import Device
from scale_lines import Line

MEMBERS = (8, 32, 128, 512)
EPOCHS, ROUNDS = 2, 3
BUDGETS = (0.25, 0.5, 1.0, 2.0)


def members() -> Iterator[Line]:
    """Seconds a network-epoch from 8 to 512 networks, in turns."""
    runs = {number: Ensemble(number) for number in MEMBERS}
    seconds = dict.fromkeys(MEMBERS, float("inf"))
    for turn in range(1 + ROUNDS):
        for number, ensemble in runs.items():
            began = time.perf_counter()
            ensemble.run()
            if turn:  # the first compiles
                seconds[number] = min(seconds[number], time.perf_counter() - began)
    each = {number: taken / (number * (EPOCHS + 1)) for number, taken in seconds.items()}
    mean = sum(each.values()) / len(each)
    every = ", ".join(f"{number}: {1e3 * cost:.2f}" for number, cost in each.items())
    yield Line(
        "cost a network, 8 to 512, farthest from the mean",
        100 * max(abs(cost / mean - 1) for cost in each.values()),
        " %",
        most=5,
        note=f"784-64-10, 2,000 samples, ms a network-epoch: {every}",
    )


def memory() -> Iterator[Line]:
    """The highest memory of a tile that fills its budget, over that of JAX and the data."""
    for budget in BUDGETS:
        command = [sys.executable, __file__, str(budget)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        yield Line(
            f"memory = {budget:g}: peak over JAX and the data",
            found["peak"],
            " GiB",
            most=budget,
            note=f"{found['members']} networks of 784-64-10 side by side; JAX and the data took "
            f"{found['base']:.2f} GiB",
        )


@cache
def system() -> ct.TrainingMap:
    """The network and the data, made once."""
    task = ct.tasks.load("mnist", train_size=2000, test_size=1)
    return ct.TrainingMap(ct.networks.mlp([784, 64, 10]), task)


class Ensemble:
    """So many networks on 2,000 images, as a study would cut them here, or on a GPU."""

    def __init__(self, number: int, budget: float = 2.0, cached: bool = True) -> None:
        self.system = system()
        cost = maps.cost(self.system)
        self.plan = layout.plan(cost, number // 2, 2, EPOCHS, budget, Device(cached=cached))
        with jax.enable_x64(True):
            balls = [
                ensembles.ball(self.system, jax.random.key(i), 1, 1e-8) for i in range(number // 2)
            ]
            tiles = self.plan.tiles(number // 2)
            self.tiles = [ensembles.stack([balls[ball] for ball in tile]) for tile in tiles]

    def run(self) -> None:
        """Evolve them, tile by tile."""
        with jax.enable_x64(True):
            for states in self.tiles:
                etas = jnp.full(len(jax.tree.leaves(states)[0]), 5.0)
                ensembles.evolve(self.system, states, etas, EPOCHS, self.plan)


def _fill(budget: float) -> dict[str, float]:
    """Peak memory, in GiB, of a block that needs a whole budget, beyond what was there before."""
    number = int(budget * layout.GIB // maps.cost(system()).bytes)
    Ensemble(2).run()
    base = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    # Blocks for a processor's cache take the same whatever the budget is.
    ensemble = Ensemble(number - number % 2, budget, cached=False)
    ensemble.run()
    side_by_side = ensemble.plan.members_per_block
    return {"base": base, "peak": _resident("VmHWM") - base, "members": side_by_side}


def _resident(name: str) -> float:
    """A size of this process in GiB, as the kernel tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = [line for line in lines if line.startswith(f"{name}:")]
    return int(found.split()[1]) / 2**20


if __name__ == "__main__":
    print(json.dumps(_fill(float(sys.argv[1]))))
