"""How soon a study of many tiles goes on, how soon a run has its first, and what a tile costs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import chaotrain as ct
from chaotrain import layout, runs
from scale_lines import Line

TILES, STORED = 10_000, 300
GRID: dict[str, Any] = {"inits": 100, "replicas": 1, "epochs": 20, "targets": [0.9]}
# Of a start: one ball of the quick preset for two epochs.
FIRST = ("inits=1", "learning_rates=[7.5]", "epochs=2")


def resumption() -> Iterator[Line]:
    """Seconds until a run knows that nothing, or one tile, of 10,000 is left to do."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(layout, "TILE_FLOPS", 1.0):
        out = Path(folder)
        _write(out)
        seconds = _until_a_tick(out)
        yield Line(f"resumption of {TILES:,} tiles, none left", seconds, " s", most=2)
        for path in ct.Study(out).store.pair(TILES // 2):
            path.unlink()
        seconds = _until_a_tick(out)
        yield Line(f"resumption of {TILES:,} tiles, one left", seconds, " s", most=2)


def storing() -> Iterator[Line]:
    """What the process that writes does for a tile of one ball: file, record, log, all flushed."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        study = _begun(Path(folder))
        arrays = _arrays(201)
        began = time.perf_counter()
        for index in range(STORED):
            study.store.write_tile(index, study.tiles[index], arrays)
            study.store.log("tile", tile=index, balls=study.tiles[index], seconds=1.0)
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in study.store.pair(0))
    yield Line("storing a tile of one ball", 1e3 * seconds / STORED, " ms", note=f"{size:,} bytes")


def startup() -> Iterator[Line]:
    """Seconds from the command to the first tile, without and with compiled programs."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"XDG_CACHE_HOME": str(Path(folder) / "cache")}
        cold = _until_a_tile(Path(folder) / "cold", environment)
        warm = min(_until_a_tile(Path(folder) / f"warm-{i}", environment) for i in range(3))
    note = f"without compiled programs {cold:.1f} s"
    yield Line("start-up to the first tile, programs compiled", warm, " s", most=5, note=note)


def _until_a_tile(out: Path, environment: dict[str, str]) -> float:
    settings = [word for setting in FIRST for word in ("--set", setting)]
    command = [
        sys.executable,
        "-m",
        "chaotrain",
        "run",
        "mnist-quick",
        "--out",
        str(out),
        *settings,
    ]
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        while not (out / "tiles" / "00000.json").exists():
            if process.poll() not in (None, 0):
                raise RuntimeError(f"{command} failed")
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        process.terminate()
    return seconds


def _sweep(out: Path, progress: runs.Progress | None = None) -> ct.Study:
    rates = np.linspace(0.1, 1.9, TILES // GRID["inits"]).tolist()
    return ct.sweep(ct.maps.quadratic((1.0,)), rates, out=out, progress=progress, **GRID)


def _begun(out: Path) -> ct.Study:
    """A study that was begun and has no tile yet."""

    def stop(tick: runs.Tick) -> None:
        raise KeyboardInterrupt

    with mock.patch.object(layout, "TILE_FLOPS", 1.0), contextlib.suppress(KeyboardInterrupt):
        _sweep(out, stop)
    return ct.Study(out)


def _write(out: Path) -> None:
    """Write all tiles of a study, without waiting for the disk."""
    study, arrays = _begun(out), _arrays(GRID["epochs"])
    with mock.patch.object(os, "fsync"):
        for index, balls in enumerate(study.tiles):
            study.store.write_tile(index, balls, arrays)


def _arrays(epochs: int) -> dict[str, np.ndarray]:
    """What a tile of one ball holds: a distance and a loss an epoch."""
    curve = np.geomspace(1e-8, 1.0, epochs + 1)
    return {"distance": curve.reshape(1, 1, -1), "loss": curve.reshape(1, -1)}


def _until_a_tick(out: Path) -> float:
    """Seconds until a run tells for the first time how far it has come."""
    ticks: list[float] = []
    began = time.perf_counter()
    _sweep(out, lambda tick: ticks.append(time.perf_counter()))
    return ticks[0] - began
