from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import chaotrain as ct


@pytest.fixture(scope="session")
def mnist() -> ct.Task:
    return ct.tasks.load("mnist")


@pytest.fixture
def blobs() -> Callable[..., ct.Task]:
    """A small classification task: Gaussian blobs around random centres."""

    def make(samples: int = 60, inputs: int = 5, classes: int = 3) -> ct.Task:
        random = np.random.default_rng(7)
        centres = random.normal(size=(classes, inputs))
        labels = np.arange(2 * samples) % classes
        points = centres[labels] + 0.5 * random.normal(size=(2 * samples, inputs))
        halves = slice(samples), slice(samples, None)
        (train, test) = halves
        return ct.Task.from_arrays(points[train], labels[train], points[test], labels[test])

    return make
