"""How far apart the networks of a ball are: in weight space, up to relabelling, and as functions.

Weights that differ need not mean functions that differ: hidden units can trade places, and most
directions in weight space change little of what a network says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from chaotrain import ensembles, layout, maps, schema
from chaotrain.alignment import Signs, aligned, symmetries
from chaotrain.balls import Settings, check_epsilon, check_map
from chaotrain.device import here
from chaotrain.distances import DISTANCES, disagreement, l2, layers, output_l2
from chaotrain.errors import UserError
from chaotrain.experiment import plain, validated
from chaotrain.explaining import short
from chaotrain.fields import Count
from chaotrain.maps import Key, in_float64
from chaotrain.networks import Parameters
from chaotrain.training import TrainingMap

# Samples on which the symmetries of a network are tried.
SAMPLES = 8


class Visits(Settings):
    """The numbers that `separation` takes, by the names of its arguments."""

    every: Count


@in_float64
def separation(
    system: TrainingMap,
    eta: float,
    key: Key = 0,
    *,
    epochs: int = 201,
    replicas: int = 1,
    epsilon: float = 1e-8,
    every: int = 1,
    memory: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """Evolve the ball of `divergence` and measure how far apart its networks are, in every sense.

    Args:
        system: The training.
        eta: The learning rate.
        key: An integer or a JAX key; it draws the initial state and the perturbations.
        epochs: Steps T.
        replicas: Perturbed copies, each perturbed number moved by U(-ε, ε).
        epsilon: The half-width ε.
        every: Epochs between two measurements.
        memory: What the members may need while they step, in GiB; as for `sweep`.
        progress: Called with the number of epochs done after every measurement.

    Returns:
        Over `epoch`, at 0, `every`, 2 `every`, ... up to T, and `replica`, each between a replica
        and the reference:

        - `l1`, `l2`: over all parameters; `l1` is the `distance` of `divergence`.
        - `l1_aligned`, `l2_aligned`: after `alignment.aligned` has renumbered the replica's hidden
          units (and flipped signs where the activation is odd) to bring it nearest; NaN for a
          network that is no chain of dense or convolutional layers. The attribute `alignment` says
          what was free, in words.
        - `layer_l1`, `layer_l2` (layer, replica, epoch): over the parameters of one layer.
        - `disagreement`: the share of test samples that get another class; NaN for a regression.
        - `output_l2`: the root mean square, over test samples, of the Euclidean distance of the
          outputs (logits).
        - `replica_accuracy`: the test score of the replica.

        Of the reference: `layer_norm` (layer, epoch) and `output_norm`, the L2 norms that
        `layer_l2` and `output_l2` compare with, and `test_accuracy`, its test score.

    Raises:
        UserError: If `system` is no `TrainingMap`, or as `divergence`.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.TrainingMap(ct.networks.mlp([4, 8, 3]), ct.tasks.load("iris"))
        >>> apart = separation(system, eta=0.1, epochs=10, every=5)
        >>> apart.epoch.values.tolist(), apart.attrs["alignment"]
        ([0, 5, 10], 'permutations and signs')
        >>> bool((apart.disagreement == 0).all())
        True
    """
    if not isinstance(system, TrainingMap):
        raise UserError(
            f"system = {short(system)}: only a training has layers and outputs, give a TrainingMap"
        )
    check_map(system)
    numbers: dict[str, Any] = {
        "eta": eta,
        "epochs": epochs,
        "replicas": replicas,
        "epsilon": epsilon,
    }
    numbers |= {"every": every, "memory": memory}
    settings = validated(Visits, {name: plain(value) for name, value in numbers.items()})
    key = maps.as_key(key)
    reference = system.init(key)
    check_epsilon(system, reference, settings.epsilon)
    members = ensembles.surround(system, reference, key, settings.replicas, settings.epsilon)
    signs = symmetries(system.network, reference.parameters, system.test.inputs[0, :SAMPLES])
    size = 1 + settings.replicas
    plan = layout.plan(maps.cost(system), 1, size, settings.epochs, settings.memory, here())
    visited = ensembles.visit(
        system,
        jax.tree.map(lambda leaf: leaf[None], members),
        jnp.array([settings.eta]),
        settings.epochs,
        plan,
        settings.every,
    )
    rows = []
    for epoch, states in visited:
        rows.append(_row(system, jax.tree.map(lambda leaf: leaf[0], states.parameters), signs))
        if progress is not None:
            progress(epoch)
    variables = {
        name: (known.dims, np.stack([row[name] for row in rows], axis=-1), known.attrs)
        for name, known in schema.SEPARATION.items()
    }
    names = list(layers(reference.parameters))
    coordinates = {schema.EPOCH: np.arange(len(rows)) * settings.every, schema.LAYER: names}
    attributes = {"eta": settings.eta, "alignment": _words(signs), schema.SCORE: system.score_name}
    return xr.Dataset(variables, coordinates, attributes)


def _words(signs: Signs | None) -> str:
    if signs is None:
        return "none: the network is no chain of dense or convolutional layers"
    if not any(signs):
        return "permutations"
    return "permutations and signs" + ("" if all(signs) else " of some layers")


def _row(system: TrainingMap, members: Parameters, signs: Signs | None) -> dict[str, np.ndarray]:
    """What is measured of the parameters (member, ...) of a ball at one epoch."""
    leaves, treedef = jax.tree.flatten(members)
    first, *others = (jax.tree.unflatten(treedef, one) for one in zip(*leaves, strict=True))
    # One program for every member, so that equal members have equal outputs.
    said = _outputs(system, first)
    own = _of_reference(system, first, said)
    pairs = [_of_pair(system, first, other, said, _outputs(system, other)) for other in others]
    row = {name: np.stack([pair[name] for pair in pairs], axis=-1) for name in pairs[0]}
    for norm, distance in DISTANCES.items():
        near = np.full(len(others), np.nan)
        if signs is not None:
            near = np.array([distance(first, aligned(first, o, signs, norm)) for o in others])
        # Another program sums in another order.
        row[f"{norm}_aligned"] = np.minimum(near, row[norm])
    return {**row, **{name: np.asarray(value) for name, value in own.items()}}


@jax.jit
def _outputs(system: TrainingMap, parameters: Parameters) -> Array:
    """The outputs for the test samples, in chunks (chunk, sample, outputs)."""
    more = (None,) if system.network.stochastic else ()
    outputs: Array = jax.lax.map(
        lambda inputs: system.network.apply(parameters, inputs, *more), system.test.inputs
    )
    return outputs


@jax.jit
def _of_reference(system: TrainingMap, parameters: Parameters, outputs: Array) -> dict[str, Array]:
    norms = [l2(leaves, jax.tree.map(jnp.zeros_like, leaves)) for leaves in _by_layer(parameters)]
    return {
        "layer_norm": jnp.stack(norms),
        "output_norm": output_l2(outputs, jnp.zeros_like(outputs), system.test.weights),
        "test_accuracy": _score(system, outputs),
    }


@jax.jit
def _of_pair(
    system: TrainingMap, first: Parameters, other: Parameters, outputs: Array, others: Array
) -> dict[str, Array]:
    pairs = list(zip(_by_layer(first), _by_layer(other), strict=True))
    shares = system.test.weights
    labelled = jnp.issubdtype(system.test.targets.dtype, jnp.integer)
    return {
        **{name: distance(first, other) for name, distance in DISTANCES.items()},
        **{
            f"layer_{name}": jnp.stack([distance(*pair) for pair in pairs])
            for name, distance in DISTANCES.items()
        },
        "disagreement": disagreement(outputs, others, shares) if labelled else jnp.array(jnp.nan),
        "output_l2": output_l2(outputs, others, shares),
        "replica_accuracy": _score(system, others),
    }


def _by_layer(parameters: Parameters) -> list[Any]:
    return list(layers(parameters).values())


def _score(system: TrainingMap, outputs: Array) -> Array:
    samples = jax.tree.map(lambda array: array.reshape(-1, *array.shape[2:]), system.test)
    flat = outputs.reshape(-1, outputs.shape[-1])
    score: Array = jnp.sum(samples.weights * system.score(flat, samples.targets))
    return score
