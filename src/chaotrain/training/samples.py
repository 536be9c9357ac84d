"""A data set cut into chunks, and the batches of an epoch."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


class Samples(NamedTuple):
    """Samples in chunks (chunk, sample, ...); weights add up to 1, and are 0 for padding."""

    inputs: Array
    targets: Array
    weights: Array


def chunked(inputs: np.ndarray, targets: np.ndarray, chunk: int, dtype: str) -> Samples:
    """Equal chunks of at most `chunk` samples; the last is filled with the first, at weight 0.

    Args:
        inputs: Inputs (samples, ...).
        targets: Labels (samples,), or floating targets (samples, outputs).
        chunk: Most samples of a chunk.
        dtype: The floating type.
    """
    order, weights = (array[0] for array in _cut(len(inputs), len(inputs), chunk))

    def split(array: np.ndarray) -> Array:
        whole = array if order.size == len(array) else array[order.ravel()]
        return jnp.asarray(whole.reshape(*order.shape, *array.shape[1:]))

    if np.issubdtype(targets.dtype, np.floating):
        targets = np.asarray(targets, dtype)
    inputs = np.asarray(inputs, dtype)
    return Samples(split(inputs), split(targets), jnp.asarray(weights.astype(dtype)))


def batches(count: int, size: int, chunk: int, key: Array) -> tuple[Array, np.ndarray]:
    """The batches of an epoch, in a random order.

    Args:
        count: Samples of the training set.
        size: Samples of a batch; the last takes what is left.
        chunk: Most samples of a chunk of a batch.
        key: A JAX key; it draws the order.

    Returns:
        Indices of samples and their weights, both (batch, chunk, sample); the weights of every
        batch add up to 1.
    """
    order, weights = _cut(count, size, chunk)
    return jax.random.permutation(key, count)[order], weights


def gathered(samples: Samples, indices: Array, weights: Array) -> Samples:
    """The samples with these indices, in chunks (chunk, sample, ...)."""

    def take(array: Array) -> Array:
        return array.reshape(-1, *array.shape[2:])[indices]

    return Samples(take(samples.inputs), take(samples.targets), weights)


def _cut(count: int, size: int, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in an order of `count` samples, and their weights, each (batch, chunk, sample)."""
    size = min(size, count)
    batches, chunks = -(-count // size), -(-size // chunk)
    length = -(-size // chunks)
    starts = size * np.arange(batches)[:, None]
    inside = np.arange(chunks * length)
    held = np.minimum(size, count - starts)
    shape = (batches, chunks, length)
    weights = np.where(inside < held, 1 / held, 0.0)
    return (starts + inside % held).reshape(shape), weights.reshape(shape)
