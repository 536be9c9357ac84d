"""Tangent growth against closed forms, dense Jacobians and finite perturbations."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from scipy.stats import t as student

import cases
import chaotrain as ct
from chaotrain import optimizers
from chaotrain.tangent import products

Blobs = Callable[..., ct.Task]
Options = dict[str, Any]

TRAININGS: dict[str, Options] = {
    "sgd": {},
    "momentum": {"optimizer": optimizers.named("momentum")},
    "adam": {"optimizer": optimizers.named("adam")},
    "rmsprop": {"optimizer": optimizers.named("rmsprop")},
    "decay": {"optimizer": optimizers.named("sgd", weight_decay=0.1)},
    "penalty": {"penalty": ct.Penalty(l1=0.01, l2=0.1)},
    "batches": {"batch_size": 17, "optimizer": optimizers.named("adam")},
    "float32": {"dtype": "float32", "optimizer": optimizers.named("momentum")},
}


def trained(blobs: Blobs, name: str) -> ct.TrainingMap:
    network = dataclasses.replace(ct.networks.mlp([5, 4, 3]), chunk=23)
    return ct.TrainingMap(network, blobs(), **TRAININGS[name])


def dense(system: ct.Map, state: Any, eta: float) -> np.ndarray:
    """The Jacobian of a step over all floating numbers, in the order of the leaves."""
    return np.asarray(_dense(system, state, eta))


@jax.jit
def _dense(system: ct.Map, state: Any, eta: float) -> jax.Array:
    flat, unravel = ravel_pytree(products.floating(state))

    def step(numbers: jax.Array) -> jax.Array:
        later = system.step(products.with_floating(state, unravel(numbers)), eta)
        return ravel_pytree(products.floating(later))[0]

    return jax.jacfwd(step)(flat)


push, push_all = jax.jit(products.push), jax.jit(products.push_all)


# One step


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_products_along_a_trajectory_are_those_of_dense_jacobians(blobs: Blobs, name: str) -> None:
    system = trained(blobs, name)
    eta, rtol = (0.05, 1e-10) if name != "float32" else (0.05, 1e-4)
    with jax.enable_x64(True):
        state = system.step(system.init(0), eta)  # buffers that are not 0
        vectors = [
            jax.random.normal(jax.random.key(i), (3, *leaf.shape), leaf.dtype)
            for i, leaf in enumerate(products.floating(state))
        ]
        flat = np.concatenate([np.asarray(v).reshape(3, -1) for v in vectors], axis=1)
        for _ in range(3):
            flat = flat @ dense(system, state, eta).T
            one = push(system, state, [v[1] for v in vectors], eta)[2]
            state, _, vectors = push_all(system, state, vectors, eta)
        pushed = np.concatenate([np.asarray(v).reshape(3, -1) for v in vectors], axis=1)
        scale = np.abs(flat).max()
        np.testing.assert_allclose(pushed, flat, rtol=rtol, atol=rtol * scale)
        np.testing.assert_allclose(ravel_pytree(one)[0], flat[1], rtol=rtol, atol=rtol * scale)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_the_state_and_what_comes_free_are_those_of_the_step(blobs: Blobs, name: str) -> None:
    system = trained(blobs, name)
    with jax.enable_x64(True):
        state = system.init(0)
        stepped, revealed, _ = push(system, state, products.floating(state), 0.05)
        wanted = system.step(state, 0.05)
    assert jax.tree.structure(stepped) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(stepped), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    seen = system.observe(state)
    assert all(float(seen[n]) == pytest.approx(float(v), rel=1e-6) for n, v in revealed.items())


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [None, 20])
def test_weights_that_never_have_a_gradient_stay_where_they_are_under_adam(
    blobs: Blobs, batch_size: int | None
) -> None:
    """The second moment of a dark pixel is 0 for good, where the root has no derivative."""
    task = blobs()
    dark = dataclasses.replace(task, inputs=task.inputs * np.array([1, 1, 0, 1, 1]))
    adam = optimizers.named("adam")
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), dark, adam, batch_size=batch_size)
    growth = ct.tangent_growth(system, 0.02, epochs=30)
    pair = ct.divergence(system, 0.02, epochs=30, replicas=1, epsilon=1e-9).distance.values[0]
    assert np.isfinite(growth.growth).all()
    np.testing.assert_allclose(growth.growth, np.log(pair / pair[0]), atol=1e-4)
    with jax.enable_x64(True):
        state = system.init(0)
        moved = [jnp.zeros_like(leaf) for leaf in products.floating(state)]
        # Parameters come first: bias, then weight, of the first layer.
        assert moved[1].shape == (4, 5)
        moved[1] = moved[1].at[:, 2].set(1.0)
        pushed = push(system, state, moved, 0.02)[2]
    for before, after in zip(moved, pushed, strict=True):
        np.testing.assert_array_equal(before, after)


# Growth


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_growth_in_a_quadratic_is_its_closed_form(norm: str) -> None:
    system = ct.maps.quadratic((0.5, 1.5, 3.0))
    way = np.array([1.0, -2.0, 0.5])
    run = ct.tangent_growth(system, 0.9, epochs=700, norm=norm, direction=way)
    t, power = np.arange(701), 1 if norm == "l1" else 2
    factors = np.log(np.abs(1 - 0.9 * np.array([0.5, 1.5, 3.0])))
    logs = power * (np.log(np.abs(way)) + factors * t[:, None])
    size = np.logaddexp.reduce(logs, axis=1) / power
    np.testing.assert_allclose(run.growth, size - size[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.rate[:-1], np.diff(run.growth), rtol=1e-12, atol=1e-12)
    assert np.isnan(run.rate[-1])
    assert run.loss.sizes == {"epoch": 701}


def test_growth_neither_overflows_nor_underflows() -> None:
    system = ct.maps.linear(((1.0,),))
    for eta in (1e3, 1e-3, 2.0**1000, 2.0**-1000):
        epochs = 1000 if 1e-3 <= eta <= 1e3 else 2
        growth = ct.tangent_growth(system, eta, epochs=epochs).growth.values
        np.testing.assert_allclose(growth, math.log(eta) * np.arange(epochs + 1), rtol=1e-13)


def test_renormalising_rounds_nothing(blobs: Blobs) -> None:
    system = trained(blobs, "momentum")
    with jax.enable_x64(True):
        state = system.init(3)
        vector = [jax.random.normal(jax.random.key(1), x.shape) for x in products.floating(state)]
        direction = products.with_floating(state, vector)
        norms = []
        for _ in range(20):
            norms.append(float(products.log_norm(system, state, vector, "l1")))
            state, _, vector = push(system, state, vector, 3.0)
    run = ct.tangent_growth(system, 3.0, 3, epochs=19, direction=direction)
    np.testing.assert_allclose(run.growth, np.array(norms) - norms[0], rtol=1e-11, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "norm", "key"), [("sgd", "l1", 0), ("momentum", "l2", 7), ("batches", "l1", 7)]
)
def test_it_starts_from_the_first_replica_of_the_divergence(
    blobs: Blobs, name: str, norm: str, key: int
) -> None:
    system = trained(blobs, name)
    growth = ct.tangent_growth(system, 0.05, key, epochs=15, norm=norm)
    curves = ct.divergence(system, 0.05, key, epochs=15, replicas=3, epsilon=1e-9, distance=norm)
    far = curves.distance.values
    np.testing.assert_allclose(growth.growth, np.log(far[0] / far[0, 0]), atol=2e-5)
    assert not np.allclose(growth.growth, np.log(far[1] / far[1, 0]), atol=2e-4)
    for observed in system.observe(system.init(key)):
        np.testing.assert_allclose(growth[observed], curves[observed], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("measured", ["parameters", "state"])
def test_the_norm_is_over_what_the_map_measures(blobs: Blobs, measured: str) -> None:
    network, rule = ct.networks.mlp([5, 4, 3]), optimizers.named("momentum")
    system = ct.TrainingMap(network, blobs(), rule, measured=measured)
    growth = ct.tangent_growth(system, 0.1, epochs=10).growth
    far = ct.divergence(system, 0.1, epochs=10, replicas=1, epsilon=1e-9).distance.values[0]
    np.testing.assert_allclose(growth, np.log(far / far[0]), atol=1e-5)


def test_weight_decay_on_a_zero_loss_contracts_at_its_rate(blobs: Blobs) -> None:
    def nothing(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return 0.0 * outputs[:, 0]

    points = blobs()
    arrays = points.inputs, points.targets, points.test_inputs, points.test_targets
    task = ct.Task.from_arrays(*arrays, loss=nothing)
    rule = optimizers.named("sgd", weight_decay=0.3)
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), task, rule)
    run = ct.tangent_growth(system, 0.5, epochs=12)
    np.testing.assert_allclose(run.rate[:-1], math.log(1 - 0.5 * 0.3), rtol=1e-12)


def test_a_perturbation_that_vanishes_has_the_rate_minus_infinity() -> None:
    run = ct.tangent_growth(ct.maps.quadratic((1.0,)), 1.0, epochs=4)
    assert run.growth.values.tolist() == [0.0] + [-math.inf] * 4
    assert run.rate.values[:-1].tolist() == [-math.inf] * 4
    assert math.isnan(run.attrs["blow_up_epoch"])
    assert ct.finite_time_exponent(run, 2).rate == -math.inf


def test_a_state_that_overflows_ends_with_nan_and_its_epoch() -> None:
    system = ct.maps.Descent(loss=lambda u: -jnp.sum(u**4), start=lambda _: [2.0])
    run = ct.tangent_growth(system, 1.0, epochs=20)
    epoch = int(run.attrs["blow_up_epoch"])
    assert 2 < epoch < 15
    assert np.isfinite(run.growth[:epoch]).all()
    assert np.isnan(run.growth[epoch:]).all()
    assert np.isfinite(run.rate[: epoch - 1]).all()
    assert np.isnan(run.rate[epoch - 1 :]).all()
    assert math.isnan(ct.finite_time_exponent(run).rate)
    assert math.isfinite(ct.finite_time_exponent(run, 0, epoch - 1).rate)


def test_a_tangent_that_overflows_while_the_state_does_not_ends_too() -> None:
    def rule(u: jax.Array, eta: jax.Array) -> jax.Array:
        return jnp.sin(1e200 * jnp.sin(1e200 * eta * u))

    system = ct.maps.Iterated(rule, lambda _: [1.0])
    run = ct.tangent_growth(system, 1.0, epochs=5)
    assert run.attrs["blow_up_epoch"] == 1.0
    assert np.isfinite(run.u).all()


# The window


def test_a_window_is_that_of_the_epochs(blobs: Blobs) -> None:
    run = ct.tangent_growth(trained(blobs, "sgd"), 5.0, epochs=60)
    growth = run.growth.values
    for start, stop in ((0, 60), (10, 35), (59, 60)):
        for given in (run, run.growth, growth):
            exponent = ct.finite_time_exponent(given, start, stop)
            wanted = (growth[stop] - growth[start]) / (stop - start)
            assert exponent.rate == pytest.approx(wanted, rel=1e-12)
            assert (exponent.start, exponent.stop) == (start, stop)
    later = run.isel(epoch=slice(20, None))
    assert ct.finite_time_exponent(later, 30, 50) == ct.finite_time_exponent(run, 30, 50)
    assert ct.finite_time_exponent(later).start == 20


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ((0, 21), "stop = 21: choose one of the run's epochs 0 to 20"),
        ((-1, 5), "start = -1: choose one of"),
        ((2.5, 5), r"start = 2\.5"),
        ((5, 5), "stop = 5: give an epoch after start = 5"),
    ],
)
def test_windows_that_are_refused(window: Any, message: str) -> None:
    with pytest.raises(ct.UserError, match=message) as caught:
        ct.finite_time_exponent(np.arange(21.0), *window)
    assert "\n" not in str(caught.value)


def test_growth_of_another_shape_is_refused() -> None:
    with pytest.raises(ct.UserError, match=r"growth: its shape is \(2, 3\)"):
        ct.finite_time_exponent(np.zeros((2, 3)))


# Bad input


class Untraceable:
    """A map whose step is plain Python."""

    def init(self, key: Any) -> Any:
        return np.array([0.3])

    def step(self, state: Any, eta: float) -> Any:
        return np.array([eta * math.sin(float(state[0]))])

    def observe(self, state: Any) -> Any:
        return {"u": state[0]}


@jax.custom_vjp
def backwards_only(x: jax.Array) -> jax.Array:
    return x


backwards_only.defvjp(lambda x: (x, None), lambda _, slope: (slope,))


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (Untraceable(), r"its step has no derivative by JAX .*, use chaotrain\.rescaled_pair"),
        (
            ct.maps.Iterated(lambda u, eta: eta * backwards_only(u), lambda _: [1.0]),
            r"its step has no derivative by JAX .*custom_vjp.*, use chaotrain\.rescaled_pair",
        ),
        (
            ct.maps.Iterated(lambda u, eta: u.astype(jnp.float32), lambda _: [1.0]),
            "its step changes the shapes or types of the state",
        ),
        (object(), "give a map with init, step and observe"),
    ],
)
def test_maps_without_a_tangent_are_refused(system: Any, message: str) -> None:
    for call in (ct.tangent_growth, ct.lyapunov_spectrum):
        with pytest.raises(ct.UserError, match=message) as caught:
            call(system, 1.0, count=1) if call is ct.lyapunov_spectrum else call(system, 1.0)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eta": 0.0}, "eta = 0.0: give a number above 0"),
        ({"epochs": 1}, "epochs = 1: give at least 2"),
        ({"norm": "l3"}, "norm = 'l3' is unknown; choose one of l1, l2"),
        ({"direction": np.zeros(2)}, "its part in the coordinates of the map is zero"),
        ({"direction": np.ones(3)}, r"have shapes \[\(3,\)\], the state's have \[\(2,\)\]"),
    ],
)
def test_arguments_that_are_refused(arguments: Options, message: str) -> None:
    with pytest.raises(ct.UserError, match=message) as caught:
        ct.tangent_growth(ct.maps.quadratic((1.0, 2.0)), **{"eta": 1.0, **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("state", [np.zeros(5), np.zeros(3), [np.zeros(2), np.zeros(1)]])
def test_a_state_that_does_not_fit_is_not_called_a_map_without_derivatives(state: Any) -> None:
    for call in (ct.tangent_growth, ct.lyapunov_spectrum):
        with pytest.raises(ct.UserError, match=r"state: it holds .* where system.init"):
            call(ct.maps.henon(), 1.4, state=state)


def test_an_exponent_of_what_is_no_growth_says_what_has_one() -> None:
    pair = ct.divergence(ct.maps.henon(), 1.4, epochs=5)
    with pytest.raises(ct.UserError, match="give what tangent_growth or rescaled_pair returns"):
        ct.finite_time_exponent(pair)


# Perturbations of networks


def chaotic() -> tuple[ct.Map, float]:
    task = ct.tasks.load("mnist").first(200, 20)
    return ct.TrainingMap(ct.networks.mlp([784, 8, 10]), task), 10.0


@pytest.mark.slow
def test_perturbation_and_tangent_agree_on_chaotic_balls() -> None:
    compare(range(3))


@pytest.mark.slow
def test_perturbation_and_tangent_agree_on_50_chaotic_balls() -> None:
    compare(range(50))


def compare(keys: range) -> None:
    """The same perturbation, norm and window: where the finite one is still small."""
    system, eta = chaotic()
    rates = []
    for key in keys:
        far = ct.divergence(system, eta, key, epochs=60, replicas=1).distance.values[0]
        growth = ct.tangent_growth(system, eta, key, epochs=60)
        stop = int(np.argmax(far > 1e-4 * far.max())) - 1
        assert stop >= 4
        finite = ct.finite_time_exponent(np.log(far), 0, stop).rate
        exact = ct.finite_time_exponent(growth, 0, stop).rate
        assert finite == pytest.approx(exact, rel=0.02)
        rates.append(exact)
    assert np.min(rates) > 0.1


@pytest.mark.slow
def test_float32_and_float64_agree_in_the_mean_over_initialisations() -> None:
    inits = 32
    task = ct.tasks.load("mnist").first(100, 10)
    exponents = []
    for dtype in ("float64", "float32"):
        system = ct.TrainingMap(ct.networks.mlp([784, 8, 10]), task, dtype=dtype)
        runs = [ct.tangent_growth(system, 5.0, key, epochs=25) for key in range(inits)]
        exponents.append([ct.finite_time_exponent(run, 5, 25).rate for run in runs])
    difference = np.subtract(*exponents)
    # Single trajectories decorrelate within the window.
    assert np.abs(difference).max() > 0.1
    half = student.ppf(0.995, inits - 1) * difference.std(ddof=1) / math.sqrt(inits)
    assert abs(difference.mean()) < half
    assert half < 0.25 * np.mean(exponents)


def test_float32_is_kept_in_a_map_of_closed_form() -> None:
    system = In32()
    for eta in (3.0, 2.0**60, 2.0**-120):
        growth = ct.tangent_growth(system, eta, epochs=2).growth.values
        np.testing.assert_allclose(growth, math.log(eta) * np.arange(3), rtol=1e-6)


class In32:
    """A linear map in float32."""

    def init(self, key: Any) -> Any:
        return jnp.ones(2, jnp.float32)

    def step(self, state: Any, eta: Any) -> Any:
        return eta * state

    def observe(self, state: Any) -> Any:
        return {"u": state[0]}


def test_momentum_and_adam_agree_with_optax_on_a_plain_map() -> None:
    """A map of one's own, whose state is a tuple with a counter in it."""

    class Own:
        def init(self, key: Any) -> Any:
            u = jnp.array([1.0, -0.5])
            return u, optax.adam(0.0).init(u)

        def step(self, state: Any, eta: Any) -> Any:
            u, buffers = state
            updates, buffers = optax.adam(eta).update(u**3, buffers)
            return u + updates, buffers

        def observe(self, state: Any) -> Any:
            return {"u": state[0][0]}

    run = ct.tangent_growth(Own(), 0.1, epochs=12)
    assert np.isfinite(run.growth).all()
    far = ct.divergence(Own(), 0.1, epochs=12, replicas=1, epsilon=1e-10).distance.values[0]
    np.testing.assert_allclose(run.growth, np.log(far / far[0]), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in cases.MAPS if name not in cases.RARE])
def test_every_map_has_the_growth_of_its_divergence(name: str) -> None:
    """All networks, tasks, losses, the usual optimisers, penalties and kinds of noise."""
    system = cases.MAPS[name]()
    is_single = "float32" in name
    growth = ct.tangent_growth(system, 0.02, epochs=5).growth
    far = ct.divergence(
        system, 0.02, epochs=5, replicas=1, epsilon=1e-4 if is_single else 1e-10
    ).distance.values[0]
    np.testing.assert_allclose(growth, np.log(far / far[0]), atol=0.02 if is_single else 1e-4)
