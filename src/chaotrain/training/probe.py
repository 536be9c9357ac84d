"""What can be told of a network before a sweep: does it fit, and is it a pure function."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chaotrain.errors import UserError, first_line
from chaotrain.networks import Network, Parameters
from chaotrain.tasks import Task
from chaotrain.training.cost import shape_of

SAMPLES = 8
# How far the outputs for some samples may depend on which others they come with, by rounding.
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}


def check_shapes(network: Network, task: Task, dtype: str) -> None:
    """Check that a network takes a task's samples and gives its outputs, in the asked type.

    Raises:
        UserError: In one line with the shapes or types that do not fit.
    """
    name = f"network = {network.name}"
    key = jax.eval_shape(lambda: jax.random.key(0))
    inputs = shape_of((SAMPLES, *task.inputs.shape[1:]), dtype)
    more = (key,) if network.stochastic else ()
    try:
        parameters = jax.eval_shape(lambda k: network.init(k, jnp.dtype(dtype)), key)
        outputs = jax.eval_shape(network.apply, parameters, inputs, *more)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{name}: it does not take inputs of shape {inputs.shape} ({first_line(error)})"
        ) from None
    for path, leaf in jax.tree.leaves_with_path(parameters):
        if leaf.dtype != dtype:
            raise UserError(
                f"{name}: parameter {jax.tree_util.keystr(path)} is {leaf.dtype}, let init(key, "
                f"dtype) draw it in the dtype it is given, {dtype}"
            )
    wanted = (SAMPLES, task.outputs)
    if getattr(outputs, "shape", None) != wanted:
        raise UserError(
            f"{name}: its outputs for {SAMPLES} samples have shape "
            f"{getattr(outputs, 'shape', type(outputs).__name__)}, {task.name} needs {wanted}"
        )
    if outputs.dtype != dtype:
        raise UserError(f"{name}: its outputs are {outputs.dtype}, let apply keep {dtype}")


def check_replay(network: Network, inputs: Array, dtype: str) -> None:
    """Check that a network is a pair of pure functions that takes samples one by one.

    Args:
        network: The network.
        inputs: A few samples (samples, ...).
        dtype: The floating type.

    Raises:
        UserError: In one line that says what differs when it should not.
    """
    name = f"network = {network.name}"
    first, again = (network.init(jax.random.key(0), jnp.dtype(dtype)) for _ in range(2))
    if not _same(first, again):
        raise UserError(
            f"{name}: init gives other parameters for the same key, draw all randomness from the "
            "key it is given"
        )
    more = (jax.random.key(1),) if network.stochastic else ()
    outputs = _outputs(network, first, inputs, *more)
    # Other inputs in between, so that what a network remembers of its last call shows.
    _outputs(network, first, inputs[: len(inputs) // 2 or 1], *more)
    replayed = _outputs(network, first, inputs, *more)
    if not _same(outputs, replayed):
        raise UserError(
            f"{name}: apply gives other outputs for the same parameters and inputs, it keeps "
            "state outside its parameters or draws randomness without the key"
        )
    if not _same(first, again):
        raise UserError(f"{name}: apply changes its parameters in place, let it leave them")
    if network.stochastic:
        outputs = _outputs(network, first, inputs, None)
    alone = _outputs(network, first, inputs[: len(inputs) // 2 or 1], *((None,) * len(more)))
    scale = max(1.0, float(np.max(np.abs(outputs))))
    if not np.allclose(outputs[: len(alone)], alone, rtol=0, atol=TOLERANCE[dtype] * scale):
        raise UserError(
            f"{name}: the outputs for a sample depend on which others come with it (batch "
            "normalisation?), use a network that takes samples one by one"
        )


def _outputs(network: Network, parameters: Parameters, *arguments: Any) -> np.ndarray:
    try:
        return np.asarray(network.apply(parameters, *arguments))
    except jax.errors.JAXTypeError as error:
        raise UserError(
            f"network = {network.name}: apply keeps state outside its parameters "
            f"({first_line(error)})"
        ) from None


def _same(one: Any, other: Any) -> bool:
    """Whether two trees are bitwise equal, NaN being equal to itself."""
    alike = bool(jax.tree.structure(one) == jax.tree.structure(other))  # type: ignore[operator]
    return alike and all(
        np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )
