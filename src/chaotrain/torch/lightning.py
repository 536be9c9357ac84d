"""A Lightning callback that follows a training with a twin and logs its local rate."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from lightning.pytorch import Callback

from chaotrain.errors import UserError
from chaotrain.torch.randomness import Randomness
from chaotrain.torch.twin import Twin

RATE, EXPONENT = "lyapunov/rate", "lyapunov/exponent"


class Micro(NamedTuple):
    """A batch of those that a step accumulates, its number, and the random state before it."""

    batch: Any
    number: int
    randomness: Randomness


class LyapunovCallback(Callback):
    """Follow a training of Lightning with a twin, and log its local rate after every step.

    It logs "lyapunov/rate", the local rate of the last step, and "lyapunov/exponent", the mean
    since the start. The copies go through the module's own `training_step`, hooks around the
    gradient and gradient clipping, on all batches that the step accumulates, in float64 whatever
    the precision; what they log is dropped. The training itself is bitwise the one without it.

    Args:
        norm: "l1" (the paper's) or "l2", over the trainable parameters.
        seed: Draws the first deviation.

    Attributes:
        twin: The `Twin`, once training has started.

    Raises:
        UserError: When training starts, on more than one device, manual optimisation, or a
            precision with a gradient scaler, which skips steps.

    Example:
        >>> import lightning as L
        >>> callback = LyapunovCallback()
        >>> trainer = L.Trainer(callbacks=[callback], accelerator="cpu", logger=False)
        >>> callback.twin is None  # until trainer.fit(module) has started
        True
    """

    def __init__(self, norm: str = "l1", seed: int = 0) -> None:
        self.norm, self.seed = norm, seed
        self.twin: Twin | None = None
        self._pending: list[Micro] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Make the twin of the module as it stands."""
        if trainer.world_size > 1:
            raise UserError(
                f"devices = {trainer.world_size}: a twin follows one, train with devices=1"
            )
        if not pl_module.automatic_optimization:
            raise UserError(
                "automatic_optimization = False: the callback cannot replay the steps, call "
                "remember() and follow(train, batch) of a chaotrain.torch.Twin around yours"
            )
        if trainer.precision == "16-mixed":
            raise UserError(
                "precision = '16-mixed': its gradient scaler skips steps, use 'bf16-mixed' or "
                "'32-true'"
            )
        self.twin = Twin(pl_module, trainer.optimizers[0], norm=self.norm, seed=self.seed)
        for copy, _ in self.twin.pair.members:
            copy.trainer = trainer  # which a copy of a module has not
            copy.log = copy.log_dict = _silent
        self._pending = []

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Forget batches of an epoch that was left before its step."""
        self._pending = []

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Remember a batch, and the random state before it."""
        self._pending.append(Micro(batch, batch_idx, Randomness.now()))

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Remember the learning rates of the step."""
        assert self.twin is not None
        self.twin.remember()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Follow the step, if one was taken, and log its rate."""
        assert self.twin is not None
        if not self.twin.remembers:
            return
        self.twin.follow(_train, self._pending)
        self._pending = []
        pl_module.log(RATE, self.twin.rate, batch_size=1)
        pl_module.log(EXPONENT, self.twin.rates.mean(), batch_size=1)


def _train(module: Any, optimizer: Any, batches: list[Micro]) -> None:
    """What Lightning's automatic optimisation does in a step."""
    trainer = module.trainer
    for micro in batches:
        micro.randomness.restore()
        takes_index = "batch_idx" in inspect.signature(module.training_step).parameters
        output = module.training_step(micro.batch, *([micro.number] if takes_index else []))
        loss = output["loss"] if isinstance(output, dict) else output
        if loss is not None:
            module.backward(loss / trainer.accumulate_grad_batches)
            module.on_after_backward()
    module.on_before_optimizer_step(optimizer)
    module.configure_gradient_clipping(
        optimizer,
        gradient_clip_val=trainer.gradient_clip_val,
        gradient_clip_algorithm=trainer.gradient_clip_algorithm,
    )
    optimizer.step()


def _silent(*args: Any, **kwargs: Any) -> None:
    """Log nothing."""
