"""A Dask cluster of real processes, of which a worker and then the scheduler are killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tiny
from chaotrain import experiment, figures, meter, report, runs
from chaotrain.ensembles import Recorded
from command_line import Command

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

# What a process that knows nothing of the tests knows too, in twenty tiles.
IRIS = """
task = "iris"
learning_rates = [0.5, 2.0]
inits = 10
replicas = 1
epochs = 50
targets = [0.5, 0.9]
network = { hidden = [4] }
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a scheduler or a worker of the cluster as a process."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        module = f"distributed.cli.dask_{kind}"
        common = ["--scheduler-file", str(tmp_path / "cluster.json"), "--no-dashboard"]
        # What they say is not for the user; a pipe nobody reads would fill up.
        with (tmp_path / f"{kind}-{len(processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *common, *arguments],
                stdout=log,
                stderr=log,
                cwd=tmp_path,
            )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def kill_after(patcher: pytest.MonkeyPatch, tiles: int, process: subprocess.Popen[bytes]) -> None:
    """Kill a process when so many tiles of the next run are stored."""
    finish, left = meter.Meter.finish_tile, tiles

    def finishing(self: meter.Meter, index: int, seconds: float, recorded: Recorded) -> int:
        nonlocal left
        work = finish(self, index, seconds, recorded)
        left -= 1
        if left == 0:
            process.send_signal(signal.SIGKILL)
            process.wait()
        return work

    patcher.setattr(meter.Meter, "finish_tile", finishing)


def computed(study: Path) -> list[int]:
    """The tiles that were ever computed, in order."""
    lines = map(json.loads, (study / "log.jsonl").read_text().splitlines())
    return [entry["tile"] for entry in lines if entry["event"] == "tile"]


def test_a_worker_and_then_the_scheduler_are_killed_and_no_tile_is_lost(
    chaotrain: Command,
    started: Callable[..., subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(figures, "save_all", lambda dataset, summary, folder: [])
    monkeypatch.setattr(report, "write", lambda study: study.path / "report.html")
    (tmp_path / "iris.toml").write_text(IRIS)
    whole = runs.run(experiment.load(tmp_path / "iris.toml"), tmp_path / "whole").path
    scheduler = started("scheduler", "--port", "0", "--host", "127.0.0.1")
    workers = [started("worker", "--nthreads", "1", "--no-nanny") for _ in range(2)]
    cluster = tmp_path / "cluster.json"
    while not (cluster.exists() and cluster.read_text().endswith("}")):  # it is not written at once
        assert scheduler.poll() is None
    address = json.loads(cluster.read_text())["address"]
    study, command = tmp_path / "study", ("run", "iris.toml", "--out", "study")

    with monkeypatch.context() as patcher:
        kill_after(patcher, 3, workers[0])
        said = chaotrain(*command, "--dask", address)
    assert said.code == 0, said.err
    assert workers[0].returncode == -signal.SIGKILL
    assert sorted(computed(study)) == list(range(20))  # each once
    assert tiny.tiles(study) == tiny.tiles(whole)

    for index in range(8, 20):
        for kind in ("npz", "json"):
            (study / "tiles" / f"{index:05d}.{kind}").unlink()
    with monkeypatch.context() as patcher:
        kill_after(patcher, 3, scheduler)
        said = chaotrain(*command, "--dask", address)
    assert (said.code, said.out) == (1, "")
    assert "Traceback" not in said.err
    assert said.err.splitlines()[-1].endswith(
        "what is finished is kept, the same command goes on from there"
    )
    kept, before = tiny.kept(study), len(computed(study))
    assert 2 * 11 <= len(kept) < 2 * 20
    assert chaotrain(*command).code == 0
    assert tiny.kept(study).items() >= kept.items()
    assert len(computed(study)) - before == 20 - len(kept) // 2
    assert tiny.tiles(study) == tiny.tiles(whole)
