"""Maps of the textbooks, whose exponents are known; η is the parameter of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain.maps.protocol import Key, Observables, as_key, in_float64


@dataclass(frozen=True)
class Iterated:
    """A map u → f(u; η) of an array of coordinates, given in closed form.

    Args:
        rule: (coordinates, η) → the next coordinates.
        start: A function of a JAX key, to the initial coordinates.
        description: What a study records of it.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.maps.Iterated(rule=lambda u, eta: eta * u, start=lambda _: [1.0])
        >>> system.step(system.init(0), 3.0).tolist()
        [3.0]
    """

    rule: Callable[[Array, Array], Array]
    start: Callable[[Array], Any]
    description: str = "iterated map"

    @in_float64
    def init(self, key: Key) -> Array:
        """The starting point."""
        return jnp.asarray(self.start(as_key(key)), dtype=jnp.float64)

    @in_float64
    def step(self, state: Array, eta: Array) -> Array:
        """The next point."""
        return self.rule(state, eta)

    @in_float64
    def observe(self, state: Array) -> Observables:
        """The first coordinate."""
        return {"u": state[0]}


def logistic() -> Iterated:
    """The logistic map u → η u (1 - u), whose exponent at η = 4 is ln 2 for almost every start.

    The start is drawn from the invariant density of η = 4, as that of `cubic`.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.maps.logistic()
        >>> state = system.init(0)
        >>> u, later = float(state[0]), float(system.step(state, 4.0)[0])
        >>> abs(later - 4 * u * (1 - u)) < 1e-15
        True
    """

    def rule(u: Array, eta: Array) -> Array:
        return eta * u * (1 - u)

    def start(key: Array) -> Array:
        return jnp.sin(jnp.pi / 2 * jax.random.uniform(key, (1,))) ** 2

    return Iterated(rule, start, "logistic map")


def tent() -> Iterated:
    """The tent map u → η min(u, 1 - u) of slope η, whose exponent is ln η.

    Its orbits in floating point collapse to 0 at η = 2, where each step shifts a bit out.

    Example:
        >>> import chaotrain as ct
        >>> rates = ct.tangent_growth(ct.maps.tent(), 1.9, epochs=5).rate.values
        >>> rates.round(3).tolist()  # ln 1.9
        [0.642, 0.642, 0.642, 0.642, 0.642, nan]
    """

    def rule(u: Array, eta: Array) -> Array:
        # Not the minimum, whose derivative at the tip would be the mean of both slopes.
        return eta * jnp.where(u < 0.5, u, 1 - u)

    return Iterated(rule, lambda key: jax.random.uniform(key, (1,)), "tent map")


def henon(b: float = 0.3) -> Iterated:
    """The Hénon map (x, y) → (1 - η x² + y, b x); its parameter a is η.

    At a = 1.4, b = 0.3 the first exponent is 0.4192 per step. The Jacobian determinant is -b
    everywhere, so that the exponents add up to ln b. The start is near 0, in the basin of the
    attractor.

    Args:
        b: The contraction of areas in a step.

    Source: M. Hénon, Commun. Math. Phys. 50, 69 (1976); the exponent: J. C. Sprott, Chaos and
    Time-Series Analysis (Oxford, 2003), appendix A.

    Example:
        >>> import chaotrain as ct
        >>> rates = ct.lyapunov_spectrum(ct.maps.henon(), eta=1.4, steps=200)
        >>> round(float(rates.sum()), 3)  # ln 0.3
        -1.204
    """

    def rule(u: Array, eta: Array) -> Array:
        x, y = u
        return jnp.stack([1 - eta * x**2 + y, b * x])

    def start(key: Array) -> Array:
        return jax.random.uniform(key, (2,), minval=-0.1, maxval=0.1)

    return Iterated(rule, start, f"Hénon map, b = {b}")


def linear(
    matrix: tuple[tuple[float, ...], ...], start: tuple[float, ...] | None = None
) -> Iterated:
    """The linear map u → η A u, whose exponents are ln|η λ| for the eigenvalues λ of A.

    Args:
        matrix: The rows of A.
        start: The starting point; by default the fixed point 0, where an expanding map stays.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.maps.linear(((0.0, 1.0), (1.0, 0.0)), start=(1.0, 2.0))
        >>> system.step(system.init(0), 3.0).tolist()
        [6.0, 3.0]
    """
    point = (0.0,) * len(matrix) if start is None else start

    def rule(u: Array, eta: Array) -> Array:
        return eta * (jnp.asarray(matrix) @ u)

    return Iterated(rule, lambda _: point, f"linear map {matrix}, start {point}")
