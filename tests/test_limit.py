"""The matrix-product limit: counted against closed forms, measured, and told but never stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import chaotrain as ct
import tiny
from chaotrain import experiment, limit, runs, status
from chaotrain.limit import Limit

GRID = experiment.CustomExperiment(
    learning_rates=[1.0], inits=1, replicas=3, epochs=2, targets=[0.9], system="own"
)


@pytest.mark.parametrize("batch_size", [None, 20])
def test_the_products_of_an_epoch_are_those_of_backpropagation(
    blobs: Callable[..., ct.Task], batch_size: int | None
) -> None:
    """Forwards, gradients of all weights, those of the hidden signals; and a fourth of a test."""
    samples, inputs, hidden, outputs = 60, 5, 7, 3
    task = blobs(samples, inputs, outputs)
    network = ct.networks.mlp([inputs, hidden, outputs])
    system = ct.TrainingMap(network, task, batch_size=batch_size)
    step = 2 * samples * (2 * inputs * hidden + 3 * hidden * outputs)
    forwards = 2 * samples * (inputs * hidden + hidden * outputs)
    # An epoch of mini-batches is told its training loss by one more pass.
    more = 0 if batch_size is None else forwards
    assert limit.epoch_flops(system, GRID) == step + (forwards + more) / 4


def test_a_map_that_is_no_training_has_no_limit() -> None:
    assert limit.epoch_flops(tiny.MAP, GRID) is None


def test_the_largest_product_is_as_large_as_time_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that does 1e9 operations a second in small products and 4e9 in larger ones."""
    sides = list[int]()
    clock = SimpleNamespace(now=0.0)

    def timed(product: Any, square: Any) -> float:
        side = len(square)
        sides.append(side)
        seconds = 2.0 * side**3 / (1e9 if side <= 256 else 4e9)
        clock.now += seconds
        return seconds

    monkeypatch.setattr(limit, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(limit, "_timed", timed)
    monkeypatch.setattr(limit, "PATIENCE", 1.5)
    assert limit.product_flops("float64") == pytest.approx(4e9)
    # 0.1 s at 256; four of 512 would take 1.1 s at that speed; four of 1024 over 2 s.
    assert sides == [256] * 3 + [512] * 3


def test_a_run_logs_its_limit_once_and_stores_it_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.patch(monkeypatch)
    monkeypatch.setattr(limit, "product_flops", lambda dtype: 1e9)
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    settings = experiment.load(tmp_path / "tiny.toml")
    ticks = list[runs.Tick]()
    study = runs.run(settings, tmp_path / "study", ticks.append)
    held = [json.loads(line) for line in (study.path / "log.jsonl").read_text().splitlines()]
    (told,) = [entry for entry in held if entry.pop("event") == "limit"]
    del told["time"]
    found = Limit(**told)
    assert found.product_flops == 1e9
    assert ticks[0].share is None
    assert all(tick.share for tick in ticks if tick.done)  # of the tile in hand too
    seconds = [entry["seconds"] for entry in held if "seconds" in entry]
    work = 3 * 30 * 4  # members, epochs, balls
    assert ticks[-1].share == pytest.approx(found.share(work, sum(seconds)))
    # By the clock of the log, which tells whole seconds, perhaps none has passed.
    assert status.of_study(study.path).limit_fraction in (None, ticks[-1].share)
    for path in (study.path / "experiment.toml", *study.path.rglob("*.json")):
        assert "flops" not in path.read_text()
    runs.run(settings, tmp_path / "study")  # nothing is left
    assert (study.path / "log.jsonl").read_text().count('"limit"') == 1
