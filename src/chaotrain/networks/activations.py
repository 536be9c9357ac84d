"""The activations by name."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain import arguments

Activation = Callable[[Array], Array]

ACTIVATIONS: dict[str, Activation] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "softplus": jax.nn.softplus,
    "sin": jnp.sin,
    "identity": lambda x: x,
}


def activation_named(name: str) -> Activation:
    """The function that acts on each number of a hidden layer.

    Raises:
        UserError: On an unknown name.

    Example:
        >>> float(activation_named("identity")(2.0))
        2.0
    """
    return arguments.entry("activation", name, ACTIVATIONS)
