"""One suite that every map passes: each task, loss, optimiser, penalty and source of noise.

Networks pass one of their own, in test_networks.py, and ride along here as the maps of the tasks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import chaotrain as ct
from chaotrain import ensembles, lanes, layout, maps, optimizers

Make = Callable[[], ct.Map]
BUNDLED = [name for name in ct.tasks.TASKS if name not in ct.tasks.DOWNLOADED]


def blobs() -> ct.Task:
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    points = random.normal(size=(3, 5))[labels] + 0.5 * random.normal(size=(60, 5))
    return ct.Task.from_arrays(points[:40], labels[:40], points[40:], labels[40:])


def trained(**options: Any) -> Make:
    network = dataclasses.replace(ct.networks.mlp([5, 4, 3]), chunk=17)
    return lambda: ct.TrainingMap(network, blobs(), **options)


def of_task(name: str) -> Make:
    def make() -> ct.Map:
        task = ct.tasks.load(name)
        for size in (60, 200, 400):  # the first that has every class
            try:
                task = task.first(min(size, len(task.inputs)), min(60, len(task.test_inputs)))
                break
            except ct.UserError:
                continue
        features = int(np.prod(task.inputs.shape[1:]))
        return ct.TrainingMap(ct.networks.mlp([features, 4, task.outputs], init="glorot"), task)

    return make


def of_loss(name: str) -> Make:
    network = ct.networks.mlp([5, 4, 3])
    return lambda: ct.TrainingMap(network, blobs().with_loss(name))


def convolutional(dtype: str) -> Make:
    def make() -> ct.Map:
        task = ct.tasks.load("digits").first(60, 40)
        network = ct.networks.cnn((8, 8, 1), task.outputs, (2, 3), init="pytorch")
        return ct.TrainingMap(network, task, dtype=dtype)

    return make


MAPS: dict[str, Make] = {
    "quadratic": lambda: ct.maps.quadratic((1.0, 2.0)),
    "cubic": ct.maps.cubic,
    "logistic": ct.maps.logistic,
    "tent": ct.maps.tent,
    "henon": ct.maps.henon,
    "linear": lambda: ct.maps.linear(((0.5, 0.2), (0.0, 0.9))),
    "float32": trained(dtype="float32"),
    "cnn": convolutional("float64"),
    "cnn-float32": convolutional("float32"),
    **{f"task-{name}": of_task(name) for name in BUNDLED},
    **{f"loss-{name}": of_loss(name) for name in ct.tasks.LOSSES},
    **{
        f"optimiser-{name}": trained(optimizer=optimizers.named(name))
        for name in ("sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "lion")
    },
    "penalty": trained(penalty=ct.Penalty(l1=0.01, l2=0.1)),
    "decay": trained(optimizer=optimizers.named("sgd", weight_decay=0.1)),
    "schedule": trained(
        optimizer=optimizers.named("sgd", schedule={"name": "cosine", "decay_steps": 9})
    ),
    "batches": trained(batch_size=12),
    "state": trained(optimizer=optimizers.named("momentum"), measured="state"),
}
# Gradient descent without more, whose step is the gradient.
DESCENTS = [
    name
    for name in MAPS
    if name.startswith(("task", "loss", "cnn", "penalty", "float32", "quadratic", "cubic"))
]


@cache
def made(name: str) -> ct.Map:
    return MAPS[name]()


def tolerance(name: str) -> float:
    return 1e-5 if "float32" in name else 1e-12


def agree(one: Any, other: Any, rtol: float) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", MAPS)
def test_states_and_observables_have_the_shapes_and_types_of_a_map(name: str) -> None:
    system = made(name)
    assert isinstance(system, ct.Map)
    assert not jax.config.jax_enable_x64
    state = system.init(0)
    stepped = system.step(state, 0.01)
    wanted = "float32" if "float32" in name else "float64"
    for each in (state, stepped):
        for leaf in jax.tree.leaves(maps.coordinates(system, each)):
            assert leaf.dtype == wanted
    shapes = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), s) for s in (state, stepped)]
    assert shapes[0] == shapes[1]
    for value in system.observe(stepped).values():
        assert value.shape == ()
        assert np.isfinite(value)
    assert min(maps.cost(system)) > 0


@pytest.mark.parametrize("name", MAPS)
def test_what_comes_free_with_a_step_is_what_is_observed(name: str) -> None:
    system = made(name)
    state = system.step(system.init(0), 0.01)
    with jax.enable_x64(True):
        combined, revealed = maps.advance(system, state, 0.01)
        parts = {**revealed, **maps.inspect(system, state)}
    agree(system.step(state, 0.01), combined, max(tolerance(name), 1e-11))
    seen = system.observe(state)
    assert seen.keys() == parts.keys()
    for key, value in seen.items():
        assert float(value) == pytest.approx(float(parts[key]), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", MAPS)
def test_a_replay_is_bitwise_and_another_key_is_another_start(name: str) -> None:
    system = made(name)
    runs = []
    for key in (0, jax.random.key(0), 1):
        state = system.init(key)
        for _ in range(3):
            state = system.step(state, 0.01)
        runs.append([np.asarray(leaf) for leaf in jax.tree.leaves(state)])
    assert all(np.array_equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    if name not in ("quadratic", "linear"):
        assert not all(np.array_equal(a, b) for a, b in zip(runs[0], runs[2], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", MAPS)
def test_no_perturbation_gives_no_distance(name: str) -> None:
    curves = ct.divergence(made(name), 0.3, epochs=6, replicas=2, epsilon=0.0)
    assert not np.any(curves.distance)


@pytest.mark.parametrize("name", MAPS)
def test_the_step_of_a_block_is_the_step_of_each_member(name: str) -> None:
    system, etas = made(name), [0.01, 0.02, 0.05]
    with jax.enable_x64(True):
        members = [system.init(jax.random.key(i)) for i in range(3)]
        block = lanes.side_by_side(
            lambda member: maps.advance(system, *member)[0],
            (ensembles.stack(members), jnp.array(etas)),
            2,
        )
    for index, (member, eta) in enumerate(zip(members, etas, strict=True)):
        alone = system.step(member, eta)
        agree(jax.tree.map(lambda leaf, i=index: leaf[i], block), alone, tolerance(name))


@pytest.mark.parametrize("name", DESCENTS)
def test_a_step_of_descent_is_along_the_gradient_by_finite_differences(name: str) -> None:
    """(u - F(u)) / η in a random direction is the slope of the observed loss."""
    system = made(name)
    state = system.init(0)
    small, eta, rtol = (3e-3, 1.0, 2e-2) if "float32" in name else (1e-6, 1e-3, 2e-6)
    with jax.enable_x64(True):
        leaves, treedef = jax.tree.flatten(state)
        directions = [
            jax.random.normal(jax.random.key(9 + i), leaf.shape, leaf.dtype)
            for i, leaf in enumerate(leaves)
        ]

        def moved(by: float) -> Any:
            pairs = zip(leaves, directions, strict=True)
            return jax.tree.unflatten(treedef, [leaf + by * way for leaf, way in pairs])

        after = jax.tree.leaves(system.step(state, eta))
        slope = sum(
            float(jnp.vdot(leaf - new, way)) / eta
            for leaf, new, way in zip(leaves, after, directions, strict=True)
        )
        up, down = (float(system.observe(moved(by))["loss"]) for by in (small, -small))
    assert (up - down) / (2 * small) == pytest.approx(slope, rel=rtol, abs=rtol)


def test_a_layout_of_one_member_blocks_is_that_of_all_together() -> None:
    """The same balls, cut otherwise, differ by rounding alone."""
    system = made("optimiser-adam")
    with jax.enable_x64(True):
        balls = ensembles.stack(
            [ensembles.ball(system, jax.random.key(i), 2, 1e-6) for i in range(2)]
        )
        both = [
            ensembles.evolve(system, balls, jnp.array([0.01, 0.02]), 4, layout.Layout(2, block, 2))
            for block in (6, 4)
        ]
    for name, values in both[0].items():
        np.testing.assert_allclose(values, both[1][name], rtol=1e-6, atol=1e-12)
