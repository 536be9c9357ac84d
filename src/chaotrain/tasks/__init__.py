"""Named tasks: arrays with a loss and a score, bundled, downloaded, generated, or one's own."""

from __future__ import annotations

from chaotrain.tasks.loading import DOWNLOADED, TASKS, load
from chaotrain.tasks.losses import (
    LOSSES,
    PerSample,
    RSquared,
    accuracy,
    cross_entropy,
    cross_entropy_of_softmax,
    mean_squared_error,
)
from chaotrain.tasks.task import Task

__all__ = [
    "DOWNLOADED",
    "LOSSES",
    "TASKS",
    "PerSample",
    "RSquared",
    "Task",
    "accuracy",
    "cross_entropy",
    "cross_entropy_of_softmax",
    "load",
    "mean_squared_error",
]
