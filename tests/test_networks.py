"""Every network goes through one conformance suite; add a new one to `networks`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import cycle, product
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import Array

import chaotrain as ct
from chaotrain.networks import Network, Parameters

EXAMPLES = str(Path(__file__).parents[1] / "examples")
Make = Callable[[], Network]
Case = tuple[Make, tuple[int, ...]]


def equinox_conv(key: Array) -> eqx.Module:
    first, second = jax.random.split(key)
    layers = [
        eqx.nn.Conv2d(1, 3, 3, padding=1, key=first),
        eqx.nn.Lambda(jnp.tanh),
        eqx.nn.Lambda(jnp.ravel),
        eqx.nn.Linear(3 * 4 * 5, 3, key=second),
    ]
    return eqx.nn.Sequential(layers)


class FlaxMLP(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(5, 8, rngs=rngs)
        self.last = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        return self.last(jnp.tanh(self.first(x)))


def example(name: str, shape: tuple[int, ...]) -> Network:
    patcher = pytest.MonkeyPatch()
    with patcher.context() as context:
        context.syspath_prepend(EXAMPLES)
        return ct.networks.from_function(f"{name}:network", shape, 3)


def networks() -> dict[str, Case]:
    """Every network, and the shape of a sample."""
    own: dict[str, Case] = {}

    def mlp(*arguments: object, **options: object) -> Make:
        return lambda: ct.networks.mlp(*arguments, **options)

    # What is applied does not depend on how it was drawn, so that pairs cover all.
    for activation, init in zip(ct.networks.ACTIVATIONS, cycle(ct.networks.INITS), strict=False):
        own[f"mlp-{activation}-{init}"] = mlp([5, 6, 3], activation, init), (5,)
    own["mlp-linear"] = mlp([5, 3]), (5,)
    own["mlp-deep"] = mlp([5, 6, 4, 6, 4, 6, 3], init="glorot", scale=1.3), (5,)
    own["mlp-image"] = mlp([20, 4, 3]), (5, 4, 1)
    own["mlp-dropout"] = mlp([5, 6, 6, 3], dropout=0.3), (5,)
    for pooling, activation in product(("max", "average"), ("tanh", "relu")):

        def cnn(pooling: str = pooling, activation: str = activation) -> Network:
            options = {"activation": activation, "pooling": pooling, "init": "pytorch"}
            return ct.networks.cnn((6, 5, 2), 3, (2, 3), hidden=(4,), **options)

        own[f"cnn-{pooling}-{activation}"] = cnn, (60,)
    for init in ("he", "orthogonal"):
        own[f"cnn-{init}"] = lambda i=init: ct.networks.cnn((4, 4, 1), 3, init=i, scale=0.7), (16,)
    own["cnn-wide-kernel"] = lambda: ct.networks.cnn((8, 8, 1), 3, (2, 3, 4), kernel=5), (8, 8, 1)
    own["cnn-even-kernel"] = lambda: ct.networks.cnn((4, 4, 1), 3, (2,), kernel=2), (16,)
    from_equinox, from_flax = ct.networks.from_equinox, ct.networks.from_flax
    own["equinox"] = lambda: from_equinox(lambda k: eqx.nn.MLP(5, 3, 8, 2, key=k)), (5,)
    own["equinox-conv"] = lambda: from_equinox(equinox_conv), (1, 4, 5)
    own["flax"] = lambda: from_flax(FlaxMLP), (5,)
    own["residual"] = lambda: example("residual", (4, 2, 1)), (8,)
    own["transformer"] = lambda: example("transformer", (4, 2, 1)), (8,)
    return own


NETWORKS = networks()
SAMPLES = 7


@cache
def made(name: str) -> Network:
    """Made once, so that what is compiled for one test is there for the next."""
    return NETWORKS[name][0]()


@pytest.fixture(params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def network(name: str) -> Network:
    return made(name)


@pytest.fixture
def inputs(name: str) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(SAMPLES, *NETWORKS[name][1]))


@pytest.fixture(autouse=True)
def in_float64() -> object:
    with jax.enable_x64(True):
        yield


def applied(network: Network, parameters: Parameters, inputs: object) -> Array:
    key = (jax.random.key(5),) if network.stochastic else ()
    return jax.jit(network.apply)(parameters, jnp.asarray(inputs), *key)


def summed(network: Network, inputs: object) -> Callable[[Parameters], Array]:
    return lambda parameters: jnp.sum(jnp.sin(applied(network, parameters, inputs)))


def drawn(network: Network, seed: int = 0, dtype: str = "float64") -> Parameters:
    return network.init(jax.random.key(seed), jnp.dtype(dtype))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_shape_and_dtype_are_kept(network: Network, inputs: np.ndarray, dtype: str) -> None:
    parameters = drawn(network, dtype=dtype)
    leaves = jax.tree.leaves(parameters)
    assert all(isinstance(leaf, jax.Array) and leaf.dtype == dtype for leaf in leaves)
    assert all(leaf.ndim >= 1 for leaf in leaves)
    assert any(leaf.ndim >= 2 for leaf in leaves)
    outputs = applied(network, parameters, inputs.astype(dtype))
    assert outputs.shape == (SAMPLES, 3)
    assert outputs.dtype == dtype
    assert bool(jnp.all(jnp.isfinite(outputs)))


def test_replay_is_bit_identical_and_another_key_is_not(
    network: Network, inputs: np.ndarray
) -> None:
    first, again, other = drawn(network), drawn(network), drawn(network, 1)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert jax.tree.structure(first) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(other), strict=True):
        assert a.ndim == 1 or np.all(a != b)
    np.testing.assert_array_equal(applied(network, first, inputs), applied(network, again, inputs))


def test_gradient_agrees_with_finite_differences(network: Network, inputs: np.ndarray) -> None:
    parameters = drawn(network)

    value = summed(network, inputs)
    leaves, treedef = jax.tree.flatten(parameters)
    random = np.random.default_rng(2)
    direction = treedef.unflatten([jnp.asarray(random.normal(size=leaf.shape)) for leaf in leaves])
    gradient = jax.jit(jax.grad(value))(parameters)
    slope = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, gradient, direction)))

    def at(step: float) -> Array:
        return value(jax.tree.map(lambda p, d: p + step * d, parameters, direction))

    # So short that no relu and no pooling switches on the way; fourth order.
    h = 1e-6
    difference = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    assert float(slope) == pytest.approx(float(difference), rel=1e-7, abs=1e-7)
    _, tangent = jax.jit(lambda p, d: jax.jvp(value, (p,), (d,)))(parameters, direction)
    assert float(tangent) == pytest.approx(float(slope), rel=1e-10, abs=1e-12)


def test_each_sample_is_on_its_own(network: Network, inputs: np.ndarray) -> None:
    parameters = drawn(network)
    rested = (None,) if network.stochastic else ()
    whole = network.apply(parameters, jnp.asarray(inputs), *rested)
    part = network.apply(parameters, jnp.asarray(inputs[2:5]), *rested)
    np.testing.assert_allclose(part, whole[2:5], rtol=1e-12, atol=1e-12)


def test_a_block_is_each_member(network: Network, inputs: np.ndarray) -> None:
    members = [drawn(network, seed) for seed in range(3)]
    block = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)

    step = jax.value_and_grad(summed(network, inputs))
    together, alone = jax.jit(jax.vmap(step))(block), jax.jit(step)
    for index, member in enumerate(members):
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone(member)), strict=True):
            np.testing.assert_allclose(a[index], b, rtol=1e-12, atol=1e-12)


def test_name_tells_the_network(network: Network) -> None:
    assert network.name != "network"
    assert network.chunk >= 1
