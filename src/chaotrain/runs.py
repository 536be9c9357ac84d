"""A grid of balls, computed tile by tile into a study directory that can be resumed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from chaotrain import ensembles, layout, maps, networks, provenance, tasks
from chaotrain.balls import check_epsilon
from chaotrain.errors import UserError
from chaotrain.experiment import CustomExperiment, Experiment, Grid, validated
from chaotrain.layout import Layout
from chaotrain.maps import Map, in_float64
from chaotrain.store import EXPERIMENT, PROVENANCE, Store
from chaotrain.study import Study
from chaotrain.training import TrainingMap


class Tick(NamedTuple):
    """How far a run has come: work in member-epochs, and tiles."""

    done: int
    total: int
    tiles_done: int
    tiles: int


Progress = Callable[[Tick], None]


def sweep(
    system: Map,
    learning_rates: Sequence[float],
    *,
    out: str | Path,
    inits: int | Sequence[int] = 50,
    replicas: int = 5,
    epochs: int = 201,
    epsilon: float = 1e-8,
    seed: int = 0,
    targets: Sequence[float] = (0.9,),
    target: float | None = None,
    memory: float = 2.0,
    progress: Progress | None = None,
) -> Study:
    """Evolve balls over a grid of learning rates and initialisations, and keep what they did.

    Initialisation i starts from `system.init(fold_in(key(seed), i))` at every learning rate.
    Called again with the same arguments it goes on where it was stopped.

    Args:
        system: Any `Map`.
        learning_rates: The learning rates, all different.
        out: The study directory.
        inits: Initialisations a learning rate, one number for all or one for each.
        replicas: Perturbed copies of each.
        epochs: Steps T.
        epsilon: Half-width of the perturbation.
        seed: From 0 to 2³² - 1.
        targets: Test accuracies whose training time is measured.
        target: The main one; by default the largest.
        memory: What a block of members may need while it steps, in GiB.
        progress: Called with a `Tick` after every compiled call.

    Returns:
        The `Study`.

    Raises:
        UserError: On a field out of range, or a directory that does not fit; nothing is written.

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
        "learning_rates": [float(eta) for eta in learning_rates],
        "inits": inits if isinstance(inits, int) else list(inits),
        "replicas": replicas,
        "epochs": epochs,
        "epsilon": float(epsilon),
        "seed": seed,
        "targets": [float(value) for value in targets],
        "target": target,
        "memory": float(memory),
        "system": getattr(system, "description", type(system).__qualname__),
    }
    grid = validated(CustomExperiment, fields)
    return _fill(system, grid, out, progress)


def run(settings: Experiment, out: str | Path, progress: Progress | None = None) -> Study:
    """Run an experiment into a study directory, or go on with one that was stopped there.

    Raises:
        UserError: As `sweep`.
        Interrupted: If a signal asked for it; finished tiles are kept.
    """
    Store(out).check(settings)
    return _fill(system_of(settings), settings, out, progress)


def system_of(settings: Experiment) -> TrainingMap:
    """The training map that an experiment describes."""
    task = tasks.load(settings.task, settings.train_size, settings.test_size)
    inputs = int(task.inputs[0].size)
    layers = [inputs, *settings.network.hidden, task.outputs]
    network = networks.mlp(layers, settings.network.activation, settings.network.init)
    return TrainingMap(network, task, getattr(optax, settings.optimizer), settings.dtype)


@in_float64
def _fill(system: Map, grid: Grid, out: str | Path, progress: Progress | None) -> Study:
    store = Store(out)
    store.check(grid)
    base = jax.random.key(grid.seed)
    check_epsilon(system, system.init(jax.random.fold_in(base, 0)), grid.epsilon)
    plan = layout.plan(
        maps.cost(system), len(grid.balls), 1 + grid.replicas, grid.epochs, grid.memory
    )
    with store.locked():
        record = _open(store, system, grid, plan)
        plan = Layout(**record["layout"])
        tiles = plan.tiles(len(grid.balls))
        ended = "stopped"
        try:
            for index in range(len(tiles)):
                if not store.finished(index):
                    _compute(system, grid, base, plan, store, index, tiles, progress)
            ended = "complete"
        except KeyboardInterrupt:
            store.log("interrupted")
            raise
        finally:
            record["runs"][-1] |= {"ended": provenance.now(), "outcome": ended}
            store.write_json(PROVENANCE, record)
        store.log("complete", tiles=len(tiles))
    return Study(out)


def _open(store: Store, system: Map, grid: Grid, plan: Layout) -> dict[str, Any]:
    """Record the experiment and this run, and return the provenance so far."""
    record = store.provenance()
    described = provenance.describe(getattr(system, "hashes", {}))
    if not record:
        text = grid.to_toml().encode()
        digest = hashlib.sha256(text).hexdigest()
        record = {"experiment_sha256": digest, "layout": plan.to_dict(), "runs": []}
        store.write(store.root / EXPERIMENT, text)
    elif record["runs"] and record["runs"][0]["data_sha256"] != described["data_sha256"]:
        raise UserError(
            f"out = {store.root}: holds a study of other data, choose another directory"
        )
    record["runs"].append({"started": provenance.now(), **described})
    store.write_json(PROVENANCE, record)
    store.log("started", **{name: described[name] for name in ("versions", "threads", "device")})
    return record


def _compute(
    system: Map,
    grid: Grid,
    base: Array,
    plan: Layout,
    store: Store,
    index: int,
    tiles: list[range],
    progress: Progress | None,
) -> None:
    """Compute one tile and store it."""
    balls = [grid.balls[i] for i in tiles[index]]
    rates = jnp.array([grid.learning_rates[rate] for rate, _ in balls])
    states = ensembles.stack(
        [
            ensembles.ball(system, jax.random.fold_in(base, init), grid.replicas, grid.epsilon)
            for _, init in balls
        ]
    )
    finished = [i for i in range(len(tiles)) if store.finished(i)]
    before = sum(len(tiles[i]) for i in finished)

    def tick(epochs: int) -> None:
        if progress is not None:
            scale = (1 + grid.replicas) * grid.epochs
            done = before * scale + len(balls) * (1 + grid.replicas) * epochs
            progress(Tick(done, len(grid.balls) * scale, len(finished), len(tiles)))

    started = time.perf_counter()
    tick(0)
    arrays = ensembles.evolve(system, states, rates, grid.epochs, plan, progress=tick)
    store.write_tile(index, balls, arrays)
    store.log("tile", tile=index, balls=balls, seconds=round(time.perf_counter() - started, 3))
