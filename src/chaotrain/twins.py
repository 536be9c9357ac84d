"""Two computations of one trajectory side by side: itself a map, so that many evolve at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from chaotrain import ensembles, maps, schema
from chaotrain.distances import l1
from chaotrain.errors import UserError
from chaotrain.explaining import short
from chaotrain.layout import Layout
from chaotrain.maps import Cost, Key, Map, Observables, State
from chaotrain.training import TrainingMap
from chaotrain.training.reordering import reordered


class Pair(NamedTuple):
    """The state of either."""

    one: State
    other: State


@dataclass(frozen=True)
class Twins:
    """A map and the same map computed otherwise; it observes how far rounding drives them apart.

    Attributes:
        one: A `Map`.
        other: The same one in exact arithmetic, whose states have the same shapes.
    """

    one: Map
    other: Map

    @classmethod
    def of(cls, one: Map, other: Map) -> Twins:
        """Both together, a pytree if they are."""
        plain = all(jax.tree_util.all_leaves([system]) for system in (one, other))
        return (cls if plain else _WithData)(one, other)

    def init(self, key: Key) -> Pair:
        """The state drawn with `key`, twice."""
        state = self.one.init(maps.as_key(key))
        return Pair(state, state)

    def step(self, state: Pair, eta: Array) -> Pair:
        """Both one epoch later."""
        return self.advance(state, eta)[0]

    def observe(self, state: Pair) -> Observables:
        """What the map observes, and the L1 distance of the two."""
        return self.one.observe(state.one) | self._apart(state)

    def advance(self, state: Pair, eta: Array) -> tuple[Pair, Observables]:
        """A step with the observables that come free with it."""
        stepped, revealed = maps.advance(self.one, state.one, eta)
        return Pair(stepped, maps.advance(self.other, state.other, eta)[0]), revealed

    def inspect(self, state: Pair) -> Observables:
        """The remaining observables, and the L1 distance of the two."""
        return {**maps.inspect(self.one, state.one), **self._apart(state)}

    def coordinates(self, state: Pair) -> State:
        """Those of the map."""
        return maps.coordinates(self.one, state.one)

    def cost(self) -> Cost:
        """That of two steps."""
        flops, size = maps.cost(self.one)
        return Cost(2 * flops, 2 * size)

    def _apart(self, state: Pair) -> Observables:
        points = (maps.coordinates(self.one, part) for part in state)
        return {schema.ROUNDING_DISTANCE: l1(*points)}


@jax.tree_util.register_pytree_node_class
class _WithData(Twins):
    """Maps that hold arrays, which are passed into compiled code."""

    def tree_flatten(self) -> tuple[tuple[Map, Map], None]:
        return (self.one, self.other), None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[Map, Map]) -> _WithData:
        return cls(*children)


def twins_of(system: Map, other: Map | None = None) -> Twins:
    """A map with itself computed otherwise: with `other`, or of a training by `reordered`.

    Raises:
        UserError: If there is neither.
    """
    if other is None:
        if not isinstance(system, TrainingMap):
            raise UserError(
                f"system = {short(system)}: only a training is computed otherwise by itself, in "
                "another order of its samples; give another map that computes the same as other"
            )
        other = reordered(system)
    return Twins.of(system, other)


def evolve(
    both: Twins,
    states: Pair,
    etas: Array,
    epochs: int,
    layout: Layout,
    progress: ensembles.Progress | None = None,
) -> np.ndarray:
    """How far twins come apart, many side by side.

    Args:
        both: The twins.
        states: Initial ones with a leading axis (ball).
        etas: Learning rates, shape (ball,).
        epochs: Steps T.
        layout: As for `ensembles.evolve`, with balls of one member.
        progress: As for `ensembles.evolve`.

    Returns:
        Their L1 distance, shape (ball, T + 1).
    """
    members = jax.tree.map(lambda leaf: leaf[:, None], states)
    recorded = ensembles.evolve(both, members, etas, epochs, layout, progress=progress)
    return recorded[schema.ROUNDING_DISTANCE]
