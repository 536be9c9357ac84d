"""Studies and data of a stranger: nothing runs, leaves its directory, or fills the memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

import chaotrain as ct
import tiny
from chaotrain import (
    archives,
    atlas,
    experiment,
    figures,
    files,
    memory,
    overrides,
    tile_files,
)
from chaotrain.errors import UserError
from chaotrain.tasks import cifar, idx, own_files
from command_line import Command, refused

MIB = 2**20
READERS = ("summary", "figures", "report", "verify", "status", "compare", "export")


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "study")


def forge(study: Path, change: Callable[[str], str]) -> None:
    """Change the experiment of a study as a stranger can, who knows how it is sealed."""
    path = study / "experiment.toml"
    text = change(path.read_text())
    path.write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    tiny.edit_provenance(study, lambda record: record.update(experiment_sha256=digest))


# ---- code


def test_reading_a_study_imports_nothing_that_it_names_and_running_says_what(
    chaotrain: Command, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)

    def named(text: str) -> str:
        text = text.replace('task = "tiny"', 'task = "evil:task"\naugment = "evil:augment"')
        head, _, _ = text.partition("[network]")
        return f'{head}[network]\nfunction = "evil:network"\n'

    forge(study, named)
    shutil.copytree(study, tmp_path / "other")
    assert ct.Study(study).grid.functions.keys() == {"task", "augment", "network.function"}
    for name in READERS:
        more = {"compare": ["other"], "export": ["out.csv"]}.get(name, [])
        said = chaotrain(name, "study", *more)
        assert said.code == 0, said.err
    assert not (tmp_path / "ran").exists()
    assert "evil" not in sys.modules
    said = chaotrain("run", study / "experiment.toml", "--out", "new")
    assert said.err.splitlines()[0] == (
        "imports and runs 'evil:network' (network.function), 'evil:task' (task), "
        "'evil:augment' (augment)"
    )
    assert (tmp_path / "ran").exists()
    del sys.modules["evil"]


def test_a_terminal_is_told_and_not_commanded(chaotrain: Command, study: Path) -> None:
    tiny.edit_provenance(study, lambda record: record["runs"][0].update(started="now\x1b[2J\n"))
    said = chaotrain("status", "study")
    assert "started now\\x1b[2J\\n" in said.out
    assert said.out.count("\n") == 1


@pytest.mark.slow
def test_a_title_is_no_formula(
    chaotrain: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tiny.FILE.replace("[0.5, 2.0]", "[0.5]")
    cases = '[[cases]]\nname = "a"\ntitle = "$\\\\foo$"\n[[cases]]\nname = "b"\ntitle = "[red] $"\n'
    (tmp_path / "mine.toml").write_text(f'title = "a $\\\\frac{{ b$"\n{text}\n{cases}')
    said = chaotrain("run", "mine.toml", "--out", "out")
    assert said.code == 0, said.err
    tiny.edit_provenance(tmp_path / "out" / "a", lambda record: record.update(score="$\\foo$"))
    assert chaotrain("figures", "out").code == 0
    assert chaotrain("figures", "out/a").code == 0


# ---- paths


def dumped(grid: experiment.Experiment) -> dict[str, Any]:
    return grid.model_dump(exclude_none=True)


@pytest.mark.parametrize("name", ["../x", "/x", "..", ".", "a/b", "", "a\x00b"])
@pytest.mark.parametrize("field", ["name", "group", "case"])
def test_no_name_in_a_collection_leads_out_of_it(
    name: str, field: str, chaotrain: Command, tmp_path: Path
) -> None:
    fields = {"task": "iris", "learning_rates": [1.0]}
    case = {
        "name": "a",
        "title": "A",
        "experiment": experiment.validated(experiment.Experiment, fields),
    }
    group = {"name": "g", "title": "G", "cases": [case]}
    whole: dict[str, Any] = {"name": "c", "title": "C", "scale": "quick", "nested": True}
    {"name": whole, "group": group, "case": case}[field]["name"] = name
    text = tomli_w.dumps(json.loads(json.dumps(whole | {"groups": [group]}, default=dumped)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "collection.toml").write_text(text)
    for command in ("summary", "figures", "verify", "status"):
        refused(chaotrain(command, "out"), "collection.toml was altered")


def test_an_experiment_includes_no_file(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(tiny.FILE)
    (tmp_path / "mine.toml").write_text(f'title = "x"\ninclude = ["{tmp_path}/other.toml"]\n')
    with pytest.raises(UserError, match="is no preset with cases"):
        atlas.load(tmp_path / "mine.toml")


def draw(dataset: Any, summary: Any, folder: Path) -> list[Path]:
    folder.mkdir()
    (folder / "mine.tmp").write_text("a figure")
    return [folder / "mine.tmp"]


WRITTEN = {
    "report.html.tmp": "report",
    "report.html": "report",
    "figures": "figures",
    "figures.tmp": "figures",
    "log.jsonl": "run",
    "provenance.json.tmp": "run",
    "experiment.toml.tmp": "run",
    "tiles/00002.npz.tmp": "run",
    "tiles": "run",
    ".lock": "run",
}


@pytest.mark.parametrize("link", WRITTEN)
def test_nothing_is_written_through_a_link(
    link: str, chaotrain: Command, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "save_all", draw)
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    mine = tmp_path / "mine"
    for kind in ("npz", "json"):
        (study / "tiles" / f"00002.{kind}").unlink()
    if link in ("figures", "tiles", "figures.tmp"):
        mine.mkdir()
        (mine / "mine.tmp").write_text("mine")
        shutil.rmtree(study / link, ignore_errors=True)
    else:
        mine.write_text("mine")
        (study / link).unlink(missing_ok=True)
    (study / link).symlink_to(mine)
    before = {p: p.read_bytes() for p in (mine, *mine.rglob("*")) if p.is_file()}
    command = WRITTEN[link]
    said = chaotrain(command, *(["tiny.toml", "--out"] if command == "run" else []), "study")
    assert said.code in (0, 2)
    assert "unforeseen" not in said.err
    assert {p: p.read_bytes() for p in (mine, *mine.rglob("*")) if p.is_file()} == before


@pytest.mark.parametrize(
    "name", ["tiles/00002.npz", "tiles/00002.json", "experiment.toml", "provenance.json"]
)
@pytest.mark.parametrize("kind", ["link", "pipe", "device"])
def test_only_regular_files_are_read(name: str, kind: str, study: Path, tmp_path: Path) -> None:
    path = study / name
    path.rename(tmp_path / "moved")
    if kind == "link":
        path.symlink_to(tmp_path / "moved")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match=path.name if name[:5] != "tiles" else "tile .*00002"):
        ct.Study(study).recorded  # noqa: B018


def test_a_lock_that_is_a_pipe_keeps_nobody_waiting(study: Path) -> None:
    (study / ".lock").unlink(missing_ok=True)
    os.mkfifo(study / ".lock")
    assert not ct.Study(study).store.running()


# ---- forged sizes


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Room for 16 MiB, and a test that no more than some of it was taken."""
    monkeypatch.setattr(memory, "room", lambda: 16 * MIB)
    for module in (idx, cifar):
        monkeypatch.setattr(module, "LARGEST", 16 * MIB)
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * MIB


