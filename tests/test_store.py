from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chaotrain as ct
import tiny
from chaotrain import files, tile_files
from chaotrain.errors import UserError
from chaotrain.experiment import CustomExperiment, validated
from chaotrain.store import Store

Damage = Callable[[Path], object]


@pytest.fixture
def study(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ct.Study:
    """A finished study of six tiles."""
    tiny.patch(monkeypatch)
    return ct.Study(shutil.copytree(original, tmp_path / "study"))


def again(study: ct.Study) -> ct.Study:
    return ct.sweep(tiny.MAP, out=study.path, **tiny.GRID)


# ---- what a study directory holds


def test_a_study_directory_holds_what_the_design_says(study: ct.Study) -> None:
    held = {path.name for path in study.path.iterdir()} - {".lock"}
    assert held == {"experiment.toml", "log.jsonl", "provenance.json", "tiles"}
    assert list(tiny.tiles(study.path)) == [
        f"0000{index}.{kind}" for index in range(6) for kind in ("json", "npz")
    ]
    events = [json.loads(line) for line in (study.path / "log.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events] == ["started", *["tile"] * 6, "complete"]


def test_provenance_says_where_the_numbers_come_from(study: ct.Study) -> None:
    record = json.loads((study.path / "provenance.json").read_text())
    digest = hashlib.sha256((study.path / "experiment.toml").read_bytes()).hexdigest()
    assert record["experiment_sha256"] == digest
    assert record["layout"]["balls_per_tile"] == 1
    (run,) = record["runs"]
    assert {"python", "chaotrain", "jax", "jaxlib", "numpy", "optax"} <= run["versions"].keys()
    assert run["threads"] == len(os.sched_getaffinity(0))
    assert run["device"].startswith(("cpu", "NVIDIA"))
    assert run["started"] <= run["ended"]
    assert run["outcome"] == "complete"
    assert {"git_commit", "data_sha256"} <= run.keys()


def test_the_hashes_of_the_data_are_recorded_and_other_data_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blobs: Callable[..., ct.Task]
) -> None:
    tiny.patch(monkeypatch)
    network = ct.networks.mlp([5, 2, 3])
    grid = {**tiny.GRID, "epochs": 3, "learning_rates": [0.1], "out": tmp_path / "study"}
    ct.sweep(ct.TrainingMap(network, blobs()), **grid)
    record = json.loads((tmp_path / "study" / "provenance.json").read_text())
    assert record["runs"][0]["data_sha256"] == dict(blobs().hashes)
    task = blobs()
    task.inputs[0, 0] += 1e-9
    other = ct.Task.from_arrays(task.inputs, task.targets, task.test_inputs, task.test_targets)
    with pytest.raises(UserError, match="study of other data"):
        ct.sweep(ct.TrainingMap(network, other), **grid)


# ---- resuming


def test_finished_tiles_are_kept_and_missing_ones_come_back_bit_for_bit(study: ct.Study) -> None:
    before = tiny.tiles(study.path)
    for index in (1, 4):
        for path in study.store.pair(index):
            path.unlink()
    kept = {path: path.stat() for path in (study.path / "tiles").iterdir()}
    again(study)
    assert tiny.tiles(study.path) == before
    for path, stat in kept.items():
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)


def test_a_tile_without_its_record_is_computed_anew(study: ct.Study) -> None:
    before = tiny.tiles(study.path)
    npz, record = study.store.pair(2)
    record.unlink()
    npz.write_bytes(b"half a tile")
    assert ct.Study(study.path).unrecorded() == [npz]
    assert ct.Study(study.path).verify() == []
    again(study)
    assert tiny.tiles(study.path) == before
    assert ct.Study(study.path).unrecorded() == []


@pytest.mark.parametrize("left", ["experiment.toml.tmp", "tiles/00001.npz.tmp", "figures.tmp/a"])
def test_what_a_killed_run_left_half_written_is_cleared(study: ct.Study, left: str) -> None:
    (study.path / left).parent.mkdir(exist_ok=True)
    (study.path / left).write_text("half")
    again(study)
    assert tiny.unfinished(study.path) == []


def test_a_run_that_was_killed_before_it_recorded_anything_can_be_run(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    (folder / "tiles").mkdir(parents=True)
    (folder / ".lock").write_text("of a process that is dead")
    (folder / "experiment.toml.tmp").write_text("half")
    assert ct.sweep(tiny.MAP, out=folder, **tiny.GRID).verify() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("learning_rates", [0.1]), ("inits", 3), ("replicas", 1), ("epochs", 13), ("seed", 1)],
)
def test_a_study_that_differs_is_refused_by_name(study: ct.Study, field: str, value: Any) -> None:
    before = tiny.tiles(study.path), (study.path / "log.jsonl").read_text()
    with pytest.raises(UserError, match=rf"differs in {field} \(.* there, .* here\)"):
        ct.sweep(tiny.MAP, out=study.path, **{**tiny.GRID, field: value})
    assert before == (tiny.tiles(study.path), (study.path / "log.jsonl").read_text())


