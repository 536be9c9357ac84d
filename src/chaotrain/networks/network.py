"""What a network is to the engine: a pair of pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jax import Array

Parameters = Any


@dataclass(frozen=True)
class Network:
    """A network: its parameters are drawn by `init` and used by `apply`.

    Any pair of pure functions makes one; `mlp`, `cnn` and the adapters are ready to use.

    Args:
        init: (key, dtype) → parameters, a pytree of arrays of that dtype. Arrays with two axes or
            more are weights, those with one are biases.
        apply: (parameters, inputs (samples, ...)) → outputs (samples, outputs), each sample on
            its own.
        name: How the network is called in a study's record.
        stochastic: Whether `apply` takes a third argument, a JAX key in training and None in
            evaluation (dropout).
        chunk: The most samples that a compiled product takes at once: few enough that the
            activations of a block stay in the cache, and enough that the product runs at full
            speed. On a processor 500 is a tenth faster for an MLP than 2,000 are.
        on_inputs: (function, parameters) → the parameters with `function` applied to the one
            weight (units, features) that multiplies the inputs, where they enter by one product
            with their flattened features. With it, inputs that are zero in every sample are left
            out of the products.

    Example:
        >>> import jax
        >>> import chaotrain as ct
        >>> def init(key, dtype):
        ...     return {"weight": jax.random.normal(key, (4, 3), dtype)}
        >>> def apply(parameters, inputs):
        ...     return inputs @ parameters["weight"]
        >>> ct.Network(init, apply, name="linear 4-3").stochastic
        False
    """

    init: Callable[[Array, Any], Parameters]
    apply: Callable[..., Array]
    name: str = "network"
    stochastic: bool = False
    chunk: int = 500
    on_inputs: Callable[[Callable[[Array], Array], Parameters], Parameters] | None = None
