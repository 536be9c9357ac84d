"""A residual MLP of your own: x → x + W₂ tanh(W₁ x), as a pair of pure functions.

Run it with `python examples/residual.py`, or name it in an experiment file:

    [network]
    function = "examples.residual:network"
    options = { width = 16, blocks = 3 }
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

import chaotrain as ct


def network(shape: tuple[int, ...], outputs: int, width: int = 32, blocks: int = 2) -> ct.Network:
    """An affine layer to `width`, residual blocks, and an affine layer to the outputs."""
    inputs = math.prod(shape)

    def init(key, dtype):
        def affine(key, fan_in, fan_out):
            weight = jax.random.normal(key, (fan_in, fan_out), dtype) / math.sqrt(fan_in)
            return {"weight": weight, "bias": jnp.zeros(fan_out, dtype)}

        first, last, *keys = jax.random.split(key, 2 + 2 * blocks)
        return {
            "first": affine(first, inputs, width),
            "blocks": [affine(key, width, width) for key in keys],
            "last": affine(last, width, outputs),
        }

    def apply(parameters, samples):
        def layer(affine, x):
            return x @ affine["weight"] + affine["bias"]

        x = layer(parameters["first"], samples.reshape(len(samples), -1))
        inner = parameters["blocks"]
        for narrow, wide in zip(inner[::2], inner[1::2], strict=True):
            x = x + layer(wide, jnp.tanh(layer(narrow, x)))
        return layer(parameters["last"], x)

    return ct.Network(init, apply, f"residual {inputs}-{width}-{outputs}, {blocks} blocks")


if __name__ == "__main__":
    task = ct.tasks.load("mnist", train_size=100, test_size=100)
    system = ct.TrainingMap(network((28, 28, 1), task.outputs), task)
    for eta in (0.05, 0.25):
        growth = ct.fit_growth(ct.divergence(system, eta, epochs=60, replicas=2).distance)
        print(f"η = {eta}: {growth.verdict}, {growth.rate:.3f} an epoch")
