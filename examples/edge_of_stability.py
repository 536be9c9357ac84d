"""Does η·sharpness/2 = 1 predict the onset of chaos? A row for each case of an atlas.

Run it with `python examples/edge_of_stability.py study/atlas`. For every finished case it measures
the sharpness of the initialisations of the study, before training, and sets the learning rate at
which a step turns unstable there beside the measured onset η_0.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

import chaotrain as ct
from chaotrain import atlas, runs, systems


def rows(folder: str) -> Iterator[tuple[str, float, float, float, float]]:
    """The case; smallest, median and largest η at the edge over initialisations; and η_0."""
    found = atlas.Atlas(folder)
    for name, study in found.studies.items():
        grid = study.grid
        system = systems.system_of(grid)
        # At η = 1 the threshold is that of η·sharpness, whatever the optimiser.
        limit = ct.stability_threshold(system.optimizer, 1.0)
        if name not in found.finished or grid.batch_size or grid.optimizer.name == "adam":
            continue
        keys = [runs.key_of(grid, init) for init in range(max(grid.inits_each))]
        edges = [limit / ct.sharpness(system, system.init(key)).value for key in keys]
        yield name, min(edges), float(np.median(edges)), max(edges), study.summary.attrs["eta_0"]


if __name__ == "__main__":
    print("| case | η at the edge of stability, median [range] | η_0 | η_0 over it |")
    print("|---|---|---|---|")
    for name, low, median, high, onset in rows(sys.argv[1]):
        print(
            f"| {name} | {median:.3g} [{low:.3g}, {high:.3g}] | {onset:.3g} | "
            f"{onset / median:.2g} |",
            flush=True,
        )
