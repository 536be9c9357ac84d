"""Inputs that are zero in every sample: the products with them are left out."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from chaotrain.networks import Network, Parameters

# Fewer products of each weight with zeros in a step cost less than taking the weights apart does.
WORTHWHILE = 100


class Busy(NamedTuple):
    """The inputs that are not zero in every sample.

    Leaving out the others is exact: they add nothing to a sum, and the gradient of their weights
    is zero. A penalty or a decay still moves those weights, since optimisers see all of them.

    Attributes:
        kept: Indices of the busy inputs, in increasing order.
        places: For each input its place among the busy ones; their number for an idle one.
    """

    kept: Array
    places: Array

    @classmethod
    def of(cls, network: Network, inputs: np.ndarray, step: int) -> Busy | None:
        """The busy inputs of samples (samples, ...), or None where leaving out does not pay.

        Args:
            network: The network.
            inputs: All training inputs.
            step: How many of them a step of the optimiser takes.

        Example:
            >>> import chaotrain as ct
            >>> task = ct.tasks.load("mnist", train_size=500)
            >>> busy = Busy.of(ct.networks.mlp([784, 64, 10]), task.inputs, step=500)
            >>> len(busy.kept), len(busy.places)
            (579, 784)
        """
        if network.on_inputs is None:
            return None
        used = inputs.reshape(len(inputs), -1).any(axis=0)
        kept = np.flatnonzero(used)
        if step * (1 - used.mean()) < WORTHWHILE:
            return None
        places = np.where(used, np.cumsum(used) - 1, len(kept))
        return cls(jnp.asarray(kept), jnp.asarray(places))

    def select(self, inputs: np.ndarray) -> np.ndarray:
        """The busy inputs (samples, busy inputs) of samples (samples, ...)."""
        return inputs.reshape(len(inputs), -1)[:, np.asarray(self.kept)]

    def narrow(self, array: Array) -> Array:
        """The busy entries of the last axis."""
        return jnp.take(array, self.kept, axis=-1, mode="clip")

    def widen(self, array: Array) -> Array:
        """The inverse of `narrow`, with zeros at the idle entries."""
        return jnp.take(array, self.places, axis=-1, mode="fill", fill_value=0)


def narrowed(network: Network, busy: Busy | None, parameters: Parameters) -> Parameters:
    """The parameters that meet a busy input."""
    if busy is None:
        return parameters
    assert network.on_inputs is not None
    return network.on_inputs(busy.narrow, parameters)


def widened(network: Network, busy: Busy | None, gradient: Parameters) -> Parameters:
    """The gradient of all parameters from that of the `narrowed` ones."""
    if busy is None:
        return gradient
    assert network.on_inputs is not None
    return network.on_inputs(busy.widen, gradient)
