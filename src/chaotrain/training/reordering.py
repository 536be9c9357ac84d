"""The same training with its samples in another order: only rounding differs."""

from __future__ import annotations

from typing import Any

import jax
from jax import Array

from chaotrain.errors import UserError
from chaotrain.training.system import TrainingMap


def reordered(system: TrainingMap) -> TrainingMap:
    """The same training, with the samples of every step from the last to the first.

    In exact arithmetic nothing changes: a step descends the mean over its samples. In floating
    point the sums round otherwise, as they do on another machine or with other threads.

    Raises:
        UserError: If the network draws dropout masks, or inputs are augmented: what is drawn goes
            by the place of a sample, so that another order is another training.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.TrainingMap(ct.networks.mlp([4, 8, 3], "tanh"), ct.tasks.load("iris"))
        >>> other = reordered(system)
        >>> bool((system.train.inputs[0, 0] == other.train.inputs[-1, -1]).all())
        True
    """
    if system.network.stochastic or system.augment is not None:
        raise UserError(
            "system: dropout and augmentation are drawn for each place in a batch, so samples in "
            "another order make another training; leave them out"
        )
    data, constants = system.tree_flatten()
    other = _Reordered.tree_unflatten(constants, data)
    if system.batch_size is None:
        other.train = jax.tree.map(_backwards, system.train)
    return other


@jax.tree_util.register_pytree_node_class
class _Reordered(TrainingMap):
    """A training whose mini-batches, if any, hold their samples from the last to the first."""

    def _batches(self, key: Array) -> tuple[Array, Any]:
        indices, weights = super()._batches(key)
        return indices[:, ::-1, ::-1], weights[:, ::-1, ::-1]


def _backwards(leaf: Array) -> Array:
    """Samples in chunks (chunk, sample, ...) from the last to the first."""
    return leaf[::-1, ::-1]
