"""How far apart are trainings that have nothing in common? The scale for `chaotrain.separation`.

Run it with `python examples/independent_trainings.py mnist-quick 6`. It trains the initialisations
of an experiment at one learning rate, each on its own, and compares every two of them at the end.
"""

from __future__ import annotations

import sys
from itertools import combinations

import jax
import numpy as np

from chaotrain import alignment, distances, experiment, runs, systems


def compared(source: str, eta: float, inits: int = 4) -> dict[str, float]:
    """The means over all pairs: L2 distances over their norms, and the disagreement."""
    settings = experiment.load(source)
    system = systems.system_of(settings)
    trained = []
    for init in range(inits):
        state = system.init(runs.key_of(settings, init))
        for _ in range(settings.epochs):
            state = system.step(state, eta)
        trained.append(state.parameters)
    inputs = system.test.inputs.reshape(-1, *system.test.inputs.shape[2:])
    # The last chunk may be filled up, at a share of 0.
    shares = system.test.weights.ravel()
    signs = alignment.symmetries(system.network, trained[0], inputs[:8])
    rows = []
    for one, other in combinations(trained, 2):
        zero = jax.tree.map(np.zeros_like, one)
        said = [system.network.apply(parameters, inputs) for parameters in (one, other)]
        norm = distances.l2(one, zero)
        row = {
            "weights": distances.l2(one, other) / norm,
            "outputs": distances.output_l2(*said, shares)
            / distances.output_l2(said[0], np.zeros_like(said[0]), shares),
            "disagreement": distances.disagreement(*said, shares),
        }
        if signs is not None:
            near = alignment.aligned(one, other, signs, "l2")
            row["weights, aligned"] = distances.l2(one, near) / norm
        rows.append(row)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


if __name__ == "__main__":
    with jax.enable_x64(True):
        for name, value in compared(sys.argv[1], float(sys.argv[2])).items():
            print(f"{name:16} {value:.3g}")
