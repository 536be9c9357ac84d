"""The rescaled pair against the tangent, on maps that are known and on maps of plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import chaotrain as ct
from chaotrain import optimizers

Blobs = Callable[..., ct.Task]

CLOSED: dict[str, tuple[ct.Map, float]] = {
    "logistic": (ct.maps.logistic(), 4.0),
    "logistic-3.8": (ct.maps.logistic(), 3.8),
    "cubic": (ct.maps.cubic(), 1.0),
    "tent": (ct.maps.tent(), 1.9),
    "henon": (ct.maps.henon(), 1.4),
    "linear": (ct.maps.linear(((0.5, 1.0), (-1.0, 0.7))), 1.3),
    "quadratic": (ct.maps.quadratic((0.5, 2.5), start=(0.0, 0.0)), 1.1),
}


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("name", CLOSED)
def test_it_agrees_with_the_tangent_on_every_map_of_closed_form(name: str, norm: str) -> None:
    """Chaos keeps the two orbits together: they are the same one to rounding, so for a while."""
    system, eta = CLOSED[name]
    pair = ct.rescaled_pair(system, eta, steps=30, norm=norm, epsilon=1e-9)
    exact = ct.tangent_growth(system, eta, epochs=30, norm=norm)
    np.testing.assert_allclose(pair.growth, exact.growth, atol=2e-3)
    np.testing.assert_allclose(pair.rate, exact.rate, atol=2e-3)
    observed = "loss" if name in ("cubic", "quadratic") else "u"
    np.testing.assert_allclose(pair[observed][:15], exact[observed][:15], rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "exponent"),
    [
        ("logistic", math.log(2)),
        ("cubic", math.log(2)),
        ("tent", math.log(1.9)),
        ("henon", 0.41922),
        ("quadratic", math.log(1.75)),
    ],
)
def test_its_exponent_is_the_known_one(name: str, exponent: float) -> None:
    system, eta = CLOSED[name]
    pair = ct.rescaled_pair(system, eta, steps=6000, transient=50)
    assert pair.epoch.values[[0, -1]].tolist() == [50, 6050]
    found = ct.finite_time_exponent(pair)
    assert found.rate == pytest.approx(exponent, abs=0.02)
    assert found.low - 1e-6 < exponent < found.high + 1e-6


@pytest.mark.slow
def test_the_local_rates_of_a_network_are_those_of_the_tangent(blobs: Blobs) -> None:
    for options in ({}, {"batch_size": 20}, {"optimizer": optimizers.named("adam")}):
        system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), blobs(), **options)
        eta = 0.05 if "optimizer" in options else 1.0
        pair = ct.rescaled_pair(system, eta, 3, steps=20)
        exact = ct.tangent_growth(system, eta, 3, epochs=20)
        np.testing.assert_allclose(pair.rate, exact.rate, atol=1e-5)
        assert pair.keys() == exact.keys()
        np.testing.assert_allclose(pair.loss, exact.loss, rtol=1e-9)


def test_the_transient_is_left_out_of_the_growth() -> None:
    system, eta = CLOSED["henon"]
    whole = ct.rescaled_pair(system, eta, steps=40)
    part = ct.rescaled_pair(system, eta, steps=25, transient=15)
    np.testing.assert_array_equal(part.rate, whole.rate.sel(epoch=part.epoch))
    np.testing.assert_allclose(part.growth, (whole.growth - whole.growth[15])[15:], atol=1e-12)


def test_it_does_not_saturate() -> None:
    system, eta = CLOSED["logistic"]
    pair = ct.rescaled_pair(system, eta, steps=2000)
    assert pair.growth[-1] > 1000
    far = ct.divergence(system, eta, epochs=2000, replicas=1).distance
    assert far.max() < 1.01


# Maps of plain Python


class Plain:
    """The Hénon map in NumPy, with a branch, a counter and a conversion that JAX cannot trace."""

    def __init__(self, b: float = 0.3) -> None:
        self.b = b

    def init(self, key: Any) -> Any:
        return {"point": np.array(ct.maps.henon().init(key)), "count": np.array(0)}

    def step(self, state: Any, eta: float) -> Any:
        x, y = (float(number) for number in state["point"])
        if x > 100:
            raise OverflowError(x)
        assert isinstance(state["point"], np.ndarray)
        point = np.array([1 - eta * x**2 + y, self.b * x])
        return {"point": point, "count": state["count"] + 1}

    def observe(self, state: Any) -> Any:
        return {"u": state["point"][0]}


def test_a_map_of_plain_python_is_called_as_it_is() -> None:
    plain = ct.rescaled_pair(Plain(), 1.4, 5, steps=200, transient=10)
    traced = ct.rescaled_pair(ct.maps.henon(), 1.4, 5, steps=200, transient=10)
    assert plain.keys() == traced.keys()
    # The same orbit for as long as rounding lets it be.
    np.testing.assert_allclose(plain.rate[:25], traced.rate[:25], atol=1e-6)
    np.testing.assert_allclose(plain.u[:25], traced.u[:25], rtol=1e-8)
    assert ct.finite_time_exponent(plain).rate == pytest.approx(0.419, abs=0.1)


def test_the_users_own_error_is_not_hidden() -> None:
    class Broken(Plain):
        def step(self, state: Any, eta: float) -> Any:
            raise ZeroDivisionError("of the user's")

    with pytest.raises(ZeroDivisionError, match="of the user's"):
        ct.rescaled_pair(Broken(), 1.4, steps=5)


def test_a_map_without_a_derivative_is_compiled_all_the_same() -> None:
    @jax.custom_vjp
    def backwards_only(x: jax.Array) -> jax.Array:
        return x

    backwards_only.defvjp(lambda x: (x, None), lambda _, slope: (slope,))
    calls = []

    def rule(u: jax.Array, eta: jax.Array) -> jax.Array:
        calls.append(u)
        return eta * backwards_only(u) * (1 - u)

    system = ct.maps.Iterated(rule, ct.maps.logistic().start)
    pair = ct.rescaled_pair(system, 4.0, steps=500)
    assert len(calls) < 10
    same = ct.rescaled_pair(ct.maps.logistic(), 4.0, steps=500)
    np.testing.assert_allclose(pair.rate[:20], same.rate[:20], atol=1e-5)


# Ends


def test_two_that_become_equal_have_the_rate_minus_infinity() -> None:
    system = ct.maps.Iterated(lambda u, eta: jnp.round(u), lambda _: [0.3])
    pair = ct.rescaled_pair(system, 1.0, steps=5)
    assert pair.growth.values.tolist() == [0.0] + [-math.inf] * 5
    assert pair.rate.values[:-1].tolist() == [-math.inf] * 5
    assert math.isnan(pair.attrs["blow_up_epoch"])
    assert ct.finite_time_exponent(pair).rate == -math.inf


def test_one_that_overflows_ends_with_nan_from_where_rounding_swallows_epsilon() -> None:
    system = ct.maps.Descent(loss=lambda u: -jnp.sum(u**4), start=lambda _: [2.0])
    pair = ct.rescaled_pair(system, 1.0, steps=20)
    exact = ct.tangent_growth(system, 1.0, epochs=20)
    epoch = int(pair.attrs["blow_up_epoch"])
    assert 2 < epoch <= exact.attrs["blow_up_epoch"]
    assert np.isfinite(pair.growth[:epoch]).all()
    assert np.isnan(pair.growth[epoch:]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epsilon": 0.0}, "epsilon = 0.0: give a number above 0"),
        ({"epsilon": 1e-17}, "float64 rounds it away"),
        ({"steps": 0}, "steps = 0: give at least 2"),
        ({"norm": "max"}, "norm = 'max' is unknown"),
    ],
)
def test_arguments_that_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ct.UserError, match=message) as caught:
        ct.rescaled_pair(ct.maps.cubic(), **{"eta": 1.0, **arguments})
    assert "\n" not in str(caught.value)
