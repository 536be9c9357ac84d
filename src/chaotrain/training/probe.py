"""What can be told of a network before a sweep: does it fit, and is it a pure function."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chaotrain.errors import UserError, first_line
from chaotrain.explaining import short
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
    fails = f"{name}: init(key, dtype) fails"
    parameters = _shape(fails, lambda k: network.init(k, jnp.dtype(dtype)), key)
    fails = f"{name}: it does not take inputs of shape {inputs.shape}"
    outputs = _shape(fails, network.apply, parameters, inputs, *more)
    if network.stochastic:
        fails = f"{name}: apply has to take key = None, in evaluation"
        _shape(fails, lambda *arguments: network.apply(*arguments, None), parameters, inputs)
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


def check_augment(augment: Any, inputs: Any) -> None:
    """Check that an augmentation keeps the shape and the type of these inputs (samples, ...).

    Raises:
        UserError: In one line that says what it does instead.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))
    found = _shape("augment: augment(key, inputs) fails", augment, key, inputs)
    if _kind(found) != _kind(inputs):
        raise UserError(
            f"augment: it makes {_kind(found)} of inputs that are {_kind(inputs)}, let it keep both"
        )


def check_loss(loss: Any, task: Task, dtype: str) -> None:
    """Check that a loss is one number a sample.

    Raises:
        UserError: In one line that says what it is instead.
    """
    outputs = shape_of((SAMPLES, task.outputs), dtype)
    targets = shape_of((SAMPLES, *task.targets.shape[1:]), str(task.targets.dtype))
    found = _shape("loss: loss(outputs, targets) fails", loss, outputs, targets)
    wanted = shape_of((SAMPLES,), dtype)
    if _kind(found) != _kind(wanted):
        raise UserError(
            f"loss: it is {_kind(found)} for {SAMPLES} samples, let it be {_kind(wanted)}, one "
            "number a sample"
        )


def check_optimizer(optimizer: Any, network: Network, dtype: str) -> None:
    """Check that an optimiser is a function of the learning rate, and its buffers are not.

    The state of a map does not know η, so buffers that start from it would start from 0.

    Raises:
        UserError: In one line that says what it is instead.
    """
    if not callable(optimizer):
        raise UserError(
            f"optimizer = {short(optimizer)}: give a function of the learning rate, like "
            "optax.sgd, or optimizers.named of its name"
        )
    name = f"optimizer = {getattr(optimizer, '__name__', type(optimizer).__name__)}"
    key = jax.eval_shape(lambda: jax.random.key(0))
    parameters = jax.eval_shape(lambda k: network.init(k, jnp.dtype(dtype)), key)

    def starts(eta: float) -> Any:
        return optimizer(eta).init

    def step(parameters: Any) -> Any:
        buffers = starts(0.1)(parameters)
        return optimizer(0.1).update(parameters, buffers, parameters)

    _shape(f"{name}: its step along the gradient fails", step, parameters)
    for leaf in jax.tree.leaves(jax.eval_shape(starts(0.1), parameters)):
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and leaf.dtype != dtype:
            raise UserError(
                f"{name}: its buffers are {leaf.dtype}, and rounding would be theirs; let them be "
                f"{dtype}, like the parameters"
            )
    first, other = (_traced(starts(eta), (parameters,)) for eta in (0.5, 1.0))
    if str(first) != str(other) or not _same(first.consts, other.consts):
        raise UserError(
            f"{name}: its buffers start from the learning rate, and the state of a map must not, "
            "choose another"
        )


def check_traces(system: Any, inputs: Array, targets: Array) -> None:
    """Check that what a training map is given is the same program whenever it is traced.

    What draws randomness on the host is another one each time, and the next run would differ.

    Args:
        system: The map: its loss, its optimiser, and its augmentation if any.
        inputs: A few samples (samples, ...).
        targets: Their targets.

    Raises:
        UserError: In one line that names the function.
    """
    key, eta = jax.random.key(0), jnp.ones((), system.dtype)
    parameters, buffers, _ = jax.eval_shape(system.init, key)
    more = (key,) if system.network.stochastic else ()
    outputs = jax.eval_shape(system.network.apply, parameters, inputs, *more)
    update = (eta, parameters, buffers, parameters)
    parts: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "loss": (system.loss, (outputs, targets)),
        "optimizer": (lambda rate, *state: system.optimizer(rate).update(*state), update),
    }
    if system.augment is not None:
        parts["augment"] = system.augment, (key, inputs)
    for name, (function, arguments) in parts.items():
        first, again = (_traced(function, arguments) for _ in range(2))
        if str(first) != str(again) or not _same(first.consts, again.consts):
            raise UserError(
                f"{name}: it is another function each time it is called, draw all randomness from "
                "a key it is given"
            )


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
        program = jax.make_jaxpr(network.apply)(first, inputs, *more).jaxpr
        used = {id(variable) for step in program.eqns for variable in step.invars}
        if id(program.invars[-1]) not in used:
            raise UserError(
                f"{name}: apply never uses its key, draw the noise of training from it or leave "
                "out stochastic=True"
            )
        outputs = _outputs(network, first, inputs, None)
    alone = _outputs(network, first, inputs[: len(inputs) // 2 or 1], *((None,) * len(more)))
    scale = max(1.0, float(np.max(np.abs(outputs))))
    if not np.allclose(outputs[: len(alone)], alone, rtol=0, atol=TOLERANCE[dtype] * scale):
        raise UserError(
            f"{name}: the outputs for a sample depend on which others come with it (batch "
            "normalisation?), use a network that takes samples one by one"
        )


def _traced(function: Any, arguments: tuple[Any, ...]) -> Any:
    """The program that a function is now: one that was traced before is not looked up."""
    return jax.make_jaxpr(lambda *given: function(*given))(*arguments)


def _shape(fails: str, function: Any, *arguments: Any) -> Any:
    """The shapes of what a function of a user's makes of these shapes."""
    try:
        return jax.eval_shape(function, *arguments)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{fails} ({first_line(error)})") from None


def _kind(found: Any) -> str:
    """Shape and type of an array in words; the type of anything else."""
    if not hasattr(found, "dtype"):
        return type(found).__name__
    return f"{found.dtype} of shape {found.shape}"


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
