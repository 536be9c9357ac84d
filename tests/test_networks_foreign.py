"""Networks from elsewhere: modules of Equinox and Flax, functions by name, the examples."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import Array

import chaotrain as ct
from cases import FlaxMLP
from chaotrain.importing import load_object

EXAMPLES = Path(__file__).parents[1] / "examples"

Blobs = Callable[..., ct.Task]


def equinox_mlp(key: Array) -> eqx.Module:
    return eqx.nn.MLP(5, 3, 8, 2, jnp.tanh, key=key)


@pytest.mark.parametrize("optimizer", [optax.sgd, optax.adam])
def test_adapted_modules_train_like_their_own_loop(blobs: Blobs, optimizer: Callable) -> None:
    """Three steps of the engine are three steps of a loop as Equinox writes it."""
    task = blobs()
    network = ct.networks.from_equinox(equinox_mlp)
    system = ct.TrainingMap(network, task, optimizer=optimizer)
    state = system.init(4)
    with jax.enable_x64(True):
        module = equinox_mlp(jax.random.key(4))
        rule = optimizer(0.1)
        buffers = rule.init(eqx.filter(module, eqx.is_inexact_array))
        x, y = jnp.asarray(task.inputs), jnp.asarray(task.targets)

        def loss(module: eqx.Module) -> Array:
            return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(module)(x), y).mean()

        for _ in range(3):
            slopes = eqx.filter_grad(loss)(module)
            updates, buffers = rule.update(slopes, buffers)
            module = eqx.apply_updates(module, updates)
            state = system.step(state, 0.1)
    assert list(state.parameters)[:2] == ["layers.0.bias", "layers.0.weight"]
    for depth, layer in enumerate(module.layers):
        ours = state.parameters[f"layers.{depth}.weight"]
        np.testing.assert_allclose(ours, layer.weight, rtol=1e-10, atol=1e-13)


def test_flax_parameters_are_those_of_the_module() -> None:
    network = ct.networks.from_flax(FlaxMLP)
    x = np.random.default_rng(0).normal(size=(4, 5))
    with jax.enable_x64(True):
        module = FlaxMLP(nnx.Rngs(jax.random.key(2)))
        parameters = network.init(jax.random.key(2), "float64")
        np.testing.assert_array_equal(parameters["last.kernel"], module.last.kernel[...])
        outputs = network.apply(parameters, jnp.asarray(x))
    first, last = (np.asarray(parameters[f"{layer}.kernel"]) for layer in ("first", "last"))
    np.testing.assert_allclose(outputs, np.tanh(x @ first) @ last, rtol=1e-12)
    assert list(parameters) == ["first.bias", "first.kernel", "last.bias", "last.kernel"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "network", [ct.networks.from_equinox(equinox_mlp), ct.networks.from_flax(FlaxMLP)]
)
def test_adapted_modules_run_in_an_ensemble(blobs: Blobs, network: ct.Network) -> None:
    curves = ct.divergence(ct.TrainingMap(network, blobs()), 0.5, epochs=20, replicas=2)
    assert curves.loss.values[-1] < curves.loss.values[0]
    assert np.all(curves.distance.values > 0)
    assert curves.distance.dtype == np.float64


def test_modules_are_made_anew_with_functions_of_their_own() -> None:
    """Two draws have one structure although each module holds another lambda."""

    def make(key: Array) -> eqx.Module:
        linear = eqx.nn.Linear(5, 3, key=key)
        return eqx.nn.Sequential([linear, eqx.nn.Lambda(lambda x: jnp.tanh(x))])

    network = ct.networks.from_equinox(make)
    first, second = (network.init(jax.random.key(seed), "float32") for seed in (0, 1))
    assert jax.tree.structure(first) == jax.tree.structure(second)


class Noisy(eqx.Module):
    linear: eqx.nn.Linear
    dropout: eqx.nn.Dropout

    def __init__(self, key: Array) -> None:
        self.linear = eqx.nn.Linear(5, 3, key=key)
        self.dropout = eqx.nn.Dropout(0.5)

    def __call__(self, x: Array, key: Array | None = None) -> Array:
        return self.dropout(self.linear(x), key=key)


def test_dropout_of_equinox_takes_the_key() -> None:
    network = ct.networks.from_equinox(Noisy, stochastic=True)
    assert network.stochastic
    parameters = network.init(jax.random.key(0), "float32")
    x = jnp.ones((200, 5))
    rested = network.apply(parameters, x, None)
    noisy = network.apply(parameters, x, jax.random.key(1))
    np.testing.assert_array_equal(noisy, network.apply(parameters, x, jax.random.key(1)))
    dropped = np.asarray(noisy == 0)
    np.testing.assert_allclose(np.where(dropped, 0, 2 * rested), noisy, rtol=1e-6)
    assert 0.4 < dropped.mean() < 0.6
    with pytest.raises(ct.UserError, match="module holds dropout, give stochastic=True"):
        ct.networks.from_equinox(Noisy)


class Normalised(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.norm = nnx.BatchNorm(5, rngs=rngs)


class FlaxNoisy(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.drop = nnx.Dropout(0.5, rngs=rngs)


class EquinoxNormalised(eqx.Module):
    norm: eqx.nn.BatchNorm

    def __init__(self) -> None:
        self.norm = eqx.nn.BatchNorm(5, "batch", mode="batch")

    def __call__(self, x: Array) -> Array:
        return x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ct.networks.from_flax(Normalised), "holds state, BatchStat at norm.mean"),
        (lambda: ct.networks.from_flax(FlaxNoisy), r"holds state, Rng\w+ at drop.rngs"),
        (lambda: ct.networks.from_flax(lambda rngs: 3), "make returned a int: return an nnx.M"),
        (lambda: ct.networks.from_equinox(lambda key: 3), "make returned a int: return an equi"),
        (
            lambda: ct.networks.from_equinox(lambda key: EquinoxNormalised()),
            r"holds state \(StateIndex\)",
        ),
    ],
)
def test_hidden_state_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ct.UserError, match=message) as refusal:
        make()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("package", ["equinox", "flax"])
def test_a_missing_package_is_told(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    adapter = getattr(ct.networks, f"from_{package}")
    wanted = rf"from_{package} needs the package {package}: pip install 'chaotrain\[{package}\]'"
    with pytest.raises(ct.UserError, match=wanted):
        adapter(lambda _: None)


MODULE = """
import jax.numpy as jnp
import chaotrain as ct

