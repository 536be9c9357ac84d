from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import chaotrain as ct
import tiny
from chaotrain import experiment, exports, figures, files, processors, report, runs, tiles
from chaotrain.errors import Interrupted
from command_line import Command, refused

HEAVY = ("jax", "numpy", "xarray", "scipy", "matplotlib", "pydantic")


@pytest.fixture
def chaotrain(chaotrain: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """The command line in this process and an empty folder; figures and page are stand-ins."""
    monkeypatch.setattr(figures, "save_all", draw)
    monkeypatch.setattr(report, "write", lambda study: study.path / "report.html")
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    return chaotrain


def draw(dataset: xr.Dataset, summary: xr.Dataset, folder: Path) -> list[Path]:
    folder.mkdir()
    path = folder / "figure-1.png"
    path.write_text(f"{dataset.sizes} {summary.sizes}")
    return [path]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    (folder / "tiny.toml").write_text(tiny.FILE)
    with pytest.MonkeyPatch.context() as patcher:
        tiny.patch(patcher)
        settings = experiment.load(folder / "tiny.toml")
        runs.run(settings, folder / "study")
    return folder / "study"


@pytest.fixture
def study(original: Path, tmp_path: Path) -> Path:
    """A finished study of the tiny task in four tiles."""
    return shutil.copytree(original, tmp_path / "study")


def unfinish(study: Path, *indices: int) -> None:
    for index in indices:
        for kind in ("npz", "json"):
            (study / "tiles" / f"{index:05d}.{kind}").unlink()


# ---- help and presets


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_help_and_the_package_import_nothing_heavy() -> None:
    code = (
        "import sys, chaotrain, chaotrain.cli\n"
        "dir(chaotrain)\n"
        "chaotrain.cli.main(['--help'])\n"
        f"print('HEAVY', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = python("-c", code)
    assert "Commands" in done.stdout
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert done.returncode == 0


def test_a_study_is_read_without_the_engine(study: Path) -> None:
    code = (
        "import sys; from chaotrain.cli import main\n"
        f"codes = [main([name, {str(study)!r}]) for name in ('summary', 'verify')]\n"
        "print(codes, 'jax' in sys.modules)"
    )
    done = python("-c", code)
    assert done.stdout.splitlines()[-1] == "[0, 0] False"


def test_every_public_name_resolves_and_none_is_shadowed_by_a_module() -> None:
    code = (
        "import chaotrain, importlib, pkgutil, types\n"
        "for found in pkgutil.iter_modules(chaotrain.__path__):\n"
        "    importlib.import_module(f'chaotrain.{found.name}')\n"
        "for name in chaotrain.__all__:\n"
        "    value = getattr(chaotrain, name)\n"
        "    if name not in chaotrain._HOMES:\n"
        "        assert isinstance(value, types.ModuleType), name\n"
        "        continue\n"
        "    assert not isinstance(value, types.ModuleType), name\n"
        "    home = importlib.import_module(f'chaotrain.{chaotrain._HOMES[name]}')\n"
        "    assert value is getattr(home, name), name\n"
        "assert sorted(chaotrain.__all__) == chaotrain.__all__ == dir(chaotrain)\n"
    )
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (0, "")


def test_presets_are_listed_and_shown_whole(chaotrain: Command, tmp_path: Path) -> None:
    listed = chaotrain("presets").out
    for name in ("mnist-quick", "mnist-paper", "mnist-full"):
        assert name in listed
        shown = chaotrain("presets", name)
        assert shown.code == 0
        (tmp_path / "copy.toml").write_text(shown.out)
        again = experiment.load(tmp_path / "copy.toml")
        assert again == experiment.load(name)


# ---- the user's mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("run", "PRESET_OR_FILE"),
        ("run mnist-quick", "--out"),
        ("run mnist-quick --out", "--out"),
        ("run mnist-quick --output x", "--output"),
        ("run mnist-quick extra --out x", "extra"),
        ("summry x", "summry"),
        ("summary", "DIR"),
        ("presets nothing", "choose one of mnist-full"),
        ("run nothing --out x", "presets are atlas"),
        ("run . --out x", "neither a preset nor a readable file"),
        ("summary nothing", "nothing is not a study"),
        ("verify tiny.toml", "is not a study"),
        ("figures nothing", "is not a study"),
        ("export nothing x.csv", "is not a study"),
    ],
)
def test_wrong_usage_is_told_in_one_line(chaotrain: Command, arguments: str, words: str) -> None:
    refused(chaotrain(*arguments.split()), words)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["learning_rates=[-1]"], "learning_rates[0] = -1"),
        (["learning_rates=[]"], "learning_rates = []"),
        (["epoch=3"], "did you mean epochs?"),
        (["epochs"], "write field=value"),
        (["train_size=60001"], "train_size = 60001: mnist has 60000 samples, choose 1 to 60000"),
        (["test_size=10001"], "test_size = 10001: mnist has 10000 samples"),
        (["dtype=float32"], "epsilon = 1e-08: float32 rounds it away beside weights of size"),
        (["task=cifar"], "task = 'cifar' is unknown: choose one of mnist"),
        (["network.activation=swish"], "activation = 'swish' is unknown; choose one of tanh"),
        (["network.init=uniform"], "init = 'uniform' is unknown; did you mean normal?"),
        (["memory=1e-6"], "memory = 1e-06 GiB: one network needs"),
        (["train_size=18", "replicas=100000", "memory=0.5"], "replicas = 100000"),
    ],
)
def test_a_wrong_field_is_told_and_nothing_is_written(
    chaotrain: Command, overrides: Sequence[str], words: str, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    more = [part for override in overrides for part in ("--set", override)]
    refused(chaotrain("run", "mnist-quick", "--out", "deep/study", *more), words)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("out", ["tiny.toml", "tiny.toml/study", "/proc/nowhere", "foreign", "/"])
def test_an_output_that_cannot_be_used_is_told(
    chaotrain: Command, out: str, tmp_path: Path
) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("")
    before = sorted(tmp_path.rglob("*"))
    refused(chaotrain("run", "tiny.toml", "--out", out), out)
    assert sorted(tmp_path.rglob("*")) == before


def test_another_experiment_is_refused_by_its_fields(chaotrain: Command, study: Path) -> None:
    said = chaotrain("run", "tiny.toml", "--out", "study", "--set", "network.hidden=[3]")
    refused(said, "differs in network.hidden ([4] there, [3] here)")


def test_a_second_process_is_refused(chaotrain: Command, study: Path) -> None:
    with ct.Study(study).store.locked():
        refused(chaotrain("run", "tiny.toml", "--out", "study"), "another run is working in it")
    assert chaotrain("run", "tiny.toml", "--out", "study").code == 0


def test_a_bug_is_told_in_one_line_and_is_no_mistake_of_the_user(
    chaotrain: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("what\nwhere")

    monkeypatch.setattr(runs, "run", fail)
    said = chaotrain("run", "tiny.toml", "--out", "study")
    assert said.code == 1
    assert said.err == (
        "chaotrain: unforeseen RuntimeError: what; please report it, with the command\n"
    )


# ---- a run and what reads it


def test_a_run_prints_the_table_and_leaves_figures(chaotrain: Command, tmp_path: Path) -> None:
    said = chaotrain("run", "tiny.toml", "--out", "study")
    assert said.code == 0
    assert "λ_nMLE" in said.out
    assert said.out.splitlines()[-2:] == ["study/figures/figure-1.png", "study/report.html"]
    assert said.err.splitlines()[-1].startswith("100%, tile 4 of 4")
    assert (tmp_path / "study" / "figures" / "figure-1.png").exists()
    assert tiny.unfinished(tmp_path) == []
    again = chaotrain("run", "tiny.toml", "--out", "study")
    assert again.out == said.out
    assert again.err == "100%, tile 4 of 4, left: 0 s\n"


def test_summary_json_is_strict_and_has_no_times_or_paths(chaotrain: Command, study: Path) -> None:
    said = chaotrain("summary", "study", "--json")
    assert said == chaotrain("summary", "study", "--json")
    assert (said.code, said.err) == (0, "")

    def refuse(word: str) -> None:
        raise AssertionError(word)

    found = json.loads(said.out, parse_constant=refuse)
    assert found.keys() == {"attributes", "open", "variables"}
    assert str(study) not in said.out
    assert time.strftime("%Y-%m-%d") not in said.out
    summary = ct.Study(study).summary
    for name, variable in {**summary.coords, **summary.data_vars}.items():
        values = found["variables"][name]["values"]
        if variable.dtype.kind == "f":
            np.testing.assert_array_equal(np.array(values, float), variable.values, strict=True)
        else:
            assert values == variable.values.tolist()


def test_summary_json_tells_an_open_limit_from_a_missing_one() -> None:
    variables = {
        "eta_fastest_high": ("target", [np.inf, np.nan, 1.0]),
        "rho": ("target", [np.nan] * 3),
    }
    attributes = {"eta_0": np.nan, "eta_0_high": np.inf, "eta_0_low": 0.0}
    found = json.loads(exports.summary_json(xr.Dataset(variables, attrs=attributes)))
    assert found["attributes"] == {"eta_0": None, "eta_0_high": None, "eta_0_low": 0.0}
    assert found["open"] == ["eta_0_high"]
    assert found["variables"]["eta_fastest_high"] == {
        "dims": ["target"],
        "values": [None, None, 1.0],
        "open": [True, False, False],
    }
    assert "open" not in found["variables"]["rho"]


def test_unfinished_tiles_are_told_and_the_rest_is_used(chaotrain: Command, study: Path) -> None:
    unfinish(study, 1, 3)
    for arguments in (["summary", "study"], ["summary", "study", "--json"], ["figures", "study"]):
        said = chaotrain(*arguments)
        assert said.code == 0
        assert said.err == "2 of 4 tiles are finished; run it again to resume.\n"
    assert chaotrain("verify", "study").out == "2 of 4 tiles finished, all as recorded\n"
    unfinish(study, 0, 2)
    for arguments in (["summary", "study"], ["figures", "study"], ["export", "study", "x.csv"]):
        refused(chaotrain(*arguments), "no finished tile yet: run it again to resume")


def test_verify_names_what_was_altered(chaotrain: Command, study: Path) -> None:
    said = chaotrain("verify", "study")
    assert said == (0, "4 of 4 tiles finished, all as recorded\n", "")
    with (study / "tiles" / "00001.npz").open("ab") as file:
        file.write(b"x")
    (study / "tiles" / "00002.npz").unlink()
    (study / "tiles" / "00003.json").unlink()
    said = chaotrain("verify", "study")
    assert said.code == 1
    assert said.out == ""
    altered, missing, unrecorded, total = said.err.splitlines()
    assert altered == "tile study/tiles/00001.npz was altered"
    assert missing == "tile study/tiles/00002.npz is missing"
    assert unrecorded == "study/tiles/00003.npz is no finished tile: it is not read"
    assert total.startswith("2 of 3 finished tiles are not as recorded")
    for arguments in (["summary", "study"], ["figures", "study"], ["export", "study", "x.zarr"]):
        refused(
            chaotrain(*arguments), "tiles/00001.npz was altered: chaotrain verify study --repair"
        )
    assert not (study / "figures").exists()


def test_a_damaged_study_is_told_in_one_line(chaotrain: Command, study: Path) -> None:
    provenance = (study / "provenance.json").read_text()
    for garbage in (
        "[1, 2]",
        "{",
        provenance.replace('"balls_per_tile": 1', '"balls_per_tile": 0'),
    ):
        (study / "provenance.json").write_text(garbage)
        for command in ("summary", "figures", "verify"):
            refused(chaotrain(command, "study"), "provenance.json was altered: restore it")
        refused(chaotrain("run", "tiny.toml", "--out", "study"), "provenance.json was altered")
    (study / "provenance.json").write_text(provenance)
    (study / "experiment.toml").write_text(tiny.FILE)
    refused(chaotrain("summary", "study"), "experiment.toml was altered: restore it")


def test_a_change_of_versions_is_warned_of_in_one_line(
    chaotrain: Command, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processors, "count", lambda: 77)
    unfinish(study, 3)
    with warnings.catch_warnings(action="default"):
        said = chaotrain("run", "tiny.toml", "--out", "study")
    (warning,) = [line for line in said.err.splitlines() if "warning" in line]
    assert said.code == 0
    assert warning.startswith("chaotrain: warning: this study was begun with threads ")
    assert "then, 77 now" in warning


# ---- exports


@pytest.mark.parametrize("only", [[], ["--summary"]])
def test_zarr_is_read_back_equal(chaotrain: Command, study: Path, only: list[str]) -> None:
    unfinish(study, 3)  # an absent ball is NaN and ''
    assert chaotrain("export", "study", "x.zarr", *only) == (0, "x.zarr\n", "")
    opened = ct.Study(study)
    written = opened.summary if only else opened.dataset
    read = xr.open_zarr("x.zarr").load()
    xr.testing.assert_identical(read, written)
    assert {n: v.dtype for n, v in read.items()} == {n: v.dtype for n, v in written.items()}


@pytest.mark.parametrize("only", [[], ["--summary"]])
def test_csv_is_read_back_equal(chaotrain: Command, study: Path, only: list[str]) -> None:
    unfinish(study, 3)
    said = chaotrain("export", "study", "x.csv", *only)
    opened = ct.Study(study)
    written = opened.summary if only else opened.dataset
    seen = []
    for path in map(Path, said.out.splitlines()):
        frame = pd.read_csv(path)
        dims = path.stem.split("-")[1:]
        read = frame.set_index(dims).to_xarray()
        for name, variable in read.data_vars.items():
            expected = written[name]
            if expected.dtype.kind == "U":
                variable = variable.fillna("").astype(str)
            xr.testing.assert_equal(
                variable.drop_vars(dims), expected.drop_vars(list(expected.coords))
            )
            seen.append(name)
        for dim in dims:
            np.testing.assert_array_equal(read[dim], written[dim])
    assert sorted(seen) == sorted(map(str, written.data_vars))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("x.hdf5", "end the name in .zarr or .csv"),
        ("there.zarr", "exists already: choose another name"),
        ("there.csv", "there-learning_rate-init.csv exists already"),
        ("nowhere/x.zarr", "cannot write to nowhere"),
        ("nowhere/x.csv", "cannot write to nowhere"),
        ("tiny.toml/x.zarr", "cannot write to tiny.toml"),
    ],
)
def test_an_export_that_cannot_be_written_is_told(
    chaotrain: Command, study: Path, path: str, words: str, tmp_path: Path
) -> None:
    for name in ("there.zarr", "there-learning_rate-init.csv"):
        (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    refused(chaotrain("export", "study", path), words)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", ["zarr", "csv"])
def test_an_export_on_a_full_disk_leaves_nothing(
    chaotrain: Command, study: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object, **more: object) -> None:
        Path(str(arguments[1])).mkdir() if kind == "zarr" else Path(str(arguments[1])).touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    owner, name = (xr.Dataset, "to_zarr") if kind == "zarr" else (pd.DataFrame, "to_csv")
    monkeypatch.setattr(owner, name, fails)
    before = sorted(tmp_path.rglob("*"))
    refused(chaotrain("export", "study", f"x.{kind}"), "No space left on device): free some space")
    assert sorted(tmp_path.rglob("*")) == before


# ---- figures


def test_figures_that_cannot_be_written_leave_the_old_ones(
    chaotrain: Command, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chaotrain("figures", "study")
    before = (study / "figures" / "figure-1.png").read_text()

    def fails(dataset: Any, summary: Any, folder: Path) -> list[Path]:
        folder.mkdir()
        (folder / "figure-1.png").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(figures, "save_all", fails)
    refused(chaotrain("figures", "study"), "No space left on device): free some space")
    assert (study / "figures" / "figure-1.png").read_text() == before
    assert tiny.unfinished(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_drawing(
    chaotrain: Command, study: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(dataset: Any, summary: Any, folder: Path) -> list[Path]:
        folder.mkdir()
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was lost")

    monkeypatch.setattr(figures, "save_all", interrupted)
    said = chaotrain("run", "tiny.toml", "--out", "study")
    assert said.code == 128 + number
    assert said.err.splitlines()[-1].startswith("chaotrain: stopped")
    assert tiny.unfinished(study) == []
    assert json.loads((study / "provenance.json").read_text())["runs"][-1]["outcome"] == "complete"


# ---- signals and output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_not_lost_in_a_finaliser(
    chaotrain: Command, number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Python drops what is raised in a finaliser; the run notices at its next tick."""
    evolve = tiles.ensembles.evolve

    class Finalised:
        def __del__(self) -> None:
            try:
                os.kill(os.getpid(), number)
            except Interrupted:
                dropped.append(number)

    dropped: list[int] = []

    def evolving(*arguments: Any, **more: Any) -> Any:
        Finalised()
        return evolve(*arguments, **more)

    monkeypatch.setattr(tiles.ensembles, "evolve", evolving)
    before = signal.getsignal(number)
    said = chaotrain("run", "tiny.toml", "--out", "study")
    assert dropped == [number]
    assert said.code == 128 + number
    record = json.loads((tmp_path / "study" / "provenance.json").read_text())
    assert record["runs"][-1]["outcome"] == "interrupted"
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(
    ("number", "stage"), [(signal.SIGINT, "compute:2"), (signal.SIGTERM, "before:00002.json")]
)
def test_an_interrupted_run_says_how_to_resume_and_does(
    number: int,
    stage: str,
    blocked: Callable[[str], subprocess.Popen[str]],
    chaotrain: Command,
    original: Path,
    tmp_path: Path,
) -> None:
    process = blocked(stage)
    refused(chaotrain("run", "tiny.toml", "--out", "study"), "another run is working in it")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (
        "chaotrain: stopped; what is finished is kept, the same command goes on from there"
    )
    study = tmp_path / "study"
    assert tiny.unfinished(study) == []
    kept = tiny.kept(study)
    assert len(kept) == 4
    assert (
        json.loads((study / "provenance.json").read_text())["runs"][0]["outcome"] == "interrupted"
    )
    last = json.loads((study / "log.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "interrupted"
    said = chaotrain("run", "tiny.toml", "--out", "study")
    assert said.code == 0
    assert tiny.kept(study).items() >= kept.items()
    assert tiny.tiles(study) == tiny.tiles(original)
    assert (
        chaotrain("summary", "study", "--json").out == chaotrain("summary", original, "--json").out
    )


def test_a_signal_before_the_run_begins(
    chaotrain: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(runs, "system_of", interrupted)
    said = chaotrain("run", "tiny.toml", "--out", "study")
    assert said.code == 143
    assert said.err.startswith("chaotrain: stopped")
    assert not Path("study").exists()


@pytest.mark.parametrize("command", [["--help"], ["presets"], ["summary", "STUDY"]])
def test_an_output_that_cannot_show_greek(command: list[str], study: Path) -> None:
    arguments = [word.replace("STUDY", str(study)) for word in command]
    done = python("-m", "chaotrain", *arguments, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    if "summary" in command:
        assert "lambda_nMLE +- std" in done.stdout
        assert "\\u" not in done.stdout


def test_a_name_that_the_output_cannot_show_is_no_reason_to_stop(study: Path) -> None:
    arguments = ["export", str(study), str(study / "λ.csv"), "--summary"]
    done = python("-m", "chaotrain", *arguments, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "study/\\u03bb-learning_rate.csv" in done.stdout
    assert (study / "λ-learning_rate.csv").exists()


def test_a_reader_that_goes_away_and_a_full_disk_for_the_output(study: Path) -> None:
    command = [sys.executable, "-m", "chaotrain", "summary", str(study), "--json"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "chaotrain: cannot write the output (No space left on device): free some space\n"
    )


# ---- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(["mount", *options], check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_up(chaotrain: Command, small_disk: Path, tmp_path: Path) -> None:
    arguments = ["run", "tiny.toml", "--set", "inits=20", "--out", small_disk / "study"]
    said = chaotrain(*arguments)
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("chaotrain: cannot write to ")
    assert "(No space left on device): free some space and run again" in said.err
    assert "Traceback" not in said.err
    assert tiny.unfinished(small_disk) == []
    kept = tiny.kept(small_disk / "study")
    assert len(kept) > 2
    assert chaotrain("verify", small_disk / "study").code == 0
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert chaotrain(*arguments).code == 0
    assert tiny.kept(small_disk / "study").items() >= kept.items()
    arguments[-1] = tmp_path / "whole"
    chaotrain(*arguments)
    assert tiny.tiles(small_disk / "study") == tiny.tiles(tmp_path / "whole")


def test_a_disk_without_room_for_a_study(chaotrain: Command, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(64 * 1024 - 4096))
    assert files.exists(small_disk / "ballast")
    refused(
        chaotrain("run", "tiny.toml", "--out", small_disk / "study"),
        "(No space left on device): free some space and run again",
    )
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
