"""What a training map is made of, before its shapes are looked at."""

from __future__ import annotations

from typing import Any

from chaotrain import arguments
from chaotrain.errors import UserError
from chaotrain.networks import Network
from chaotrain.tasks import Task
from chaotrain.training.penalty import Penalty

CHOICES = {
    "dtype": ("float64", "float32"),
    "noise": ("common", "own"),
    "measured": ("parameters", "state"),
}


def check_parts(network: Any, task: Any, penalty: Any, batch_size: Any, **names: Any) -> None:
    """Check that the parts of a training map are what they have to be.

    Raises:
        UserError: On a part of another kind, a batch that the data has not, or an unknown name.
    """
    remedy = "give a Network, like networks.mlp([784, 64, 10]) or Network(init, apply)"
    arguments.instance("network", network, Network, remedy)
    arguments.instance("task", task, Task, 'give a Task, like tasks.load("mnist")')
    arguments.instance("penalty", penalty, Penalty, "give a Penalty, like Penalty(l2=0.1)")
    if batch_size is not None:
        samples = len(task.inputs)
        remedy = f"choose 1 to {samples}, the training samples"
        arguments.whole("batch_size", batch_size, remedy, most=samples)
    for field, value in names.items():
        if value not in CHOICES[field]:
            known = " or ".join(CHOICES[field])
            raise UserError(f"{field} = {value!r} is unknown: choose {known}")