def test_a_change_of_versions_or_threads_is_warned_of_and_recorded(
    study: ct.Study, recwarn: pytest.WarningsRecorder
) -> None:
    before = tiny.tiles(study.path)

    def older(record: Any) -> None:
        record["runs"][0]["versions"]["jax"] = "0.0.1"
        record["runs"][0]["threads"] = 1000

    tiny.edit_provenance(study.path, older)
    again(study)  # nothing is left to compute, so nothing can differ
    for path in study.store.pair(5):
        path.unlink()
    with pytest.warns(ct.errors.ProvenanceWarning, match=r"jax 0\.0\.1 then, .*threads 1000 then"):
        again(study)
    assert tiny.tiles(study.path) == before
    runs = json.loads((study.path / "provenance.json").read_text())["runs"]
    assert [run["outcome"] for run in runs] == ["complete"] * 3
    assert runs[2]["versions"]["jax"] != "0.0.1"
    log = (study.path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in log[-4:]] == [
        *("started", "changed", "tile", "complete")
    ]


# ---- one run at a time


def test_a_second_run_is_refused(study: ct.Study) -> None:
    with study.store.locked(), pytest.raises(UserError, match="another run is working in it"):
        again(study)
    assert again(study).verify() == []


def test_a_second_run_does_not_withdraw_what_the_first_has_begun(tmp_path: Path) -> None:
    store = Store(tmp_path / "study")
    with store.locked():
        with pytest.raises(UserError, match="another run"), Store(store.root).locked():
            pass
        assert store.tiles.is_dir()
        assert (store.root / ".lock").exists()
    assert not store.root.exists()


