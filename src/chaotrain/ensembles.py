"""Balls of networks that evolve side by side; observables are kept, trajectories are not."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from chaotrain import lanes, maps
from chaotrain.course import Course
from chaotrain.distances import Distance, l1, l2
from chaotrain.layout import Layout
from chaotrain.maps import Map, State

Recorded = dict[str, np.ndarray]
Progress = Callable[[int], None]
Run = Callable[[Any, int, int], Any]

# Folded into the key of a ball, so that perturbations and initial weights draw from other streams.
PERTURBATIONS = 0x70657274


def perturb(system: Map, state: State, key: Array, epsilon: float) -> State:
    """A copy of `state` whose every perturbed number is moved by U(-ε, ε).

    Args:
        system: The map; its `perturbed` says what moves.
        state: The reference.
        key: A JAX key.
        epsilon: Half the width of the uniform distribution.
    """
    selected, pull_back = jax.vjp(functools.partial(maps.perturbed, system), state)
    leaves, treedef = jax.tree.flatten(selected)
    keys = jax.random.split(key, len(leaves))
    moves = [
        jax.random.uniform(k, leaf.shape, leaf.dtype, -epsilon, epsilon)
        for k, leaf in zip(keys, leaves, strict=True)
    ]
    # Selecting leaves is linear, so its transpose puts each move back where its leaf came from.
    (delta,) = pull_back(jax.tree.unflatten(treedef, moves))

    def moved(leaf: Array, change: Array) -> Array:
        return leaf if change.dtype == jax.dtypes.float0 else leaf + change

    return maps.replica(system, jax.tree.map(moved, state, delta), key)


def ball(system: Map, key: Array, replicas: int, epsilon: float) -> State:
    """The reference `system.init(key)` and its replicas, stacked along a leading axis (member)."""
    return surround(system, system.init(key), key, replicas, epsilon)


def surround(system: Map, reference: State, key: Array, replicas: int, epsilon: float) -> State:
    """A reference and its perturbed replicas, stacked along a leading axis (member)."""
    keys = jax.random.split(jax.random.fold_in(key, PERTURBATIONS), replicas)
    copies = jax.vmap(lambda k: perturb(system, reference, k, epsilon))(keys)
    return jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), reference, copies)


def stack(states: list[State]) -> State:
    """States stacked along a new leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def evolve(
    system: Map,
    states: State,
    etas: Array,
    epochs: int,
    layout: Layout,
    *,
    distance: Distance = l1,
    progress: Progress | None = None,
) -> Recorded:
    """Evolve balls side by side, each at its own learning rate.

    Args:
        system: The map.
        states: Initial states with leading axes (ball, member); member 0 is the reference.
        etas: Learning rates, shape (ball,).
        epochs: Steps T; entry t of the result belongs to the state after t steps.
        layout: How many members step at once, and how many epochs a compiled call takes.
        distance: From a reference to a replica, over the map's coordinates.
        progress: Called with the number of epochs done after every compiled call.

    Returns:
        `distance` (ball, replica, T + 1); `path_length` and `displacement` (Euclidean, of the
        reference) and every observable of the reference (ball, T + 1).
    """
    with jax.enable_x64(True):
        course = Course.begun(states)
        return follow(
            system, course, etas, epochs + 1, layout, distance=distance, progress=progress
        )[1]


def follow(
    system: Map,
    course: Course,
    etas: Array,
    epochs: int,
    layout: Layout,
    *,
    room: int | None = None,
    distance: Distance = l1,
    progress: Progress | None = None,
) -> tuple[Course, Recorded]:
    """Evolve balls from where they are; 64-bit types are the caller's to switch on.

    Args:
        system: The map.
        course: Where the balls are.
        etas: Learning rates, shape (ball,).
        epochs: Steps; entry 0 of the result belongs to the states given.
        layout: As for `evolve`.
        room: Epochs that the compiled code has room for, so that it serves several lengths.
        distance: As for `evolve`.
        progress: As for `evolve`.

    Returns:
        Where they are after the last step, and what `evolve` records, up to the epoch before it.
    """
    rates, room = np.asarray(etas), room or epochs
    parts = lanes.places(len(rates), layout.balls_per_lane)
    begun = [
        _compiled(system, own, rates[part], room, layout, distance)
        for own, part in zip(course.split(parts), parts, strict=True)
    ]
    runs, carries = [run for run, _ in begun], [carry for _, carry in begun]
    if len(parts) > 1:
        _awaited(runs[0], carries[0], 0, 0)  # compiled once, before every lane wants it
    for start, stop in _calls(epochs, layout.epochs_per_call):
        calls = zip(runs, carries, strict=True)
        carries = lanes.at_once(
            [functools.partial(_awaited, run, carry, start, stop) for run, carry in calls]
        )
        if progress is not None:
            progress(stop - 1)
    recorded = {
        name: np.concatenate([np.moveaxis(np.asarray(own[-1][name]), 0, -1) for own in carries])
        for name in carries[0][-1]
    }
    reached = Course.joined([Course(*own[:-1]) for own in carries], len(rates))
    return reached, {name: row[: len(rates), ..., :epochs] for name, row in recorded.items()}


