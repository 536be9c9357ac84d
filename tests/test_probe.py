"""A network that does not fit, or is no pair of pure functions, is refused before a run."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import chaotrain as ct
from chaotrain.training.cost import forward

Blobs = Callable[..., ct.Task]
PLAIN = ct.networks.mlp([5, 4, 3])


def test_networks_that_do_not_fit_are_refused_when_the_map_is_made(blobs: Blobs) -> None:
    def in_float32(key: jax.Array, dtype: Any) -> Any:
        return PLAIN.init(key, jnp.float32)

    def unlike(parameters: Any, inputs: jax.Array) -> jax.Array:
        return PLAIN.apply(parameters, inputs).astype(jnp.float32)

    for network, message in (
        (ct.networks.mlp([5, 4, 7]), r"its outputs for 8 samples have shape \(8, 7\).*\(8, 3\)"),
        (ct.networks.mlp([6, 4, 3]), r"does not take inputs of shape \(8, 5\)"),
        (ct.Network(in_float32, PLAIN.apply), r"parameter \[0\]\['bias'\] is float32"),
        (ct.Network(PLAIN.init, unlike), "its outputs are float32"),
        (ct.Network(PLAIN.init, lambda p, x: (x, x)), r"have shape tuple"),
        (ct.Network(lambda key, dtype: 1 / 0, PLAIN.apply), r"init\(key, dtype\) fails \(division"),
        (ct.Network(PLAIN.init, masked, stochastic=True), "take key = None, in evaluation"),
    ):
        with pytest.raises(ct.UserError, match=message) as caught:
            ct.TrainingMap(network, blobs())
        assert "\n" not in str(caught.value)


def masked(parameters: Any, inputs: jax.Array, key: Any) -> jax.Array:
    return PLAIN.apply(parameters, inputs) * jax.random.bernoulli(key)


def test_a_parameter_may_be_a_plain_number(blobs: Blobs) -> None:
    def init(key: jax.Array, dtype: Any) -> Any:
        return {"layers": PLAIN.init(key, dtype), "factor": 1.0}

    def apply(parameters: Any, inputs: jax.Array) -> jax.Array:
        return PLAIN.apply(parameters["layers"], inputs) * parameters["factor"]

    system = ct.TrainingMap(ct.Network(init, apply), blobs())
    assert ct.divergence(system, 0.1, epochs=3, replicas=1).distance.shape == (1, 4)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (lambda key, x: x[:, :2], r"float64 of shape \(.*2\)"),
        (lambda key, x: x[1:], "of inputs that are float64"),
        (lambda key, x: x.astype(jnp.float32), "makes float32"),
        (lambda key, x: None, "makes NoneType"),
        (lambda x: x, r"augment\(key, inputs\) fails"),
        ("flip", "fails"),
    ],
)
def test_an_augmentation_that_does_not_fit_is_refused_when_the_map_is_made(
    blobs: Blobs, augment: Any, message: str
) -> None:
    with pytest.raises(ct.UserError, match=message) as caught:
        ct.TrainingMap(PLAIN, blobs(), augment=augment)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda outputs, targets: outputs, r"float64 of shape \(8, 3\) for 8 samples"),
        (lambda outputs, targets: jnp.mean(outputs), r"of shape \(\)"),
        (lambda outputs: outputs[:, 0], "fails"),
        (3, "loss = 3: give a function"),
    ],
)
def test_a_loss_that_is_not_one_number_a_sample_is_refused(
    blobs: Blobs, loss: Any, message: str
) -> None:
    with pytest.raises(ct.UserError, match=message) as caught:
        ct.TrainingMap(PLAIN, replace(blobs(), loss=loss))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (optax.rprop, "rprop: its buffers start from the learning rate"),
        (lambda eta: optax.inject_hyperparams(optax.sgd)(eta), "start from the learning rate"),
        (optax.adam(0.1), "give a function of the learning rate, like optax.sgd"),
        (3, "optimizer = 3: give a function"),
        (optax.lbfgs, "its step along the gradient fails"),
        (optax.polyak_sgd, "its step along the gradient fails"),
        (lambda: optax.sgd(0.1), "its step along the gradient fails"),
    ],
)
def test_an_optimiser_that_a_map_cannot_have_is_refused_when_it_is_made(
    blobs: Blobs, optimizer: Any, message: str
) -> None:
    """Buffers that start from η silently started from η = 0: nothing was ever trained."""
    with pytest.raises(ct.UserError, match=message) as caught:
        ct.TrainingMap(PLAIN, blobs(), optimizer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adamw,
        lambda eta: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(eta, momentum=0.9)),
        lambda eta: optax.sgd(lambda count: eta / (1 + count)),
    ],
)
def test_functions_of_the_learning_rate_are_optimisers(blobs: Blobs, optimizer: Any) -> None:
    system = ct.TrainingMap(PLAIN, blobs(), optimizer)
    state = system.init(0)
    moved = system.observe(system.step(state, 0.1))["loss"]
    assert float(moved) != float(system.observe(state)["loss"])


def drawn(*arrays: Any) -> Any:
    """Randomness of the host, an array or a number."""
    shape = () if len(arrays) == 1 else (1, 1)
    return np.random.default_rng().normal(size=shape)


def anyhow(eta: Any) -> optax.GradientTransformation:
    return optax.chain(optax.scale(float(drawn(eta))), optax.sgd(eta))


@pytest.mark.parametrize("name", ["augment", "loss", "optimizer"])
def test_randomness_of_the_host_is_refused_before_a_run(
    blobs: Blobs, name: str, tmp_path: Path
) -> None:
    def augment(key: jax.Array, inputs: jax.Array) -> jax.Array:
        return inputs + drawn(key, inputs)

    def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return jnp.sum((outputs + drawn(outputs)) ** 2, axis=1)

    more: dict[str, Any] = {
        "augment": {"augment": augment},
        "loss": {},
        "optimizer": {"optimizer": anyhow},
    }[name]
    task = replace(blobs(), loss=loss) if name == "loss" else blobs()
    system = ct.TrainingMap(PLAIN, task, **more)
    with pytest.raises(ct.UserError, match=f"^{name}: it is another function each time") as caught:
        ct.sweep(system, [0.1], inits=1, replicas=1, epochs=3, out=tmp_path / "study")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "study").exists()


def impure() -> dict[str, tuple[ct.Network, str]]:
    count = [0]
    kept: list[Any] = []

    def drawn_anyhow(key: jax.Array, dtype: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf + random.random(), PLAIN.init(key, dtype))

    def noisy(parameters: Any, inputs: jax.Array) -> jax.Array:
        noise = np.random.default_rng().normal(size=inputs.shape)
        return PLAIN.apply(parameters, inputs + noise)

    def counting(parameters: Any, inputs: jax.Array) -> jax.Array:
        count[0] += 1
        return PLAIN.apply(parameters, inputs) * count[0]

    def remembering(parameters: Any, inputs: jax.Array) -> jax.Array:
        outputs = PLAIN.apply(parameters, inputs)
        mean = kept[-1] if kept else 0.0
        kept.append(jnp.mean(outputs))
        return outputs - mean

    def in_place(parameters: Any, inputs: jax.Array) -> jax.Array:
        outputs = PLAIN.apply(parameters, inputs)
        parameters[0]["bias"] = parameters[0]["bias"] + 1e-300 + jnp.ones(4)
        return outputs * 0 + 1.0

    def keyless(parameters: Any, inputs: jax.Array, key: Any) -> jax.Array:
        mask = jax.random.bernoulli(jax.random.key(3), shape=inputs.shape)
        return PLAIN.apply(parameters, inputs if key is None else inputs * mask)

    def normalised(parameters: Any, inputs: jax.Array) -> jax.Array:
        outputs = PLAIN.apply(parameters, inputs)
        return outputs - outputs.mean(axis=0)

    return {
        "init": (ct.Network(drawn_anyhow, PLAIN.apply), "init gives other parameters"),
        "noise": (ct.Network(PLAIN.init, noisy), "draws randomness without the key"),
        "counter": (ct.Network(PLAIN.init, counting), "keeps state outside its parameters"),
        "leak": (ct.Network(PLAIN.init, remembering), "keeps state outside its parameters"),
        "in place": (ct.Network(PLAIN.init, in_place), "changes its parameters in place"),
        "no key": (ct.Network(PLAIN.init, keyless, stochastic=True), "never uses its key"),
        "batch norm": (ct.Network(PLAIN.init, normalised), "batch normalisation"),
    }


@pytest.mark.parametrize("name", impure())
def test_networks_that_cannot_be_replayed_are_refused_before_a_run(
    blobs: Blobs, name: str, tmp_path: Any
) -> None:
    network, message = impure()[name]
    system = ct.TrainingMap(network, blobs())
    with pytest.raises(ct.UserError, match=message) as caught:
        ct.sweep(system, [0.1], inits=1, replicas=1, epochs=3, out=tmp_path / "study")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "study").exists()
    with pytest.raises(ct.UserError, match=message):
        ct.divergence(system, 0.1, epochs=3, replicas=1)


def test_products_and_activations_are_counted_through_compiled_parts() -> None:
    def apply(parameters: Any, inputs: jax.Array) -> jax.Array:
        return jax.jit(PLAIN.apply)(parameters, inputs)

    shapes = jax.eval_shape(lambda: PLAIN.init(jax.random.key(0), "float32"))
    inputs = jax.ShapeDtypeStruct((10, 5), "float32")
    plain = forward(PLAIN, shapes, inputs)
    assert plain.flops == 2 * 10 * (5 * 4 + 4 * 3)
    assert forward(ct.Network(PLAIN.init, apply), shapes, inputs) == plain


def test_convolutions_and_loops_are_counted() -> None:
    def init(key: jax.Array, dtype: Any) -> Any:
        return jnp.ones((3, 3, 2, 4), dtype)

    def apply(kernel: jax.Array, images: jax.Array) -> jax.Array:
        def again(signal: jax.Array, _: None) -> Any:
            return jax.lax.conv_general_dilated(
                signal, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )[..., :2], None

        return jax.lax.scan(again, images, None, length=5)[0]

    kernel = jax.ShapeDtypeStruct((3, 3, 2, 4), "float32")
    images = jax.ShapeDtypeStruct((10, 8, 8, 2), "float32")
    # Each output of a convolution takes 3·3·2 multiplications and additions.
    assert forward(ct.Network(init, apply), kernel, images).flops == 5 * 2 * (10 * 64 * 4) * 18
