"""A learning-rate schedule that holds as long as the chaotic transient of a twin lasts."""

from __future__ import annotations

import math
from typing import Any

from torch.optim.lr_scheduler import LRScheduler

from chaotrain.schedules import WINDOW, checked, transient_ended
from chaotrain.torch.twin import Twin


class OnsetHold(LRScheduler):
    """Hold the learning rate until the chaotic transient ends, then decay it to 0.

    The learning rate stays as it is until `chaotrain.schedules.transient_ended` says so of the
    twin's local rates, or for `longest` steps, and falls along a half cosine to 0 at `steps`.
    Where there is no transient it holds for one window, and is a cosine schedule from there.

    Args:
        optimizer: The optimiser, at the recommended learning rate.
        twin: A `Twin` that follows the training.
        steps: Calls of `step` in the whole training: epochs, or batches.
        longest: Calls of `step` for which the learning rate is held at most.
        window: Local rates that the rule looks back at; the twin has one for each step it followed.
        last_epoch: As in every schedule of `torch.optim`.

    Raises:
        UserError: On a number out of range.

    Example:
        >>> import torch
        >>> from chaotrain.torch import Twin
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> twin = Twin(model, optimizer, lambda model, batch: model(batch).square().mean())
        >>> schedule = OnsetHold(optimizer, twin, steps=40, longest=30, window=10)
        >>> for _ in range(40):
        ...     value = twin.step(torch.ones(4, 2))
        ...     schedule.step()
        >>> schedule.start, round(schedule.get_last_lr()[0], 6)
        (10, 0.0)
    """

    def __init__(
        self,
        optimizer: Any,
        twin: Twin,
        steps: int,
        longest: int,
        window: int = WINDOW,
        last_epoch: int = -1,
    ) -> None:
        given = checked(steps=steps, longest=longest, window=window)
        self.twin = twin
        self.steps, self.longest, self.window = given.steps, given.longest, given.window
        self.start: int | None = None
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates of all groups at this step."""
        rates = self.twin.rates[-self.window :]
        ended = len(rates) == self.window and bool(transient_ended(rates))
        if self.start is None and (ended or self.last_epoch >= self.longest):
            self.start = self.last_epoch
        if self.start is None:
            return list(self.base_lrs)
        done = min(1.0, (self.last_epoch - self.start) / max(self.steps - self.start, 1))
        factor = 0.5 * (1 + math.cos(math.pi * done))
        return [rate * factor for rate in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """The state as plain values; the twin is not in it."""
        return {name: value for name, value in super().state_dict().items() if name != "twin"}
