"""A grid of balls, computed tile by tile into a study directory that can be resumed."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path

import jax
from jax import Array

from chaotrain import limit, provenance, tiles, workers
from chaotrain.balls import check_map, check_step
from chaotrain.ensembles import Recorded
from chaotrain.errors import Interrupted, ProvenanceWarning, UserError
from chaotrain.experiment import CustomExperiment, Experiment, Grid, plain, validated
from chaotrain.layout import Layout
from chaotrain.limit import Limit
from chaotrain.maps import Map, State, in_float64
from chaotrain.meter import Meter, Progress, Tick
from chaotrain.provenance import Record, Run
from chaotrain.store import Balls, Store
from chaotrain.study import Study
from chaotrain.systems import system_of
from chaotrain.workers import Tile

__all__ = ["Progress", "Tick", "check", "key_of", "run", "sweep"]


def sweep(
    system: Map,
    learning_rates: Sequence[float],
    *,
    out: str | Path,
    inits: int | Sequence[int] = 50,
    replicas: int = 5,
    epochs: int = 201,
    epsilon: float = 1e-8,
    method: str = "perturbation",
    horizon: bool = False,
    stop: str = "epochs",
    seed: int = 0,
    targets: Sequence[float] | None = None,
    target: float | None = None,
    memory: float | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Study:
    """Evolve balls over a grid of learning rates and initialisations, and keep what they did.

    Initialisation i starts from `system.init(fold_in(key(seed), i))` at every learning rate.
    Called again with the same arguments it goes on where it was stopped. Whether it is the same
    system is told by its attribute `description`, or else by the name of its type, and by the
    digests of its data.

    Args:
        system: Any `Map`.
        learning_rates: The learning rates, all different.
        out: The study directory.
        inits: Initialisations a learning rate, one number for all or one for each.
        replicas: Perturbed copies of each.
        epochs: Steps T.
        epsilon: Half-width of the perturbation.
        method: "perturbation", "tangent" (exact, without replicas and ε) or "both".
        horizon: Whether to measure from which epoch on rounding makes another training.
        stop: Whether every member is trained for all "epochs", or until it is "decided": as long
            as there is something to learn of it (`chaotrain.deciding`).
        seed: From 0 to 2³² - 1.
        targets: Test scores whose training time is measured; by default the task's.
        target: The main one; by default the largest.
        memory: What a block of members may need while it steps, in GiB; by default 2 on a
            processor, and on a GPU half of what JAX may take of its memory.
        progress: Called with a `Tick` after every compiled call and every tile.
        executor: Computes the tiles: any of `concurrent.futures`, or that of a Dask client, from
            `client.get_executor()`. The system travels with every tile unless it is threads.

    Returns:
        The `Study`.

    Raises:
        UserError: On a field out of range, or a directory that does not fit; nothing is written.
        WorkerError: If a worker of the executor was lost; finished tiles are kept.

    Warns:
        ProvenanceWarning: If what is left would be computed with other versions, another device
            or another number of threads than the study was begun with.

    Example:
        >>> import tempfile
        >>> import chaotrain as ct
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     study = ct.sweep(ct.maps.quadratic((1.0,)), [0.5, 2.5], out=folder, inits=3,
        ...                      epochs=50, replicas=1)
        ...     study.summary.nmle.round(3).values.tolist()
        [-0.693, 0.405]
    """
    fields = {
        "learning_rates": learning_rates,
        "inits": inits,
        "replicas": replicas,
        "epochs": epochs,
        "epsilon": epsilon,
        "method": method,
        "horizon": horizon,
        "stop": stop,
        "seed": seed,
        "targets": (getattr(system, "target", 0.9),) if targets is None else targets,
        "target": target,
        "memory": memory,
        "system": getattr(system, "description", type(system).__qualname__),
    }
    grid = validated(CustomExperiment, {name: plain(value) for name, value in fields.items()})
    return _fill(system, grid, out, progress, executor)


def run(
    settings: Experiment,
    out: str | Path,
    progress: Progress | None = None,
    data_dir: str | Path | None = None,
    executor: Executor | None = None,
) -> Study:
    """Run an experiment into a study directory, or go on with one that was stopped there.

    With an executor each worker builds the system itself, from the fields of the experiment.

    Raises:
        UserError: As `sweep`.
        WorkerError: As `sweep`.
        Interrupted: If a signal asked for it; finished tiles are kept.

    Warns:
        ProvenanceWarning: As `sweep`.
    """
    Store(out).check(settings)  # before the data is read
    system = system_of(settings, data_dir)
    return _fill(system, settings.with_targets(system.target), out, progress, executor, data_dir)


@in_float64
def check(settings: Experiment, out: str | Path, data_dir: str | Path | None = None) -> None:
    """Check that an experiment can be run into a study directory; compute and write nothing.

    Raises:
        UserError: As `run`.
    """
    Store(out).check(settings)  # before the data is read
    system = system_of(settings, data_dir)
    _planned(system, settings.with_targets(system.target), Store(out), None)


@in_float64
def key_of(grid: Grid, init: int) -> Array:
    """The key that initialisation `init` of an experiment is drawn with."""
    return jax.random.fold_in(jax.random.key(grid.seed), init)


@in_float64
def _fill(
    system: Map,
    grid: Grid,
    out: str | Path,
    progress: Progress | None,
    executor: Executor | None,
    data_dir: str | Path | None = None,
) -> Study:
    store = Store(out)
    reference, plan = _planned(system, grid, store, executor)
    base, balls = jax.random.key(grid.seed), grid.balls
    recipe = workers.Recipe.of(system, grid, data_dir)
    with store.locked():
        store.check(grid)  # another run may have begun a study since
        held = store.provenance()
        cut = held.plan if held and held.runs else plan
        parts = [[balls[i] for i in tile] for tile in cut.tiles(len(balls))]
        left = [index for index in range(len(parts)) if not store.finished(index)]
        if left and executor is None:
            tiles.check_room(system, grid, cut, reference)
        if executor is None:
            described = provenance.describe(getattr(system, "hashes", {}))
        else:
            described = workers.describe(executor, recipe)
        record, told = _open(store, system, held, cut, grid, described), set[str]()
        meter = Meter(grid, parts, left, progress)
        with _ending(store, record):
            if left:
                _warn_of_changes(store, record, described, told)
            meter.begin(_limit(store, system, grid, executor) if left else None)
            if executor is None:
                compute = functools.partial(tiles.compute, system, grid, base, cut)
                found = _computed(compute, parts, left, described, meter.tick)
            else:
                found = workers.computed(executor, recipe, cut, parts, left)
            with contextlib.closing(found):
                for index, arrays, seconds, run in found:
                    _warn_of_changes(store, record, run, told)
                    store.write_tile(index, parts[index], arrays)
                    work = meter.finish_tile(index, seconds, arrays)
                    told_of = {"balls": parts[index], "seconds": seconds, "network_epochs": work}
                    store.log("tile", tile=index, **told_of)
                    meter.tick(0)
    return Study(out)


def _planned(
    system: Map, grid: Grid, store: Store, executor: Executor | None
) -> tuple[State, Layout]:
    """An initial state, and the tiles of a grid, checked against the system and the directory."""
    check_map(system)
    store.check(grid)
    reference = system.init(key_of(grid, 0))
    check_step(system, reference)
    # What the tiles are computed on may not be what computes here.
    return reference, tiles.plan(system, grid, reference, workers.device(executor))


def _computed(
    compute: Callable[[Balls, Callable[[int], None]], Recorded],
    parts: Sequence[Balls],
    left: Sequence[int],
    run: Run,
    tick: Callable[[int], None],
) -> Generator[Tile]:
    """The tiles that are left, computed here one after the other."""
    for index in left:
        started = time.perf_counter()
        arrays = compute(parts[index], tick)
        yield Tile(index, arrays, round(time.perf_counter() - started, 3), run)


def _open(
    store: Store, system: Map, record: Record | None, plan: Layout, grid: Grid, described: Run
) -> Record:
    """Record the experiment and this run, and return the provenance so far."""
    if record is None or not record.runs:
        text = grid.to_toml()
        digest = hashlib.sha256(text.encode()).hexdigest()
        score = getattr(system, "score_name", "accuracy")
        record = Record(
            experiment_sha256=digest, layout=plan.to_dict(), runs=[described], score=score
        )
        store.begin(text, record)
        return record
    first = record.runs[0]
    if first.data_sha256 != described.data_sha256:
        raise UserError(
            f"out = {store.root}: holds a study of other data (their SHA-256 differs), "
            "choose another directory"
        )
    record.runs.append(described)
    store.start(record)
    return record


def _warn_of_changes(store: Store, record: Record, run: Run, told: set[str]) -> None:
    changed = provenance.changes(record.runs[0], run)
    if changed and changed not in told:
        told.add(changed)
        store.log("changed", what=changed)
        warnings.warn(
            f"this study was begun with {changed}; the tiles computed now may differ in their "
            "last bits from those that an uninterrupted run would have given",
            ProvenanceWarning,
            stacklevel=5,
        )


@contextlib.contextmanager
def _ending(store: Store, record: Record) -> Iterator[None]:
    """Record how the last run ends."""
    run = record.runs[-1]
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | Interrupted)
        # A disk that is full would only hide why the run ends.
        with contextlib.suppress(UserError):
            _end(store, record, run, provenance.INTERRUPTED if stopped else provenance.FAILED)
        raise
    _end(store, record, run, provenance.COMPLETE)


def _end(store: Store, record: Record, run: Run, outcome: str) -> None:
    run.ended, run.outcome = provenance.now(), outcome
    store.log(outcome)
    store.seal_log(run)
    store.record(record)


def _limit(store: Store, system: Map, grid: Grid, executor: Executor | None) -> Limit | None:
    """Measure and log the matrix-product limit of a training; None for another map."""
    flops = limit.epoch_flops(system, grid)
    if flops is None:
        return None
    dtype = getattr(system, "dtype", "float64")
    found = Limit(product_flops=workers.product_flops(executor, dtype), epoch_flops=flops)
    store.log("limit", **found.model_dump())
    return found
