"""The `Map` protocol: a dynamical system in discrete time with one parameter.

A map has `init(key) -> state`, `step(state, eta) -> state` and `observe(state) -> dict of
scalars`. A state is any pytree of arrays. More methods are optional:

- `coordinates(state)`: the part whose distance is measured; by default every floating leaf.
- `perturbed(state)`: the part that a perturbation moves; by default the coordinates. Both only
  select leaves of the state.
- `advance(state, eta) -> (state, revealed)` with `inspect(state) -> dict`: a step together with
  those observables of the state it leaves that it computes anyway (a training loss), and the
  remaining ones. Together they are `observe`.
- `replica(state, key) -> state`: what else tells a replica from its reference, like noise of its
  own; by default nothing.
- `probe()`: raises `UserError` if a step cannot be replayed; asked before a run.
- `cost() -> Cost`: what one step of one member takes; it sizes the blocks of an ensemble.

A map that holds arrays (data) should be a registered pytree, so that they are passed into
compiled code instead of being folded into it; any other map is a compile-time constant.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chaotrain.errors import UserError
from chaotrain.explaining import short

State = Any
Key = int | Array
Observables = dict[str, Array]

# The seeds that JAX makes a key of.
LARGEST = 2**63

P = ParamSpec("P")
R = TypeVar("R")


@runtime_checkable
class Map(Protocol):
    """A dynamical system in discrete time with one parameter, the learning rate."""

    def init(self, key: Key) -> State:
        """The initial state drawn with `key`."""

    def step(self, state: State, eta: Array) -> State:
        """The state one epoch later."""

    def observe(self, state: State) -> Observables:
        """Named scalars of a state."""


class Cost(NamedTuple):
    """What one step of one member takes."""

    flops: float
    bytes: float


def in_float64(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` with 64-bit types on, whatever JAX's global flag says."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return wrapped


def as_key(key: Key) -> Array:
    """A JAX key from an integer seed, or the key itself.

    Raises:
        UserError: If it is neither.

    Example:
        >>> as_key(0) == as_key(jax.random.key(0))
        Array(True, dtype=bool)
    """
    if isinstance(key, int | np.integer) and -LARGEST <= key < LARGEST:
        return jax.random.key(int(key))
    if isinstance(key, Array | np.ndarray) and _is_key(key):
        return key
    raise UserError(f"key = {short(key)}: give an integer of at most 64 bits, or one JAX key")


def _is_key(key: Array | np.ndarray) -> bool:
    """Whether this is one key, of the new kind or the old."""
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key.ndim == 0
    return key.dtype == jnp.uint32 and key.ndim == 1


def coordinates(system: Map, state: State) -> State:
    """The part of a state whose distance is measured."""
    select = getattr(system, "coordinates", None)
    if select is not None:
        return select(state)
    return [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]


def perturbed(system: Map, state: State) -> State:
    """The part of a state that a perturbation moves."""
    select = getattr(system, "perturbed", None)
    return coordinates(system, state) if select is None else select(state)


def replica(system: Map, state: State, key: Array) -> State:
    """A perturbed state as a replica has it."""
    finish = getattr(system, "replica", None)
    return state if finish is None else finish(state, key)


def advance(system: Map, state: State, eta: Array) -> tuple[State, Observables]:
    """A step, and the observables of the state before it that come for free."""
    combined = getattr(system, "advance", None)
    return (system.step(state, eta), {}) if combined is None else combined(state, eta)


def inspect(system: Map, state: State) -> Observables:
    """The observables that `advance` does not reveal."""
    remaining = getattr(system, "inspect", None)
    return system.observe(state) if remaining is None else remaining(state)


def cost(system: Map) -> Cost:
    """What one step of one member takes; for a plain map a few operations a coordinate."""
    known: Callable[[], Cost] | None = getattr(system, "cost", None)
    if known is not None:
        return known()
    state = jax.eval_shape(system.init, jax.random.key(0))
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return Cost(flops=10.0 * size, bytes=4.0 * size)
