"""Where balls are that evolve side by side: taken apart and put together between two runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chaotrain.maps import State


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
        chosen: Course = _on_host(lambda leaf: leaf[balls], self)
        states = jax.tree.map(lambda leaf: leaf[:, :members], chosen.states)
        return chosen._replace(states=states)

    def split(self, parts: Sequence[np.ndarray]) -> list[Course]:
        """Those of parts that all balls are in; of one part it is this itself."""
        return [self] if len(parts) == 1 else [self.of(part) for part in parts]

    @classmethod
    def joined(cls, courses: Sequence[Course], balls: int) -> Course:
        """The first so many balls of some courses."""
        if len(courses) == 1:
            return courses[0]
        return cls(*_on_host(lambda *leaves: np.concatenate(leaves)[:balls], *courses))


def _on_host(function: Callable[..., np.ndarray], *trees: State) -> State:
    """A function of leaves along their leading axes, in the host's memory."""

    def numbers(leaf: Array) -> Array:
        return jax.random.key_data(leaf) if _is_key(leaf) else leaf

    def again(like: Array, *leaves: np.ndarray) -> Any:
        found = function(*leaves)
        if not _is_key(like):
            return found
        # NumPy has no typed keys.
        return jax.random.wrap_key_data(jnp.asarray(found), impl=jax.random.key_impl(like))

    # On the device every new shape would be a program to compile.
    return jax.tree.map(again, trees[0], *jax.device_get(jax.tree.map(numbers, trees)))


def _is_key(leaf: Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
