"""The exponent of a ball by the tangent against the paper's five replicas, the same epochs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import xarray as xr

import chaotrain as ct
from chaotrain.growth import fit_tangent_growth
from dense import Dense
from timing import REPEATS

ETA = 7.5


@dataclass(frozen=True)
class Tangent:
    """A network, its number of samples and the epochs of a run."""

    layers: tuple[int, ...] = (784, 64, 10)
    samples: int = 2000
    epochs: int = 100
    replicas: int = 5

    def report(self) -> None:
        """Print the ratios; the runs take turns, so that all see the same machine."""
        task = Dense(self.layers, self.samples, 1, self.replicas, self.epochs).task()
        network = ct.networks.mlp(self.layers)
        double, single = (ct.TrainingMap(network, task, dtype=t) for t in ("float64", "float32"))
        runs: dict[str, Callable[[], xr.Dataset]] = {
            "replicas": lambda: ct.divergence(
                double, ETA, epochs=self.epochs, replicas=self.replicas
            ),
            "float64": lambda: ct.tangent_growth(double, ETA, epochs=self.epochs),
            "float32": lambda: ct.tangent_growth(single, ETA, epochs=self.epochs),
        }
        times: dict[str, list[float]] = {name: [] for name in runs}
        verdicts = {
            name: ct.fit_growth(found.distance).verdict
            if "distance" in found
            else fit_tangent_growth(found.growth).verdict
            for name, found in ((name, run()) for name, run in runs.items())
        }
        for _ in range(REPEATS):
            for name, run in runs.items():
                start = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - start)
        name = "-".join(map(str, self.layers))
        paper = times["replicas"]
        print(f"{name}, {self.samples} samples, one ball, {self.epochs} epochs")
        print(
            f"  {self.replicas} replicas, float64 {1e3 * min(paper) / self.epochs:8.2f} ms an "
            f"epoch, {verdicts['replicas']}"
        )
        for dtype in ("float32", "float64"):
            own = times[dtype]
            turns = statistics.median(a / b for a, b in zip(paper, own, strict=True))
            print(
                f"  tangent, {dtype}    {1e3 * min(own) / self.epochs:8.2f} ms an epoch  "
                f"{min(paper) / min(own):.2f} times cheaper ({turns:.2f} in the median turn), "
                f"{verdicts[dtype]}"
            )


if __name__ == "__main__":
    Tangent().report()
