"""A map with a tangent vector that follows its state: itself a map, so that many evolve at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chaotrain import ensembles, maps, schema
from chaotrain.layout import Layout
from chaotrain.maps import Cost, Key, Map, Observables, State
from chaotrain.tangent.products import Vector, derivatives_of, is_finite, log_norm, push
from chaotrain.tangent.running import moves

# A tangent step against a step: its products are three times those, its arrays twice.
FLOPS, BYTES = 3.0, 2.0


class Followed(NamedTuple):
    """A state, its tangent vector over a power of two, and that power."""

    state: State
    vector: Vector
    doublings: Array


@dataclass(frozen=True)
class Following:
    """A map with a tangent vector; it observes ln‖v‖ beside what the map does.

    Attributes:
        system: A `Map` whose step JAX can differentiate.
        norm: The name of a distance.
    """

    system: Map
    norm: str = "l1"

    @classmethod
    def of(cls, system: Map, norm: str = "l1") -> Following:
        """The map with its tangent, a pytree if the map is one."""
        return (cls if jax.tree_util.all_leaves([system]) else _WithData)(system, norm)

    def start(self, state: State, vector: Vector) -> Followed:
        """A state and its tangent before the first step."""
        return Followed(state, vector, jnp.zeros((), jnp.int64))

    def init(self, key: Key) -> Followed:
        """The state drawn with `key`, and the tangent along its first replica's perturbation."""
        key = maps.as_key(key)
        state = self.system.init(key)
        return self.start(state, moves(self.system, state, key))

    def step(self, state: Followed, eta: Array) -> Followed:
        """State and tangent one epoch later."""
        return self.advance(state, eta)[0]

    def observe(self, state: Followed) -> Observables:
        """What the map observes, and ln‖v‖."""
        return self.system.observe(state.state) | self._size(state)

    def advance(self, state: Followed, eta: Array) -> tuple[Followed, Observables]:
        """A step with the observables that come free with it."""
        stepped, revealed, pushed = push(self.system, state.state, state.vector, eta)
        pushed, more = _halved(pushed)
        return Followed(stepped, pushed, state.doublings + more), revealed

    def inspect(self, state: Followed) -> Observables:
        """The remaining observables, and ln‖v‖, NaN where the state or v is not finite."""
        return {**maps.inspect(self.system, state.state), **self._size(state)}

    def coordinates(self, state: Followed) -> State:
        """Those of the map."""
        return maps.coordinates(self.system, state.state)

    def cost(self) -> Cost:
        """That of the map's step and of its derivative."""
        flops, size = maps.cost(self.system)
        return Cost(FLOPS * flops, BYTES * size)

    def _size(self, state: Followed) -> Observables:
        size = state.doublings * math.log(2) + log_norm(
            self.system, state.state, state.vector, self.norm
        )
        sound = is_finite(state.state, state.vector) & ~jnp.isposinf(size)
        return {schema.TANGENT_GROWTH: jnp.where(sound, size, math.nan)}


@jax.tree_util.register_pytree_node_class
class _WithData(Following):
    """A map that holds arrays, which are passed into compiled code, with its tangent."""

    def tree_flatten(self) -> tuple[tuple[Map], str]:
        return (self.system,), self.norm

    @classmethod
    def tree_unflatten(cls, norm: str, children: tuple[Map]) -> _WithData:
        return cls(children[0], norm)


def evolve(
    following: Following,
    states: Followed,
    etas: Array,
    epochs: int,
    layout: Layout,
    progress: ensembles.Progress | None = None,
) -> ensembles.Recorded:
    """Evolve tangents side by side, each along its own trajectory.

    Args:
        following: A map with its tangent.
        states: Initial ones with a leading axis (ball).
        etas: Learning rates, shape (ball,).
        epochs: Steps T.
        layout: As for `ensembles.evolve`, with balls of one member.
        progress: As for `ensembles.evolve`.

    Returns:
        Over (ball, T + 1): `tangent_growth`, ln‖v(t)‖ - ln‖v(0)‖, -inf once v is 0 and NaN from
        the first epoch that is not finite; and all else that `ensembles.evolve` records but
        distances.

    Raises:
        UserError: If the step turns out to have no derivative.
    """
    members = jax.tree.map(lambda leaf: leaf[:, None], states)
    with derivatives_of(following.system):
        recorded = ensembles.evolve(following, members, etas, epochs, layout, progress=progress)
    del recorded["distance"]  # there is no replica
    sizes = recorded[schema.TANGENT_GROWTH]
    broken = np.logical_or.accumulate(np.isnan(sizes), axis=-1)
    growth = np.where(broken, np.nan, sizes - sizes[..., :1])
    return {**recorded, schema.TANGENT_GROWTH: growth}


def _halved(vector: Vector) -> tuple[Vector, Array]:
    """A vector over the power of two that brings its largest entry into [1/2, 1), and the power."""
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)).astype(jnp.float64) for leaf in vector]))
    usable = jnp.isfinite(largest) & (largest > 0)
    power = jnp.where(usable, jnp.frexp(jnp.where(usable, largest, 1.0))[1], 0)
    # Exact, and faster than ldexp of each entry; half at a time, since 2^-power may overflow.
    half = -power // 2
    one, other = jnp.ldexp(1.0, half), jnp.ldexp(1.0, -power - half)
    halved = [leaf * one.astype(leaf.dtype) * other.astype(leaf.dtype) for leaf in vector]
    return halved, power.astype(jnp.int64)
