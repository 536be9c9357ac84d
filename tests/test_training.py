from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import baseline
import chaotrain as ct

Blobs = Callable[..., ct.Task]


@pytest.mark.parametrize("hidden", [[], [4], [6, 5]])
@pytest.mark.parametrize("samples", [3, 60, 61])
def test_step_and_observables_agree_with_numpy(
    blobs: Blobs, hidden: list[int], samples: int
) -> None:
    task = blobs(samples=samples)
    network = dataclasses.replace(ct.networks.mlp([5, *hidden, task.outputs]), chunk=13)
    system = ct.TrainingMap(network, task)
    state = system.init(0)
    trained = list(
        baseline.train(baseline.as_numpy(state.parameters), task.inputs, task.targets, 0.8, 5)
    )
    for layers, loss in trained:
        for ours, theirs in zip(baseline.as_numpy(state.parameters), layers, strict=True):
            for name in ours:
                np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-10, atol=1e-12)
        seen = system.observe(state)
        assert float(seen["loss"]) == pytest.approx(loss, rel=1e-10)
        with jax.enable_x64(True):
            outputs = system.network.apply(state.parameters, jnp.asarray(task.test_inputs))
        right = np.mean(np.argmax(outputs, axis=1) == task.test_targets)
        assert float(seen["test_accuracy"]) == pytest.approx(right, abs=1e-12)
        state = system.step(state, 0.8)


def test_any_optax_optimiser_carries_its_buffers(blobs: Blobs) -> None:
    task = blobs()
    system = ct.TrainingMap(
        ct.networks.mlp([5, 4, 3]), task, optimizer=lambda eta: optax.sgd(eta, momentum=0.9)
    )
    state = system.init(0)
    layers = baseline.as_numpy(state.parameters)
    velocity = [{name: np.zeros_like(layer[name]) for name in layer} for layer in layers]
    for _ in range(10):
        _, slopes = baseline.gradient(layers, task.inputs, task.targets)
        for layer, speed, slope in zip(layers, velocity, slopes, strict=True):
            for name in layer:
                speed[name] = 0.9 * speed[name] + slope[name]
                layer[name] = layer[name] - 0.1 * speed[name]
        state = system.step(state, 0.1)
    for ours, theirs in zip(baseline.as_numpy(state.parameters), layers, strict=True):
        np.testing.assert_allclose(ours["weight"], theirs["weight"], rtol=1e-9)


def test_adam_runs_in_an_ensemble(blobs: Blobs) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), blobs(), optimizer=optax.adam)
    curves = ct.divergence(system, 0.01, epochs=40, replicas=2)
    assert curves.loss.values[-1] < curves.loss.values[0]


def test_global_flag_of_jax_is_left_alone(blobs: Blobs) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), blobs())
    assert ct.divergence(system, 1.0, epochs=3, replicas=1).distance.dtype == np.float64
    assert not jax.config.jax_enable_x64
    assert jnp.ones(1).dtype == jnp.float32


def test_memory_estimate_bounds_what_the_compiler_takes(mnist: ct.Task) -> None:
    """The cost of a member holds it to the memory that a block really uses."""
    system = ct.TrainingMap(ct.networks.mlp([784, 64, 10]), mnist.first(4000, 100))
    members = 12
    with jax.enable_x64(True):
        states = jax.vmap(system.init)(jax.random.split(jax.random.key(0), members))
        step = jax.jit(lambda s, u, e: jax.vmap(s.advance, in_axes=(0, 0))(u, e))
        analysis = step.lower(system, states, jnp.ones(members)).compile().memory_analysis()
    used = analysis.temp_size_in_bytes + analysis.output_size_in_bytes
    assert 0.2 * members * system.cost().bytes < used < members * system.cost().bytes


def test_unknown_dtype_is_refused(blobs: Blobs) -> None:
    with pytest.raises(
        ct.UserError, match=r"dtype = 'float16' is unknown: choose float64 or float32"
    ):
        ct.TrainingMap(ct.networks.mlp([5, 3]), blobs(), dtype="float16")
