"""Square roots that stay differentiable where a number is frozen at 0.

Adam divides by the root of a second moment. Of a weight that never has a gradient (a pixel that is
always dark) that moment is exactly 0 for good, and so is its tangent; the chain rule makes 0/0 of
it. Here a root has the derivative 0 at 0, which is what the map does to such a weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal


@jax.custom_jvp
def root(x: Array) -> Array:
    """√x, with the derivative 0 at 0.

    Example:
        >>> import jax
        >>> [float(part) for part in jax.jvp(root, (0.0,), (0.0,))]
        [0.0, 0.0]
    """
    return jax.lax.sqrt(x)


@root.defjvp
def _(points: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = points, tangents
    value = root(x)
    return value, jnp.where(x == 0, 0, tangent * 0.5 / jnp.where(x == 0, 1, value))


def with_steady_roots(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, in which every real square root is `root`.

    Args:
        function: Any function of pytrees of arrays that JAX can trace.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> slope = jax.grad(with_steady_roots(lambda x: jnp.sum(jnp.sqrt(x**2))))
        >>> slope(jnp.array([0.0, 3.0])).tolist()
        [0.0, 1.0]
    """

    def steady(*arguments: Any) -> Any:
        program, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = _run(program.jaxpr, program.consts, jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return steady


def _run(program: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    values: dict[Any, Any] = {}
    values.update(zip(program.constvars, constants, strict=True))
    values.update(zip(program.invars, arguments, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for equation in program.eqns:
        inputs = [read(variable) for variable in equation.invars]
        if _is_real_root(equation):
            results = [root(*inputs)]
        else:
            parameters = {name: _replaced(value) for name, value in equation.params.items()}
            primitive: Any = equation.primitive
            bound = primitive.get_bind_params(parameters)
            # JAX before 0.10 gives functions apart from the other parameters.
            functions, parameters = bound if isinstance(bound, tuple) else ((), bound)
            result = primitive.bind(*functions, *inputs, **parameters)
            results = result if primitive.multiple_results else [result]
        values.update(zip(equation.outvars, results, strict=True))
    return [read(variable) for variable in program.outvars]


def _replaced(value: Any) -> Any:
    """A parameter of an operation, with the roots of the programs in it replaced."""
    if isinstance(value, tuple) and any(isinstance(entry, ClosedJaxpr) for entry in value):
        return tuple(_replaced(entry) for entry in value)
    if not isinstance(value, ClosedJaxpr) or not _has_root(value.jaxpr):
        return value

    def run(*arguments: Any) -> list[Any]:
        return _run(value.jaxpr, value.consts, arguments)

    return jax.make_jaxpr(run)(*value.in_avals)


def _has_root(program: Jaxpr) -> bool:
    return any(
        _is_real_root(equation)
        or any(_has_root(inner.jaxpr) for inner in _programs(equation.params))
        for equation in program.eqns
    )


def _programs(parameters: dict[str, Any]) -> list[ClosedJaxpr]:
    entries = [
        v for value in parameters.values() for v in (value if type(value) is tuple else [value])
    ]
    return [entry for entry in entries if isinstance(entry, ClosedJaxpr)]


def _is_real_root(equation: Any) -> bool:
    is_root = equation.primitive is jax.lax.sqrt_p
    return is_root and bool(jnp.issubdtype(equation.invars[0].aval.dtype, jnp.floating))
