"""Penalties on the weights, which are part of the loss and so of the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain import arguments


def weights_of(parameters: Any) -> list[Array]:
    """The weights: every parameter with two axes or more; biases have one."""
    return [leaf for leaf in jax.tree.leaves(parameters) if leaf.ndim >= 2]


@dataclass(frozen=True)
class Penalty:
    """α₁ Σ|w| + ½ α₂ Σw² over the weights; its gradient is α₁ sign(w) + α₂ w.

    Args:
        l1: The strength α₁, 0 or more.
        l2: The strength α₂, 0 or more. Alone, descent along it is w → (1 - η α₂) w.

    Raises:
        UserError: On a strength that is negative or not finite.

    Example:
        >>> float(Penalty(l1=1.0, l2=2.0)({"weight": jnp.array([[3.0, -1.0]])}))
        14.0
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        arguments.strength("l1", self.l1)
        arguments.strength("l2", self.l2)

    def __bool__(self) -> bool:
        return self.l1 > 0 or self.l2 > 0

    def __call__(self, parameters: Any) -> Array:
        """The penalty of a network's parameters."""
        total = jnp.zeros(())
        for weight in weights_of(parameters):
            if self.l1:
                total = total + self.l1 * jnp.sum(jnp.abs(weight))
            if self.l2:
                total = total + 0.5 * self.l2 * jnp.sum(weight**2)
        return total


NO_PENALTY = Penalty()
