"""Tiles computed by threads, processes and Dask: the same bytes, and nothing lost."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import chaotrain as ct
import tiny
from chaotrain import (
    atlas,
    experiment,
    figures,
    layout,
    pools,
    processors,
    provenance,
    runs,
    tiles,
    workers,
)
from chaotrain.device import Device
from chaotrain.errors import ProvenanceWarning, UserError, WorkerError
from command_line import Command, in_process, refused

# What a process that was spawned knows too, in twenty tiles.
IRIS = """
task = "iris"
learning_rates = [0.5, 2.0]
inits = 10
replicas = 1
epochs = 250
targets = [0.5, 0.9]
network = { hidden = [4] }
"""
# A run asks its workers on what device they compute, and with what, before any tile.
ASKED = 2


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.patch(monkeypatch)


@pytest.fixture
def chaotrain(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(figures, "save_all", lambda *arguments: [])
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    return in_process(capfd)


def sweep(out: Path, executor: Executor, progress: runs.Progress | None = None) -> ct.Study:
    return ct.sweep(tiny.MAP, out=out, **tiny.GRID, executor=executor, progress=progress)


def test_tiles_are_cut_for_the_device_of_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that feeds GPUs may compute on a processor itself."""
    monkeypatch.setattr(layout, "TILE_FLOPS", 2e12)
    layouts = []
    for gpu in (False, True):
        if gpu:
            monkeypatch.setattr(workers, "here", lambda: Device(cached=False, memory=2**30))
        out = tmp_path / str(gpu)
        with ThreadPoolExecutor(1) as pool:
            ct.sweep(ct.maps.quadratic((1.0,)), [0.5, 2.5], out=out, inits=40, replicas=1,
                     epochs=20, executor=pool)  # fmt: skip
        layouts.append(json.loads((out / "provenance.json").read_text())["layout"])
    assert [found["balls_per_tile"] for found in layouts] == [80, 80]
    assert [found.get("balls_per_lane") for found in layouts] == [20, None]
    assert layouts[1]["members_per_block"] == 160


def logged(folder: Path, event: str) -> list[dict[str, Any]]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["event"] == event]


class Counting(ThreadPoolExecutor):
    """A pool that counts what it was given."""

    given = 0

    def submit(self, *arguments: Any, **more: Any) -> Any:
        self.given += 1
        return super().submit(*arguments, **more)


# ---- any executor


