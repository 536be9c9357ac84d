"""The same training on a part of its samples."""

from __future__ import annotations

import jax
import numpy as np

from chaotrain.training.samples import chunked
from chaotrain.training.system import TrainingMap

SEED = 0


def subset(system: TrainingMap, samples: int) -> TrainingMap:
    """The same training on so many of its training samples, drawn at random once and for all.

    Args:
        system: A training.
        samples: How many, at least as many as a mini-batch; more than there are means all.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.TrainingMap(ct.networks.mlp([4, 8, 3], "tanh"), ct.tasks.load("iris"))
        >>> system.samples, subset(system, 30).samples
        (105, 30)
    """
    if samples >= system.samples:
        return system
    # In the order of the data, so that which come first depends on nothing but the draw.
    chosen = np.sort(np.random.default_rng(SEED).permutation(system.samples)[:samples])
    inputs, targets = (
        np.asarray(leaf.reshape(-1, *leaf.shape[2:]))[chosen]
        for leaf in (system.train.inputs, system.train.targets)
    )
    data, constants = system.tree_flatten()
    other = TrainingMap.tree_unflatten(constants, data)
    other.samples = samples
    with jax.enable_x64(True):
        other.train = chunked(inputs, targets, system.network.chunk, system.dtype)
    return other
