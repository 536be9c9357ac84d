"""A one-block transformer of your own: the rows of an image are its tokens.

Run it with `python examples/transformer.py`, or name it in an experiment file:

    [network]
    function = "examples.transformer:network"
    options = { width = 8 }
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

import chaotrain as ct


def network(shape: tuple[int, ...], outputs: int, width: int = 16) -> ct.Network:
    """Embedding with positions, self-attention, a tanh layer, and the mean over the tokens."""
    tokens, features = shape[0], math.prod(shape[1:])
    sizes = {"embed": (features, width), "up": (width, 2 * width), "down": (2 * width, width)}
    sizes |= dict.fromkeys(("query", "key", "value", "mix"), (width, width))
    sizes |= {"read": (width, outputs), "position": (tokens, width)}

    def init(key, dtype):
        keys = jax.random.split(key, len(sizes))
        return {
            name: jax.random.normal(k, size, dtype) / math.sqrt(size[0])
            for k, (name, size) in zip(keys, sizes.items(), strict=True)
        }

    def apply(w, samples):
        x = samples.reshape(-1, tokens, features) @ w["embed"] + w["position"]
        y = jax.nn.standardize(x)
        scores = (y @ w["query"]) @ (y @ w["key"]).swapaxes(1, 2) / math.sqrt(width)
        x = x + jax.nn.softmax(scores) @ (y @ w["value"]) @ w["mix"]
        x = x + jnp.tanh(jax.nn.standardize(x) @ w["up"]) @ w["down"]
        return x.mean(axis=1) @ w["read"]

    name = f"transformer, {tokens} tokens of {features}, width {width}, {outputs} outputs"
    # A sample has as many activations here as tens of an MLP: fewer at once stay in the cache.
    return ct.Network(init, apply, name, chunk=200)


if __name__ == "__main__":
    task = ct.tasks.load("mnist", train_size=100, test_size=100)
    system = ct.TrainingMap(network((28, 28, 1), task.outputs), task)
    for eta in (0.1, 0.7):
        growth = ct.fit_growth(ct.divergence(system, eta, epochs=60, replicas=2).distance)
        print(f"η = {eta}: {growth.verdict}, {growth.rate:.3f} an epoch")
