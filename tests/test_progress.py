from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import chaotrain as ct
import tiny
from chaotrain import progress
from chaotrain.runs import Tick


class Clock:
    """A monotonic clock that stands still until it is moved."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_the_pace_counts_only_what_this_process_did() -> None:
    pace = progress.Pace()
    assert pace.rate(900, now=5.0) is None  # an earlier run did these
    assert pace.rate(900, now=6.0) is None
    assert pace.rate(910, now=7.0) == 10 / 2
    assert pace.rate(950, now=15.0) == 50 / 10


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3540, "59 min"),
        (3599, "1 h 00 min"),
        (90_000, "25 h 00 min"),
        (None, "unknown"),
    ],
)
def test_clock(seconds: float | None, text: str) -> None:
    assert progress.clock(seconds) == text


def test_a_log_gets_a_line_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown() as tick:
        tick(Tick(0, 1000, 0, 10))
        for step in range(1, 101):
            clock.now += 1.0
            tick(Tick(10 * step, 1000, min(9, step // 10), 10))
        tick(Tick(1000, 1000, 10, 10))
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0] == "  0%, tile 0 of 10, left: unknown"
    assert lines[1] == " 10%, tile 1 of 10, 10 network-epochs/s, left: 2 min"
    assert lines[5] == " 50%, tile 5 of 10, 10 network-epochs/s, left: 50 s"
    assert lines[-1] == "100%, tile 10 of 10, 10 network-epochs/s, left: 0 s"
    assert sum(line.startswith("100%") for line in lines) == 1
    assert len(lines) == 12


def test_lines_say_100_percent_only_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.shown() as tick:
        tick(Tick(999_999, 1_000_000, 9, 10))
    assert capsys.readouterr().err.startswith(" 99%")


def test_a_line_tells_the_share_of_the_limit_where_it_is_known(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.shown() as tick:
        tick(Tick(0, 1000, 0, 10))
        clock.now += 50
        tick(Tick(500, 1000, 5, 10, 0.8))
    said = "10 network-epochs/s (80% of the matrix-product limit), left: 50 s\n"
    assert capsys.readouterr().err.endswith(said)


def test_a_terminal_gets_a_bar_in_one_line_of_80_columns(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    total = 10_000_000_000
    reader, writer = pty.openpty()
    with io.TextIOWrapper(os.fdopen(writer, "wb", buffering=0), write_through=True) as file:
        monkeypatch.setattr(sys, "stderr", file)
        with progress.shown() as tick:
            tick(Tick(0, total, 0, 50_000))
            clock.now += 40_000
            tick(Tick(total // 2, total, 25_000, 50_000, 0.78))
        os.set_blocking(reader, False)
        text = ""
        with contextlib.suppress(BlockingIOError):
            while True:
                text += os.read(reader, 4096).decode(errors="ignore")
    os.close(reader)
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).strip().splitlines()[-1]
    assert len(last) <= 80
    assert "━" in last
    for part in ("50%", "25000/50000 tiles", "125k epochs/s", "78% of limit", "left: 11 h 07 min"):
        assert part in last


def test_the_ticks_of_a_run_and_of_its_resumption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.patch(monkeypatch)
    monkeypatch.setattr(ct.tiles.layout, "CALL_FLOPS", 160.0 * 3 * 4)  # four epochs a call
    ticks: list[Tick] = []

    def collect(tick: Tick) -> None:
        ticks.append(tick)

    study = ct.sweep(tiny.MAP, out=tmp_path / "study", **tiny.GRID, progress=collect)
    total = 6 * 3 * 12  # balls, members, epochs
    assert ticks[0] == Tick(0, total, 0, 6)
    assert ticks[1] == Tick(3 * 3, total, 0, 6)  # epochs 0 to 3
    assert ticks[-1] == Tick(total, total, 6, 6)
    assert ticks == sorted(ticks)
    assert len(ticks) == 1 + 6 * (4 + 1)

    for index in (0, 4):
        for path in study.store.pair(index):
            path.unlink()
    first, ticks[:] = ticks[-1], []
    ct.sweep(tiny.MAP, out=tmp_path / "study", **tiny.GRID, progress=collect)
    assert ticks[0] == Tick(4 * 36, total, 4, 6)
    assert ticks[-1] == first
    ticks.clear()
    ct.sweep(tiny.MAP, out=tmp_path / "study", **tiny.GRID, progress=collect)
    assert ticks == [first]


def test_each_tile_is_logged_with_its_balls(tmp_path: Path, monkeypatch: Any) -> None:
    tiny.patch(monkeypatch)
    ct.sweep(tiny.MAP, out=tmp_path / "study", **tiny.GRID)
    lines = (tmp_path / "study" / "log.jsonl").read_text().splitlines()
    tiles = [entry for entry in map(json.loads, lines) if entry["event"] == "tile"]
    assert [entry["tile"] for entry in tiles] == list(range(6))
    assert [entry["balls"] for entry in tiles] == [[[r, i]] for r in range(3) for i in range(2)]
    assert all(entry["seconds"] > 0 for entry in tiles)
    assert [entry["network_epochs"] for entry in tiles] == [3 * 12] * 6  # members, epochs
