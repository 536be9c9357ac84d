"""What `chaotrain status` tells of a study that runs, or ended, from its files alone."""

from __future__ import annotations

import fcntl
import json
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

import chaotrain as ct
import tiny
from chaotrain import atlas, status
from chaotrain.errors import UserError
from command_line import Command, refused

CASES = """
title = "Tiny cases"
task = "tiny"
learning_rates = [0.5]
inits = 2
replicas = 1
epochs = 10
[[cases]]
name = "narrow"
network = { hidden = [3] }
[[cases]]
name = "wide"
network = { hidden = [4] }
"""


@pytest.fixture
def study(original: Path, tmp_path: Path) -> ct.Study:
    """A finished study of six tiles, of a ball of three members each."""
    return ct.Study(shutil.copytree(original, tmp_path / "study"))


def half_done(study: ct.Study, *more: str) -> None:
    """Leave two of the six tiles, a run that did not end, and a log with times of our own."""
    for index in range(2, 6):
        for path in study.store.pair(index):
            path.unlink(missing_ok=True)
    for field in ("ended", "outcome"):
        tiny.edit_provenance(
            study.path, lambda record, field=field: record["runs"][0].pop(field, None)
        )
    lines = [
        '{"time": "2026-01-01T12:00:00+0000", "event": "started", "threads": 2}',
        '{"time": "2026-01-01T12:00:12+0000", "event": "tile", "tile": 0, "balls": [[0, 0]], '
        '"seconds": 11.0, "network_epochs": 36}',
        '{"time": "2026-01-01T12:00:20+0000", "event": "tile", "tile": 1, "balls": [[0, 1]], '
        '"seconds": 8.0, "network_epochs": 36}',
        *more,
    ]
    (study.path / "log.jsonl").write_text("\n".join(lines))


def test_a_finished_study(study: ct.Study) -> None:
    found = status.of_study(study.path)
    (run,) = json.loads((study.path / "provenance.json").read_text())["runs"]
    assert (found.state, found.tiles_done, found.tiles) == ("complete", 6, 6)
    assert found.started == run["started"]
    assert found.seconds_left is None
    log = [json.loads(line) for line in (study.path / "log.jsonl").read_text().splitlines()]
    assert found.last == log[-1]
    seconds = [entry["seconds"] for entry in log if entry["event"] == "tile"]
    assert found.seconds_per_tile == pytest.approx(sum(seconds) / 6)


def test_a_study_that_runs(study: ct.Study) -> None:
    half_done(study, '{"time": "2026-01-01T12:00:2')  # which is being written
    with study.store.locked():
        found = status.of_study(study.path, datetime(2026, 1, 1, 12, 0, 25, tzinfo=UTC))
        late = status.of_study(study.path, datetime(2026, 1, 2, tzinfo=UTC))
    assert (found.state, found.tiles_done, found.tiles) == ("running", 2, 6)
    assert found.seconds_per_tile == 9.5
    # Two balls of three members in 20 s, four balls left, and 5 s have passed since.
    assert found.network_epochs_per_second == 2 * 36 / 20
    assert found.limit_fraction is None
    assert found.seconds_left == 4 * 10 - 5
    assert late.seconds_left == 0
    assert found.last == {
        "time": "2026-01-01T12:00:20+0000",
        "event": "tile",
        "tile": 1,
        "seconds": 8.0,
        "network_epochs": 36,
    }


def test_only_the_last_run_tells_the_speed(study: ct.Study) -> None:
    half_done(study, '{"time": "2026-01-01T13:00:00+0000", "event": "started"}', "no JSON", "[1]")
    with study.store.locked():
        found = status.of_study(study.path)
    assert found.seconds_per_tile is found.network_epochs_per_second is found.seconds_left is None
    assert "2 of 6 tiles, running" in str(found)
    assert "left: unknown; last: started at 2026-01-01T13:00:00+0000" in str(found)


def test_the_share_of_the_matrix_product_limit(study: ct.Study) -> None:
    limit = '{"time": "2026-01-01T12:00:00+0000", "event": "limit", "product_flops": 9e9, %s}'
    half_done(study, limit % '"epoch_flops": 1e9')  # 9 network-epochs a second and worker
    found = status.of_study(study.path)
    assert found.limit_fraction == pytest.approx(2 * 36 / (11 + 8) / 9)
    assert "3.6 network-epochs/s (42% of the matrix-product limit)" in str(found)
    half_done(study, limit % '"epoch_flops": 0')
    assert status.of_study(study.path).limit_fraction is None


def test_a_log_of_an_earlier_version_tells_no_speed(study: ct.Study) -> None:
    half_done(study)
    path = study.path / "log.jsonl"
    path.write_text(path.read_text().replace(', "network_epochs": 36', ""))
    found = status.of_study(study.path)
    assert found.network_epochs_per_second is None
    assert found.seconds_per_tile == 9.5


def test_a_study_that_was_killed(study: ct.Study) -> None:
    half_done(study)
    found = status.of_study(study.path)
    assert (found.state, found.tiles_done, found.seconds_left) == ("killed", 2, None)
    (study.path / "log.jsonl").unlink()
    assert status.of_study(study.path).last is None


def test_a_study_that_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(tick: ct.runs.Tick) -> None:
        if tick.tiles_done == 3:
            raise KeyboardInterrupt

    tiny.patch(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        ct.sweep(tiny.MAP, out=tmp_path / "study", **tiny.GRID, progress=stop)
    found = status.of_study(tmp_path / "study")
    assert (found.state, found.tiles_done) == ("interrupted", 3)


def test_who_looks_is_no_run_and_keeps_none_from_starting(study: ct.Study) -> None:
    with (study.path / ".lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not study.store.running()
        timer = threading.Timer(0.02, lambda: fcntl.flock(file, fcntl.LOCK_UN))
        timer.start()
        with study.store.locked():
            assert study.store.running()
        timer.join()
    assert not study.store.running()


def test_a_study_without_a_lock_does_not_run_and_gets_none(study: ct.Study) -> None:
    (study.path / ".lock").unlink(missing_ok=True)
    assert not study.store.running()
    assert not (study.path / ".lock").exists()


def test_a_record_without_a_run_is_refused(study: ct.Study) -> None:
    tiny.edit_provenance(study.path, lambda record: record.update(runs=[]))
    with pytest.raises(UserError, match="has no run in provenance"):
        status.of_study(study.path)


def test_the_command(chaotrain: Command, study: ct.Study) -> None:
    said = chaotrain("status", "study")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("6 of 6 tiles, complete, started 20")
    assert said.out.count("\n") == 1
    said = chaotrain("status", "study", "--json")
    assert json.loads(said.out) == status.of_study(study.path).to_dict()
    refused(chaotrain("status", "nowhere"), "nowhere is not a study")


@pytest.mark.slow
def test_a_collection(chaotrain: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(CASES)
    collection = atlas.load(tmp_path / "mine.toml")
    assert isinstance(collection, atlas.Collection)
    atlas.run(collection, tmp_path / "study")
    shutil.rmtree(tmp_path / "study" / "wide")
    said = chaotrain("status", "study")
    first, second, last = said.out.splitlines()
    assert first.startswith("narrow: 2 of 2 tiles, complete")
    assert second == "wide: not begun"
    assert last == "1 of 2 cases are finished"
    cases = json.loads(chaotrain("status", "study", "--json").out)["cases"]
    assert (cases["narrow"]["state"], cases["wide"]) == ("complete", None)
