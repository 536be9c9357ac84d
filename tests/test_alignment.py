"""Alignment of hidden units: what it must undo, and what it can never make worse."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import chaotrain as ct
from chaotrain import alignment, distances

NETWORKS = {
    "tanh": ct.networks.mlp([6, 12, 3]),
    "relu": ct.networks.mlp([6, 12, 3], "relu", "he"),
    "one unit": ct.networks.mlp([6, 1, 3]),
    "deep": ct.networks.mlp([6, 12, 9, 7, 3]),
    "deep sigmoid": ct.networks.mlp([6, 12, 9, 3], "sigmoid", "glorot"),
    "narrow inputs": ct.networks.mlp([2, 32, 32, 2]),
    "dropout": ct.networks.mlp([6, 12, 3], dropout=0.3),
    "max cnn": ct.networks.cnn((8, 8, 2), 3, (3, 5), hidden=(6,)),
    "mean cnn": ct.networks.cnn((8, 8, 2), 3, (3, 5), kernel=2, pooling="average"),
}
SIGNS = {
    "tanh": (True,),
    "relu": (False,),
    "one unit": (True,),
    "deep": (True, True, True),
    "deep sigmoid": (False, False),
    "narrow inputs": (True, True),
    "dropout": (True,),
    "max cnn": (False, False, True),
    "mean cnn": (True, True),
}
INPUTS = {name: (8, 8, 2) if "cnn" in name else (6,) for name in NETWORKS} | {"narrow inputs": (2,)}


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def drawn(name: str, seed: int = 0) -> Any:
    """Random parameters, biases too."""
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: random.normal(size=leaf.shape), shapes(NETWORKS[name]))


def shapes(network: ct.Network) -> Any:
    return jax.eval_shape(lambda: network.init(jax.random.key(0), "float64"))


def samples(name: str) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(7, *INPUTS[name]))


def shuffled(name: str, parameters: Any, random: np.random.Generator) -> Any:
    """Parameters with every hidden layer in another order, and signs flipped where they may."""
    sizes = [layer["bias"].size for layer in jax.tree.leaves(parameters, is_leaf=_is_layer)]
    for depth, may_flip in enumerate(SIGNS[name]):
        flips = random.choice([-1.0, 1.0] if may_flip else [1.0], size=sizes[depth])
        order = random.permutation(sizes[depth])
        parameters = alignment.relabelled(parameters, depth, order, flips)
    return parameters


def _is_layer(node: Any) -> bool:
    return isinstance(node, dict) and "bias" in node


@pytest.mark.parametrize("name", NETWORKS)
def test_symmetries_are_found_by_trying(name: str) -> None:
    zeros = jax.tree.map(np.zeros_like, drawn(name))
    for parameters in (drawn(name), zeros):
        assert alignment.symmetries(NETWORKS[name], parameters, samples(name)) == SIGNS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_relabelled_network_is_the_same_function(name: str) -> None:
    parameters = drawn(name)
    other = shuffled(name, parameters, np.random.default_rng(1))
    more = (None,) if NETWORKS[name].stochastic else ()
    one, two = (NETWORKS[name].apply(p, samples(name), *more) for p in (parameters, other))
    np.testing.assert_allclose(one, two, rtol=1e-11, atol=1e-11)
    if name != "one unit":
        assert float(distances.l1(parameters, other)) > 1


@pytest.mark.parametrize("norm", distances.DISTANCES)
@pytest.mark.parametrize("name", NETWORKS)
def test_alignment_undoes_a_relabelling_exactly(name: str, norm: str) -> None:
    random = np.random.default_rng(2)
    for seed in range(5):
        parameters = drawn(name, seed)
        other = shuffled(name, parameters, random)
        again = alignment.aligned(parameters, other, SIGNS[name], norm)
        for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(parameters), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("norm", distances.DISTANCES)
@pytest.mark.parametrize("name", NETWORKS)
def test_alignment_never_makes_it_worse_and_finds_close_networks_again(
    name: str, norm: str
) -> None:
    distance, random = distances.DISTANCES[norm], np.random.default_rng(3)
    for seed in range(5):
        one, two = drawn(name, seed), drawn(name, seed + 100)
        plain = float(distance(one, two))
        near = alignment.aligned(one, two, SIGNS[name], norm)
        assert float(distance(one, near)) <= plain
        moved = jax.tree.map(lambda leaf: leaf + 1e-9 * random.normal(size=leaf.shape), one)
        found = alignment.aligned(one, shuffled(name, moved, random), SIGNS[name], norm)
        assert float(distance(one, found)) == pytest.approx(float(distance(one, moved)), rel=1e-9)


@pytest.mark.parametrize("norm", distances.DISTANCES)
@pytest.mark.parametrize("may_flip", [False, True])
def test_one_hidden_layer_is_brought_to_the_nearest_of_all_relabellings(
    norm: str, may_flip: bool
) -> None:
    distance, network = distances.DISTANCES[norm], ct.networks.mlp([3, 4, 2])
    random = np.random.default_rng(4)
    one, two = (
        jax.tree.map(lambda leaf: random.normal(size=leaf.shape), shapes(network)) for _ in "ab"
    )
    signs = itertools.product([-1.0, 1.0] if may_flip else [1.0], repeat=4)
    every = [
        float(distance(one, alignment.relabelled(two, 0, np.array(order), np.array(flips))))
        for flips in signs
        for order in itertools.permutations(range(4))
    ]
    found = alignment.aligned(one, two, (may_flip,), norm)
    assert float(distance(one, found)) == pytest.approx(min(every), rel=1e-12)
    assert min(every) < every[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_what_cannot_be_compared_is_left_as_it_is(value: float) -> None:
    one = drawn("tanh")
    two = shuffled("tanh", one, np.random.default_rng(0))
    two[0]["weight"][0, 0] = value
    assert alignment.aligned(one, two, (True,)) is two


def test_networks_without_the_symmetry_have_none() -> None:
    def residual(parameters: Any, inputs: jax.Array) -> jax.Array:
        first, second, last = parameters
        hidden = jnp.tanh(inputs @ first["weight"].T + first["bias"])
        hidden = hidden + jnp.tanh(hidden @ second["weight"].T + second["bias"])
        return hidden @ last["weight"].T + last["bias"]

    chain = ct.networks.mlp([6, 4, 4, 3])
    parameters = jax.tree.map(lambda leaf: np.ones(leaf.shape), shapes(chain))
    network = ct.Network(chain.init, residual)
    assert alignment.symmetries(network, parameters, samples("tanh")) is None
    assert alignment.symmetries(chain, parameters, samples("tanh")) == (True, True)
    for odd in ({"weight": jnp.ones((6, 3))}, [parameters[0], parameters[0]]):
        bare = ct.Network(chain.init, lambda p, x: x @ jax.tree.leaves(p)[0])
        assert alignment.symmetries(bare, odd, samples("tanh")) is None
