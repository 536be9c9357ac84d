"""Epochs recorded row by row in compiled calls; what the estimators of this package share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from chaotrain import arguments, ensembles, layout, maps
from chaotrain.balls import check_map, initial
from chaotrain.distances import DISTANCES
from chaotrain.experiment import plain, validated
from chaotrain.fields import Count, Model, Positive, Steps
from chaotrain.maps import Key, Map, State
from chaotrain.tangent.products import floating, with_floating

Carry = Any
Recorded = Any


class Row(Protocol):
    """What is recorded of a carry, and the carry one epoch later."""

    def __call__(self, system: Map, norm: str, carry: Carry, eta: Array) -> tuple[Carry, Any]:
        """Compute the carry and the row; `norm` names the distance in use."""


class Settings(Model):
    """The numbers that the estimators of this package take, by the names of their arguments."""

    eta: Positive
    epochs: Steps = 2
    steps: Steps = 2
    transient: Annotated[int, Field(ge=0, le=10**6)] = 0
    count: Count = 1
    epsilon: Positive = 1e-8


def checked(system: Map, norm: str, **numbers: Any) -> Settings:
    """Settings within their ranges, of a map that can be evolved.

    Raises:
        UserError: In one line on what is not.
    """
    check_map(system)
    arguments.entry("norm", norm, DISTANCES)
    return validated(Settings, {name: plain(value) for name, value in numbers.items()})


def start_of(system: Map, key: Key, state: State) -> tuple[Array, State]:
    """The key as JAX has it, and the initial state: the explicit one, or that of the key.

    Raises:
        UserError: On a key that is none, or a state that does not fit.
    """
    key = maps.as_key(key)
    return key, initial(system, key, state)


def moves(system: Map, state: State, key: Array) -> list[Array]:
    """The tangent along the perturbation of replica 0 in `chaotrain.divergence`, over ε."""
    (own,) = jax.random.split(jax.random.fold_in(key, ensembles.PERTURBATIONS), 1)
    # What moves a state of zeros by U(-1, 1) is the move itself.
    zero = with_floating(state, [jnp.zeros_like(leaf) for leaf in floating(state)])
    return floating(ensembles.perturb(system, zero, own, 1.0))


def record(
    row: Row,
    system: Map,
    norm: str,
    carry: Carry,
    eta: float,
    rows: int,
    members: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[Carry, Recorded]:
    """Run so many epochs in compiled calls.

    Args:
        row: A function of a module, which is compiled once; a row is a tree of arrays.
        system: The map; one that is no pytree of arrays is a compile-time constant.
        norm: The name of a distance.
        carry: Where it starts: any pytree of arrays.
        eta: The learning rate.
        rows: How many epochs.
        members: How many steps of one network an epoch is worth; it sets how long a call takes.
        progress: Called with the number of epochs done after every call.

    Returns:
        A carry after at least `rows` epochs, and what was recorded of each (rows, ...).
    """
    is_constant = jax.tree_util.all_leaves([system])
    argument, constant = (None, system) if is_constant else (system, None)
    flops = max(maps.cost(system).flops, 1.0) * members
    calls = -(-rows // max(1, min(rows, int(layout.CALL_FLOPS // flops))))
    # Equal calls, so that one is compiled; what runs past the end is cut off.
    length = -(-rows // calls)
    parts = []
    for _ in range(calls):
        carry, part = _call(row, norm, constant, length, argument, carry, eta)
        parts.append(jax.tree.map(np.asarray, part))
        if progress is not None:
            progress(min(length * len(parts), rows) - 1)
    return carry, jax.tree.map(lambda *some: np.concatenate(some)[:rows], *parts)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _call(
    row: Row,
    norm: str,
    constant: Map | None,
    length: int,
    argument: Map | None,
    carry: Carry,
    eta: Array,
) -> tuple[Carry, Any]:
    system = argument if constant is None else constant
    assert system is not None
    return jax.lax.scan(lambda inner, _: row(system, norm, inner, eta), carry, length=length)
