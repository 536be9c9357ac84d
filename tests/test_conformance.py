"""One suite for everything with a name in tests/cases.py: networks, tasks, losses, optimisers.

Each is a map. It keeps shapes and types, replays bit for bit, descends its gradient, gives no
distance without a perturbation, and steps in a block as it does alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import chaotrain as ct
from cases import DESCENTS, MAPS, RARE
from chaotrain import ensembles, lanes, layout, maps

named = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in RARE)) for name in MAPS]
)


@cache
def made(name: str) -> ct.Map:
    return MAPS[name]()


@cache
def started(name: str) -> list[Any]:
    """States of three keys."""
    return [made(name).init(key) for key in range(3)]


def compiled(function: Callable[..., Any], system: ct.Map) -> Callable[..., Any]:
    """function(system, ...), with the data of a training map as an argument."""
    if isinstance(system, ct.TrainingMap):
        return partial(_jitted(function), system)
    return jax.jit(partial(function, system))


@cache
def _jitted(function: Callable[..., Any]) -> Callable[..., Any]:
    return jax.jit(function)


def both(system: ct.Map, state: Any, eta: Any) -> Any:
    return maps.advance(system, state, eta), maps.inspect(system, state)


def in_two_lanes(system: ct.Map, members: Any, etas: Any) -> Any:
    def stepped(member: tuple[Any, Any]) -> Any:
        return maps.advance(system, *member)[0]

    return lanes.side_by_side(stepped, (members, etas), 2)


def tolerance(name: str) -> float:
    return 1e-5 if "float32" in name else 1e-12


def arrays(state: Any) -> list[np.ndarray]:
    """The leaves of a state, random keys as their data."""
    leaves = jax.tree.leaves(state)
    keys = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    pairs = zip(leaves, keys, strict=True)
    return [np.asarray(jax.random.key_data(leaf) if key else leaf) for leaf, key in pairs]


def agree(one: Any, other: Any, rtol: float) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def states_and_observables_have_the_shapes_and_types_of_a_map(name: str) -> None:
    system = made(name)
    assert isinstance(system, ct.Map)
    assert not jax.config.jax_enable_x64
    state = started(name)[0]
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


def what_comes_free_with_a_step_is_what_is_observed(name: str) -> None:
    system = made(name)
    state = system.step(started(name)[0], 0.01)
    with jax.enable_x64(True):
        (combined, revealed), seen = compiled(both, system)(state, 0.01)
    parts = {**revealed, **seen}
    agree(system.step(state, 0.01), combined, max(tolerance(name), 1e-11))
    seen = system.observe(state)
    assert seen.keys() == parts.keys()
    for key, value in seen.items():
        assert float(value) == pytest.approx(float(parts[key]), rel=1e-6, abs=1e-9)


def a_replay_is_bitwise_and_another_key_is_another_start(name: str) -> None:
    system = made(name)
    runs = []
    for state in (started(name)[0], system.init(jax.random.key(0)), started(name)[1]):
        for _ in range(3):
            state = system.step(state, 0.01)
        runs.append(arrays(state))
    assert all(np.array_equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    if name not in ("map-quadratic", "map-linear"):
        assert not all(np.array_equal(a, b) for a, b in zip(runs[0], runs[2], strict=True))


def the_step_of_a_block_is_the_step_of_each_member(name: str) -> None:
    system, members, etas = made(name), started(name), [0.01, 0.02, 0.05]
    with jax.enable_x64(True):
        block = compiled(in_two_lanes, system)(ensembles.stack(members), jnp.array(etas))
    for index, (member, eta) in enumerate(zip(members, etas, strict=True)):
        alone = system.step(member, eta)
        agree(jax.tree.map(lambda leaf, i=index: leaf[i], block), alone, tolerance(name))


def a_step_of_descent_is_along_the_gradient_by_finite_differences(name: str) -> None:
    """(u - F(u)) / η in a random direction is the slope of the observed loss."""
    system, state = made(name), started(name)[0]
    small, eta, rtol = (3e-3, 1.0, 2e-2) if "float32" in name else (1e-6, 1e-3, 2e-6)
    random = np.random.default_rng(9)
    way = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(leaf.dtype), state)

    def moved(by: float) -> Any:
        return jax.tree.map(lambda leaf, other: leaf + by * other, state, way)

    after = system.step(state, eta)
    parts = jax.tree.map(lambda u, v, other: np.vdot(u - v, other) / eta, state, after, way)
    with jax.enable_x64(True):
        up, down = (float(system.observe(moved(by))["loss"]) for by in (small, -small))
    slope = sum(jax.tree.leaves(parts))
    assert (up - down) / (2 * small) == pytest.approx(slope, rel=rtol, abs=rtol)


def a_training_passes_its_own_probe(name: str) -> None:
    system = made(name)
    if isinstance(system, ct.TrainingMap):
        system.probe()


CHECKS = (
    states_and_observables_have_the_shapes_and_types_of_a_map,
    what_comes_free_with_a_step_is_what_is_observed,
    a_replay_is_bitwise_and_another_key_is_another_start,
    the_step_of_a_block_is_the_step_of_each_member,
    a_training_passes_its_own_probe,
    a_step_of_descent_is_along_the_gradient_by_finite_differences,  # of DESCENTS alone
)


@named
def test_whatever_has_a_name_conforms(name: str, subtests: pytest.Subtests) -> None:
    """In one test, so that what one check compiles is there for the next."""
    for check in CHECKS if name in DESCENTS else CHECKS[:-1]:
        with subtests.test(check.__name__):
            check(name)


@pytest.mark.slow
@named
def test_no_perturbation_gives_no_distance(name: str) -> None:
    curves = ct.divergence(made(name), 0.3, epochs=6, replicas=2, epsilon=0.0)
    assert not np.any(curves.distance)


def test_a_layout_of_one_member_blocks_is_that_of_all_together() -> None:
    """The same balls, cut otherwise, differ by rounding alone."""
    system = made("optimiser-adam")
    with jax.enable_x64(True):
        balls = ensembles.stack(
            [ensembles.ball(system, jax.random.key(i), 2, 1e-6) for i in range(2)]
        )
        found = [
            ensembles.evolve(system, balls, jnp.array([0.01, 0.02]), 4, layout.Layout(2, block, 2))
            for block in (6, 4)
        ]
    for name, values in found[0].items():
        np.testing.assert_allclose(values, found[1][name], rtol=1e-6, atol=1e-12)
