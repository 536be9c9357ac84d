"""How a tile is run: its lanes at the same time, the members of a lane block after block.

The small products of a block keep no second processor busy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from chaotrain import processors


def places(balls: int, each: int | None) -> list[np.ndarray]:
    """The balls of every lane, equally many in each: the last is filled up with the first balls.

    Args:
        balls: How many there are.
        each: Balls of a lane; None for one lane of all.

    Example:
        >>> [lane.tolist() for lane in places(5, 3)], [lane.tolist() for lane in places(2, 3)]
        ([[0, 1, 2], [3, 4, 0]], [[0, 1]])
    """
    if each is None or balls <= each:
        return [np.arange(balls)]
    return list((np.arange(-(-balls // each) * each) % balls).reshape(-1, each))


def at_once(functions: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call functions, as many at a time as there are processors, and return what they return.

    XLA lets go of Python's lock while it computes. Functions see 64-bit types.
    """
    if len(functions) == 1:
        return [functions[0]()]
    with ThreadPoolExecutor(min(len(functions), processors.count())) as pool:
        return list(pool.map(_in_float64, functions))


def _in_float64(function: Callable[[], Any]) -> Any:
    with jax.enable_x64(True):  # every thread has its own
        return function()


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
