"""Studies that are killed, moved, emptied, damaged or fought over, at moments that are not luck."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import chaotrain as ct
import tiny
from chaotrain import atlas, experiment, figures, files, meter, provenance, report, runs
from chaotrain.errors import UserError
from chaotrain.parts import Parts
from command_line import Command, refused

CASES = f"""
title = "Tiny cases"
{tiny.FILE}
[[cases]]
name = "narrow"
network = {{ hidden = [3] }}
[[cases]]
name = "wide"
"""


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.patch(monkeypatch)
    monkeypatch.setattr(figures, "save_all", lambda dataset, summary, folder: [])
    monkeypatch.setattr(report, "write", lambda study: study.path / "report.html")


def again(folder: Path) -> ct.Study:
    """The run of the tiny task, into a folder that may hold some of it."""
    return runs.run(ct.Study(folder).grid, folder)  # type: ignore[arg-type]


def without(folder: Path, *tiles: int) -> Path:
    """Remove tiles of a study."""
    for index in tiles:
        ct.Study(folder).store.remove_tile(index)
    return folder


# ---- SIGKILL

# A stage, the tiles that are finished then, and which files of the third there are.
STAGES = {
    "lock": (0, set()),
    "flush:experiment.toml": (0, set()),
    "before:experiment.toml": (0, set()),
    "after:experiment.toml": (0, set()),
    "before:provenance.json": (0, set()),
    "after:provenance.json": (0, set()),
    "compute:2": (2, set()),
    "flush:00002.npz": (2, {"npz.tmp"}),
    "before:00002.npz": (2, {"npz.tmp"}),
    "after:00002.npz": (2, {"npz"}),
    "flush:00002.json": (2, {"npz", "json.tmp"}),
    "before:00002.json": (2, {"npz", "json.tmp"}),
    "after:00002.json": (3, {"npz", "json"}),
}
QUICK = ("after:00002.npz",)


@pytest.mark.parametrize(
    "stage",
    [pytest.param(stage, marks=() if stage in QUICK else pytest.mark.slow) for stage in STAGES],
)
def test_a_run_killed_at_any_stage_goes_on_as_if_it_had_not_been(
    stage: str,
    blocked: Callable[[str], subprocess.Popen[str]],
    chaotrain: Command,
    whole: Path,
    tmp_path: Path,
) -> None:
    process, study = blocked(stage), tmp_path / "study"
    finished, third = STAGES[stage]
    # The process waits there: this is what it has come to, and it is killed as it is.
    assert {path.name[6:] for path in study.glob("tiles/00002.*")} == third
    assert len(list(study.glob("tiles/*.json"))) == finished
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (study / ".lock").exists()  # that of a dead process
    kept = tiny.kept(study) if finished else {}
    assert len(kept) == 2 * finished
    said = chaotrain("run", "tiny.toml", "--out", "study")
    assert said.code == 0, said.err
    assert tiny.kept(study).items() >= kept.items()
    assert tiny.tiles(study) == tiny.tiles(whole)
    assert tiny.unfinished(study) == []
    assert ct.Study(study).verify() == []


# ---- two at a time


@pytest.mark.slow
def test_two_processes_at_once_leave_one_whole_study(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    arguments = ["none", tmp_path / "none", "run", tmp_path / "tiny.toml"]
    command = [sys.executable, tiny.__file__, *map(str, arguments), "--out", tmp_path / "study"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.communicate()[1] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes
    for code, err in zip(codes, told, strict=True):
        assert code == 0 or (code == 2 and "another run is working in it" in err)
        assert "Traceback" not in err
    assert tiny.tiles(tmp_path / "study") == tiny.tiles(whole)
    assert ct.Study(tmp_path / "study").verify() == []


# ---- places that change


@pytest.fixture
def read_only(whole: Path, tmp_path: Path) -> Iterator[Path]:
    """A study with two of its four tiles, mounted read-only, which binds root too."""
    folder = without(shutil.copytree(whole, tmp_path / "disk" / "study"), 1, 3).parent
    for options in (["--bind", str(folder)], ["-o", "remount,ro,bind"]):
        command = ["mount", *options, str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
            subprocess.run(["umount", "-q", str(folder)], check=False)
            pytest.skip("mounting a folder read-only is not permitted here")
    yield folder / "study"
    subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_directory_is_opened_and_not_written(
    chaotrain: Command, read_only: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    before = tiny.tiles(read_only)
    assert chaotrain("summary", read_only).code == 0
    assert chaotrain("status", read_only).out.startswith("2 of 4 tiles, complete")
    assert chaotrain("verify", read_only).code == 0
    for out in (read_only, read_only.parent / "new"):
        said = chaotrain("run", "tiny.toml", "--out", out)
        refused(said, "(Read-only file system)" if out == read_only else "choose another")
    refused(chaotrain("figures", read_only), "(Read-only file system)")
    refused(chaotrain("verify", read_only, "--repair"), "(Read-only file system)")
    assert tiny.tiles(read_only) == before


@pytest.mark.parametrize("part", ["study", "study/tiles"])
def test_a_directory_that_is_removed_meanwhile_is_told(
    part: str, chaotrain: Command, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    tick = meter.Meter.tick

    def removing(self: meter.Meter, work: int) -> None:
        tick(self, work)
        if work == 0 and len(self.sizes) == 2:  # the second of four tiles is stored and logged
            shutil.rmtree(tmp_path / part, ignore_errors=True)

    with monkeypatch.context() as patcher:
        patcher.setattr(meter.Meter, "tick", removing)
        said = chaotrain("run", "tiny.toml", "--out", "study")
    assert (said.code, said.out) == (2, "")
    assert "cannot write to study/tiles (No such file or directory)" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / part).exists()
    assert chaotrain("run", "tiny.toml", "--out", "study").code == 0
    assert tiny.tiles(tmp_path / "study") == tiny.tiles(whole)


def test_a_copy_elsewhere_opens_and_goes_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = without(shutil.copytree(whole, tmp_path / "another place, ü" / "copy"), 2)
    (copy / "tiles" / "00002.npz.tmp").write_bytes(b"half, which was copied while it was written")
    (copy / ".lock").write_text("of a process on the other machine")
    assert ct.Study(copy).finished == [0, 1, 3]
    assert tiny.tiles(again(copy).path) == tiny.tiles(whole)
    xr.testing.assert_identical(ct.Study(copy).summary, ct.Study(whole).summary)
    # On another machine it says what may differ, and goes on.
    describe = provenance.describe
    elsewhere = {"device": "NVIDIA H100", "threads": 99, "versions": {"jax": "9.9"}}
    monkeypatch.setattr(
        provenance, "describe", lambda hashes: describe(hashes).model_copy(update=elsewhere)
    )
    without(copy, 0)
    told = r"jax .* then, 9\.9 now; device .* then, NVIDIA H100 now; threads .* then, 99 now"
    with pytest.warns(ct.errors.ProvenanceWarning, match=told):
        again(copy)
    assert ct.Study(copy).verify() == []


def test_a_study_of_the_first_version_opens(whole: Path, tmp_path: Path) -> None:
    """It had no seals, and its log was not noted."""
    copy = without(shutil.copytree(whole, tmp_path / "copy"), 2)
    path = copy / "provenance.json"
    fields = files.unsealed(path.read_bytes())
    assert fields is not None
    for run in fields["runs"]:
        del run["log_bytes"], run["log_sha256"]
    path.write_text(json.dumps(fields, indent=2) + "\n")
    assert ct.Study(copy).verify() == []
    assert tiny.tiles(again(copy).path) == tiny.tiles(whole)
    assert b"seal" in path.read_bytes()


# ---- damage

FLIPS = 8


def damaged(content: bytes, draw: random.Random) -> Iterator[bytes]:
    """The content with one bit flipped, many times, and cut off."""
    places = [draw.randrange(8 * len(content)) for _ in range(FLIPS)]
    for place in places:
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        yield bytes(flipped)
    for length in {0, 1, len(content) // 2, len(content) - 1}:
        yield content[:length]


def stored(folder: Path) -> list[Path]:
    """Every file that is read back; the lock holds nothing."""
    names = {".lock"}
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in names)


def test_any_file_of_a_study_flipped_or_cut_is_named_and_never_plotted(
    whole: Path, tmp_path: Path
) -> None:
    draw, copy = random.Random(0), shutil.copytree(whole, tmp_path / "copy")
    summary = ct.Study(copy).summary
    assert {path.name for path in stored(copy)} == {
        *("experiment.toml", "log.jsonl", "provenance.json"),
        *(f"0000{index}.{kind}" for index in range(4) for kind in ("npz", "json")),
    }
    for path in stored(copy):
        content = path.read_bytes()
        for number, harmed in enumerate(damaged(content, draw)):
            path.write_bytes(harmed)
            if path.parent.name == "tiles":
                (problem,) = ct.Study(copy).verify()
                assert path.stem in problem
                with pytest.raises(UserError, match=rf"tile .*{path.stem}\.npz"):
                    ct.Study(copy).dataset  # noqa: B018
                if number == 0:
                    assert ct.Study(copy).repair() == [problem]
                    again(copy)
                    assert tiny.tiles(copy) == tiny.tiles(whole)
            elif path.name == "log.jsonl":  # which no figure is drawn from
                (problem,) = ct.Study(copy).verify()
                assert "log.jsonl was altered" in problem
                xr.testing.assert_identical(ct.Study(copy).summary, summary)
            else:
                with pytest.raises(UserError, match=path.name):
                    ct.Study(copy)
            path.write_bytes(content)
    # Each tile was computed anew, and the log has grown by that.
    assert ct.Study(copy).verify() == []


@pytest.mark.slow
def test_any_file_of_a_collection_flipped_or_cut_is_named(
    chaotrain: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text(CASES)
    collection = atlas.load(tmp_path / "mine.toml", ["inits=1", "epochs=5"])
    assert isinstance(collection, atlas.Collection)
    draw, out = random.Random(1), atlas.run(collection, tmp_path / "out").path
    assert chaotrain("verify", "out").code == 0
    for path in stored(out):
        content = path.read_bytes()
        for harmed in list(damaged(content, draw))[:: 1 if path.name == "collection.toml" else 8]:
            path.write_bytes(harmed)
            said = chaotrain("verify", "out")
            assert said.code in (1, 2)
            if harmed or path.name != "collection.toml":
                assert path.stem in said.err
            if path.name != "log.jsonl":
                assert chaotrain("summary", "out").code == 2
        path.write_bytes(content)
    assert chaotrain("verify", "out").code == 0


def test_any_file_of_parts_flipped_or_cut_is_named_and_computed_anew(tmp_path: Path) -> None:
    fields = {"learning_rates": [1.0], "system": "a"}
    asked = experiment.validated(experiment.CustomExperiment, fields)
    part = xr.Dataset({"distance": ("epoch", np.arange(4.0))}, {"epoch": np.arange(4)})

    def kept() -> xr.Dataset:
        parts = Parts(tmp_path / "out", "anatomy", asked)
        parts.check()
        with parts.opened({}) as keep:
            return keep("pair", lambda: part)

    draw = random.Random(2)
    xr.testing.assert_identical(kept(), part)
    for path in stored(tmp_path / "out"):
        content = path.read_bytes()
        for harmed in damaged(content, draw):
            path.write_bytes(harmed)
            if path.suffix == ".toml" and harmed == content.rstrip():
                continue  # written anew by the next run
            with pytest.raises(UserError, match=path.stem):
                kept()
        if path.parent.name == "tiles":
            for file in path.parent.iterdir():  # as the message says
                file.unlink()
            xr.testing.assert_identical(kept(), part)
        path.write_bytes(content)
    xr.testing.assert_identical(kept(), part)


def test_repair_is_refused_while_a_run_is_at_work(
    chaotrain: Command, whole: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(whole, tmp_path / "study")
    path = copy / "tiles" / "00001.npz"
    path.write_bytes(b"")
    with ct.Study(copy).store.locked():
        refused(chaotrain("verify", "study", "--repair"), "another run is working in it")
    said = chaotrain("verify", "study", "--repair")
    assert said.code == 0
    assert said.out == "3 of 4 tiles finished, all as recorded\n"
    removed, remedy = said.err.splitlines()
    assert removed == "tile study/tiles/00001.npz was altered: removed"
    assert remedy == "1 tiles removed; run it again to compute them anew"
    assert not path.exists()


def test_the_log_is_read_from_its_end_however_long_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    monkeypatch.setattr(files, "BLOCK", 4)
    for lines in ("", "a\n", "one line that is longer than a block\n", "\n" * 9):
        for half in ("", "x", "half of a line that is longer than a block"):
            path.write_text(lines + half)
            files.append_line(path, "more")
            assert path.read_text() == f"{lines}more\n"
