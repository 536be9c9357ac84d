"""The `Map` protocol, and maps whose exponents are known in closed form.

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
from dataclasses import dataclass
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array

State = Any
Key = int | Array
Observables = dict[str, Array]

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
    """A JAX key from an integer seed, or the key itself."""
    return jax.random.key(key) if isinstance(key, int) else key


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


@dataclass(frozen=True)
class Descent:
    """Gradient descent u → u - η ∇L(u) on a loss L given in closed form.

    Args:
        loss: A function of an array of coordinates, to a scalar.
        start: A function of a JAX key, to the initial coordinates.
        description: What a study records of it.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.maps.Descent(loss=lambda u: 0.5 * 3.0 * u @ u, start=lambda _: [1.0])
        >>> float(system.step(system.init(0), 0.1)[0])
        0.7
    """

    loss: Callable[[Array], Array]
    start: Callable[[Array], Any]
    description: str = "descent"

    @in_float64
    def init(self, key: Key) -> Array:
        """The starting point."""
        return jnp.asarray(self.start(as_key(key)), dtype=jnp.float64)

    @in_float64
    def step(self, state: Array, eta: Array) -> Array:
        """One step of gradient descent."""
        gradient: Array = jax.grad(self.loss)(state)
        return state - eta * gradient

    @in_float64
    def observe(self, state: Array) -> Observables:
        """The loss."""
        return {"loss": self.loss(state)}


def quadratic(curvatures: tuple[float, ...], start: tuple[float, ...] | None = None) -> Descent:
    """Gradient descent on L(u) = ½ Σ h u², whose exponents are ln|1 - ηh|.

    Args:
        curvatures: The eigenvalue h of the Hessian along each axis.
        start: The starting point; by default 1 along each axis.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.maps.quadratic((1.0, 3.0))
        >>> system.step(system.init(0), 1.0).tolist()
        [0.0, -2.0]
    """
    point = (1.0,) * len(curvatures) if start is None else start

    def loss(u: Array) -> Array:
        return 0.5 * jnp.sum(jnp.asarray(curvatures) * u**2)

    description = f"descent on a quadratic, curvatures {curvatures}, start {point}"
    return Descent(loss=loss, start=lambda _: point, description=description)


def cubic() -> Descent:
    """Gradient descent on L(u) = (4/3)u³ - (3/2)u², the logistic map with r = 1 + 3η.

    Since u - η(4u² - 3u) = (1 + 3η)u - 4ηu², at η = 1 it is u → 4u(1 - u), whose Lyapunov
    exponent is ln 2 for almost every start. The start u = sin²(πx/2) with x uniform on (0, 1) is
    drawn from its invariant density, so that the mean local rate is ln 2 at every epoch.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.maps.cubic()
        >>> state = system.init(0)
        >>> u, later = float(state[0]), float(system.step(state, 1.0)[0])
        >>> abs(later - 4 * u * (1 - u)) < 1e-15
        True
    """

    def loss(u: Array) -> Array:
        return jnp.sum(4 / 3 * u**3 - 3 / 2 * u**2)

    def start(key: Array) -> Array:
        return jnp.sin(jnp.pi / 2 * jax.random.uniform(key, (1,))) ** 2

    return Descent(loss=loss, start=start, description="descent on a cubic")
