"""The tangent step: the next state, and the product of the Jacobian with tangent vectors.

A tangent vector is the list of the tangents of all floating leaves of a state: parameters and the
optimiser's floating buffers. Integers and keys (counters, the order of batches) go along and have
no tangent.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain import distances, maps
from chaotrain.balls import check_kept
from chaotrain.errors import UserError, first_line
from chaotrain.explaining import short
from chaotrain.maps import Map, Observables, State
from chaotrain.tangent.roots import with_steady_roots

Vector = list[Array]


def floating(state: State) -> Vector:
    """The floating leaves of a state.

    Example:
        >>> import jax.numpy as jnp
        >>> floating({"weight": jnp.ones(2), "count": jnp.array(3)})
        [Array([1., 1.], dtype=float32)]
    """
    return [leaf for leaf in jax.tree.leaves(state) if _is_floating(leaf)]


def with_floating(state: State, points: Vector) -> State:
    """A state with these floating leaves instead of its own."""
    leaves, structure = jax.tree.flatten(state)
    new = iter(points)
    own = [next(new) if _is_floating(leaf) else leaf for leaf in leaves]
    return jax.tree.unflatten(structure, own)


def push(
    system: Map, state: State, vector: Vector, eta: Array
) -> tuple[State, Observables, Vector]:
    """One step of a map and of its tangent map, v → J(u) v.

    Args:
        system: The map; its step must be traceable and differentiable.
        state: The state u.
        vector: The tangent v, a tangent of each floating leaf of the state.
        eta: The learning rate.

    Returns:
        The next state, the observables that come free with the step, and J(u) v.

    Source: A. Griewank, A. Walther, Evaluating Derivatives (SIAM, 2008), section 3.1: exact up to
    rounding, at about twice the cost of a step.

    Example:
        >>> import jax
        >>> import chaotrain as ct
        >>> with jax.enable_x64(True):
        ...     system = ct.maps.quadratic((1.0, 3.0))
        ...     state, _, vector = push(system, system.init(0), [jnp.ones(2)], 1.0)
        >>> vector[0].tolist()  # 1 - ηh
        [0.0, -2.0]
    """

    def forward(points: Vector) -> tuple[Vector, tuple[State, Observables]]:
        stepped, revealed = maps.advance(system, with_floating(state, points), eta)
        return floating(stepped), (stepped, revealed)

    points = floating(state)
    _, pushed, (stepped, revealed) = jax.jvp(
        with_steady_roots(forward), (points,), (vector,), has_aux=True
    )
    return stepped, revealed, pushed


def push_all(
    system: Map, state: State, vectors: Vector, eta: Array
) -> tuple[State, Observables, Vector]:
    """As `push`, for tangent vectors along a leading axis; the state steps once."""
    one = functools.partial(push, system, state, eta=eta)
    return jax.vmap(lambda vector: one(vector=vector), out_axes=(None, None, 0))(vectors)


def measured(system: Map, state: State, vector: Vector) -> list[Array]:
    """The part of a tangent vector that lies in the map's coordinates."""

    def select(points: Vector) -> Vector:
        return floating(maps.coordinates(system, with_floating(state, points)))

    # Selecting leaves is linear, so its derivative selects those of the tangent.
    selected: list[Array] = jax.jvp(select, (floating(state),), (vector,))[1]
    return selected


def log_norm(system: Map, state: State, vector: Vector, norm: str) -> Array:
    """ln‖v‖ over the map's coordinates, in float64 whatever the type of the state."""
    part = [leaf.astype(jnp.float64) for leaf in measured(system, state, vector)]
    return jnp.log(distances.DISTANCES[norm](part, jax.tree.map(jnp.zeros_like, part)))


def is_finite(*trees: Any) -> Array:
    """Whether every floating number of these trees is finite."""
    checks = [jnp.all(jnp.isfinite(leaf)) for tree in trees for leaf in floating(tree)]
    return jnp.all(jnp.stack(checks))


def check_smooth(system: Map, state: State, eta: float) -> None:
    """Check that a map has a tangent map.

    Raises:
        UserError: If it has no floating numbers, or its step cannot be traced or differentiated,
            or is that of states of another shape.
    """
    if not sum(leaf.size for leaf in floating(state)):
        raise UserError("system: its state has no floating numbers to differentiate, give it some")
    try:
        with derivatives_of(system, Exception):
            stepped, _, _ = jax.eval_shape(
                functools.partial(push, system), state, floating(state), jnp.asarray(eta)
            )
    except UserError:
        _check_fits(system, state)
        raise
    check_kept(system, state, stepped)


@contextmanager
def derivatives_of(system: Map, kind: type[Exception] = TypeError) -> Iterator[None]:
    """Say of an error that a map has no derivative; some JAX finds only when it compiles."""
    try:
        yield
    except UserError:
        raise
    except kind as error:
        raise UserError(
            f"system = {short(system)}: its step has no derivative by JAX "
            f"({first_line(error)[:120]}), use chaotrain.rescaled_pair"
        ) from None


def _check_fits(system: Map, state: State) -> None:
    """Check that what went wrong is not that the state is shaped otherwise than the map's own."""
    given, own = (
        [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]
        for tree in (state, system.init(jax.random.key(0)))
    )
    if given != own:
        raise UserError(
            f"state: its leaves have shapes {short(given)}, those of the map's own have "
            f"{short(own)}, give one like that of system.init"
        )


def _is_floating(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jnp.floating))