def test_threads_give_the_same_bytes(original: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        study = sweep(tmp_path / "study", pool)
    assert tiny.tiles(study.path) == tiny.tiles(original)
    (run,) = json.loads((study.path / "provenance.json").read_text())["runs"]
    assert run["outcome"] == "complete"
    assert run["threads"] == processors.count()


@pytest.mark.slow
def test_a_worker_builds_the_system_of_an_experiment_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    settings = experiment.load(tmp_path / "tiny.toml", ["seed = 5"])
    alone = runs.run(settings, tmp_path / "alone")
    built, original = [], workers.system_of

    def build(settings: Any, data_dir: Any) -> Any:
        built.append((settings.seed, data_dir))
        return original(settings, data_dir)

    monkeypatch.setattr(workers, "system_of", build)
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        study = runs.run(settings, tmp_path / "study", data_dir="data", executor=pool)
    assert tiny.tiles(study.path) == tiny.tiles(alone.path)
    assert built == [(5, str(tmp_path / "data"))]


def test_few_tiles_are_in_hand_at_a_time_and_each_is_told(tmp_path: Path) -> None:
    ticks: list[runs.Tick] = []

    def tick(state: runs.Tick) -> None:
        ticks.append(state)
        # One more was asked what it computes with.
        assert pool.given - ASKED - state.tiles_done <= workers.AHEAD

    with Counting(1) as pool:
        sweep(tmp_path / "study", pool, tick)
    assert pool.given == ASKED + 6
    work = 3 * 12  # members, epochs
    assert ticks == [runs.Tick(work * done, work * 6, done, 6) for done in range(7)]


def test_tiles_are_stored_in_the_order_they_finish(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, others = tiles.compute, threading.Semaphore(0)

    def late(system: Any, grid: Any, base: Any, plan: Any, balls: Any, tick: Any) -> Any:
        if balls == [(0, 0)]:
            for _ in range(5):
                others.acquire()
        return compute(system, grid, base, plan, balls, tick)

    monkeypatch.setattr(tiles, "compute", late)
    with ThreadPoolExecutor(2) as pool:
        sweep(tmp_path / "study", pool, lambda state: state.tiles_done and others.release())
    order = [entry["tile"] for entry in logged(tmp_path / "study", "tile")]
    assert sorted(order) == list(range(6))
    assert order[-1] == 0
    assert tiny.tiles(tmp_path / "study") == tiny.tiles(original)


def test_only_what_is_left_is_computed(original: Path, tmp_path: Path) -> None:
    study = ct.Study(shutil.copytree(original, tmp_path / "study"))
    for index in (1, 4):
        for path in study.store.pair(index):
            path.unlink()
    kept = tiny.kept(study.path)
    with Counting(2) as pool:
        sweep(study.path, pool)
    assert pool.given == ASKED + 2
    assert tiny.tiles(study.path) == tiny.tiles(original)
    assert tiny.kept(study.path).items() >= kept.items()


@pytest.mark.parametrize(
    ("error", "told", "message"),
    [
        (UserError("no\nsuch thing"), UserError, "^no such thing$"),
        (MemoryError("out of memory"), RuntimeError, "^in a worker: MemoryError: out of memory"),
    ],
)
def test_an_error_in_a_worker_is_told_as_if_here(
    error: Exception,
    told: type[Exception],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compute = tiles.compute

    def fail(system: Any, grid: Any, base: Any, plan: Any, balls: Any, tick: Any) -> Any:
        if balls == [(1, 0)]:
            raise error
        return compute(system, grid, base, plan, balls, tick)

    monkeypatch.setattr(tiles, "compute", fail)
    with ThreadPoolExecutor(1) as pool, pytest.raises(told, match=message) as raised:
        sweep(tmp_path / "study", pool)
    if told is RuntimeError:
        assert "in fail" in raised.value.__notes__[0]
    assert ct.Study(tmp_path / "study").finished == [0, 1]
    assert len(logged(tmp_path / "study", "failed")) == 1


class Breaking(ThreadPoolExecutor):
    """A pool that fails with the second tile, when it is given or when it is asked for."""

    def __init__(self, where: str, error: Exception) -> None:
        super().__init__(1)
        self.given, self.where, self.error = 0, where, error

    def submit(self, *arguments: Any, **more: Any) -> Any:
        self.given += 1
        if self.given < ASKED + 2:
            return super().submit(*arguments, **more)
        if self.where == "submit":
            raise self.error
        future: Future[Any] = Future()
        future.set_exception(self.error)
        return future


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        ("submit", BrokenProcessPool("abruptly"), r"a worker was lost \(BrokenProcessPool\)"),
        ("result", BrokenProcessPool("abruptly"), r"a worker was lost \(BrokenProcessPool\)"),
        ("result", CancelledError(), "its scheduler may be gone; what is finished is kept"),
    ],
)
def test_a_lost_worker_is_told_in_one_line_and_the_study_goes_on(
    where: str, error: Exception, message: str, original: Path, tmp_path: Path
) -> None:
    with Breaking(where, error) as pool, pytest.raises(WorkerError, match=message):
        sweep(tmp_path / "study", pool)
    with ThreadPoolExecutor(1) as pool:
        assert tiny.tiles(sweep(tmp_path / "study", pool).path) == tiny.tiles(original)


def test_no_worker_at_all_leaves_nothing(tmp_path: Path) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(WorkerError, match="a worker was lost"):
        sweep(tmp_path / "study", pool)
    assert not (tmp_path / "study").exists()


def test_workers_with_other_data_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    settings = experiment.load(tmp_path / "tiny.toml", ["seed = 6"])
    other = SimpleNamespace(hashes={"file": "other"})
    monkeypatch.setattr(workers, "system_of", lambda *arguments: other)
    with ThreadPoolExecutor(1) as pool, pytest.raises(UserError, match="has other data"):
        runs.run(settings, tmp_path / "study", executor=pool)
    assert not (tmp_path / "study").exists()


def test_workers_that_compute_otherwise_are_told_once(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = ct.Study(shutil.copytree(original, tmp_path / "study"))
    for index in (1, 4):
        for path in study.store.pair(index):
            path.unlink()
    other = provenance.describe({}).model_copy(update={"threads": 99})
    monkeypatch.setattr(workers, "_run", lambda hashes: other)
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.warns(ProvenanceWarning, match="threads .* then, 99 now") as warned,
    ):
        sweep(study.path, pool)
    assert len(warned) == len(logged(study.path, "changed")) == 1
    record = json.loads((study.path / "provenance.json").read_text())
    assert [run["threads"] for run in record["runs"]] == [processors.count(), 99]


def test_a_system_that_cannot_travel_is_refused(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, spawn) as pool,
        pytest.raises(UserError, match=r"cannot travel .*picklable, or use a ThreadPool"),
    ):
        sweep(tmp_path / "study", pool)
    assert not (tmp_path / "study").exists()


def test_a_collection_takes_an_executor(tmp_path: Path) -> None:
    text = f'title = "Tiny cases"\n{tiny.FILE}\n[[cases]]\nname = "relu"\n'
    (tmp_path / "mine.toml").write_text(text.replace("[0.5, 2.0]", "[0.5]"))
    collection = atlas.load(tmp_path / "mine.toml")
    assert isinstance(collection, atlas.Collection)
    with Counting(2) as pool:
        found = atlas.run(collection, tmp_path / "study", executor=pool)
    assert found.finished == ["relu"]
    # How fast it is, and two tiles.
    assert pool.given == ASKED + 1 + 2