def visit(
    system: Map,
    states: State,
    etas: Array,
    epochs: int,
    layout: Layout,
    every: int,
) -> Iterator[tuple[int, State]]:
    """Evolve balls as `evolve` does, bit for bit, and stop by at their states.

    Arguments are those of `evolve`; 64-bit types are the caller's to switch on.

    Yields:
        Each epoch 0, `every`, 2 `every`, ... up to T with the states (ball, member, ...) then.
    """
    run, carry = _compiled(system, Course.begun(states), etas, epochs + 1, layout, l1)
    yield 0, states
    for epoch in range(every, epochs + 1, every):
        for start, stop in _calls(every, layout.epochs_per_call):
            carry = _awaited(run, carry, epoch - every + start, epoch - every + stop)
        yield epoch, carry[0]


def _awaited(run: Run, carry: Any, start: int, stop: int) -> Any:
    """The carry after some epochs, when it is computed."""
    carry = run(carry, start, stop)
    carry[-1]["distance"].block_until_ready()
    return carry


def _calls(rows: int, length: int) -> Iterator[tuple[int, int]]:
    for start in range(0, rows, length):
        yield start, min(start + length, rows)


def _compiled(
    system: Map, course: Course, etas: ArrayLike, room: int, layout: Layout, distance: Distance
) -> tuple[Run, Any]:
    """The compiled run over a range of epochs, and its first carry."""
    # A map that is no pytree of arrays is a constant of the compiled code.
    is_constant = jax.tree_util.all_leaves([system])
    argument, constant = (None, system) if is_constant else (system, None)
    etas = jnp.asarray(etas)
    block = layout.members_per_block

    def run(carry: Any, start: int, stop: int) -> Any:
        return _run(constant, argument, carry, etas, start, stop, block, distance)

    return run, (*course, _buffers(constant, argument, course, etas, room, block, distance))


@functools.partial(jax.jit, static_argnums=(0, 4, 5, 6))
def _buffers(
    constant: Map | None,
    argument: Map | None,
    course: Course,
    etas: Array,
    room: int,
    block: int,
    distance: Distance,
) -> dict[str, Array]:
    """Room for what is recorded; compiled, so that all lanes and tiles share one trace."""
    row = functools.partial(_row, constant, block=block, distance=distance)
    recorded, *_ = jax.eval_shape(row, argument, *course, etas)
    return {name: jnp.zeros((room, *out.shape), out.dtype) for name, out in recorded.items()}


@functools.partial(jax.jit, static_argnums=(0, 6, 7))
def _run(
    constant: Map | None,
    argument: Map | None,
    carry: Any,
    etas: Array,
    start: Array,
    stop: Array,
    block: int,
    distance: Distance,
) -> Any:
    _, origin, _, _ = carry

    def epoch(t: Array, inner: Any) -> Any:
        states, path, buffers = inner
        row, states, path = _row(
            constant, argument, states, origin, path, etas, block=block, distance=distance
        )
        buffers = jax.tree.map(lambda rows, new: rows.at[t].set(new), buffers, row)
        return states, path, buffers

    states, path, buffers = jax.lax.fori_loop(start, stop, epoch, (carry[0], carry[2], carry[3]))
    return states, origin, path, buffers


def _row(
    constant: Map | None,
    argument: Map | None,
    states: State,
    origin: State,
    path: Array,
    etas: Array,
    *,
    block: int,
    distance: Distance,
) -> tuple[dict[str, Array], State, Array]:
    """What is recorded of the states of one epoch, the next states, and the path so far."""
    system = argument if constant is None else constant
    assert system is not None
    measured = functools.partial(maps.coordinates, system)
    balls, members = jax.tree.leaves(states)[0].shape[:2]

    def step(member: tuple[State, Array]) -> Any:
        return maps.advance(system, *member)

    flat = jax.tree.map(lambda leaf: leaf.reshape(balls * members, *leaf.shape[2:]), states)
    stepped, revealed = lanes.side_by_side(step, (flat, jnp.repeat(etas, members)), block)
    stepped = jax.tree.map(lambda leaf: leaf.reshape(balls, members, *leaf.shape[1:]), stepped)

    reference = jax.tree.map(lambda leaf: leaf[:, 0], states)
    # Fewer than members, in blocks as even as can be.
    even = -(-balls // -(-balls // block))
    rest = lanes.side_by_side(lambda state: maps.inspect(system, state), reference, even)

    def from_reference(ball_states: State) -> Array:
        points = measured_each(ball_states)
        first = jax.tree.map(lambda leaf: leaf[0], points)
        others = jax.tree.map(lambda leaf: leaf[1:], points)
        return jax.vmap(distance, in_axes=(None, 0))(first, others)

    measured_each = jax.vmap(measured)
    here = measured_each(reference)
    there = measured_each(jax.tree.map(lambda leaf: leaf[:, 0], stepped))
    row = {
        **{name: value.reshape(balls, members)[:, 0] for name, value in revealed.items()},
        **rest,
        "distance": jax.vmap(from_reference)(states),
        "path_length": path,
        "displacement": jax.vmap(l2)(here, measured_each(origin)),
    }
    return row, stepped, path + jax.vmap(l2)(here, there)
