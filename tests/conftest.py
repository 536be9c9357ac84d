from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import chaotrain as ct
import tiny
from browsing import CHROMIUM
from chaotrain import experiment, runs
from command_line import Command, in_process


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    """Let go of what was compiled before Linux refuses a mapping: a process may have 65,530."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 30_000:
        jax.clear_caches()


@pytest.fixture(scope="session")
def mnist() -> ct.Task:
    return ct.tasks.load("mnist")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of six tiles, to be copied."""
    folder = tmp_path_factory.mktemp("original") / "study"
    with pytest.MonkeyPatch.context() as patcher:
        tiny.patch(patcher)
        ct.sweep(tiny.MAP, out=folder, **tiny.GRID)
    return folder


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of the tiny task in four tiles, to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny.toml").write_text(tiny.FILE)
    with pytest.MonkeyPatch.context() as patcher:
        tiny.patch(patcher)
        return runs.run(experiment.load(folder / "tiny.toml"), folder / "study").path


@pytest.fixture
def chaotrain(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """The command line in this process and an empty folder."""
    tiny.patch(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return in_process(capfd)


@pytest.fixture
def blobs() -> Callable[..., ct.Task]:
    """A small classification task: Gaussian blobs around random centres."""

    def make(samples: int = 60, inputs: int = 5, classes: int = 3) -> ct.Task:
        random = np.random.default_rng(7)
        centres = random.normal(size=(classes, inputs))
        labels = np.arange(2 * samples) % classes
        points = centres[labels] + 0.5 * random.normal(size=(2 * samples, inputs))
        halves = slice(samples), slice(samples, None)
        (train, test) = halves
        return ct.Task.from_arrays(points[train], labels[train], points[test], labels[test])

    return make


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def blocked(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start a run of the tiny task in a process that waits at a stage."""
    started: list[subprocess.Popen[str]] = []
    (tmp_path / "tiny.toml").write_text(tiny.FILE)

    def start(stage: str) -> subprocess.Popen[str]:
        marker = tmp_path / f"reached-{len(started)}"
        arguments = [stage, marker, "run", tmp_path / "tiny.toml", "--out", tmp_path / "study"]
        process = subprocess.Popen(
            [sys.executable, tiny.__file__, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        while not marker.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
