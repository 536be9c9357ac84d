"""Balls of networks that evolve side by side; observables are kept, trajectories are not."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chaotrain import maps
from chaotrain.distances import Distance, l1, l2
from chaotrain.layout import Layout
from chaotrain.maps import Map, State

Recorded = dict[str, np.ndarray]
Progress = Callable[[int], None]

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


class Course(NamedTuple):
    """How far balls have come: their states, where their references began, and the path since."""

    states: State
    origin: State
    path: Array

    @classmethod
    def begun(cls, states: State) -> Course:
        """That of initial states with leading axes (ball, member)."""
        balls = jax.tree.leaves(states)[0].shape[0]
        return cls(states, jax.tree.map(lambda leaf: leaf[:, 0], states), jnp.zeros(balls))

    def of(self, balls: np.ndarray, members: int | None = None) -> Course:
        """That of some of the balls, with all members or the first ones, in the host's memory."""
        # On the device every new shape would be a program to compile.
        states, origin, path = jax.device_get(self)
        states = jax.tree.map(lambda leaf: leaf[balls, :members], states)
        return Course(states, jax.tree.map(lambda leaf: leaf[balls], origin), path[balls])


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
    run, carry = _compiled(system, course, etas, room or epochs, layout, distance)
    for start, stop in _calls(epochs, layout.epochs_per_call):
        carry = run(carry, start, stop)
        carry[-1]["distance"].block_until_ready()
        if progress is not None:
            progress(stop - 1)
    *reached, rows = carry
    recorded = {name: np.moveaxis(np.asarray(row)[:epochs], 0, -1) for name, row in rows.items()}
    return Course(*reached), recorded


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
            carry = run(carry, epoch - every + start, epoch - every + stop)
            carry[-1]["distance"].block_until_ready()
        yield epoch, carry[0]


def _calls(rows: int, length: int) -> Iterator[tuple[int, int]]:
    for start in range(0, rows, length):
        yield start, min(start + length, rows)


def _compiled(
    system: Map, course: Course, etas: Array, room: int, layout: Layout, distance: Distance
) -> tuple[Callable[[Any, int, int], Any], Any]:
    """The compiled run over a range of epochs, and its first carry."""
    # A map that is no pytree of arrays is a constant of the compiled code.
    is_constant = jax.tree_util.all_leaves([system])
    argument, constant = (None, system) if is_constant else (system, None)
    etas = jnp.asarray(etas)
    block = layout.members_per_block

    row = jax.eval_shape(
        functools.partial(_row, constant, block=block, distance=distance), argument, *course, etas
    )[0]
    buffers = jax.tree.map(lambda out: jnp.zeros((room, *out.shape), out.dtype), row)
    carry = (*course, buffers)

    def run(carry: Any, start: int, stop: int) -> Any:
        return _run(constant, argument, carry, etas, start, stop, block, distance)

    return run, carry


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
    stepped, revealed = side_by_side(step, (flat, jnp.repeat(etas, members)), block)
    stepped = jax.tree.map(lambda leaf: leaf.reshape(balls, members, *leaf.shape[1:]), stepped)

    reference = jax.tree.map(lambda leaf: leaf[:, 0], states)
    rest = side_by_side(lambda state: maps.inspect(system, state), reference, block)

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


def side_by_side(function: Callable[[Any], Any], members: Any, block: int) -> Any:
    """`function` over the leading axis, `block` entries at once in equal blocks."""
    count = jax.tree.leaves(members)[0].shape[0]
    if count <= block:
        return jax.vmap(function)(members)
    # The last block is filled up, so that every member is computed in a block of the same shape.
    blocks = -(-count // block)
    order = jnp.arange(blocks * block) % count
    split = jax.tree.map(lambda leaf: leaf[order].reshape(blocks, block, *leaf.shape[1:]), members)
    out = jax.lax.map(jax.vmap(function), split)
    return jax.tree.map(lambda leaf: leaf.reshape(blocks * block, *leaf.shape[2:])[:count], out)