def linear(shape, outputs, factor=1.0):
    size = shape[0] * shape[1]
    def init(key, dtype):
        return {"weight": factor * jnp.ones((size, outputs), dtype)}
    def apply(parameters, inputs):
        return inputs @ parameters["weight"]
    return init, apply

def named(shape, outputs):
    return ct.Network(*linear(shape, outputs), name="mine")

def broken(shape, outputs):
    return [0][1]

def refusing(shape, outputs):
    return ct.networks.mlp([3, outputs], "rel")

def nothing(shape, outputs):
    return None

number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with modules of a user's own."""
    (tmp_path / "own_nets").mkdir()
    (tmp_path / "own_nets" / "mine.py").write_text(MODULE)
    (tmp_path / "own_failing.py").write_text("raise ValueError('two\\nlines')")
    (tmp_path / "own_needing.py").write_text("import not_there_at_all")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("own_nets", "own_nets.mine", "own_failing", "own_needing"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.usefixtures("own")
def test_a_function_by_name_makes_the_network() -> None:
    network = ct.networks.from_function("own_nets.mine:linear", (2, 3), 4, {"factor": 2.0})
    assert network.name == "own_nets.mine:linear factor=2.0"
    parameters = network.init(jax.random.key(0), "float32")
    assert network.apply(parameters, jnp.ones((1, 6))).tolist() == [[12.0] * 4]
    assert ct.networks.from_function("own_nets.mine:named", (2, 3), 4).name == "mine"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("own_nets.mine", {}, "'own_nets.mine': write package.module:name"),
        ("own_nets.mine:", {}, "write package.module:name"),
        ("own nets:x", {}, "write package.module:name"),
        ("own_net.mine:linear", {}, "there is no module own_net on the path or in /"),
        ("own_nets.min:linear", {}, "there is no module own_nets.min on"),
        ("own_nets.mine:linea", {}, "own_nets.mine has no linea; did you mean linear?"),
        ("own_nets.mine:number", {}, "it is no function but 3"),
        ("own_failing:x", {}, "importing it raised ValueError: two lines"),
        ("own_needing:x", {}, "importing it raised ModuleNotFoundError: No module named 'not_th"),
        ("own_nets.mine:linear", {"facto": 2}, "unexpected keyword argument 'facto'; it is called"),
        ("own_nets.mine:broken", {}, "it raised IndexError: list index out of range"),
        ("own_nets.mine:nothing", {}, r"it returned None, return a Network or \(init, apply\)"),
    ],
)
def test_a_function_that_makes_none_is_told(path: str, options: dict, message: str) -> None:
    with pytest.raises(ct.UserError, match=message) as refusal:
        ct.networks.from_function(path, (2, 3), 4, options)
    assert str(refusal.value).startswith(f"network.function = {path!r}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("own")
def test_a_refusal_of_ours_inside_the_function_is_passed_on() -> None:
    with pytest.raises(ct.UserError, match=r"^activation = 'rel' is unknown; did you mean relu"):
        ct.networks.from_function("own_nets.mine:refusing", (2, 3), 4)


def test_an_object_comes_from_the_current_directory(own: Path) -> None:
    assert load_object("own_nets.mine:number", "field") == 3
    assert sys.path[0] == str(own)
    load_object("math:pi", "field")
    assert sys.path.count(str(own)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["residual", "transformer"])
def test_examples_run_and_come_apart(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    calm, chaotic = capsys.readouterr().out.splitlines()
    assert "exponential" not in calm
    assert "exponential" in chaotic


def test_examples_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(EXAMPLES.parent)
    network = ct.networks.from_function("examples.residual:network", (8, 8, 1), 10, {"blocks": 3})
    assert network.name == "residual 64-32-10, 3 blocks"
