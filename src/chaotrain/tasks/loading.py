"""A task by its name, from a file of arrays, or from a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chaotrain.errors import UserError
from chaotrain.explaining import near, short
from chaotrain.tasks import (
    cifar,
    fashion_mnist,
    generated,
    losses,
    mnist,
    own_files,
    own_function,
    tabular,
)
from chaotrain.tasks.task import Task

TASKS: dict[str, Callable[[], Task]] = {
    "mnist": mnist.load,
    "fashion-mnist": fashion_mnist.load,
    "cifar-10": cifar.load,
    "digits": tabular.digits,
    "iris": tabular.iris,
    "iris-raw": tabular.iris_raw,
    "wine": tabular.wine,
    "breast-cancer": tabular.breast_cancer,
    "diabetes": tabular.diabetes,
    "two-moons": generated.two_moons,
    "spirals": generated.spirals,
    "teacher-student": generated.teacher_student,
    "modular-addition": generated.modular_addition,
}
# Those that are not bundled, whose function takes a folder to look into.
DOWNLOADED: dict[str, Callable[[str | Path | None], Task]] = {
    "fashion-mnist": fashion_mnist.load,
    "cifar-10": cifar.load,
}
# Large ones, which are cut while a pixel is still a byte.
PICTURES: dict[str, Callable[[str | Path | None], Task]] = {
    "mnist": lambda _: mnist.in_bytes(),
    "fashion-mnist": fashion_mnist.in_bytes,
    "cifar-10": cifar.in_bytes,
}
OWN = "FILE.npz, FILE.csv or package.module:function"


def load(
    name: str | Path,
    train_size: int | None = None,
    test_size: int | None = None,
    *,
    loss: str | None = None,
    data_dir: str | Path | None = None,
) -> Task:
    """A task, restricted to its first samples if sizes are given.

    Args:
        name: One of `TASKS`; or a path that ends in `.npz` (`own_files.from_npz`) or `.csv`
            (`own_files.from_csv`); or "package.module:function", a function without arguments that
            returns a `Task`, looked for in the current directory too.
        train_size: How many training samples, the first ones; by default all.
        test_size: How many test samples, the first ones; by default all.
        loss: A name in `LOSSES`; by default the task's own loss.
        data_dir: The folder of the data that is not bundled; by default the one that the
            environment variable CHAOTRAIN_DATA names, or else a cache, filled by download.

    Raises:
        UserError: On an unknown name, a size outside the data's, a loss that does not fit, data
            that is missing and cannot be downloaded, or a file that is damaged.

    Example:
        >>> import chaotrain as ct
        >>> ct.tasks.load("mnist", train_size=2000).inputs.shape
        (2000, 784)
        >>> ct.tasks.load("iris", loss="mean-squared-error").outputs
        3
    """
    if loss is not None:
        losses.named(loss)  # before the data is read
    if isinstance(name, str) and name in PICTURES:
        task = PICTURES[name](data_dir).first(train_size, test_size).in_unit_interval()
    else:
        task = _read(name).first(train_size, test_size)
    return task if loss is None else task.with_loss(loss)


def _read(name: str | Path) -> Task:
    if not isinstance(name, str | Path):
        raise UserError(f"task = {short(name)}: give the name of a task, or {OWN}")
    if name in TASKS:
        return TASKS[str(name)]()
    suffix = Path(name).suffix.lower()
    if suffix == ".npz":
        return own_files.from_npz(name)
    if suffix == ".csv":
        return own_files.from_csv(name)
    name = str(name)
    if ":" in name:
        return own_function.from_function(name)
    hint = near(name, TASKS, "")
    raise UserError(
        f"task = {short(name)} is unknown: choose one of {', '.join(TASKS)}, or {OWN}"
        + (hint if "did you mean" in hint else "")
    )
