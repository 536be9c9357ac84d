"""What a forward pass takes, counted in its program and not on a clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax

from chaotrain.maps import Cost
from chaotrain.networks import Network, Parameters


def shape_of(shape: tuple[int, ...], dtype: str) -> jax.ShapeDtypeStruct:
    """An array's shape and type, to trace a function with."""
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]


class Pass(NamedTuple):
    """Operations of the products of a pass, and how many numbers it makes from the parameters."""

    flops: float
    activations: int


def forward(network: Network, parameters: Parameters, inputs: Any) -> Pass:
    """Count a forward pass.

    Args:
        network: The network.
        parameters: Its parameters, or their shapes.
        inputs: Inputs (samples, ...), or their shape.

    Returns:
        2·m·k·n for every matrix product and likewise for convolutions; and the size of every
        result that depends on the parameters, which is what the backward pass may keep.

    Example:
        >>> from chaotrain.networks import mlp
        >>> net = mlp([5, 4, 3])
        >>> shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), "float32"))
        >>> forward(net, shapes, jax.ShapeDtypeStruct((10, 5), "float32")).flops
        640.0
    """
    arguments = (parameters, inputs, jax.random.key(0)) if network.stochastic else None
    program = jax.make_jaxpr(network.apply)(*(arguments or (parameters, inputs))).jaxpr
    count = len(jax.tree.leaves(parameters))
    own = [index < count for index in range(len(program.invars))]
    return _count(program, own)[0]


def products(function: Callable[[Any], Any], state: Any) -> float:
    """Count the operations of the matrix products of a function of a state.

    Args:
        function: A function that JAX can trace.
        state: Its argument, or the shapes of it.

    Returns:
        2·m·k·n for every product that depends on the state, and likewise for convolutions.

    Example:
        >>> products(lambda x: x @ x, jax.ShapeDtypeStruct((10, 10), "float32"))
        2000.0
    """
    program = jax.make_jaxpr(function)(state).jaxpr
    return _count(program, [True] * len(program.invars))[0].flops


def epoch(
    network: Network,
    state: Any,
    used: Parameters,
    chunk: Any,
    samples: int,
    gathers: bool,
) -> Cost:
    """An epoch of a member: three passes of products a sample, activations forwards and backwards.

    Args:
        network: The network.
        state: The shapes of its parameters and of the optimiser's buffers.
        used: Those of the ones that samples meet.
        chunk: The shape of the samples (samples, ...) that a product takes at once.
        samples: All samples of an epoch.
        gathers: Whether every member gathers its own chunk.
    """
    kept, busy = (sum(leaf.size for leaf in jax.tree.leaves(t)) for t in (state, used))
    one = forward(network, used, chunk)
    # The last two are measured (`make bench-scale`): a state has copies before and after a step, in
    # its lane and in its block, and a gradient has those of its chunks.
    numbers = 2.0 * one.activations + 6.0 * kept + 4.0 * busy + (chunk.size if gathers else 0)
    return Cost(
        flops=max(6.0 * busy * samples, 3.0 * one.flops * samples / chunk.shape[0]),
        bytes=chunk.dtype.itemsize * numbers,
    )


def _count(program: Any, own: list[bool]) -> tuple[Pass, list[bool]]:
    """Count a program whose inputs depend on the parameters as `own` says, and its outputs' say."""
    known = {id(v) for v, is_own in zip(program.invars, own, strict=True) if is_own}
    flops, activations = 0.0, 0
    for equation in program.eqns:
        depends = [id(variable) in known for variable in equation.invars]
        if not any(depends):
            continue
        outputs = [True] * len(equation.outvars)
        inner = list(_inner(equation))
        if inner:
            for body, times in inner:
                # Constants come first in some primitives and are left out in others.
                given = ([False] * len(body.invars) + depends)[-len(body.invars) :]
                (cost, kept), _ = _count(body, given)
                flops += times * cost
                activations += times * kept
        else:
            flops += _products(equation)
            activations += sum(variable.aval.size for variable in equation.outvars)
        known.update(id(v) for v, is_own in zip(equation.outvars, outputs, strict=True) if is_own)
    return Pass(flops, activations), [id(variable) in known for variable in program.outvars]


def _inner(equation: Any) -> Iterator[tuple[Any, int]]:
    """The programs inside an equation, and how often each runs."""
    times = int(equation.params.get("length", 1)) if equation.primitive.name == "scan" else 1
    for value in equation.params.values():
        for entry in value if isinstance(value, tuple | list) else (value,):
            body = getattr(entry, "jaxpr", entry)
            if hasattr(body, "eqns"):
                yield body, times


def _products(equation: Any) -> float:
    """Operations of a matrix product or a convolution; 0 for anything else."""
    outputs = float(equation.outvars[0].aval.size)
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return 2.0 * outputs * float(math.prod(shape[i] for i in contracted))
    if equation.primitive.name == "conv_general_dilated":
        kernel = equation.invars[1].aval
        features = equation.params["dimension_numbers"].rhs_spec[0]
        return 2.0 * outputs * float(kernel.size / kernel.shape[features])
    return 0.0
