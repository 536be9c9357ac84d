"""The simulated cluster of docs/scaling.md against closed forms."""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "scaling_simulation.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where a dataclass looks for its own types
    spec.loader.exec_module(module)
    return module


simulation = _load()
Cluster, simulate, expected = simulation.Cluster, simulation.simulate, simulation.expected


@pytest.mark.parametrize(
    ("workers", "tiles", "rounds"), [(1, 7, 7), (4, 8, 2), (4, 9, 3), (5, 3, 1), (3, 1000, 334)]
)
def test_without_failures_workers_take_tiles_in_rounds(
    workers: int, tiles: int, rounds: int
) -> None:
    found = simulate(Cluster(workers, tiles, (2.5,)))
    assert found.makespan == pytest.approx(rounds * 2.5)
    assert (found.failures, found.lost) == (0, 0)
    assert found.work == pytest.approx(tiles * 2.5)
    assert found.efficiency == pytest.approx(tiles / (workers * rounds))


def test_a_run_that_is_always_busy_bounds_the_study() -> None:
    """Ten workers of 2 s a tile ask for five tiles a second, and the run stores two."""
    cluster = Cluster(10, 500, (2.0,), serial=0.5)
    assert simulate(cluster).makespan == pytest.approx(2.0 + 500 * 0.5)
    assert expected(cluster) == pytest.approx(2.0 / (10 * 0.5))


def test_a_run_with_time_to_spare_delays_nothing_but_the_end() -> None:
    found = simulate(Cluster(1, 100, (2.0,), serial=0.5))
    assert found.makespan == pytest.approx(100 * 2.0 + 0.5)


@pytest.mark.parametrize(("seconds", "absence"), [(0.5, 0.0), (1.0, 0.0), (2.0, 0.7)])
def test_failures_cost_what_the_closed_form_says(seconds: float, absence: float) -> None:
    """One worker with λ = 1: (e^t - 1)(1 + absence) seconds a tile, e^t - 1 failures."""
    tiles = 20_000
    found = simulate(Cluster(1, tiles, (seconds,), lifetime=1.0, absence=absence))
    failures = math.expm1(seconds)
    # Failures before a success are geometric; a tile's time has no more than this variance.
    spread = math.sqrt(failures * (1 + failures) / tiles)
    assert found.failures / tiles == pytest.approx(failures, abs=4 * spread)
    time = failures * (1 + absence)
    assert found.makespan / tiles == pytest.approx(time, abs=4 * spread * (1 + absence) * seconds)
    assert found.lost / tiles == pytest.approx(failures - seconds, abs=4 * spread * seconds)
    cluster = Cluster(1, tiles, (seconds,), lifetime=1.0, absence=absence)
    assert expected(cluster) == pytest.approx(seconds / time)


def test_many_workers_come_close_to_what_is_expected() -> None:
    cluster = Cluster(50, 10_000, (1.0, 2.0, 3.0), serial=0.001, lifetime=30.0, absence=1.0)
    assert simulate(cluster).efficiency == pytest.approx(expected(cluster), rel=0.03)


def test_every_tile_is_stored_once_however_often_workers_fail() -> None:
    seconds = (1.0,)
    found = simulate(Cluster(7, 333, seconds, lifetime=0.5))
    assert found.work == pytest.approx(333)
    assert found.failures > 333


def test_it_is_a_function_of_its_seed() -> None:
    cluster = Cluster(5, 100, (1.0, 2.0), lifetime=5.0)
    assert simulate(cluster) == simulate(cluster)
    assert simulate(cluster) != simulate(replace(cluster, seed=1))