# ---- the command line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--workers 0", ("workers = 0", "give from 1 to")),
        ("--workers 999", ("workers = 999", "give from 1 to")),
        ("--workers 1 --dask tcp://a:1", ("workers = 1", "dask = tcp://a:1", "not both")),
        ("--dask tcp://127.0.0.1:1", ("dask = tcp://127.0.0.1:1",)),
    ],
)
def test_executors_that_cannot_be_had_are_refused(
    options: str,
    words: tuple[str, ...],
    chaotrain: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    said = chaotrain("run", "tiny.toml", "--out", "study", *options.split())
    refused(said, *words, *(["chaotrain[dask]"] if "127" in options else []))
    assert not (tmp_path / "study").exists()


# ---- processes


@pytest.fixture
def iris(tmp_path: Path) -> experiment.Experiment:
    (tmp_path / "iris.toml").write_text(IRIS)
    return experiment.load(tmp_path / "iris.toml")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tiles of the study, computed in one process."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "iris.toml").write_text(IRIS)
    with pytest.MonkeyPatch.context() as patcher:
        tiny.patch(patcher)
        return tiny.tiles(runs.run(experiment.load(folder / "iris.toml"), folder / "study").path)


@pytest.mark.slow
def test_processes_give_the_same_bytes_with_as_many_threads(
    iris: experiment.Experiment, whole: dict[str, bytes], tmp_path: Path
) -> None:
    before = set(multiprocessing.active_children())
    with pools.local(1) as pool:
        study = runs.run(iris, tmp_path / "study", executor=pool)
    assert tiny.tiles(study.path) == whole
    (run,) = json.loads((study.path / "provenance.json").read_text())["runs"]
    assert run["threads"] == processors.count()
    assert set(multiprocessing.active_children()) == before


@pytest.mark.slow
@pytest.mark.skipif(processors.count() < 2, reason="needs two processors")
def test_each_process_has_its_own_share_of_the_processors() -> None:
    with pools.local(2) as pool:
        shares = set[frozenset[int]]()
        while len(shares) < 2:
            shares.add(frozenset(pool.submit(os.sched_getaffinity, 0).result()))
    one, other = shares
    assert not one & other
    assert len(one) == len(other) == processors.count() // 2


@pytest.fixture
def started(
    tmp_path: Path, iris: experiment.Experiment
) -> Iterator[Callable[[], tuple[subprocess.Popen[str], list[int]]]]:
    """Start a run with a worker in a process of its own, wait for a tile, and find the worker."""
    processes: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], list[int]]:
        arguments = ["none", tmp_path / "none", "run", tmp_path / "iris.toml", "--workers", 1]
        process = subprocess.Popen(
            [sys.executable, tiny.__file__, *map(str, arguments), "--out", tmp_path / "study"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        while not list(tmp_path.glob("study/tiles/*.json")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        return process, _workers(process.pid)

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _workers(pid: int) -> list[int]:
    """The processes that compute for another."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def _gone(pid: int) -> bool:
    """Whether a process has ended, be it not waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_ends_its_workers_and_goes_on(
    number: int,
    started: Any,
    iris: experiment.Experiment,
    whole: dict[str, bytes],
    tmp_path: Path,
) -> None:
    process, (worker,) = started()
    if number == signal.SIGINT:  # Ctrl-C goes to all
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    while not _gone(worker):
        time.sleep(0.02)
    assert "Traceback" not in err
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert (process.returncode, out) == (128 + number, "")
        assert err.splitlines()[-1].startswith("chaotrain: stopped; what is finished is kept")
        assert len(logged(tmp_path / "study", "interrupted")) == 1
    kept = tiny.kept(tmp_path / "study")
    assert 2 <= len(kept) < 2 * 20
    runs.run(iris, tmp_path / "study")
    assert tiny.tiles(tmp_path / "study") == whole
    assert tiny.kept(tmp_path / "study").items() >= kept.items()


@pytest.mark.slow
def test_a_worker_that_dies_is_told_and_the_run_goes_on(
    started: Any, iris: experiment.Experiment, whole: dict[str, bytes], tmp_path: Path
) -> None:
    process, (worker,) = started()
    os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("chaotrain: a worker was lost (BrokenProcessPool)")
    assert len(logged(tmp_path / "study", "failed")) == 1
    runs.run(iris, tmp_path / "study")
    assert tiny.tiles(tmp_path / "study") == whole


# ---- Dask


@pytest.mark.slow
def test_a_dask_cluster(
    chaotrain: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    settings = experiment.load(tmp_path / "tiny.toml")
    alone = runs.run(settings, tmp_path / "alone")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        said = chaotrain("run", "tiny.toml", "--out", "study", "--dask", cluster.scheduler_address)
        assert said.code == 0, said.err
        with distributed.Client(cluster, set_as_default=False) as client:
            own = sweep(tmp_path / "own", client.get_executor())
    assert tiny.tiles(tmp_path / "study") == tiny.tiles(alone.path)
    assert own.finished == list(range(6))
    monkeypatch.setattr(pools, "PATIENCE", 0.5)
    said = chaotrain("run", "tiny.toml", "--out", "none", "--dask", cluster.scheduler_address)
    refused(said, "no scheduler answers there")
