"""Convolutional networks: convolutions with pooling, then dense layers.

Signals are (channels, height, width, samples). With the samples last, the patches, the quarters of
a pooling and the matrix products all run along contiguous memory.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain import arguments
from chaotrain.errors import UserError
from chaotrain.networks.activations import activation_named
from chaotrain.networks.inits import Draw, init_named
from chaotrain.networks.mlp import columns, dense, forward, scaled
from chaotrain.networks.network import Network, Parameters

# Pixels times samples of a chunk: measured on the CPU for the images of MNIST, where 10 to 20 at
# once are fastest, for their patches then stay in the cache.
POSITIONS = 16_000


def cnn(
    shape: Sequence[int],
    outputs: int,
    channels: Sequence[int] = (8, 16),
    kernel: int = 3,
    hidden: Sequence[int] = (),
    activation: str = "tanh",
    init: str = "normal",
    scale: float = 1.0,
    pooling: str = "max",
) -> Network:
    """A convolutional network: convolutions, each with activation and pooling, then dense layers.

    A convolution has stride 1 and is padded with zeros to keep height and width; a pooling takes
    the largest or the mean of each 2 × 2 square and leaves out an odd last row or column.

    Args:
        shape: (height, width, channels) of one sample; inputs come in this shape, or flat.
        outputs: How many outputs.
        channels: How many channels each convolution makes.
        kernel: Height and width of what a convolution sees.
        hidden: The widths of dense hidden layers between the last pooling and the outputs.
        activation: One of `ACTIVATIONS`.
        init: The distribution of the weights, one of `INITS`.
        scale: A factor on the weights that are drawn.
        pooling: "max" or "average".

    Returns:
        A network with parameters {"convolutions": a tuple of {"weight": (out, kernel, kernel, in),
        "bias": (out,)}, "dense": a tuple of {"weight": (out, in), "bias": (out,)}}.

    Raises:
        UserError: On a shape that is not three sizes or too small for the poolings, a size below
            1, an unknown name, or a scale that is not above 0.

    Example:
        >>> import chaotrain as ct
        >>> ct.networks.cnn((28, 28, 1), 10, init="pytorch").name
        'cnn 28x28x1 channels 8-16 kernel 3 max dense 10 tanh pytorch'
    """
    _check(shape, outputs, channels, kernel, hidden, pooling)
    squash, draw = activation_named(activation), init_named(init, scale)
    pool = POOLINGS[pooling]
    height, width, depth = shape
    shrunk = 2 ** len(channels)
    flat = channels[-1] * (height // shrunk) * (width // shrunk)
    widths = [flat, *hidden, outputs]

    def initialise(key: Array, dtype: Any) -> Parameters:
        first, second = jax.random.split(key)
        return {
            "convolutions": _filters(first, [depth, *channels], kernel, draw, dtype),
            "dense": dense(second, widths, draw, dtype),
        }

    def apply(parameters: Parameters, inputs: Array) -> Array:
        pixels = columns(inputs).reshape(height, width, depth, len(inputs))
        signal = pixels.transpose(2, 0, 1, 3)
        for index, layer in enumerate(parameters["convolutions"]):
            bias = layer["bias"][:, None, None, None]
            convolved = convolve(layer["weight"], signal, shared=index == 0)
            signal = pool(squash(convolved + bias))
        return forward(parameters["dense"], signal.reshape(flat, len(inputs)), squash)

    sizes = (
        "x".join(map(str, shape)),
        "-".join(map(str, channels)),
        "-".join(map(str, widths[1:])),
    )
    name = "cnn {} channels {} kernel {} {} dense {} {} {}{}".format(
        *sizes[:2], kernel, pooling, sizes[2], activation, init, scaled(scale)
    )
    return Network(initialise, apply, name, chunk=max(1, POSITIONS // (height * width)))


def convolve(weight: Array, signal: Array, shared: bool) -> Array:
    """A convolution, in the formulation that is fast under `vmap` on this backend.

    Args:
        weight: The filters, shape (out, kernel, kernel, in).
        signal: Shape (in, height, width, samples).
        shared: Whether the signal is data, which all members share and no gradient is taken of.

    Returns:
        Shape (out, height, width, samples), without a bias.
    """
    # Under vmap over the weights, XLA makes a grouped convolution, 20 times slower on the CPU.
    if jax.default_backend() != "cpu":
        return direct(weight, signal)
    return (im2col if shared else im2col_by_rows)(weight, signal)


def im2col(weight: Array, signal: Array) -> Array:
    """A convolution as one matrix product with the patches of the signal; see `convolve`."""
    out, kernel, _, _ = weight.shape
    _, height, width, _ = signal.shape
    around = _around(kernel)
    padded = jnp.pad(signal, ((0, 0), around, around, (0, 0)))
    shifts = [
        padded[:, y : y + height, x : x + width] for y in range(kernel) for x in range(kernel)
    ]
    patches = jnp.concatenate(shifts)
    product = weight.reshape(out, -1) @ patches.reshape(len(patches), -1)
    return product.reshape(out, *signal.shape[1:])


def im2col_by_rows(weight: Array, signal: Array) -> Array:
    """A convolution as one product with patches of one row, and a sum over rows; see `convolve`.

    Where the patches differ between members, these are `kernel` times smaller, and so are their
    gradients: 1.5 (kernel 3) to 2.4 times (kernel 5) faster for a training step.
    """
    out, kernel, _, inputs = weight.shape
    _, height, width, _ = signal.shape
    around = _around(kernel)
    padded = jnp.pad(signal, ((0, 0), (0, 0), around, (0, 0)))
    patches = jnp.concatenate([padded[:, :, x : x + width] for x in range(kernel)])
    rows = weight.transpose(1, 0, 2, 3).reshape(kernel * out, kernel * inputs)
    product = (rows @ patches.reshape(len(patches), -1)).reshape(kernel, out, *signal.shape[1:])
    product = jnp.pad(product, ((0, 0), (0, 0), around, (0, 0), (0, 0)))
    return functools.reduce(jnp.add, [product[y, :, y : y + height] for y in range(kernel)])


def direct(weight: Array, signal: Array) -> Array:
    """A convolution by XLA's own; see `convolve`."""
    convolved: Array = jax.lax.conv_general_dilated(
        signal, weight, (1, 1), "SAME", dimension_numbers=("CHWN", "OHWI", "CHWN")
    )
    return convolved


