"""A task from a function of one's own, named as "package.module:function"."""

from __future__ import annotations

from dataclasses import replace

from chaotrain.errors import UserError, first_line
from chaotrain.importing import load_function
from chaotrain.tasks.task import Task, digest


def from_function(name: str) -> Task:
    """The task that a function returns, given as "package.module:function".

    Modules are looked for in the current directory too, as by `python -m`.

    Args:
        name: A function without arguments.

    Raises:
        UserError: If there is no such function, it fails, or returns anything but a `Task`.

    Example:
        >>> from_function("chaotrain.tasks.tabular:iris").name
        'iris'
    """
    make = load_function(name, "task")
    try:
        task = make()
    except UserError as error:
        raise UserError(f"task = {name!r}: {error}") from None
    except Exception as error:
        raise UserError(
            f"task = {name!r} fails ({type(error).__name__}: {first_line(error)}): call it from "
            "Python to see where"
        ) from error
    if not isinstance(task, Task):
        raise UserError(
            f"task = {name!r} returns {type(task).__name__}: return a chaotrain.tasks.Task, as "
            "from Task.from_arrays"
        )
    if not task.hashes:
        arrays = (task.inputs, task.targets, task.test_inputs, task.test_targets)
        return replace(task, hashes={task.name: digest(*arrays)})
    return task
