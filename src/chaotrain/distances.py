"""Distances between two states: over their coordinates, layer by layer, and in function space."""

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


def layers(parameters: Coordinates) -> dict[str, list[Array]]:
    """The leaves of a tree by layer: those that share a path up to the last name are one.

    A leaf at the top is a layer of its own.

    Example:
        >>> import jax
        >>> import chaotrain as ct
        >>> network = ct.networks.mlp([4, 8, 3])
        >>> found = ct.distances.layers(network.init(jax.random.key(0), "float32"))
        >>> {name: [leaf.shape for leaf in leaves] for name, leaves in found.items()}
        {'0': [(8,), (8, 4)], '1': [(3,), (3, 8)]}
    """
    found: dict[str, list[Array]] = {}
    for path, leaf in jax.tree.leaves_with_path(parameters):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        found.setdefault(name.rpartition(".")[0] or name, []).append(leaf)
    return found


def disagreement(outputs: Array, others: Array, shares: Array | None = None) -> Array:
    """The share of samples that two networks give another class: another largest output.

    Args:
        outputs: What one network says (..., outputs).
        others: What the other says of the same samples.
        shares: The share of each sample (...), which add up to 1; by default all equal.

    Returns:
        From 0 to 1; NaN if an output is not finite, or there are fewer than two.

    Example:
        >>> import jax.numpy as jnp
        >>> import chaotrain as ct
        >>> one, other = jnp.array([[2.0, 1.0], [0.0, 3.0]]), jnp.array([[0.0, 1.0], [0.0, 1.0]])
        >>> float(ct.distances.disagreement(one, other))
        0.5
    """
    differs = jnp.argmax(outputs, axis=-1) != jnp.argmax(others, axis=-1)
    found = _mean(differs.astype(outputs.dtype), shares)
    known = outputs.shape[-1] > 1 and jnp.isfinite(outputs).all() & jnp.isfinite(others).all()
    return jnp.where(known, found, jnp.nan)


def output_l2(outputs: Array, others: Array, shares: Array | None = None) -> Array:
    """The root mean square, over samples, of the Euclidean distance of their outputs.

    Arguments are those of `disagreement`.

    Example:
        >>> import jax.numpy as jnp
        >>> import chaotrain as ct
        >>> one, other = jnp.array([[3.0, 0.0], [0.0, 0.0]]), jnp.array([[0.0, 4.0], [5.0, 0.0]])
        >>> float(ct.distances.output_l2(one, other))
        5.0
    """
    return jnp.sqrt(_mean(jnp.sum((outputs - others) ** 2, axis=-1), shares))


def _mean(values: Array, shares: Array | None) -> Array:
    return jnp.mean(values) if shares is None else jnp.sum(shares * values)


def _total(sums: Coordinates) -> Array:
    return jnp.sum(jnp.stack(jax.tree.leaves(sums)))


DISTANCES: dict[str, Distance] = {"l1": l1, "l2": l2}