def max_pool(signal: Array) -> Array:
    """The largest of each 2 × 2 square; at a tie the gradient goes to the tied ones."""
    return functools.reduce(jnp.maximum, _quarters(signal))


def average_pool(signal: Array) -> Array:
    """The mean of each 2 × 2 square."""
    return sum(_quarters(signal), start=jnp.zeros((), signal.dtype)) / 4


POOLINGS = {"max": max_pool, "average": average_pool}


def _around(kernel: int) -> tuple[int, int]:
    """How many zeros before and after keep the size."""
    return (kernel - 1) // 2, kernel // 2


def _quarters(signal: Array) -> list[Array]:
    # Elementwise work on four strided slices is fused; the gradient of a reduction is slow.
    height, width = (size // 2 * 2 for size in signal.shape[1:3])
    return [signal[:, y:height:2, x:width:2] for y in range(2) for x in range(2)]


def _filters(
    key: Array, channels: Sequence[int], kernel: int, draw: Draw, dtype: Any
) -> Parameters:
    pairs = list(pairwise(channels))
    drawn = [
        draw(k, (kernel, kernel, *pair), dtype)
        for k, pair in zip(jax.random.split(key, len(pairs)), pairs, strict=True)
    ]
    return tuple({"weight": jnp.moveaxis(weight, -1, 0), "bias": bias} for weight, bias in drawn)


def _check(
    shape: Sequence[int],
    outputs: int,
    channels: Sequence[int],
    kernel: int,
    hidden: Sequence[int],
    pooling: str,
) -> None:
    if len(arguments.wholes("shape", shape, OF_IMAGE)) != 3:
        raise UserError(f"shape = {tuple(shape)}: {OF_IMAGE}")
    arguments.wholes("channels", channels, "give channels, whole numbers of at least 1", least=1)
    arguments.wholes("hidden", hidden, "give widths, whole numbers of at least 1")
    for field, value in {"outputs": outputs, "kernel": kernel}.items():
        arguments.whole(field, value, "give a whole number of at least 1")
    if min(shape[:2]) < 2 ** len(channels):
        raise UserError(
            f"channels = {list(channels)}: {len(channels)} poolings leave nothing of an image of "
            f"{shape[0]} x {shape[1]}, give fewer"
        )
    arguments.entry("pooling", pooling, POOLINGS)


OF_IMAGE = "give height, width and channels of an image, whole numbers of at least 1"
