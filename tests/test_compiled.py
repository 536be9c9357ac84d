"""Compiled programs are kept where no stranger's study can put any, and change no bit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tiny
from chaotrain import compiled, processors

FILE = """
task = "iris"
learning_rates = [0.5]
inits = 1
replicas = 1
epochs = 20
targets = [0.5]
network = { hidden = [4] }
"""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in (compiled.VARIABLE, *compiled.SETTINGS):
        monkeypatch.setenv(name, "")  # so that it is taken back
        monkeypatch.delenv(name)


def test_a_folder_for_each_processor_and_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiled.keep()
    folder = Path(os.environ[compiled.VARIABLE])
    assert folder.parent == tmp_path / "cache" / "chaotrain" / "compiled"
    assert folder.stat().st_mode & 0o077 == 0
    assert os.environ.keys() >= compiled.SETTINGS.keys()
    monkeypatch.setattr(processors, "count", lambda: 99)
    compiled.keep()  # as a worker does, which has inherited the folder of its parent
    assert Path(os.environ[compiled.VARIABLE]).parent == folder.parent
    assert Path(os.environ[compiled.VARIABLE]) != folder


@pytest.mark.parametrize("given", ["", "/somewhere/else"])
def test_what_the_user_has_chosen_stays(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled.VARIABLE, given)
    compiled.keep()
    assert os.environ[compiled.VARIABLE] == given
    assert os.environ.keys().isdisjoint(compiled.SETTINGS)


def test_without_a_folder_that_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    compiled.keep()
    assert compiled.VARIABLE not in os.environ


def test_what_a_kill_left_half_written_is_removed() -> None:
    compiled.keep()
    folder = Path(os.environ[compiled.VARIABLE])
    for name in ("whole-cache", "whole-atime", "half-cache"):
        (folder / name).write_text("")
    with compiled.FileLock(folder / ".lockfile"):
        compiled.keep()  # another process is at it
    assert (folder / "half-cache").exists()
    compiled.keep()
    assert not (folder / "half-cache").exists()
    assert (folder / "whole-cache").exists()


@pytest.mark.slow
def test_programs_from_the_cache_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "iris.toml").write_text(FILE)

    def run(name: str, **environment: str) -> dict[str, bytes]:
        command = [sys.executable, "-W", "error", "-m", "chaotrain"]
        more = ["run", tmp_path / "iris.toml", "--out", tmp_path / name]
        done = subprocess.run(
            [*command, *map(str, more)],
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "rror" not in done.stderr, done.stderr
        return tiny.tiles(tmp_path / name)

    def entries() -> dict[Path, int]:
        paths = (tmp_path / "cache").rglob("*-cache")
        return {path: path.stat().st_mtime_ns for path in paths}

    cold = run("cold")
    held = entries()
    assert len(held) > 10
    assert run("warm") == cold
    now = entries()
    assert now.items() >= held.items()
    # Nothing was compiled but a larger product to time, where there was more time left.
    assert all(path.name.startswith("jit_matmul-") for path in now.keys() - held.keys())
    assert run("never", JAX_ENABLE_COMPILATION_CACHE="false") == cold
    shutil.rmtree(tmp_path / "cache")
    assert run("deleted") == cold
    assert not list((tmp_path / "warm").rglob("*-cache"))
