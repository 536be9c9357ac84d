"""Multilayer perceptrons, and the dense layers that other networks end with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain import arguments
from chaotrain.errors import UserError
from chaotrain.explaining import short
from chaotrain.networks.activations import Activation, activation_named
from chaotrain.networks.inits import Draw, init_named
from chaotrain.networks.network import Network, Parameters


def mlp(
    layers: Sequence[int],
    activation: str = "tanh",
    init: str = "normal",
    scale: float = 1.0,
    dropout: float = 0.0,
) -> Network:
    """A multilayer perceptron: affine layers with `activation` between them, linear at the end.

    Args:
        layers: The width of every layer, inputs first, outputs last. Inputs with more than one
            axis a sample are flattened.
        activation: One of `ACTIVATIONS`.
        init: The distribution of the weights, one of `INITS`: `normal` is N(0, 1) as in the
            paper.
        scale: A factor on the weights that are drawn.
        dropout: The share of each hidden layer's signals that a training step sets to 0; the
            others are divided by 1 - dropout, so that their mean stays (Srivastava and others
            2014). Above 0 the network is stochastic: it takes a key in training.

    Returns:
        A network whose parameters are a tuple of {"weight": (out, in), "bias": (out,)}.

    Raises:
        UserError: On fewer than two layers, a width below 1, an unknown name, a scale that is not
            above 0, or a dropout outside [0, 1).

    Example:
        >>> import chaotrain as ct
        >>> ct.networks.mlp([784, 64, 10]).name
        'mlp 784-64-10 tanh normal'
        >>> ct.networks.mlp([64, 32, 32, 10], "relu", "he", dropout=0.1).name
        'mlp 64-32-32-10 relu he dropout 0.1'
    """
    remedy = "give at least two widths, whole numbers of at least 1"
    layers = arguments.wholes("layers", layers, remedy, least=2)
    if not (arguments.is_number(dropout) and 0 <= dropout < 1):
        raise UserError(f"dropout = {short(dropout)}: give a share of at least 0 and below 1")
    squash, draw = activation_named(activation), init_named(init, scale)

    def initialise(key: Array, dtype: Any) -> Parameters:
        return dense(key, layers, draw, dtype)

    def apply(parameters: Parameters, inputs: Array) -> Array:
        return forward(parameters, columns(inputs), squash)

    def apply_with_dropout(parameters: Parameters, inputs: Array, key: Array | None) -> Array:
        return forward(parameters, columns(inputs), squash, dropout, key)

    name = f"mlp {'-'.join(map(str, layers))} {activation} {init}{scaled(scale)}"
    if dropout:
        name = f"{name} dropout {dropout}"
        return Network(initialise, apply_with_dropout, name, stochastic=True, on_inputs=on_first)
    return Network(initialise, apply, name, on_inputs=on_first)


def dense(key: Array, widths: Sequence[int], draw: Draw, dtype: Any) -> Parameters:
    """Parameters of affine layers: a tuple of {"weight": (out, in), "bias": (out,)}."""
    shapes = list(pairwise(widths))
    drawn = [
        draw(k, shape, dtype)
        for k, shape in zip(jax.random.split(key, len(shapes)), shapes, strict=True)
    ]
    return tuple({"weight": weight.T, "bias": bias} for weight, bias in drawn)


def on_first(function: Callable[[Array], Array], parameters: Parameters) -> Parameters:
    """Dense layers with `function` applied to the weight of the first."""
    first, *others = parameters
    return ({**first, "weight": function(first["weight"])}, *others)


def columns(inputs: Array) -> Array:
    """The samples as columns: (samples, ...) → (features, samples).

    With the samples last, forward product and gradient both run along contiguous memory; with the
    samples first, XLA computes the gradient's product at half the speed.
    """
    return inputs.reshape(len(inputs), -1).T


def forward(
    parameters: Parameters,
    signal: Array,
    squash: Activation,
    dropout: float = 0.0,
    key: Array | None = None,
) -> Array:
    """Affine layers on columns (features, samples), to outputs (samples, outputs)."""
    *hidden, last = ((layer["weight"], layer["bias"][:, None]) for layer in parameters)
    for depth, (weight, bias) in enumerate(hidden):
        signal = squash(weight @ signal + bias)
        if key is not None:
            kept = jax.random.bernoulli(
                jax.random.fold_in(key, depth), 1 - dropout, signal.shape[::-1]
            ).T
            signal = jnp.where(kept, signal / (1 - dropout), 0)
    weight, bias = last
    outputs: Array = (weight @ signal + bias).T
    return outputs


def scaled(scale: float) -> str:
    """How a name tells the scale, where there is one."""
    return "" if scale == 1 else f" scale {scale}"
