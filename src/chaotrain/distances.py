"""Distances between two states, over the coordinates that a map measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Coordinates = Any
Distance = Callable[[Coordinates, Coordinates], Array]


def l1(a: Coordinates, b: Coordinates) -> Array:
    """Σ|a - b| over all leaves, the paper's distance.

    Example:
        >>> import jax.numpy as jnp
        >>> import chaotrain as ct
        >>> float(ct.distances.l1([jnp.array([1.0, 2.0])], [jnp.array([4.0, 0.0])]))
        5.0
    """
    return _total(jax.tree.map(lambda x, y: jnp.sum(jnp.abs(x - y)), a, b))


def l2(a: Coordinates, b: Coordinates) -> Array:
    """The Euclidean distance √Σ(a - b)² over all leaves.

    Example:
        >>> import jax.numpy as jnp
        >>> import chaotrain as ct
        >>> float(ct.distances.l2([jnp.array([3.0, 0.0])], [jnp.array([0.0, 4.0])]))
        5.0
    """
    return jnp.sqrt(_total(jax.tree.map(lambda x, y: jnp.sum((x - y) ** 2), a, b)))


def _total(sums: Coordinates) -> Array:
    return jnp.sum(jnp.stack(jax.tree.leaves(sums)))


DISTANCES: dict[str, Distance] = {"l1": l1, "l2": l2}
