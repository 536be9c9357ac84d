"""The state of a training, and the noise that every member of a ball has in common."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain.networks import Parameters

# Folded into a key, so that noise draws from another stream than initial weights and batches.
NOISE = 0x6E6F6973


class Noise(NamedTuple):
    """What the batches, dropout masks and augmentations of an epoch are drawn from."""

    key: Array
    epoch: Array

    @classmethod
    def of(cls, key: Array) -> Noise:
        """The noise of a training that starts from `key`."""
        stream = jax.random.fold_in(key, NOISE)
        return cls(jax.random.key_data(stream), jnp.zeros((), jnp.int32))

    def this_epoch(self) -> Array:
        """The key of this epoch, a function of (key, epoch) alone."""
        return jax.random.fold_in(jax.random.wrap_key_data(self.key), self.epoch)

    def next_epoch(self) -> Noise:
        """The noise one epoch later."""
        return self._replace(epoch=self.epoch + 1)


class TrainingState(NamedTuple):
    """The state u: all trainable parameters, the optimiser's buffers, and the noise if any."""

    parameters: Parameters
    buffers: Any
    noise: Noise | None = None
