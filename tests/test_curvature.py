from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr
from jax.flatten_util import ravel_pytree

import chaotrain as ct
from chaotrain import optimizers

Blobs = Callable[..., ct.Task]


def dense(system: ct.TrainingMap, state: Any) -> np.ndarray:
    """The whole Hessian, formed."""
    with jax.enable_x64(True):
        flat, unravel = ravel_pytree(state.parameters)
        return np.asarray(jax.hessian(lambda x: system.objective(unravel(x)))(flat))


def trained(blobs: Blobs, steps: int = 0, **options: Any) -> tuple[ct.TrainingMap, Any]:
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), blobs(), **options)
    state = system.init(0)
    for _ in range(steps):
        state = system.step(state, 0.05)
    return system, state


@pytest.mark.parametrize("steps", [0, 20])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_the_sharpness_is_the_largest_eigenvalue_of_the_dense_hessian(
    blobs: Blobs, steps: int, l2: float
) -> None:
    system, state = trained(blobs, steps, penalty=ct.Penalty(l2=l2))
    found, hessian = ct.sharpness(system, state), dense(system, state)
    values, vectors = np.linalg.eigh(hessian)
    assert found.value == pytest.approx(values[-1], rel=1e-8)
    assert abs(found.vector @ vectors[:, -1]) == pytest.approx(1, abs=1e-6)
    assert found.products < 4 * len(hessian)


def test_the_largest_is_meant_and_not_the_largest_in_size(blobs: Blobs) -> None:
    """A concave loss: every eigenvalue is negative or 0."""
    system, state = trained(blobs)
    assert dense(system, state).shape[0] > 3
    negative = ct.TrainingMap(
        ct.networks.mlp([5, 4, 3]), ct.Task.from_arrays(*_halves(blobs()), loss=_concave)
    )
    values = np.linalg.eigvalsh(dense(negative, negative.init(0)))
    assert values[0] < -1e-3
    assert ct.sharpness(negative, negative.init(0)).value == pytest.approx(values[-1], abs=1e-8)


def _halves(task: ct.Task) -> tuple[np.ndarray, ...]:
    return task.inputs, task.targets, task.test_inputs, task.test_targets


def _concave(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return -ct.tasks.mean_squared_error(outputs, targets)


def test_the_preconditioned_sharpness_is_that_of_the_dense_generalised_problem(
    blobs: Blobs,
) -> None:
    system, state = trained(blobs, 10, optimizer=optimizers.named("adam", {"b2": 0.99}))
    hessian = dense(system, state)
    adam = state.buffers[0]
    with jax.enable_x64(True):
        variance = np.asarray(ravel_pytree(adam.nu)[0]) / (1 - 0.99 ** int(adam.count))
    preconditioner = np.sqrt(variance) + 1e-8
    expected = np.linalg.eigvals(hessian / preconditioner[:, None]).real.max()
    found = ct.sharpness(system, state, preconditioned=True)
    assert found.value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "closed"),
    [
        ("sgd", {}, 2.0),
        ("momentum", {}, 2 * 1.9),
        ("sgd", {"momentum": 0.5}, 2 * 1.5),
        ("nesterov", {}, 2 * 1.9 / 2.8),
        ("sgd", {"momentum": 0.5, "nesterov": True}, 2 * 1.5 / 2.0),
    ],
)
def test_steps_on_a_quadratic_turn_unstable_at_the_threshold(
    name: str, options: dict, closed: float
) -> None:
    eta, rule = 0.25, optimizers.named(name, options)
    limit = ct.stability_threshold(rule, eta)
    assert limit == pytest.approx(closed / eta, rel=1e-12)
    for factor, stable in ((0.99, True), (1.01, False)):
        with jax.enable_x64(True):
            step = rule(eta)
            point = jnp.array(1.0)
            buffers, sizes = step.init(point), []
            for _ in range(2000):
                update, buffers = step.update(factor * limit * point, buffers, point)
                point = optax.apply_updates(point, update)
                sizes.append(abs(float(point)))
        assert (max(sizes[-50:]) < max(sizes[:50])) is stable


def test_adam_turns_unstable_at_the_threshold_of_its_preconditioned_curvature() -> None:
    """With P held fixed, Adam is descent with an averaged gradient: m ← β m + (1 - β) h u."""
    eta, beta = 0.01, 0.9
    limit = ct.stability_threshold(optimizers.named("adam"), eta)
    assert limit == pytest.approx(38 / eta)
    for factor, stable in ((0.99, True), (1.01, False)):
        h = factor * limit
        step = np.array([[1 - eta * (1 - beta) * h, -eta * beta], [(1 - beta) * h, beta]])
        assert (np.abs(np.linalg.eigvals(step)).max() < 1) is np.bool_(stable)


