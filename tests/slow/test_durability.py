"""A run that is killed at any moment goes on as if it had not been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import chaotrain as ct
import tiny
from chaotrain import exports
from chaotrain.cli import main

pytestmark = pytest.mark.slow

# Where the process is killed, and how many tiles are finished then.
STAGES = {
    "lock": 0,
    **{f"{moment}:experiment.toml": 0 for moment in ("flush", "before", "after")},
    **{f"{moment}:provenance.json": 0 for moment in ("flush", "before", "after")},
    "compute:0": 0,
    "compute:2": 2,
    "flush:00001.npz": 1,
    "before:00001.npz": 1,
    "after:00001.npz": 1,
    "flush:00001.json": 1,
    "before:00001.json": 1,
    "after:00001.json": 2,
    "after:00003.npz": 3,
    "after:00003.json": 4,
}


def run_until(stage: str, folder: Path, number: int) -> None:
    """Run the tiny task in a process of its own, and send it a signal when it comes to a stage."""
    marker = folder / "reached"
    arguments = [stage, marker, "run", folder / "tiny.toml", "--out", folder / "study"]
    with subprocess.Popen(
        [sys.executable, tiny.__file__, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not marker.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate()
        assert process.returncode == -number
    marker.unlink()


def run(folder: Path, name: str = "study") -> ct.Study:
    """Run the tiny task in this process, to its end."""
    with pytest.MonkeyPatch.context() as patcher:
        tiny.patch(patcher)
        patcher.setattr(ct.figures, "save_all", lambda *arguments: [])
        assert main(["run", str(folder / "tiny.toml"), "--out", str(folder / name)]) == 0
    return ct.Study(folder / name)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> ct.Study:
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "tiny.toml").write_text(tiny.FILE)
    return run(folder)


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_any_stage(stage: str, uninterrupted: ct.Study, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    run_until(stage, tmp_path, signal.SIGKILL)
    study = tmp_path / "study"
    kept = {}
    if STAGES[stage]:
        kept = tiny.kept(study)
        assert len(kept) == 2 * STAGES[stage]
        assert ct.Study(study).verify() == []
    resumed = run(tmp_path)
    assert tiny.kept(study).items() >= kept.items()
    same(resumed, uninterrupted)


def test_killed_again_and_again(uninterrupted: ct.Study, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    for stage in ("flush:00000.npz", "after:00000.npz", "compute:0", "before:00002.json"):
        run_until(stage, tmp_path, signal.SIGKILL)
    same(run(tmp_path), uninterrupted)
    record = json.loads((tmp_path / "study" / "provenance.json").read_text())
    assert [entry.get("outcome") for entry in record["runs"]] == [None] * 4 + ["complete"]


def test_another_process_gives_the_same_bytes(uninterrupted: ct.Study, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    arguments = ["never", "", "run", tmp_path / "tiny.toml", "--out", tmp_path / "study"]
    command = [sys.executable, tiny.__file__, *map(str, arguments)]
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert list((tmp_path / "study" / "figures").glob("figure-*.png"))
    same(ct.Study(tmp_path / "study"), uninterrupted)


def same(study: ct.Study, other: ct.Study) -> None:
    """Two studies are the same to the byte, and nothing is half-written."""
    assert tiny.unfinished(study.path) == []
    assert tiny.tiles(study.path) == tiny.tiles(other.path)
    assert exports.summary_json(study.summary) == exports.summary_json(other.summary)
