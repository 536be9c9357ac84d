"""A shadow that follows a training loop: its local rates, and its exponent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chaotrain.errors import UserError
from chaotrain.tangent import FiniteTimeExponent, finite_time_exponent
from chaotrain.torch import checks
from chaotrain.torch.pair import Before, Pair, Train

Loss = Callable[[Any, Any], Any]


class Twin:
    r"""A shadow of a model in training, moved by a hair and pulled back to it after every step.

    For every step of the model, a copy of it and the shadow take the same step, in float64: on the
    same batch, with the same dropout masks and augmentation (the random state is replayed) and at
    the same learning rate. The buffers of each, such as the means of batch normalisation and the
    moments of the optimiser, are its own. The local rate of a step is ln(d'/d), with d the distance
    of their parameters before it and d' after it. Then the deviation of the whole state is
    multiplied by the factor that brings the parameters back to 1e-8 ‖w‖, and the two are moved to
    where the model has got to.

    So the exponent is that of the training as float64 computes it, along the model's own way,
    whatever precision the model itself computes in. In float32 a deviation that rounding leaves
    alone is large enough to cross the kinks of a ReLU and the small gradients of Adam, which gave
    six times the rate and more in our tests.

    The model, its optimiser and the random state are never touched: a training with a twin is
    bitwise the one without it. It takes two steps in float64 more for each step.

    Args:
        model: A module in training, on one device.
        optimizer: The `torch.optim` optimiser of its parameters.
        loss: (model, batch) → the scalar loss that `step` descends. A loop that does more, like
            clipping, needs none: it calls `remember` and `follow`.
        norm: "l1" (the paper's) or "l2", over the trainable parameters.
        seed: Draws the first deviation: U(-1, 1) for each weight, scaled to the distance.

    Attributes:
        pair: The two copies, a `chaotrain.torch.pair.Pair`.

    Raises:
        UserError: On a model or optimiser that cannot be followed.

    Source: G. Benettin, L. Galgani, J.-M. Strelcyn, Phys. Rev. A 14, 2338 (1976).

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> def loss(model, batch):  # its curvature is h = 2 · 3²
        ...     return model(batch).square().mean()
        >>> twin = Twin(model, optimizer, loss)
        >>> for _ in range(4):
        ...     value = twin.step(torch.tensor([[3.0]]))
        >>> round(twin.exponent().rate, 6) == round(math.log(8), 6)  # |1 - ηh|
        True
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Loss | None = None,
        *,
        norm: str = "l1",
        seed: int = 0,
    ) -> None:
        self.pair = Pair(model, optimizer, norm, seed)
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self._before: Before | None = None

    @property
    def rate(self) -> float:
        """The local rate of the last step: ln of the factor by which the deviation grew.

        NaN before the first step, and from the step on after which a state is not finite; -inf
        from the step on that made the two equal.
        """
        return self.pair.rates[-1] if self.pair.rates else math.nan

    @property
    def rates(self) -> np.ndarray:
        """The local rate of every step so far, shape (steps,)."""
        return np.array(self.pair.rates)

    @property
    def growth(self) -> np.ndarray:
        """The growth of the deviation, ln of d over d(0), since the start, shape (steps + 1,)."""
        return np.append(0.0, np.cumsum(self.rates))

    def exponent(self, start: int = 0) -> FiniteTimeExponent:
        """The mean local rate per step, with its 95% interval.

        Args:
            start: The step to start from; leave out a transient with it.

        Raises:
            UserError: If no step was taken since then.
        """
        if not self.pair.rates:
            raise UserError("twin: it has followed no step yet, ask for its exponent after one")
        return finite_time_exponent(self.growth, start=start)

    def step(self, batch: Any) -> Any:
        """One step of the model down the loss of a batch, followed by its twin.

        Args:
            batch: What `loss` takes.

        Returns:
            The loss before the step, a detached tensor.

        Raises:
            UserError: If no `loss` was given, or it is no scalar that depends on the parameters.
        """
        if self.loss is None:
            raise UserError(
                "loss = None: give Twin(model, optimizer, loss) a loss for step(batch), or call "
                "remember() and follow(train, batch) around a step of your own"
            )
        descend = descent(self.loss)
        self.remember()
        value = descend(self.model, self.optimizer, batch)
        self.follow(descend, batch)
        return value

    @property
    def remembers(self) -> bool:
        """Whether a step is remembered that was not followed."""
        return self._before is not None

    def remember(self) -> None:
        """Remember what the model's next step starts from: random state and learning rates."""
        self._before = Before.of(self.optimizer)

    def follow(self, train: Train, batch: Any = None) -> None:
        """Follow the step that the model has taken since `remember`.

        Args:
            train: (model, optimizer, batch) → anything; takes the same step on what it is given. It
                is called twice, with the random state and learning rates that were remembered.
            batch: What the step was taken on.

        Raises:
            UserError: If nothing was remembered, or the optimiser has parameters that it had not.

        Example:
            >>> import torch
            >>> model = torch.nn.Linear(3, 2)
            >>> optimizer = torch.optim.Adam(model.parameters())
            >>> def train(model, optimizer, batch):
            ...     optimizer.zero_grad()
            ...     model(batch).square().mean().backward()
            ...     torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            ...     optimizer.step()
            >>> twin = Twin(model, optimizer)
            >>> for batch in torch.randn(5, 8, 3):
            ...     twin.remember()
            ...     train(model, optimizer, batch)
            ...     twin.follow(train, batch)
            >>> twin.rates.shape
            (5,)
        """
        if self._before is None:
            raise UserError("twin: nothing is remembered, call remember() before the model's step")
        before, self._before = self._before, None
        for copy, optimizer in self.pair.members:
            checks.check_alike(self.optimizer, optimizer)
            for module, own in zip(self.model.modules(), copy.modules(), strict=True):
                own.training = module.training
            for one, other in zip(self.model.parameters(), copy.parameters(), strict=True):
                other.requires_grad_(one.requires_grad)
        self.pair.advance(train, batch, before)
        self.pair.take(self.model, self.optimizer)


def descent(loss: Loss) -> Train:
    """The step of an optimiser down the loss of a batch; it returns the loss before it."""

    def train(model: Any, optimizer: Any, batch: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model, batch)
        checks.check_scalar(value)
        value.backward()
        optimizer.step()
        return value.detach()

    return train
