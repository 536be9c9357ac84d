"""Named tasks: arrays, a loss and a score, read from bundled files that are checked."""

from __future__ import annotations

from collections.abc import Callable

from chaotrain.errors import UserError
from chaotrain.tasks import mnist
from chaotrain.tasks.task import Task, accuracy, cross_entropy

__all__ = ["TASKS", "Task", "accuracy", "cross_entropy", "load"]

TASKS: dict[str, Callable[[], Task]] = {"mnist": mnist.load}


def load(name: str, train_size: int | None = None, test_size: int | None = None) -> Task:
    """A named task, restricted to its first samples if sizes are given.

    Args:
        name: One of `TASKS`.
        train_size: How many training samples, the first ones; by default all.
        test_size: How many test samples, the first ones; by default all.

    Raises:
        UserError: On an unknown name, a size outside the data's, or a damaged data file.

    Example:
        >>> import chaotrain as ct
        >>> ct.tasks.load("mnist", train_size=2000).inputs.shape
        (2000, 784)
    """
    if name not in TASKS:
        raise UserError(f"task = {name!r} is unknown: choose one of {', '.join(TASKS)}")
    return TASKS[name]().first(train_size, test_size)
