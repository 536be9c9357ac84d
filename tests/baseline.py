"""The paper's training loop in plain NumPy, the implementation that the engine is held to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Layers = list[dict[str, NDArray[np.float64]]]


def gradient(layers: Layers, x: NDArray, y: NDArray) -> tuple[float, Layers]:
    """Mean softmax cross-entropy of a tanh MLP, and its gradient by backpropagation."""
    signals = [x]
    for layer in layers[:-1]:
        signals.append(np.tanh(signals[-1] @ layer["weight"] + layer["bias"]))
    logits = signals[-1] @ layers[-1]["weight"] + layers[-1]["bias"]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    picked = (np.arange(len(y)), y)
    loss = -log_p[picked].mean()
    delta = np.exp(log_p)
    delta[picked] -= 1
    delta /= len(y)
    gradients: Layers = []
    for layer, signal in zip(layers[::-1], signals[::-1], strict=True):
        gradients.insert(0, {"weight": signal.T @ delta, "bias": delta.sum(axis=0)})
        delta = (delta @ layer["weight"].T) * (1 - signal**2)
    return float(loss), gradients


def train(
    layers: Layers, x: NDArray, y: NDArray, eta: float, epochs: int
) -> Iterator[tuple[Layers, float]]:
    """The parameters and the loss at epochs 0 to `epochs`."""
    for _ in range(epochs + 1):
        loss, gradients = gradient(layers, x, y)
        yield layers, loss
        layers = [
            {name: layer[name] - eta * slope[name] for name in layer}
            for layer, slope in zip(layers, gradients, strict=True)
        ]


def l1(a: Layers, b: Layers) -> float:
    """Σ|w - w'| over all parameters."""
    return float(sum(np.abs(p[n] - q[n]).sum() for p, q in zip(a, b, strict=True) for n in p))


def as_numpy(parameters: object) -> Layers:
    """The engine's parameters as plain arrays, the weights as (in, out)."""
    return [
        {name: np.asarray(value).T for name, value in layer.items()}
        for layer in parameters  # type: ignore[attr-defined]
    ]
