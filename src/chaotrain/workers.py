"""Tiles computed by an executor: what travels to a worker, and what comes back.

A tile is a pure function of its description. Of an experiment only its fields travel, and each
worker builds the system from them once; a system that was passed in from Python travels itself.
Nothing but the parent writes to the study.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, ParamSpec, TypeVar

import jax

from chaotrain import limit, processors, provenance, tiles
from chaotrain.device import Device, here
from chaotrain.ensembles import Recorded
from chaotrain.errors import UserError, WorkerError, first_line, one_line
from chaotrain.experiment import CustomExperiment, Experiment, Grid, validated
from chaotrain.layout import Layout
from chaotrain.maps import Map, in_float64
from chaotrain.provenance import Run
from chaotrain.store import Balls
from chaotrain.systems import system_of

P = ParamSpec("P")
R = TypeVar("R")

# Tiles in hand of the executor for each it computes: one that computes, one that waits its turn.
AHEAD = 2
# Seconds between two looks at how many tiles an executor computes at a time.
PAUSE = 1.0


class Tile(NamedTuple):
    """A tile that was computed, the seconds that took, and what it was computed with."""

    number: int
    arrays: Recorded
    seconds: float
    run: Run


@dataclass(frozen=True)
class Recipe:
    """What a worker makes a system and its experiment of.

    Attributes:
        fields: The experiment as JSON.
        data_dir: The folder of data that is not bundled.
        system: The system, if it is none that an experiment describes.
        hashes: The SHA-256 of the data that it is to be built from.
    """

    fields: str
    data_dir: str | None = None
    system: Map | None = None
    hashes: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, system: Map, grid: Grid, data_dir: str | Path | None) -> Recipe:
        """The recipe for a system: the fields of an experiment, or else the system itself."""
        folder = None if data_dir is None else str(Path(data_dir).resolve())
        described = isinstance(grid, Experiment)
        return cls(grid.model_dump_json(), folder, None if described else system, _hashes(system))


class _Failure(NamedTuple):
    """An error in a worker as text: not every exception survives the way back."""

    text: str
    trace: str | None = None


def describe(executor: Executor, recipe: Recipe) -> Run:
    """What the workers compute with, as the first that answers says.

    Args:
        executor: The executor.
        recipe: The system, which that worker builds.

    Raises:
        UserError: If the system cannot travel, or fails there, or the data there are others.
        WorkerError: If no worker answers.
    """
    try:
        answer = executor.submit(_described, recipe).result()
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise UserError(
            f"executor: the system cannot travel to its workers ({first_line(error)}): make it "
            "picklable, or use a ThreadPoolExecutor"
        ) from None
    except Exception as error:
        raise _lost(error) from None
    run: Run = _taken(answer)
    # A worker that is kept may have said this to an earlier run.
    return run.model_copy(update={"started": provenance.now()})


def device(executor: Executor | None) -> Device:
    """What a worker computes on, this process if there is none.

    Raises:
        WorkerError: If a worker was lost.
    """
    found: Device = _asked(executor, here)
    return found


def product_flops(executor: Executor | None, dtype: str) -> float:
    """What a worker does in a product of matrices (see `limit`), this process if there is none.

    Raises:
        WorkerError: If a worker was lost.
    """
    found: float = _asked(executor, limit.product_flops, dtype)
    return found


def _asked(executor: Executor | None, function: Callable[..., R], *args: object) -> R:
    """What a function says in a worker, or here if there is no executor."""
    if executor is None:
        return function(*args)
    try:
        answer = executor.submit(_called, function, *args).result()
    except Exception as error:
        raise _lost(error) from None
    found: R = _taken(answer)
    return found


def computed(
    executor: Executor, recipe: Recipe, plan: Layout, parts: Sequence[Balls], left: Sequence[int]
) -> Generator[Tile]:
    """The tiles that are left, in the order in which they are finished.

    Args:
        executor: The executor; it is given a few tiles at a time, however many are left.
        recipe: The system and its experiment.
        plan: How members are cut into blocks and calls.
        parts: The balls of every tile.
        left: The tiles to compute.

    Raises:
        UserError: As `tiles.compute`, in the worker.
        WorkerError: If a worker was lost.
    """
    waiting = iter(left)
    pending: dict[Future[Any], int] = {}
    # Each tile comes by itself, so that what it costs does not grow with how many are in hand.
    done: SimpleQueue[Future[Any]] = SimpleQueue()
    width, asked = 0, -math.inf
    try:
        while True:
            try:
                if time.monotonic() - asked > PAUSE:
                    width, asked = _side_by_side(executor), time.monotonic()
                for index in itertools.islice(waiting, max(0, AHEAD * width - len(pending))):
                    task = executor.submit(_computed, recipe, plan, parts[index])
                    pending[task] = index
                    task.add_done_callback(done.put)
            except Exception as error:
                raise _lost(error) from None
            if not pending:
                return
            come = [done.get(), *(done.get() for _ in range(done.qsize()))]
            for future in sorted(come, key=_is_failed):  # what is finished is stored first
                yield Tile(pending.pop(future), *_answer(future))
    finally:
        for future in pending:
            future.cancel()


def _side_by_side(executor: Executor) -> int:
    """How many tiles an executor computes at a time; there is no common word for it."""
    client = getattr(executor, "_client", None)  # of Dask, whose workers come and go
    threads: int = (
        getattr(executor, "_max_workers", processors.count())
        if client is None
        else sum(client.nthreads().values())
    )
    return max(1, threads)


def _answer(future: Future[Any]) -> tuple[Recorded, float, Run]:
    try:
        answer = future.result()
    except Exception as error:
        raise _lost(error) from None
    arrays, seconds, run = _taken(answer)
    return arrays, seconds, run


def _is_failed(future: Future[Any]) -> bool:
    lost = future.cancelled() or future.exception() is not None
    return lost or isinstance(future.result(), _Failure)


def _lost(error: Exception) -> WorkerError:
    """Workers tell their errors as values, so that whatever else is raised is the executor's."""
    if isinstance(error, CancelledError):
        lost = "the executor gave up, its scheduler may be gone"
    else:
        lost = f"a worker was lost ({type(error).__name__}), perhaps for want of memory"
    return WorkerError(f"{lost}; what is finished is kept, the same command goes on from there")


