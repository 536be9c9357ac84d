"""Distances on arrays and trees, against NumPy by hand and against what they must be blind to."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import chaotrain as ct
from chaotrain import distances

RANDOM = np.random.default_rng(11)
TREE, OTHER = (
    {"a": RANDOM.normal(size=(3, 4)), "b": [RANDOM.normal(size=5), RANDOM.normal(size=(2, 2))]}
    for _ in range(2)
)
OUTPUTS, OTHERS = RANDOM.normal(size=(2, 20, 4))
SHARES = RANDOM.dirichlet(np.ones(20))
FUNCTIONS: dict[str, Callable[[float], float]] = {
    **{
        name: lambda scale, d=distance: float(
            d(jax.tree.map(lambda x: scale * x, TREE), jax.tree.map(lambda x: scale * x, OTHER))
        )
        for name, distance in distances.DISTANCES.items()
    },
    "output_l2": lambda scale: float(distances.output_l2(scale * OUTPUTS, scale * OTHERS, SHARES)),
}


@pytest.fixture(autouse=True)
def float64() -> object:
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", distances.DISTANCES)
def test_distances_are_those_of_the_flat_vectors(name: str) -> None:
    one, two = (np.concatenate([x.ravel() for x in jax.tree.leaves(t)]) for t in (TREE, OTHER))
    expected = np.linalg.norm(one - two, ord={"l1": 1, "l2": 2}[name])
    distance = distances.DISTANCES[name]
    assert float(distance(TREE, OTHER)) == pytest.approx(expected, rel=1e-14)
    assert float(distance(OTHER, TREE)) == float(distance(TREE, OTHER))
    assert float(distance(TREE, TREE)) == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_distances_scale_with_what_they_compare(name: str) -> None:
    assert FUNCTIONS[name](-3.0) == pytest.approx(3 * FUNCTIONS[name](1.0), rel=1e-14)
    assert FUNCTIONS[name](1.0) > 0


def test_layers_share_a_path_up_to_the_last_name() -> None:
    cnn = ct.networks.cnn((8, 8, 1), 3, (2, 4), hidden=(5,))
    shapes = jax.eval_shape(lambda: cnn.init(jax.random.key(0), "float64"))
    parameters = jax.tree.map(lambda leaf: RANDOM.normal(size=leaf.shape), shapes)
    found = distances.layers(parameters)
    assert list(found) == ["convolutions.0", "convolutions.1", "dense.0", "dense.1"]
    assert [leaf.shape for leaf in found["dense.1"]] == [(3,), (3, 5)]
    flat = {"mlp.in.weight": jnp.ones(2), "mlp.in.bias": jnp.ones(1), "scale": jnp.ones(3)}
    assert {name: len(some) for name, some in distances.layers(flat).items()} == {
        "mlp.in": 2,
        "scale": 1,
    }
    # Over all layers they add up to the whole.
    other = jax.tree.map(lambda leaf: leaf + 0.5, parameters)
    parts = [distances.layers(tree).values() for tree in (parameters, other)]
    l1, l2 = (
        [float(distance(a, b)) for a, b in zip(*parts, strict=True)]
        for distance in distances.DISTANCES.values()
    )
    assert sum(l1) == pytest.approx(float(distances.l1(parameters, other)))
    assert math.hypot(*l2) == pytest.approx(float(distances.l2(parameters, other)))


def test_function_distances_are_those_of_numpy() -> None:
    differs = OUTPUTS.argmax(axis=1) != OTHERS.argmax(axis=1)
    assert 0 < differs.sum() < 20
    squares = ((OUTPUTS - OTHERS) ** 2).sum(axis=1)
    for shares in (None, SHARES):
        weights = np.full(20, 1 / 20) if shares is None else shares
        assert float(distances.disagreement(OUTPUTS, OTHERS, shares)) == pytest.approx(
            weights @ differs, rel=1e-14
        )
        assert float(distances.output_l2(OUTPUTS, OTHERS, shares)) == pytest.approx(
            math.sqrt(weights @ squares), rel=1e-14
        )
    assert float(distances.disagreement(OTHERS, OUTPUTS)) == pytest.approx(differs.mean())
    assert float(distances.disagreement(OUTPUTS, OUTPUTS)) == 0
    assert float(distances.output_l2(OUTPUTS, OUTPUTS)) == 0


def test_classes_are_blind_to_what_moves_all_outputs_alike_and_the_outputs_are_not() -> None:
    moved = 2 * OUTPUTS + 7
    assert float(distances.disagreement(OUTPUTS, moved)) == 0
    assert float(distances.output_l2(OUTPUTS, OUTPUTS + 7)) == pytest.approx(7 * math.sqrt(4))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_has_no_class(value: float) -> None:
    broken = OUTPUTS.copy()
    broken[3, 1] = value
    assert math.isnan(float(distances.disagreement(broken, OTHERS)))
    assert math.isnan(float(distances.disagreement(OTHERS, broken)))
    assert not math.isfinite(float(distances.output_l2(broken, OTHERS)))


def test_one_output_has_no_class() -> None:
    assert math.isnan(float(distances.disagreement(OUTPUTS[:, :1], OTHERS[:, :1])))
