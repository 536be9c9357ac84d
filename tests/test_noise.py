"""Mini-batches, dropout and augmentation: random, and the same for every member of a ball."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import chaotrain as ct
from chaotrain.training.samples import batches

Blobs = Callable[..., ct.Task]


def dropped(rate: float = 0.5) -> ct.Network:
    """A network that drops inputs, so that what is dropped can be told from its outputs."""
    plain = ct.networks.mlp([5, 4, 3])

    def apply(parameters: Any, inputs: jax.Array, key: jax.Array | None = None) -> jax.Array:
        if key is not None:
            inputs = inputs * jax.random.bernoulli(key, 1 - rate, inputs.shape) / (1 - rate)
        return plain.apply(parameters, inputs)

    return ct.Network(plain.init, apply, "dropped", stochastic=True, chunk=13)


def noisy(key: jax.Array, inputs: jax.Array) -> jax.Array:
    return inputs + 0.1 * jax.random.normal(key, inputs.shape, inputs.dtype)


PLAIN = dataclasses.replace(ct.networks.mlp([5, 4, 3]), chunk=13)
NOISY: dict[str, dict[str, Any]] = {
    "batches": {"network": PLAIN, "batch_size": 20},
    "uneven batches": {"network": PLAIN, "batch_size": 17},
    "dropout": {"network": dropped()},
    "augmentation": {"network": PLAIN, "augment": noisy},
    "all": {"network": dropped(), "batch_size": 32, "augment": noisy},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOISY)
def test_members_of_a_ball_see_the_same_noise(blobs: Blobs, name: str) -> None:
    system = ct.TrainingMap(task=blobs(), **NOISY[name])
    curves = ct.divergence(system, 1.0, epochs=8, replicas=2, epsilon=0.0)
    assert not np.any(curves.distance)
    nearby = ct.divergence(system, 1.0, epochs=8, replicas=2).distance.values
    assert (nearby > 0).all()
    assert nearby.max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", NOISY)
def test_own_noise_moves_networks_apart_that_start_equal(blobs: Blobs, name: str) -> None:
    system = ct.TrainingMap(task=blobs(), noise="own", **NOISY[name])
    distance = ct.divergence(system, 1.0, epochs=8, replicas=2, epsilon=0.0).distance.values
    assert not distance[:, 0].any()
    assert (distance[:, 1:] > 1e-4).all()
    assert distance[0, 1] != distance[1, 1]


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        (24, ["network"]),
        (6, ["augment"]),
        pytest.param(7, ["network", "augment"], marks=pytest.mark.slow),
        (None, ["network", "augment"]),
    ],
)
def test_own_batches_leave_masks_and_augmentations_common(
    size: int | None, parts: list[str]
) -> None:
    """Where samples are alike their order means nothing, and masks are all that could differ."""
    alike, labels = np.ones((24, 5)), np.arange(24) % 3
    task = ct.Task(
        "alike", alike, labels, alike, labels, 3, loss=lambda out, _: jnp.sum(out**2, -1)
    )
    chosen = {"network": PLAIN} | {name: NOISY["all"][name] for name in parts}
    system = ct.TrainingMap(task=task, batch_size=size, noise="own", **chosen)
    distance = ct.divergence(system, 0.1, epochs=3, replicas=2, epsilon=0.0).distance.values
    assert not distance[:, 0].any()
    assert (distance[:, 1:] > 0).all() if size is None else not distance.any()


def test_own_batches_have_an_order_of_the_replica(blobs: Blobs) -> None:
    system = ct.TrainingMap(task=blobs(), noise="own", **NOISY["all"])
    reference, key = system.init(0), jax.random.key(7)
    replica, another = system.replica(reference, key), system.init(key).noise
    assert another is not None
    for _ in range(2):
        ours, theirs, alone = (n.this_pass() for n in (replica.noise, reference.noise, another))
        assert ours[1] == theirs[1] != alone[1]
        assert ours[0] == alone[0] != theirs[0]
        replica, reference = (system.step(state, 0.5) for state in (replica, reference))
        another = another.next_epoch()


@pytest.mark.parametrize("name", NOISY)
def test_noise_is_a_function_of_the_key_and_the_epoch_alone(blobs: Blobs, name: str) -> None:
    system = ct.TrainingMap(task=blobs(), **NOISY[name])
    state, other = system.init(0), system.init(1)
    with jax.enable_x64(True):
        # Other weights with the same noise: the change of a loss that is linear in the noise's
        # choice would differ if another batch were drawn.
        moved = other._replace(noise=state.noise)
        once = system.step(moved, 0.5)
    again = system.step(moved, 0.5)
    for a, b in zip(jax.tree.leaves(once), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(once.noise.epoch) == 1
    np.testing.assert_array_equal(once.noise.key, state.noise.key)
    later = system.step(once._replace(parameters=moved.parameters, buffers=moved.buffers), 0.5)
    different = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), later.parameters, once.parameters)
    assert jax.tree.reduce(lambda a, b: a or b, different)


@pytest.mark.parametrize(
    ("count", "size", "chunk"), [(60, 20, 13), (61, 17, 5), (7, 7, 2), (5, 1, 9)]
)
def test_an_epoch_sees_every_sample_once(count: int, size: int, chunk: int) -> None:
    indices, weights = batches(count, size, chunk, jax.random.key(3))
    assert indices.shape == weights.shape
    assert indices.shape[2] <= chunk
    seen = np.sort(np.asarray(indices)[weights > 0])
    np.testing.assert_array_equal(seen, np.arange(count))
    np.testing.assert_allclose(weights.sum(axis=(1, 2)), 1)
    assert len(indices) == -(-count // size)


@pytest.mark.parametrize(
    "size", [pytest.param(17, marks=pytest.mark.slow), 20, pytest.param(60, marks=pytest.mark.slow)]
)
def test_a_pass_is_a_plain_loop_over_mini_batches(blobs: Blobs, size: int) -> None:
    task = blobs()
    system = ct.TrainingMap(PLAIN, task, optax.adam, batch_size=size)
    state = system.init(0)
    with jax.enable_x64(True):
        order = np.asarray(
            jax.random.permutation(jax.random.split(state.noise.this_epoch())[0], len(task.inputs))
        )
        parameters, rule = state.parameters, optax.adam(0.05)
        buffers = rule.init(parameters)

        def loss(parameters: Any, x: np.ndarray, y: np.ndarray) -> jax.Array:
            outputs = PLAIN.apply(parameters, jnp.asarray(x))
            return optax.losses.softmax_cross_entropy_with_integer_labels(outputs, y).mean()

        for start in range(0, len(order), size):
            batch = order[start : start + size]
            slope = jax.grad(loss)(parameters, task.inputs[batch], task.targets[batch])
            updates, buffers = rule.update(slope, buffers, parameters)
            parameters = optax.apply_updates(parameters, updates)
    ours = system.step(state, 0.05).parameters
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(parameters), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_one_batch_of_all_samples_is_full_batch_training(blobs: Blobs) -> None:
    whole = ct.TrainingMap(PLAIN, blobs())
    batch = ct.TrainingMap(PLAIN, blobs(), batch_size=60)
    a, b = (system.step(system.init(0), 1.0).parameters for system in (whole, batch))
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("name", NOISY)
def test_what_is_recorded_is_the_state_without_noise(blobs: Blobs, name: str) -> None:
    """Losses are over the whole training set, without dropout or augmentation."""
    task = blobs()
    system = ct.TrainingMap(task=task, **NOISY[name])
    curves = ct.divergence(system, 0.5, epochs=4, replicas=1)
    state = system.init(0)
    for epoch in range(5):
        seen = system.observe(state)
        with jax.enable_x64(True):
            outputs = PLAIN.apply(state.parameters, jnp.asarray(task.inputs))
            losses = optax.losses.softmax_cross_entropy_with_integer_labels(outputs, task.targets)
            loss = float(losses.mean())
        assert float(seen["loss"]) == pytest.approx(loss, rel=1e-10)
        for key, value in seen.items():
            assert curves[key].values[epoch] == pytest.approx(float(value), rel=1e-7)
        state = system.step(state, 0.5)


def test_noise_that_is_not_there_is_refused(blobs: Blobs) -> None:
    with pytest.raises(ct.UserError, match=r"noise = 'own': nothing is random.*give batch_size"):
        ct.TrainingMap(PLAIN, blobs(), noise="own")


@pytest.mark.parametrize("size", [0, -1, 61])
def test_a_batch_size_outside_the_data_is_refused(blobs: Blobs, size: int) -> None:
    with pytest.raises(ct.UserError, match=f"batch_size = {size}: choose 1 to 60"):
        ct.TrainingMap(PLAIN, blobs(), batch_size=size)
