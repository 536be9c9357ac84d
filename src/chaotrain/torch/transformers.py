"""A callback for the Hugging Face `Trainer` that follows a training and logs its local rate."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch
from transformers import TrainerCallback

from chaotrain.errors import UserError
from chaotrain.torch.randomness import Randomness
from chaotrain.torch.twin import Twin

RATE, EXPONENT = "lyapunov_rate", "lyapunov_exponent"


class Micro(NamedTuple):
    """What a call of `training_step` was given, and the random state before it."""

    arguments: tuple[Any, ...]
    options: dict[str, Any]
    randomness: Randomness


class LyapunovTrainerCallback(TrainerCallback):
    """Follow a training of the Hugging Face `Trainer` with a twin, and log its local rate.

    Whenever the trainer logs, it logs "lyapunov_rate", the local rate of the last step, and
    "lyapunov_exponent", the mean since the start. The copies go through the trainer's own
    `training_step` and gradient clipping, on all batches that the step accumulates, in float64
    whatever the precision. The training itself is bitwise the one without it.

    The events of a trainer do not tell a callback its batches, so this one is given the trainer,
    and notes the calls of its `training_step` while it trains.

    Args:
        trainer: The trainer; add the callback to it.
        norm: "l1" (the paper's) or "l2", over the trainable parameters.
        seed: Draws the first deviation.

    Attributes:
        twin: The `Twin`, once training has started.

    Raises:
        UserError: When training starts, on more than one process or device, or with fp16, whose
            gradient scaler skips steps.

    Example::

        trainer = Trainer(model, arguments, train_dataset=data)
        trainer.add_callback(LyapunovTrainerCallback(trainer))
        trainer.train()
    """

    def __init__(self, trainer: Any, norm: str = "l1", seed: int = 0) -> None:
        self.trainer, self.norm, self.seed = trainer, norm, seed
        self.twin: Twin | None = None
        self._pending: list[Micro] = []
        self._training_step: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Make the twin of the model as it stands, and note the calls of `training_step`."""
        devices = max(args.world_size, args.n_gpu)
        if devices > 1:
            raise UserError(f"devices = {devices}: a twin follows one, train on one")
        if args.fp16:
            raise UserError("fp16 = True: its gradient scaler skips steps, use bf16 or neither")
        optimizer = getattr(kwargs["optimizer"], "optimizer", kwargs["optimizer"])
        self.twin = Twin(kwargs["model"], optimizer, norm=self.norm, seed=self.seed)
        self._pending = []
        self._leave()  # a training that was interrupted
        self._training_step = training_step = self.trainer.training_step

        @functools.wraps(training_step)
        def noted(model: Any, *arguments: Any, **options: Any) -> Any:
            self._pending.append(Micro(arguments, options, Randomness.now()))
            return training_step(model, *arguments, **options)

        self.trainer.training_step = noted

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remember the learning rates of the step."""
        assert self.twin is not None
        self.twin.remember()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Follow the step, and log its rate if the trainer logs this step."""
        assert self.twin is not None
        self.twin.follow(self._train, self._pending)
        self._pending = []
        if control.should_log:
            mean = float(self.twin.rates.mean())
            self.trainer.log({RATE: self.twin.rate, EXPONENT: mean})
            control.should_log = True  # the trainer's own entry is still to come

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the trainer as it was."""
        self._leave()

    def _leave(self) -> None:
        if self._training_step is not None:
            del self.trainer.training_step
            self._training_step = None

    def _train(self, model: Any, optimizer: Any, batches: list[Micro]) -> None:
        """What the trainer does in a step."""
        for micro in batches:
            micro.randomness.restore()
            self._training_step(model, *micro.arguments, **micro.options)
        limit = self.trainer.args.max_grad_norm
        if limit is not None and limit > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
        optimizer.step()