def member(header: str, content: bytes = b"", version: int = 1) -> bytes:
    """An array as NumPy stores it, with any header."""
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + content


def archive(name: str, content: bytes, kind: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as file:
        file.writestr(name, content)
    return buffer.getvalue()


HEADER = "{{'descr': {}, 'fortran_order': False, 'shape': {}, }}"
ZEROS = bytes(17 * MIB)
FORGED = {
    "a trillion numbers": archive("inputs.npy", member(HEADER.format("'<f8'", "(10**12,)"))),
    "a trillion": archive("inputs.npy", member(HEADER.format("'<f8'", "(1000000000000,)"))),
    "long texts": archive("inputs.npy", member(HEADER.format("'<U1000000000'", "(1,)"))),
    "nothing, often": archive("inputs.npy", member(HEADER.format("'<U0'", "(10000000000000,)"))),
    "negative": archive("inputs.npy", member(HEADER.format("'<f8'", "(-1, -8)"), bytes(64))),
    "beyond 64 bits": archive("inputs.npy", member(HEADER.format("'<f8'", f"(0, {10**30})"))),
    "nested": archive("inputs.npy", member("(" * 9000)),
    "a long header": archive("inputs.npy", member(" " * MIB, version=2)),
    "a bomb": archive("inputs.npy", ZEROS, zipfile.ZIP_DEFLATED),
    "bzip2": archive("inputs.npy", ZEROS[:MIB], zipfile.ZIP_BZIP2),
    "lzma": archive("inputs.npy", ZEROS[:MIB], zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_archive_is_refused(name: str, small: None, study: Path, tmp_path: Path) -> None:
    path, content = tmp_path / "mine.npz", FORGED[name]
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"mine\.npz is no \.npz file of arrays"):
        own_files.from_npz(path)
    tile, record = ct.Study(study).store.pair(2)
    tile.write_bytes(content)
    record.write_bytes(tile_files.record_of(content, [(1, 0)]))
    with pytest.raises(UserError, match=r"00002\.npz was altered together with its record"):
        ct.Study(study).recorded  # noqa: B018


def test_arrays_that_overlap_are_refused(tmp_path: Path) -> None:
    """A thousand entries for the same bytes would make a thousand arrays of them."""
    one = archive("a.npy", member(HEADER.format("'|u1'", "(1000,)"), bytes(1000)))
    start = one.index(b"PK\x01\x02")
    entry, end = one[start : one.index(b"PK\x05\x06")], bytearray(one[-22:])
    end[8:12] = (1000).to_bytes(2, "little") * 2
    end[12:16] = (1000 * len(entry)).to_bytes(4, "little")
    with pytest.raises(ValueError, match="overlap"):
        archives.opened(io.BytesIO(one[:start] + entry * 1000 + end), 10**9)


def test_numbers_that_would_not_fit_as_float64_are_refused(small: None, tmp_path: Path) -> None:
    x = np.zeros((2, 2 * MIB), np.uint8)
    arrays = {"inputs": x, "targets": [0, 1], "test_inputs": x[:, :1], "test_targets": [0, 1]}
    np.savez_compressed(tmp_path / "mine.npz", **arrays)
    with pytest.raises(UserError, match=r"in float64, needs 0\.031 GiB, and half of the memory"):
        own_files.from_npz(tmp_path / "mine.npz")


def sparse(path: Path) -> Path:
    """A file that says it has a terabyte."""
    with path.open("wb") as file:
        file.truncate(2**40)
    return path


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (own_files.from_npz, "no .npz file"),
        (own_files.from_csv, "larger than there is memory for"),
        (lambda path: idx.read(path, "", "put it there"), "cannot be read"),
        (lambda path: cifar._unpack(path), "cannot be read"),
        (lambda path: cifar._content("x", path), "File too large"),
        (experiment.load, "nor a readable file"),
        (atlas.load, "nor a readable file"),
    ],
)
def test_a_sparse_file_is_refused(
    read: Callable[[Path], Any], message: str, small: None, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        read(sparse(tmp_path / "mine"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tiles/00002.npz", r"00002\.npz cannot be read \(File too large\)"),
        ("tiles/00002.json", r"00002\.npz has a record that cannot be read"),
        ("experiment.toml", "no readable experiment.toml"),
        ("provenance.json", "provenance.json was altered"),
    ],
)
def test_a_sparse_file_of_a_study_is_refused(
    name: str, words: str, small: None, study: Path
) -> None:
    sparse(study / name)
    with pytest.raises(UserError, match=words):
        ct.Study(study).recorded  # noqa: B018


def test_a_long_log_is_neither_read_whole_nor_grown(small: None, study: Path) -> None:
    sparse(study / "log.jsonl")
    assert "File too large" in str(ct.Study(study).verify())


def test_pictures_that_unpack_without_end_are_refused(small: None, tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(ZEROS))
    with pytest.raises(UserError, match="unpacks to more than any of MNIST's files"):
        idx.read(path, "", "put the original there")
    with pytest.raises(UserError, match="unpacks to more than CIFAR-10"):
        cifar._unpack(path)


def test_a_tape_archive_that_says_what_it_likes_is_refused(small: None, tmp_path: Path) -> None:
    header = tarfile.TarInfo(f"{cifar.INSIDE}/data_batch_1.bin")
    header.size = 2**40
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf() + bytes(1024)))
    with pytest.raises(UserError, match=r"a\.tar\.gz (cannot be read|lacks)"):
        cifar._unpack(path)


