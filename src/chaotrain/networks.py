"""Networks as pairs of pure functions: `init(key) -> parameters`, `apply(parameters, inputs)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain.errors import UserError

Parameters = Any

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "identity": lambda x: x,
}
INITS: dict[str, Callable[..., Array]] = {
    "normal": jax.nn.initializers.normal(stddev=1.0),
    "glorot": jax.nn.initializers.glorot_normal(),
    "he": jax.nn.initializers.he_normal(),
}


@dataclass(frozen=True)
class Network:
    """A network: its parameters are drawn by `init` and used by `apply`.

    Args:
        init: (key, dtype) → parameters, a pytree of arrays. Arrays with two axes or more are
            weights, those with one are biases.
        apply: (parameters, inputs (samples, ...)) → outputs (samples, outputs), each sample on
            its own.
        name: How the network is called in a study's record.
    """

    init: Callable[[Array, Any], Parameters]
    apply: Callable[[Parameters, Array], Array]
    name: str = "network"


def mlp(layers: Sequence[int], activation: str = "tanh", init: str = "normal") -> Network:
    """A multilayer perceptron: affine layers with `activation` between them, linear at the end.

    Args:
        layers: The width of every layer, inputs first, outputs last.
        activation: One of `ACTIVATIONS`.
        init: The distribution of the weights, one of `INITS`: `normal` is N(0, 1) as in the
            paper, `glorot` and `he` scale it by the width. Biases are 0.

    Returns:
        A network whose parameters are a tuple of {"weight": (out, in), "bias": (out,)}.

    Raises:
        UserError: On fewer than two layers, a width below 1, or an unknown name.

    Example:
        >>> import chaotrain as ct
        >>> ct.networks.mlp([784, 64, 10]).name
        'mlp 784-64-10 tanh normal'
    """
    if len(layers) < 2 or any(width < 1 for width in layers):
        raise UserError(f"layers = {list(layers)}: give at least two widths, each at least 1")
    for field, value, known in (("activation", activation, ACTIVATIONS), ("init", init, INITS)):
        if value not in known:
            raise UserError(f"{field} = {value!r} is unknown: choose one of {', '.join(known)}")
    squash, draw = ACTIVATIONS[activation], INITS[init]
    shapes = list(pairwise(layers))

    def initialise(key: Array, dtype: Any) -> Parameters:
        keys = jax.random.split(key, len(shapes))
        return tuple(
            {"weight": draw(k, shape, dtype).T, "bias": jnp.zeros(shape[1], dtype)}
            for k, shape in zip(keys, shapes, strict=True)
        )

    def apply(parameters: Parameters, inputs: Array) -> Array:
        # With the samples last, forward product and gradient both run along contiguous memory;
        # with the samples first, XLA computes the gradient's product at half the speed.
        signal = inputs.T
        *hidden, last = ((layer["weight"], layer["bias"][:, None]) for layer in parameters)
        for weight, bias in hidden:
            signal = squash(weight @ signal + bias)
        weight, bias = last
        outputs: Array = (weight @ signal + bias).T
        return outputs

    widths = "-".join(map(str, layers))
    return Network(initialise, apply, f"mlp {widths} {activation} {init}")
