"""Studies that are computed in a moment, in many tiles; as a script, one that stops at a stage.

`python tiny.py STAGE MARKER run FILE --out DIR` runs the command line on the task "tiny" and, when
it comes to STAGE, writes the file MARKER and waits to be killed.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chaotrain as ct
from chaotrain import (
    anatomy,
    ensembles,
    experiment,
    files,
    layout,
    runs,
    store,
    systems,
    tasks,
    workers,
)

FILE = """
task = "tiny"
learning_rates = [0.5, 2.0]
inits = 2
replicas = 2
epochs = 30
targets = [0.5, 0.9]
network = { hidden = [4] }
"""
TILES = 4
# One object, so that it is compiled once a process.
MAP = ct.maps.quadratic((1.0, 3.0))
GRID: dict[str, Any] = {"learning_rates": [0.1, 0.5, 0.9], "inits": 2, "replicas": 2, "epochs": 12}


@functools.cache
def task() -> ct.Task:
    """Two classes of points on a line, 20 of each."""
    points = np.concatenate([np.linspace(-1.0, -0.1, 20), np.linspace(0.1, 1.0, 20)])[:, None]
    labels = (points[:, 0] > 0).astype(int)
    return ct.Task.from_arrays(points, labels, points, labels, name="tiny")


def patch(patcher: pytest.MonkeyPatch) -> None:
    """Make the task known, cut studies into tiles of one ball, and compile one system once."""
    patcher.setitem(tasks.TASKS, "tiny", task)
    patcher.setattr(layout, "TILE_FLOPS", 1.0)
    patcher.setattr(layout, "CALL_FLOPS", 2e4)
    original, known = systems.system_of, _systems

    def system_of(settings: Any, data_dir: Any = None) -> ct.TrainingMap:
        own = experiment.Experiment.model_fields.keys() - experiment.Grid.model_fields.keys()
        name = settings.model_dump_json(include=own)
        if settings.task != "tiny":
            return original(settings, data_dir)
        if name not in known:
            known[name] = original(settings, data_dir)
        return known[name]

    for module in (runs, workers, anatomy):
        patcher.setattr(module, "system_of", system_of)


_systems: dict[str, Any] = {}


def tiles(folder: Path) -> dict[str, bytes]:
    """The tiles and records of a study."""
    return {path.name: path.read_bytes() for path in sorted((folder / "tiles").iterdir())}


def edit_provenance(folder: Path, change: Callable[[Any], object]) -> None:
    """Change the provenance of a study as if it had been written so."""
    path = folder / "provenance.json"
    fields = files.unsealed(path.read_bytes())
    change(fields)
    path.write_bytes(files.sealed(fields))


def kept(folder: Path) -> dict[str, tuple[int, int]]:
    """What would tell that a finished tile or its record was touched."""
    study = ct.Study(folder)
    paths = [path for index in study.finished for path in study.store.pair(index)]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def unfinished(folder: Path) -> list[Path]:
    """Whatever is half-written in a folder."""
    return [path for path in folder.rglob("*") if "tmp" in path.name]


def stop_at(stage: str, reached: Callable[[], None]) -> None:
    """Call `reached` when this process comes to a stage.

    Stages are "lock", "compute:N" (inside tile N), and "flush:NAME", "before:NAME" and "after:NAME"
    for the flush of the file NAME and the rename that gives it its name.
    """
    moment, _, name = stage.partition(":")
    replace, fsync, acquire, evolve = (
        Path.replace,
        os.fsync,
        store.FileLock.acquire,
        ensembles.evolve,
    )
    computed = 0

    def replacing(self: Path, target: Path) -> Path:
        if (moment, name) == ("before", target.name):
            reached()
        found = replace(self, target)
        if (moment, name) == ("after", target.name):
            reached()
        return found

    def flushing(handle: int) -> None:
        if moment == "flush" and Path(f"/proc/self/fd/{handle}").resolve().name == f"{name}.tmp":
            reached()
        fsync(handle)

    def acquiring(self: Any, *args: Any, **kwargs: Any) -> Any:
        held = acquire(self, *args, **kwargs)
        if moment == "lock":
            reached()
        return held

    def evolving(*args: Any, progress: Callable[[int], None], **kwargs: Any) -> Any:
        nonlocal computed

        def tick(epochs: int) -> None:
            if stage == f"compute:{computed}":
                reached()
            progress(epochs)

        found = evolve(*args, progress=tick, **kwargs)
        computed += 1
        return found

    patcher = pytest.MonkeyPatch()
    patcher.setattr(Path, "replace", replacing)
    patcher.setattr(os, "fsync", flushing)
    patcher.setattr(store.FileLock, "acquire", acquiring)
    patcher.setattr(ensembles, "evolve", evolving)


def _wait(marker: Path) -> None:
    marker.write_text("")
    while True:
        time.sleep(60)


if __name__ == "__main__":
    from chaotrain.cli import main

    patch(pytest.MonkeyPatch())
    stop_at(sys.argv[1], lambda: _wait(Path(sys.argv[2])))
    sys.exit(main(sys.argv[3:]))
