"""The small convolutional network against PyTorch, in float32 and float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import chaotrain as ct
import timing

CHANNELS = (8, 16)
OUTPUTS = 10


@dataclass(frozen=True)
class Convolution:
    """Two convolutions with tanh and max pooling, a dense head; images of 28 × 28 pixels."""

    kernel: int
    dtype: str
    samples: int = 1000
    balls: int = 2
    replicas: int = 5
    epochs: int = 3

    @property
    def flops(self) -> float:
        """Useful operations of one step of one network."""
        field, (first, second) = self.kernel**2, CHANNELS
        convolutions = 2 * 28**2 * field * first + 3 * 14**2 * field * first * second
        return 2.0 * self.samples * (convolutions + 3 * 7**2 * second * OUTPUTS)

    def module(self) -> Any:
        """The same network of PyTorch."""
        from torch import nn

        first, second = CHANNELS
        return nn.Sequential(
            *(nn.Conv2d(1, first, self.kernel, padding="same"), nn.Tanh(), nn.MaxPool2d(2)),
            *(nn.Conv2d(first, second, self.kernel, padding="same"), nn.Tanh(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(7**2 * second, OUTPUTS)),
        )

    def report(self, with_torch: bool) -> None:
        """Print the ratio."""
        images = np.random.default_rng(0).random((self.samples, 28 * 28))
        labels = np.arange(self.samples) % OUTPUTS
        task = ct.Task.from_arrays(images, labels, images[:1], labels[:1])
        network = ct.networks.cnn((28, 28, 1), OUTPUTS, CHANNELS, self.kernel, init="pytorch")
        system = ct.TrainingMap(network, task, dtype=self.dtype)
        ours = timing.engine(system, self.balls, self.replicas, self.epochs)
        others = {}
        if with_torch:
            inputs = images.reshape(-1, 1, 28, 28).astype(self.dtype)
            others["PyTorch loop"] = timing.pytorch(self.module, inputs, labels, self.flops)
        members = self.balls * (1 + self.replicas)
        kernel = f"{self.kernel}x{self.kernel}"
        title = (
            f"CNN 28x28 {kernel} 8-16-10, {self.samples} samples, {self.dtype}, {members} networks"
        )
        timing.report(title, self.flops, ours, others)