def test_a_study_that_another_run_begins_meanwhile_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, plan = tmp_path / "study", ct.tiles.layout.plan

    def slowly(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(ct.tiles.layout, "plan", plan)
        ct.sweep(tiny.MAP, out=out, **tiny.GRID, seed=1)
        return plan(*arguments, **options)

    monkeypatch.setattr(ct.tiles.layout, "plan", slowly)
    with pytest.raises(UserError, match=r"differs in seed \(1 there, 0 here\)"):
        ct.sweep(tiny.MAP, out=out, **tiny.GRID)
    assert ct.Study(out).verify() == []


# ---- damage


def remove_npz(folder: Path) -> None:
    (folder / "tiles" / "00003.npz").unlink()


def flip_a_byte(folder: Path) -> None:
    path = folder / "tiles" / "00003.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(folder: Path) -> None:
    path = folder / "tiles" / "00003.npz"
    path.write_bytes(path.read_bytes()[:-1])


def as_json(content: str) -> Damage:
    return lambda folder: (folder / "tiles" / "00003.json").write_text(content)


def swap_with_another(folder: Path) -> None:
    for kind in ("npz", "json"):
        path = folder / "tiles" / f"00003.{kind}"
        path.write_bytes((folder / "tiles" / f"00004.{kind}").read_bytes())


def with_matching_record(content: bytes) -> Damage:
    def damage(folder: Path) -> None:
        (folder / "tiles" / "00003.npz").write_bytes(content)
        (folder / "tiles" / "00003.json").write_bytes(tile_files.record_of(content, [(1, 1)]))

    return damage


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


DAMAGES: dict[str, tuple[Damage, str]] = {
    "missing": (remove_npz, "is missing"),
    "altered": (flip_a_byte, "was altered"),
    "truncated": (truncate, "was altered"),
    "swapped": (swap_with_another, "holds other balls"),
    "record empty": (as_json(""), "record that cannot be read"),
    "record a list": (as_json("[]"), "record that cannot be read"),
    "record without digest": (as_json("{}"), "record that cannot be read"),
    "record with a wrong digest": (as_json('{"sha256": 3, "balls": []}'), "was altered"),
    "record nested": (as_json("[" * 10**5), "record that cannot be read"),
    "no zip": (with_matching_record(b"PK nonsense"), "together with its record"),
    "no bytes": (with_matching_record(b""), "together with its record"),
    "no arrays": (with_matching_record(npz()), "together with its record"),
    "a scalar": (with_matching_record(npz(loss=np.array(1.0))), "together with its record"),
    "a pickle": (
        with_matching_record(npz(loss=np.array([{}], dtype=object))),
        "together with its record",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_tile_is_named_and_never_read(study: ct.Study, name: str) -> None:
    damage, words = DAMAGES[name]
    before = tiny.tiles(study.path)
    damage(study.path)
    opened = ct.Study(study.path)
    (problem,) = opened.verify()
    assert words in problem
    assert "00003.npz" in problem
    for read in ("recorded", "dataset", "summary"):
        with pytest.raises(
            UserError, match=rf"00003\.npz .*{words}.*: chaotrain verify .* --repair"
        ):
            getattr(opened, read)
    # The remedy that the message gives.
    assert opened.repair() == [problem]
    assert opened.finished == [0, 1, 2, 4, 5]
    again(study)
    assert tiny.tiles(study.path) == before


def test_a_tile_of_other_epochs_is_named(study: ct.Study) -> None:
    with_matching_record(npz(loss=np.zeros((1, 5))))(study.path)
    with pytest.raises(UserError, match=r"00003\.npz holds loss of another experiment"):
        ct.Study(study.path).recorded  # noqa: B018


RECORDS = {
    "empty": "",
    "a list": "[]",
    "null": "null",
    "a number": "3",
    "nested": "[" * 10**5,
    "binary": "\udcff",
    "no runs": lambda r: r.pop("runs"),
    "runs a table": lambda r: r.update(runs={}),
    "a run that is none": lambda r: r.update(runs=[3]),
    "a run without versions": lambda r: r["runs"][0].pop("versions"),
    "no layout": lambda r: r.pop("layout"),
    "layout a list": lambda r: r.update(layout=[1, 2, 3]),
    "layout of other fields": lambda r: r.update(layout={"a": 1}),
    "layout text": lambda r: r["layout"].update(balls_per_tile="1"),
    "layout true": lambda r: r["layout"].update(balls_per_tile=True),
    "layout fraction": lambda r: r["layout"].update(balls_per_tile=1.5),
    "layout zero": lambda r: r["layout"].update(balls_per_tile=0),
    "layout negative": lambda r: r["layout"].update(members_per_block=-2),
    "layout huge": lambda r: r["layout"].update(epochs_per_call=10**30),
    "digest a number": lambda r: r.update(experiment_sha256=3),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_garbled_provenance_is_named(study: ct.Study, name: str) -> None:
    path, change = study.path / "provenance.json", RECORDS[name]
    if isinstance(change, str):
        path.write_text(change, errors="surrogateescape")
    else:
        tiny.edit_provenance(study.path, change)
    for use in (lambda: ct.Study(study.path), lambda: again(study)):
        with pytest.raises(UserError, match=r"provenance\.json was altered: restore it"):
            use()


def test_another_cut_into_tiles_is_noticed(study: ct.Study) -> None:
    tiny.edit_provenance(study.path, lambda r: r["layout"].update(balls_per_tile=2))
    opened = ct.Study(study.path)
    assert len(opened.verify()) == 3
    with pytest.raises(UserError, match="holds other balls"):
        opened.recorded  # noqa: B018


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("seed = 0", "seed = 1"), "was altered"),
        (lambda text: "", "was altered"),
        (lambda text: None, "is not a study"),
    ],
)
def test_an_altered_experiment_is_named(
    study: ct.Study, change: Callable[[str], str | None], words: str
) -> None:
    path = study.path / "experiment.toml"
    text = change(path.read_text())
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=words):
        ct.Study(study.path)
    with pytest.raises(UserError, match=words if text is not None else "holds files but no study"):
        again(study)


def test_a_study_without_provenance_can_be_resumed(study: ct.Study) -> None:
    before = tiny.tiles(study.path)
    (study.path / "provenance.json").unlink()
    with pytest.raises(UserError, match=r"no provenance\.json: run it again to resume"):
        ct.Study(study.path)
    assert again(study).verify() == []
    assert tiny.tiles(study.path) == before


def test_no_finished_tile_yet(study: ct.Study) -> None:
    for path in (study.path / "tiles").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="no finished tile yet: run it again"):
        ct.Study(study.path).summary  # noqa: B018


def test_some_finished_tiles_make_a_summary(study: ct.Study) -> None:
    for index in (3, 5):
        for path in study.store.pair(index):
            path.unlink()
    opened = ct.Study(study.path)
    assert opened.summary.ran.values.tolist() == [2, 1, 1]
    assert (opened.dataset.status == "absent").values.sum() == 2


