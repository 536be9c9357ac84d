"""One worker against two, and Dask against none, on studies of MNIST."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from threadpoolctl import threadpool_limits

import chaotrain as ct
from chaotrain import experiment, pools, processors, runs
from chaotrain import workers as engine
from chaotrain.layout import Layout
from chaotrain.status import of_study
from chaotrain.store import Balls
from chaotrain.workers import Recipe
from scale_lines import Line

ROUNDS = 3
# A ball a tile, since there is memory for no more: 48 tiles, half a minute with one worker.
SMALL = [
    "train_size = 1000",
    "test_size = 100",
    "learning_rates = [2.5, 5.0, 7.5, 10.0]",
    "inits = 12",
    "epochs = 160",
    "memory = 0.02",
]
# Side of the matrices of the bare products, and how long they run, in seconds.
SIDE, WHILE = 512, 2.0
TASKS = 3000


def workers() -> Iterator[Line]:
    """How much faster two processes of one thread are than one, and bare products likewise."""
    settings = experiment.load("mnist-quick", SMALL)
    processors = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        pool: dict[int, Executor] = {}
        for number in (1, 2):
            with _processors(processors[:number]):
                pool[number] = stack.enter_context(pools.local(number))
                list(pool[number].map(time.sleep, [0.5] * number))  # they start while this holds
        out = (Path(folder) / str(number) for number in count())
        seconds: dict[int, list[float]] = {1: [], 2: []}
        bare: dict[int, list[float]] = {1: [], 2: []}
        for turn in range(1 + ROUNDS):
            for number, executor in pool.items():
                began = time.perf_counter()
                study = runs.run(settings, next(out), executor=executor)
                if turn:  # the first compiles
                    seconds[number].append(time.perf_counter() - began)
                rates = executor.map(products, [WHILE] * number)
                bare[number].append(sum(rates))
    tiles = len(study.tiles)
    most = statistics.median(bare[2]) / statistics.median(bare[1])
    faster = statistics.median(seconds[1]) / statistics.median(seconds[2])
    every = [f"{one / two:.2f}" for one, two in zip(seconds[1], seconds[2], strict=True)]
    yield Line(
        f"2 workers of a thread against 1, {tiles} tiles",
        faster,
        " times",
        least=1.8,
        note=f"every round: {', '.join(every)}; bare products in 2 processes against 1: {most:.2f} "
        f"times, of which that is {faster / most:.0%}",
    )


def dask() -> Iterator[Line]:
    """What Dask adds to the quick preset, a third of its epochs, in turns with none."""
    from distributed import Client, LocalCluster

    settings = experiment.load("mnist-quick", ["epochs = 50"])
    with (
        tempfile.TemporaryDirectory() as folder,
        _cluster(LocalCluster) as address,
        Client(address, set_as_default=False) as client,
    ):
        ways = {"plain": None, "Dask": client.get_executor(pure=False)}
        found: dict[str, list[_Run]] = {way: [] for way in ways}
        for turn in range(1 + ROUNDS):
            for way, executor in ways.items():
                out = Path(folder) / f"{way}-{turn}"
                began = time.perf_counter()
                study = runs.run(settings, out, executor=executor)
                if turn:  # the first compiles
                    found[way].append(_Run(time.perf_counter() - began, study))
    plain, through = (min(found[way], key=lambda run: run.whole) for way in ways)
    every = "; ".join(
        f"{way}: {', '.join(f'{run.whole:.1f}' for run in found[way])} s" for way in ways
    )
    yield Line(
        "Dask on the quick preset against none",
        100 * (through.whole / plain.whole - 1),
        " %",
        most=5,
        note=f"{every}; outside of tiles {through.outside:.2f} s against {plain.outside:.2f} s",
    )


def messages() -> Iterator[Line]:
    """What a tile without work costs, with as many in hand as for 1,000 workers."""
    from distributed import Client, LocalCluster

    recipe, plan = Recipe("{}"), Layout(1, 1, 1)
    with (
        _cluster(LocalCluster) as address,
        Client(address, set_as_default=False) as client,
        mock.patch.object(engine, "_computed", no_work),
        mock.patch.object(client, "nthreads", return_value={"all": 1000}),
    ):
        executor = client.get_executor(pure=False)
        began, busy = time.perf_counter(), time.process_time()
        for _ in engine.computed(executor, recipe, plan, [[(0, 0)]] * TASKS, range(TASKS)):
            pass
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
    note = f"of it {1e3 * busy / TASKS:.2g} ms of processor time of the run and the scheduler"
    yield Line("a tile without work through Dask", 1e3 * seconds / TASKS, " ms", note=note)


def no_work(recipe: Recipe, plan: Layout, balls: Balls) -> tuple[dict[str, Any], float, None]:
    """As a worker answers."""
    return {}, 0.0, None


def products(seconds: float) -> float:
    """Bare matrix products a second in one thread, for so long."""
    square, done = np.ones((SIDE, SIDE)), 0
    with threadpool_limits(1):
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            square @ square
            done += 1
        return done / (time.perf_counter() - began)


class _Run:
    """How long a run took, and how long of that it computed no tile."""

    def __init__(self, whole: float, study: ct.Study) -> None:
        found = of_study(study.path)
        assert found.seconds_per_tile is not None
        self.whole = whole
        self.outside = whole - found.seconds_per_tile * found.tiles


@contextmanager
def _cluster(kind: Callable[..., object]) -> Iterator[str]:
    """A scheduler and a worker of one thread of Dask's, in processes of their own."""
    import dask

    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    # As the job scripts of examples/ have it.
    memory = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
    with dask.config.set(memory), kind(**options, memory_limit=0) as cluster:  # type: ignore[attr-defined]
        yield cluster.scheduler_address


@contextmanager
def _processors(some: list[int]) -> Iterator[None]:
    """Use some of the processors, as long as the context lasts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, some)
    assert processors.count() == len(some)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
