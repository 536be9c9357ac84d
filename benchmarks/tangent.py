"""The exponent of a ball by the tangent against the paper's five replicas, the same epochs."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import jax

import chaotrain as ct
from chaotrain import schema, tiles
from chaotrain.ensembles import Recorded
from chaotrain.experiment import CustomExperiment
from chaotrain.growth import fit_tangent_growth
from chaotrain.maps import in_float64
from dense import Dense
from timing import REPEATS

ETA = 7.5
PAPER = ("perturbation", "float64")
WANTED = {"float32": 5.0, "float64": 2.2}


@dataclass(frozen=True)
class Tangent:
    """A network, its number of samples, the epochs of a run, and the balls of a study's tile."""

    layers: tuple[int, ...] = (784, 64, 10)
    samples: int = 2000
    epochs: int = 100
    replicas: int = 5
    balls: int = 1

    @in_float64
    def report(self) -> None:
        """Print the ratios; the runs take turns, so that all see the same machine."""
        ways = [PAPER, *(("tangent", dtype) for dtype in WANTED)]
        runs = {way: self._tile(*way) for way in ways}
        verdicts = {way: _verdicts(run()) for way, run in runs.items()}
        times: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
        for _ in range(REPEATS):
            for way, run in runs.items():
                start = time.perf_counter()
                run()
                times[way].append((time.perf_counter() - start) / (self.balls * self.epochs))
        name = "-".join(map(str, self.layers))
        paper = times[PAPER]
        print(
            f"{name}, {self.samples} samples, {self.epochs} epochs, balls in a tile: {self.balls}"
        )
        print(
            f"  {self.replicas} replicas, float64 {1e3 * min(paper):8.2f} ms a ball and epoch, "
            f"{verdicts[PAPER]}"
        )
        for dtype, wanted in WANTED.items():
            own = times["tangent", dtype]
            turns = statistics.median(a / b for a, b in zip(paper, own, strict=True))
            print(
                f"  tangent, {dtype}    {1e3 * min(own):8.2f} ms  "
                f"{min(paper) / min(own):.2f} times cheaper ({turns:.2f} in the median turn; "
                f"wanted {wanted}), {verdicts['tangent', dtype]}"
            )

    def _tile(self, method: str, dtype: str) -> Callable[[], Recorded]:
        """The computation of the tile of a study."""
        task = Dense(self.layers, self.samples, 1, self.replicas, self.epochs).task()
        system = ct.TrainingMap(ct.networks.mlp(self.layers), task, dtype=dtype)
        grid = CustomExperiment(
            system=system.description,
            learning_rates=[ETA],
            inits=self.balls,
            replicas=self.replicas,
            epochs=self.epochs,
            method=method,
        )
        base = jax.random.key(grid.seed)
        plan = tiles.plan(system, grid, system.init(base))

        return lambda: tiles.compute(system, grid, base, plan, grid.balls, lambda _: None)


def _verdicts(recorded: Recorded) -> str:
    """How many balls have which verdict."""
    found = (
        [ct.fit_growth(ball).verdict for ball in recorded["distance"]]
        if "distance" in recorded
        else [fit_tangent_growth(ball).verdict for ball in recorded[schema.TANGENT_GROWTH]]
    )
    return ", ".join(f"{count} {verdict}" for verdict, count in Counter(found).items())


if __name__ == "__main__":
    for size in (1, 4):
        Tangent(balls=size).report()