def _taken(answer: Any) -> Any:
    """What a worker answered; its error is raised as if it were one of this process."""
    if not isinstance(answer, _Failure):
        return answer
    if answer.trace is None:
        raise UserError(answer.text)
    error = RuntimeError(f"in a worker: {answer.text}")
    error.add_note(answer.trace)
    raise error


def _telling(function: Callable[P, R]) -> Callable[P, R | _Failure]:
    """Return errors instead of raising them."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R | _Failure:
        try:
            return function(*args, **kwargs)
        except UserError as error:
            return _Failure(one_line(error))
        except Exception as error:
            text = f"{type(error).__name__}: {first_line(error)}"
            return _Failure(text, traceback.format_exc())

    return wrapped


@_telling
@in_float64
def _described(recipe: Recipe) -> Run:
    _made(recipe)
    return _run(recipe.hashes)


@_telling
def _called(function: Callable[..., R], *args: object) -> R:
    return function(*args)


@_telling
@in_float64
def _computed(recipe: Recipe, plan: Layout, balls: Balls) -> tuple[Recorded, float, Run]:
    system, grid = _made(recipe)
    started = time.perf_counter()
    base = jax.random.key(grid.seed)
    arrays = tiles.compute(system, grid, base, plan, balls, lambda work: None)
    seconds = round(time.perf_counter() - started, 3)
    return arrays, seconds, _run(recipe.hashes)


def _made(recipe: Recipe) -> tuple[Map, Grid]:
    if recipe.system is not None:
        return recipe.system, validated(CustomExperiment, json.loads(recipe.fields))
    with _building:  # threads of one process wait for the first of them
        system, grid = _built(recipe.fields, recipe.data_dir)
    if _hashes(system) != recipe.hashes:
        raise UserError("executor: a worker has other data (their SHA-256 differs)")
    return system, grid


_building = threading.Lock()


@functools.lru_cache(maxsize=1)
def _built(fields: str, data_dir: str | None) -> tuple[Map, Grid]:
    grid = validated(Experiment, json.loads(fields))
    return system_of(grid, data_dir), grid


def _hashes(system: Map) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(getattr(system, "hashes", {}).items()))


@functools.lru_cache(maxsize=1)
def _run(hashes: tuple[tuple[str, str], ...]) -> Run:
    return provenance.describe(dict(hashes))
