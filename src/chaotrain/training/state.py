"""The state of a training, and the noise that members of a ball have in common or do not."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain.networks import Parameters

# Folded into a key, so that noise draws from another stream than initial weights and batches.
NOISE = 0x6E6F6973


class Noise(NamedTuple):
    """What the dropout masks, augmentations and batches of an epoch are drawn from.

    Attributes:
        key: Data of the key of the masks and augmentations.
        epoch: The epoch, counted from 0.
        order: Data of the key of the order of the batches; that of `key` but in a replica whose
            batches are its own.
    """

    key: Array
    epoch: Array
    order: Array

    @classmethod
    def of(cls, key: Array) -> Noise:
        """The noise of a training that starts from `key`."""
        stream = jax.random.key_data(jax.random.fold_in(key, NOISE))
        return cls(stream, jnp.zeros((), jnp.int32), stream)

    def this_epoch(self) -> Array:
        """The key of this epoch, a function of (key, epoch) alone."""
        return self._at_epoch(self.key)

    def this_pass(self) -> tuple[Array, Array]:
        """The keys of this epoch's order of the batches, and of what is drawn inside them."""
        order, _ = jax.random.split(self._at_epoch(self.order))
        _, inside = jax.random.split(self.this_epoch())
        return order, inside

    def reordered(self, key: Array) -> Noise:
        """The same noise, with the order of the batches of a training that starts from `key`."""
        return self._replace(order=Noise.of(key).order)

    def next_epoch(self) -> Noise:
        """The noise one epoch later."""
        return self._replace(epoch=self.epoch + 1)

    def _at_epoch(self, stream: Array) -> Array:
        return jax.random.fold_in(jax.random.wrap_key_data(stream), self.epoch)


class TrainingState(NamedTuple):
    """The state u: all trainable parameters, the optimiser's buffers, and the noise if any."""

    parameters: Parameters
    buffers: Any
    noise: Noise | None = None
