"""Gradient descent on losses given in closed form, whose exponents are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain.maps.protocol import Key, Observables, as_key, in_float64


@dataclass(frozen=True)
class Descent:
    """Gradient descent u → u - η ∇L(u) on a loss L given in closed form.

    Args:
        loss: A function of an array of coordinates, to a scalar.
        start: A function of a JAX key, to the initial coordinates.
        description: What a study records of it.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.maps.Descent(loss=lambda u: 0.5 * 3.0 * u @ u, start=lambda _: [1.0])
        >>> float(system.step(system.init(0), 0.1)[0])
        0.7
    """

    loss: Callable[[Array], Array]
    start: Callable[[Array], Any]
    description: str = "descent"

    @in_float64
    def init(self, key: Key) -> Array:
        """The starting point."""
        return jnp.asarray(self.start(as_key(key)), dtype=jnp.float64)

    @in_float64
    def step(self, state: Array, eta: Array) -> Array:
        """One step of gradient descent."""
        gradient: Array = jax.grad(self.loss)(state)
        return state - eta * gradient

    @in_float64
    def observe(self, state: Array) -> Observables:
        """The loss."""
        return {"loss": self.loss(state)}


def quadratic(curvatures: tuple[float, ...], start: tuple[float, ...] | None = None) -> Descent:
    """Gradient descent on L(u) = ½ Σ h u², whose exponents are ln|1 - ηh|.

    Args:
        curvatures: The eigenvalue h of the Hessian along each axis.
        start: The starting point; by default 1 along each axis.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.maps.quadratic((1.0, 3.0))
        >>> system.step(system.init(0), 1.0).tolist()
        [0.0, -2.0]
    """
    point = (1.0,) * len(curvatures) if start is None else start

    def loss(u: Array) -> Array:
        return 0.5 * jnp.sum(jnp.asarray(curvatures) * u**2)

    description = f"descent on a quadratic, curvatures {curvatures}, start {point}"
    return Descent(loss=loss, start=lambda _: point, description=description)


def cubic() -> Descent:
    """Gradient descent on L(u) = (4/3)u³ - (3/2)u², the logistic map with r = 1 + 3η.

    Since u - η(4u² - 3u) = (1 + 3η)u - 4ηu², at η = 1 it is u → 4u(1 - u), whose Lyapunov
    exponent is ln 2 for almost every start. The start u = sin²(πx/2) with x uniform on (0, 1) is
    drawn from its invariant density, so that the mean local rate is ln 2 at every epoch.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.maps.cubic()
        >>> state = system.init(0)
        >>> u, later = float(state[0]), float(system.step(state, 1.0)[0])
        >>> abs(later - 4 * u * (1 - u)) < 1e-15
        True
    """

    def loss(u: Array) -> Array:
        return jnp.sum(4 / 3 * u**3 - 3 / 2 * u**2)

    def start(key: Array) -> Array:
        return jnp.sin(jnp.pi / 2 * jax.random.uniform(key, (1,))) ** 2

    return Descent(loss=loss, start=start, description="descent on a cubic")