# ---- places that cannot be used


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: (folder / "x").write_text(""), "not a directory"),
        (lambda folder: (folder / "x").mkdir() or (folder / "x" / "a").write_text(""), "no study"),
        (
            lambda folder: (
                (folder / "x" / "tiles").mkdir(parents=True)
                or (folder / "x" / "tiles" / "wall.png").write_text("")
            ),
            "no study",
        ),
    ],
)
def test_a_foreign_place_is_refused(
    tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for out in (tmp_path / "x", tmp_path / "x" / "deeper")[: 2 if words[:3] == "not" else 1]:
        with pytest.raises(UserError, match=words) as caught:
            ct.sweep(tiny.MAP, out=out, **tiny.GRID)
        assert f"out = {out}" in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("out", ["/proc/nowhere/study", "y" * 300, "deep/" + "y" * 300])
def test_a_place_that_cannot_be_made_is_refused(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"choose another directory|cannot write to"):
        ct.sweep(tiny.MAP, out=out, **tiny.GRID)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("inside", ["", "deep/study"])
def test_a_link_that_leads_nowhere_is_refused_with_what_helps(inside: str, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match="link is a symbolic link that leads nowhere, remove it or"):
        ct.sweep(tiny.MAP, out=link / inside, **tiny.GRID)
    assert list(tmp_path.iterdir()) == [link]
    (tmp_path / "gone").mkdir()  # one that leads to a folder is that folder
    assert ct.sweep(tiny.MAP, out=link / inside, **tiny.GRID).finished


def test_an_empty_directory_is_left_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", _fails)
    with pytest.raises(UserError, match="No space left"):
        ct.sweep(tiny.MAP, out=tmp_path, **tiny.GRID)
    assert not list(tmp_path.iterdir())


# ---- a full disk


def _fails(*args: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["os.fsync", "Path.replace", "files.append_line"])
def test_a_disk_that_is_full_at_any_moment(
    call: str, study: ct.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name = {
        "os.fsync": (os, "fsync"),
        "Path.replace": (Path, "replace"),
        "files.append_line": (files, "append_line"),
    }[call]
    whole = tiny.tiles(study.path)
    for room in range(100):
        out = tmp_path / f"full-{room}"
        message = run_with_room(owner, name, room, out)
        if message is None:
            break
        assert "No space left on device): free some space and run again" in message
        assert tiny.unfinished(tmp_path) == []
        kept = {}
        if out.exists():
            assert ct.Study(out).verify() == []
            kept = tiny.kept(out)
        ct.sweep(tiny.MAP, out=out, **tiny.GRID)
        assert tiny.tiles(out) == whole
        assert tiny.kept(out).items() >= kept.items()
    assert room > 7  # every tile's turn has come


def run_with_room(owner: Any, name: str, room: int, out: Path) -> str | None:
    """What a run says on a disk that is full after so many calls; None if that is enough."""
    original = getattr(owner, name)

    def limited(*args: Any) -> Any:
        nonlocal room
        room -= 1
        if room < 0:
            with files.writing(out):
                _fails()
        return original(*args)

    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(owner, name, limited)
        try:
            ct.sweep(tiny.MAP, out=out, **tiny.GRID)
        except UserError as error:
            return str(error)
    return None


def test_the_first_error_is_the_one_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in a tile, and then a full disk when the run's end is recorded."""

    def breaks(*args: Any) -> None:
        monkeypatch.setattr(os, "fsync", _fails)
        raise MemoryError("out of memory")

    monkeypatch.setattr(ct.tiles, "compute", breaks)
    with pytest.raises(MemoryError, match="out of memory"):
        ct.sweep(tiny.MAP, out=tmp_path / "study", **tiny.GRID)
    (run,) = json.loads((tmp_path / "study" / "provenance.json").read_text())["runs"]
    assert "ended" not in run


@pytest.mark.parametrize(
    ("error", "outcome"), [(KeyboardInterrupt, "interrupted"), (MemoryError, "failed")]
)
def test_how_a_run_ended_is_recorded(
    error: type[BaseException], outcome: str, tmp_path: Path
) -> None:
    def stop(state: Any) -> None:
        if state.tiles_done:
            raise error

    with pytest.raises(error):
        ct.sweep(tiny.MAP, out=tmp_path / "study", **tiny.GRID, progress=stop)
    (run,) = json.loads((tmp_path / "study" / "provenance.json").read_text())["runs"]
    assert run["outcome"] == outcome
    last = (tmp_path / "study" / "log.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["event"] == outcome


# ---- files


def test_a_line_is_appended_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "log"
    files.append_line(path, "one")
    with path.open("a") as file:
        file.write("half of what a kil")
    files.append_line(path, "two")
    assert path.read_text() == "one\ntwo\n"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12, hard))
    try:
        with pytest.raises(UserError, match="cannot write to"):
            files.append_line(path, "three, which is longer")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "one\ntwo\n"


def test_writing_names_the_place_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write to .*nowhere \(No such file.*writable"):
        files.write(tmp_path / "nowhere" / "file", b"")


def test_the_experiment_is_recorded_resolved(study: ct.Study) -> None:
    system = "descent on a quadratic, curvatures (1.0, 3.0), start (1.0, 1.0)"
    grid = validated(CustomExperiment, {**tiny.GRID, "system": system})
    assert study.grid == grid
    assert "epsilon = 1e-08" in (study.path / "experiment.toml").read_text()
