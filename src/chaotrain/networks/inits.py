"""The distributions from which weights and biases are drawn, by name.

| name | a weight with `in` inputs and `out` outputs |
|---|---|
| normal | N(0, 1), as in the paper |
| glorot | a normal of variance 2/(in + out), cut at two standard deviations (Glorot, Bengio 2010) |
| he | a normal of variance 2/in, cut at two standard deviations (He and others 2015) |
| orthogonal | a matrix with orthonormal rows or columns, uniform over all (Saxe and others 2014) |
| pytorch | U(-1/√in, 1/√in), the default of PyTorch's Linear and Conv; its biases too |

Biases are 0 but for pytorch. A convolution has in = kernel² × input channels, and out likewise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain import arguments
from chaotrain.errors import UserError
from chaotrain.explaining import short

# (key, shape (..., in, out), dtype) → a weight.
INITS: dict[str, Callable[..., Array]] = {
    "normal": jax.nn.initializers.normal(stddev=1.0),
    "glorot": jax.nn.initializers.glorot_normal(),
    "he": jax.nn.initializers.he_normal(),
    "orthogonal": jax.nn.initializers.orthogonal(),
    # Its bound is √(3 variance) = 1/√in.
    "pytorch": jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
}

# (key, shape (..., in, out), dtype) → a weight, and a bias (out,).
Draw = Callable[[Array, tuple[int, ...], Any], tuple[Array, Array]]


def init_named(name: str, scale: float = 1.0) -> Draw:
    """The function that draws the weight and the bias of one layer.

    Args:
        name: One of `INITS`.
        scale: A factor on the weights that are drawn; biases are left as they are.

    Returns:
        A function (key, shape (..., in, out), dtype) → weight of that shape, bias (out,).

    Raises:
        UserError: On an unknown name, or a scale that is not above 0.

    Example:
        >>> import jax
        >>> weight, bias = init_named("orthogonal", 2.0)(jax.random.key(0), (3, 3), "float32")
        >>> abs(weight @ weight.T).round(5).tolist()
        [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]]
    """
    distribution = arguments.entry("init", name, INITS)
    if not (arguments.is_number(scale) and 0 < scale < math.inf):
        raise UserError(f"scale = {short(scale)}: give a number above 0")

    def draw(key: Array, shape: tuple[int, ...], dtype: Any) -> tuple[Array, Array]:
        weight = distribution(key, shape, dtype) * jnp.asarray(scale, dtype)
        if name != "pytorch":
            return weight, jnp.zeros(shape[-1], dtype)
        bound = 1 / math.sqrt(math.prod(shape[:-1]))
        key = jax.random.fold_in(key, 1)
        return weight, jax.random.uniform(key, shape[-1:], dtype, -bound, bound)

    return draw