def test_a_grid_of_which_little_ran_takes_no_more_than_there_is(small: None, study: Path) -> None:
    """Of 18,000 balls four ran; each variable would take 4 MB or more."""
    forge(study, lambda text: text.replace("inits = 2", "inits = 9000"))
    for index in range(4):
        path, record = ct.Study(study).store.pair(index)
        record.write_bytes(tile_files.record_of(path.read_bytes(), [(0, index)]))
    with pytest.raises(UserError, match=r"its data set needs .* GiB, and half of the memory here"):
        ct.Study(study).recorded  # noqa: B018


@pytest.mark.parametrize("forged", ["layout", "network"])
def test_what_no_machine_could_compute_is_refused_before_it_is_tried(
    forged: str, chaotrain: Command, study: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    if forged == "layout":
        ct.Study(study).store.remove_tile(0)
        forge(study, lambda text: text.replace("inits = 2", "inits = 400000"))
        huge = {"balls_per_tile": 2**31, "members_per_block": 2**31}
        tiny.edit_provenance(study, lambda record: record["layout"].update(huge))
        for path in (study / "tiles").iterdir():
            path.unlink()
        arguments = ["--set", "inits=400000", "--out", "study"]
    else:
        arguments = ["--set", "network={hidden=[1000000, 1000000]}", "--out", "new"]
    said = chaotrain("run", "tiny.toml", *arguments)
    assert said.code == 2
    assert "GiB, and half of the memory here is" in said.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "{a = " * 400 + "1" + "}" * 400,
        ".".join(["a"] * 500) + " = 1",
        "[" + ".".join(["a"] * 500) + "]",
        "a = " + "9" * 5000,
    ],
)
def test_endless_toml_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not valid TOML"):
        overrides.parse(text, "mine.toml")


@pytest.mark.parametrize("value", ["0x" + "f" * 40, "[[1, 99999999999999999999]]"])
def test_an_integer_that_no_file_could_hold_is_refused(value: str) -> None:
    """It would be found when the experiment is recorded."""
    with pytest.raises(UserError, match=r"optimizer.*64 bits"):
        experiment.load("mnist-quick", [f"optimizer.options.b1={value}"])


def test_a_file_says_no_more_of_itself_than_its_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(11))
    with pytest.raises(OSError, match="too large"):
        files.read(tmp_path / "a", 10)
    assert files.read(tmp_path / "a", 11) == bytes(11)


def test_the_room_is_half_of_what_this_process_may_take() -> None:
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory.room() <= pages / 2