@pytest.mark.parametrize(
    "rule",
    [
        optax.lion,
        optimizers.named("lion"),
        optimizers.named("sgd", weight_decay=0.1),
        optimizers.named("sgd", schedule={"name": "cosine", "decay_steps": 9}),
    ],
)
def test_a_threshold_that_is_not_known_is_no_number(rule: Any) -> None:
    assert math.isnan(ct.stability_threshold(rule, 0.1))


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_along_a_training_it_is_measured_at_the_states_of_the_training(
    blobs: Blobs, name: str
) -> None:
    system, state = trained(blobs, optimizer=optimizers.named(name))
    along = ct.sharpness_along(system, 0.05, epochs=7, every=3)
    assert along.epoch.values.tolist() == [0, 3, 6]
    for epoch in range(7):
        if epoch in along.epoch:
            adaptive = name == "adam"
            expected = math.nan
            if not (adaptive and epoch == 0):
                expected = ct.sharpness(system, state, preconditioned=adaptive).value
            found = float(along.sharpness.sel(epoch=epoch))
            assert found == pytest.approx(expected, rel=1e-8, nan_ok=True)
        state = system.step(state, 0.05)
    limit = ct.stability_threshold(system.optimizer, 0.05)
    np.testing.assert_allclose(along.threshold, limit)
    np.testing.assert_allclose(along.instability, along.sharpness / limit)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_of_optax_itself_is_adam_by_its_name(blobs: Blobs, name: str) -> None:
    network, task = ct.networks.mlp([5, 4, 3]), blobs()
    bare, known = (
        ct.sharpness_along(ct.TrainingMap(network, task, optimizer=rule), 0.05, epochs=6, every=3)
        for rule in (getattr(optax, name), optimizers.named(name))
    )
    assert bare.attrs["preconditioned"] == 1
    assert np.isfinite(bare.instability[1:]).all()
    xr.testing.assert_identical(bare, known)


def test_the_numbers_of_numpy_are_numbers(blobs: Blobs) -> None:
    system, _ = trained(blobs)
    own = ct.sharpness_along(system, 0.1, 3, epochs=4, every=2)
    numpys = ct.sharpness_along(
        system, np.float64(0.1), np.int64(3), epochs=np.int64(4), every=np.int64(2)
    )
    xr.testing.assert_identical(numpys, own)


def test_a_warm_start_takes_fewer_products(blobs: Blobs) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 40, 3]), blobs())
    before = system.init(0)
    state = system.step(before, 0.05)
    cold = ct.sharpness(system, state)
    warm = ct.sharpness(system, state, start=ct.sharpness(system, before).vector)
    assert warm.value == pytest.approx(cold.value, rel=1e-8)
    assert warm.products < cold.products


def test_a_training_that_blows_up_has_no_sharpness_from_there_on(blobs: Blobs) -> None:
    system = ct.TrainingMap(
        ct.networks.mlp([5, 4, 3], "relu"), blobs().with_loss("mean-squared-error")
    )
    along = ct.sharpness_along(system, 1e3, epochs=40, every=10)
    assert np.isfinite(along.sharpness[0])
    assert np.isnan(along.sharpness[-1])


def test_bad_input_is_told(blobs: Blobs) -> None:
    system, state = trained(blobs)
    for call, message in (
        (lambda: ct.sharpness(ct.maps.cubic(), 0), "give a TrainingMap"),
        (lambda: ct.sharpness(system, state, preconditioned=True), "no preconditioner"),
        (lambda: ct.sharpness_along(system, -1.0), "eta = -1.0: give a number above 0"),
        (lambda: ct.sharpness_along(system, "x"), "eta = 'x': give a number"),
        (lambda: ct.sharpness_along(system, 1.0, every=0), "every = 0: give at least 1"),
        (lambda: ct.sharpness_along(system, 1.0, epochs=2.5), "epochs = 2.5: give a whole number"),
        (lambda: ct.sharpness_along(ct.maps.henon(), 1.0), "give a TrainingMap"),
    ):
        with pytest.raises(ct.UserError, match=message):
            call()
    adam, fresh = trained(blobs, optimizer=optimizers.named("adam"))
    with pytest.raises(ct.UserError, match="before its first step"):
        ct.sharpness(adam, fresh, preconditioned=True)
