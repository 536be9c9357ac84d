"""A training in one line, for provenance and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaotrain.tasks import Task
from chaotrain.training.penalty import NO_PENALTY

if TYPE_CHECKING:
    from chaotrain.training.system import TrainingMap


def described(system: TrainingMap, task: Task) -> str:
    """Network, data, optimiser and type, and what else is not as usual."""
    sizes = f"{len(task.inputs)} training and {len(task.test_inputs)} test samples"
    rule = getattr(system.optimizer, "__name__", repr(system.optimizer))
    more = [
        f"{name} {value}"
        for name, value, usual in (
            ("penalty", system.penalty, NO_PENALTY),
            ("batch size", system.batch_size, None),
            ("augmented by", getattr(system.augment, "__name__", system.augment), None),
            ("noise", system.noise, "common"),
            ("measured", system.measured, "parameters"),
        )
        if value != usual
    ]
    parts = (system.network.name, f"{task.name}, {sizes}", rule, system.dtype, *more)
    return "; ".join(parts)
