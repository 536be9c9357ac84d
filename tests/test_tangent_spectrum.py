"""Spectra against closed forms, determinants and published values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import chaotrain as ct
from chaotrain import memory, optimizers
from chaotrain.tangent import products, spectrum

Blobs = Callable[..., ct.Task]
HENON = 0.41922


def test_the_logistic_map_has_ln_2() -> None:
    for system, eta in ((ct.maps.logistic(), 4.0), (ct.maps.cubic(), 1.0)):
        rates = ct.lyapunov_spectrum(system, eta, steps=5000, count=1)
        assert rates.item() == pytest.approx(math.log(2), abs=0.01)
        assert rates.low.item() < math.log(2) < rates.high.item()
        assert rates.high.item() - rates.low.item() < 0.1


def test_the_henon_map_has_its_published_exponents() -> None:
    rates = ct.lyapunov_spectrum(ct.maps.henon(), 1.4, steps=20_000)
    assert rates[0].item() == pytest.approx(HENON, abs=0.01)
    assert rates.low[0].item() < HENON < rates.high[0].item()
    assert rates.sum().item() == pytest.approx(math.log(0.3), abs=1e-12)
    assert ct.kaplan_yorke(rates) == pytest.approx(1.258, abs=0.01)


def test_the_tent_map_has_the_logarithm_of_its_slope() -> None:
    rates = ct.lyapunov_spectrum(ct.maps.tent(), 1.9, steps=200, count=1)
    assert rates.item() == pytest.approx(math.log(1.9), abs=1e-12)
    assert rates.high.item() - rates.low.item() < 1e-12


@pytest.mark.parametrize("eta", [0.5, 1.0, 2.0])
def test_a_linear_map_has_the_moduli_of_its_eigenvalues(eta: float) -> None:
    matrix = np.random.default_rng(4).normal(size=(5, 5))
    system = ct.maps.linear(tuple(map(tuple, matrix.tolist())))
    rates = ct.lyapunov_spectrum(system, eta, steps=4000, transient=200, count=5)
    moduli = np.sort(np.log(eta * np.abs(np.linalg.eigvals(matrix))))[::-1]
    # The two of a complex pair turn, so that their means converge as one over the steps.
    np.testing.assert_allclose(rates, moduli, atol=2e-3)
    assert rates.sum().item() == pytest.approx(moduli.sum(), abs=1e-10)


def test_a_quadratic_has_its_full_spectrum() -> None:
    curvatures, eta = (0.1, 0.9, 1.7, 2.5, 3.1), 0.8
    system = ct.maps.quadratic(curvatures)
    rates = ct.lyapunov_spectrum(system, eta, steps=300, transient=700, count=5)
    wanted = np.sort(np.log(np.abs(1 - eta * np.array(curvatures))))[::-1]
    np.testing.assert_allclose(rates, wanted, rtol=0, atol=1e-10)
    np.testing.assert_allclose(rates.low, wanted, rtol=0, atol=1e-9)
    np.testing.assert_allclose(rates.high, wanted, rtol=0, atol=1e-9)
    assert rates.exponent.values.tolist() == [1, 2, 3, 4, 5]
    assert rates.attrs["dimension"] == 5


def test_a_dead_direction_is_minus_infinity() -> None:
    system = ct.maps.quadratic((1.0, 3.0))
    rates = ct.lyapunov_spectrum(system, 1.0, steps=50)
    np.testing.assert_allclose(rates, [math.log(2), -math.inf], atol=1e-12)
    assert np.isnan(rates.low[1])
    assert ct.kaplan_yorke(rates) == 1.0
    all_dead = ct.lyapunov_spectrum(ct.maps.quadratic((1.0, 1.0)), 1.0, steps=50)
    assert all_dead.values.tolist() == [-math.inf, -math.inf]


# Momentum on a quadratic


def half_square(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return 0.5 * outputs[:, 0] ** 2


def least_squares(curvatures: np.ndarray, **options: Any) -> ct.TrainingMap:
    """A linear network without bias, with loss ½ Σ h w², at its fixed point 0."""
    size = len(curvatures)
    # The mean over samples, one for each weight.
    inputs = np.diag(np.sqrt(curvatures * size))
    targets = np.linspace(-1.0, 1.0, size)[:, None]

    def init(key: Any, dtype: Any) -> Any:
        return jnp.zeros((size, 1), dtype)

    def apply(weight: Any, points: Any) -> Any:
        return points @ weight

    task = ct.Task.from_arrays(inputs, targets, inputs, targets, loss=half_square)
    return ct.TrainingMap(ct.Network(init, apply, "linear"), task, **options)


def test_descent_on_least_squares_has_the_spectrum_of_its_hessian() -> None:
    curvatures = np.array([0.2, 1.0, 3.0])
    rates = ct.lyapunov_spectrum(least_squares(curvatures), 0.9, steps=50, transient=600, count=3)
    wanted = np.sort(np.log(np.abs(1 - 0.9 * curvatures)))[::-1]
    np.testing.assert_allclose(rates, wanted, atol=1e-10)


def test_momentum_on_a_quadratic_has_the_eigenvalues_of_its_companion_matrices() -> None:
    # u' = u - η m', m' = μ m + h u, a matrix of two by two for each curvature h.
    curvatures, eta, momentum = np.array([0.02, 0.5, 12.0]), 0.5, 0.6
    rule = optimizers.named("momentum", {"momentum": momentum})
    system = least_squares(curvatures, optimizer=rule)
    rates = ct.lyapunov_spectrum(system, eta, steps=4000, transient=1000, count=6)
    moduli = np.sort(
        np.concatenate(
            [
                np.abs(np.linalg.eigvals([[1 - eta * h, -eta * momentum], [h, momentum]]))
                for h in curvatures
            ]
        )
    )[::-1]
    np.testing.assert_allclose(rates, np.log(moduli), atol=2e-3)
    # The determinant of each is μ.
    assert rates.sum().item() == pytest.approx(3 * math.log(momentum), abs=1e-10)


# The sum rule


@pytest.mark.parametrize("name", ["sgd", "momentum"])
def test_a_full_spectrum_adds_up_to_the_mean_of_the_log_determinant(
    blobs: Blobs, name: str
) -> None:
    network = dataclasses.replace(ct.networks.mlp([5, 2, 3]), chunk=23)
    system = ct.TrainingMap(network, blobs(), optimizers.named(name))
    eta, steps, transient = 2.0, 15, 3
    with jax.enable_x64(True):
        state, total = system.init(1), 0.0
        for t in range(transient + steps):
            if t >= transient:
                total += float(log_determinant(system, state, eta)) / steps
            state = system.step(state, eta)
    dimension = sum(leaf.size for leaf in products.floating(state))
    rates = ct.lyapunov_spectrum(system, eta, 1, steps, transient, dimension)
    assert rates.sizes == {"exponent": dimension}
    assert rates.sum().item() == pytest.approx(total, abs=1e-8)
    assert (np.diff(rates) <= 0).all()


@jax.jit
def log_determinant(system: ct.Map, state: Any, eta: float) -> jax.Array:
    flat, unravel = ravel_pytree(products.floating(state))

    def step(numbers: jax.Array) -> jax.Array:
        later = system.step(products.with_floating(state, unravel(numbers)), eta)
        return ravel_pytree(products.floating(later))[0]

    return jnp.linalg.slogdet(jax.jacfwd(step)(flat))[1]


def test_the_first_rates_add_up_to_the_growth_of_the_first_vector(blobs: Blobs) -> None:
    rule = optimizers.named("momentum")
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), blobs(), rule, measured="state")
    rates = ct.lyapunov_convergence(system, 0.5, steps=30, transient=0, count=1).rate[0]
    with jax.enable_x64(True):
        key = jax.random.key(0)
        state = system.init(key)
        flat, unravel = ravel_pytree(products.floating(state))
        draw = jax.random.normal(jax.random.fold_in(key, spectrum.VECTORS), (1, flat.size))
        direction = products.with_floating(state, unravel(draw[0]))
    run = ct.tangent_growth(system, 0.5, epochs=30, norm="l2", direction=direction)
    np.testing.assert_allclose(run.rate[:-1], rates, rtol=1e-8, atol=1e-8)


def test_float32_spectra_agree() -> None:
    curvatures = np.array([0.2, 1.0, 3.0])
    system = least_squares(curvatures, dtype="float32")
    rates = ct.lyapunov_spectrum(system, 0.9, steps=50, transient=600, count=3)
    wanted = np.sort(np.log(np.abs(1 - 0.9 * curvatures)))[::-1]
    np.testing.assert_allclose(rates, wanted, atol=1e-5)


# Convergence


def test_convergence_ends_at_the_spectrum() -> None:
    arguments: dict[str, Any] = {"eta": 1.4, "steps": 700, "transient": 30}
    rates = ct.lyapunov_spectrum(ct.maps.henon(), **arguments)
    runs = ct.lyapunov_convergence(ct.maps.henon(), **arguments)
    assert runs.rate.sizes == {"exponent": 2, "step": 700}
    assert runs.step.values[[0, -1]].tolist() == [30, 729]
    assert runs.length.values[[0, -1]].tolist() == [1, 700]
    np.testing.assert_array_equal(runs["mean"][:, -1], rates)
    np.testing.assert_array_equal(runs.low[:, -1], rates.low)
    np.testing.assert_array_equal(runs.high[:, -1], rates.high)
    for length in runs.length.values:
        np.testing.assert_allclose(
            runs["mean"].sel(length=length), runs.rate[:, :length].mean("step"), rtol=1e-12
        )
    width = (runs.high - runs.low)[0]
    assert width.sel(length=700) < 0.5 * width.sel(length=width.length[15])


def test_another_key_gives_another_run_of_the_same_exponents() -> None:
    first, other, again = (
        ct.lyapunov_spectrum(ct.maps.henon(), 1.4, key, steps=3000) for key in (0, 1, 0)
    )
    assert first.equals(again)
    assert not first.equals(other)
    assert abs(first[0] - other[0]) < 0.05


def test_a_map_that_overflows_has_no_exponents_and_says_when() -> None:
    system = ct.maps.Descent(loss=lambda u: -jnp.sum(u**4), start=lambda _: [2.0, 1.0])
    rates = ct.lyapunov_spectrum(system, 1.0, steps=20, transient=0)
    assert np.isnan(rates).all()
    assert 2 < rates.attrs["blow_up_step"] < 15
    assert math.isnan(ct.kaplan_yorke(rates))
    runs = ct.lyapunov_convergence(system, 1.0, steps=20, transient=0)
    assert np.isfinite(runs.rate[:, 0]).all()
    assert np.isnan(runs.rate[:, -1]).all()


# The dimension


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [
        ([0.5, -1.0], 1.5),
        ([-1.0, 0.5], 1.5),
        ([0.9, 0.0, -14.6], 2 + 0.9 / 14.6),
        ([0.3, 0.1, -0.2, -0.5], 3.4),
        ([-0.1, -0.2], 0.0),
        ([0.1, 0.2], 2.0),
        ([0.5, -math.inf], 1.0),
        ([0.0, -1.0], 1.0),
        ([0.5, math.nan], math.nan),
    ],
)
def test_the_kaplan_yorke_dimension(exponents: list[float], dimension: float) -> None:
    assert ct.kaplan_yorke(exponents) == pytest.approx(dimension, nan_ok=True)


def test_a_part_of_a_spectrum_that_does_not_decide_the_dimension_gives_none() -> None:
    part = ct.lyapunov_spectrum(ct.maps.henon(), 1.4, steps=100, count=1)
    assert math.isnan(ct.kaplan_yorke(part))


# Bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"count": 3},
            "count = 3: the state has 2 floating coordinates, ask for at most 2 exponents",
        ),
        ({"count": 0}, "count = 0: give at least 1"),
        ({"steps": 1}, "steps = 1: give at least 2"),
        ({"transient": -1}, "transient = -1: give at least 0"),
        ({"eta": -1.0}, r"eta = -1\.0: give a number above 0"),
    ],
)
def test_arguments_that_are_refused(arguments: dict[str, Any], message: str) -> None:
    for call in (ct.lyapunov_spectrum, ct.lyapunov_convergence):
        with pytest.raises(ct.UserError, match=message) as caught:
            call(ct.maps.henon(), **{"eta": 1.4, **arguments})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(), (2, 3), (2, 3, 4)])
def test_the_dimension_of_many_spectra_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ct.UserError, match=r"exponents: their shape is \("):
        ct.kaplan_yorke(np.zeros(shape))


def test_more_exponents_than_fit_the_memory_are_refused(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 30, 3]), blobs())
    dimension = 5 * 30 + 30 + 30 * 3 + 3
    monkeypatch.setattr(memory, "room", lambda: 8 * dimension**2)  # a few would fit
    with pytest.raises(ct.UserError, match=r"count = 273: it needs .* GiB.*: ask for fewer exp"):
        ct.lyapunov_spectrum(system, 0.1, steps=2, transient=0, count=dimension)
    assert ct.lyapunov_spectrum(system, 0.1, steps=2, transient=0, count=2).size == 2
