"""A reference and its shadow, in float64, that take the same steps and are kept close."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from chaotrain import arguments
from chaotrain.errors import UserError
from chaotrain.torch import checks, states
from chaotrain.torch.precision import Raised
from chaotrain.torch.randomness import Randomness, undisturbed

Train = Callable[[Any, Any, Any], Any]

EPSILON = 1e-8


class Before(NamedTuple):
    """What a step starts from, besides the state: the random state, and settings by group."""

    randomness: Randomness
    settings: list[dict[str, Any]]

    @classmethod
    def of(cls, optimizer: Any) -> Before:
        """What the next step of an optimiser starts from."""
        settings = [
            {
                name: value.clone() if torch.is_tensor(value) else value
                for name, value in group.items()
                if name != "params"
            }
            for group in optimizer.param_groups
        ]
        return cls(Randomness.now(), settings)


class Pair:
    """Two copies of a model with its optimiser, raised to float64, a distance ε‖w‖ apart.

    Args:
        model: A module; it is copied.
        optimizer: The optimiser of its parameters; it is copied.
        norm: "l1" or "l2", over the trainable parameters.
        seed: Draws the first deviation: U(-1, 1) for each weight, scaled to the distance.

    Attributes:
        reference: The model that is not moved, and its `reference_optimizer`.
        shadow: The one that is, and its `shadow_optimizer`.
        rates: The local rate of every step so far.

    Raises:
        UserError: On a model or optimiser that cannot be followed.
    """

    def __init__(self, model: Any, optimizer: Any, norm: str = "l1", seed: int = 0) -> None:
        checks.check_trainable(model, optimizer)
        arguments.entry("norm", norm, states.NORMS)
        self.norm = norm
        self.dtype = checks.type_of(model)
        self.reference, self.reference_optimizer = states.raised(model, optimizer)
        self.shadow, self.shadow_optimizer = states.raised(model, optimizer)
        self.rates = array("d")
        moved = states.weights(self.shadow)
        states.move(moved, EPSILON * self._scale() / states.size(moved), seed)
        self._distance = self._measured()
        self._pull_back()

    @property
    def members(self) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Model and optimiser of the reference, and of the shadow."""
        return (
            (self.reference, self.reference_optimizer),
            (self.shadow, self.shadow_optimizer),
        )

    def advance(self, train: Train, batch: Any, before: Before) -> Any:
        """Take a step with both, record its local rate, and pull the shadow back.

        Args:
            train: (model, optimizer, batch) → anything; takes the step.
            batch: What it is taken on.
            before: What it starts from; the random state is afterwards as it was.

        Returns:
            What `train` returned for the reference.
        """
        returned = []
        with undisturbed():
            for model, optimizer in self.members:
                for settings, group in zip(before.settings, optimizer.param_groups, strict=True):
                    group.update(settings)
                before.randomness.restore()
                with Raised(self.dtype):
                    returned.append(train(model, optimizer, batch))
                optimizer.zero_grad()
        grown = self._measured()
        self.rates.append(self._rate_of(grown))
        self._distance = grown
        self._pull_back()
        return returned[0]

    def take(self, model: Any, optimizer: Any) -> None:
        """Move both, as they stand to each other, to where a model has got to."""
        parameters, buffers = states.floating(model, optimizer)
        reference, shadow = (states.floating(*member) for member in self.members)
        if len(buffers) != len(reference[1]):
            raise UserError(
                "optimizer: the model took no step like its twin's, call follow only after a step "
                "(a GradScaler skips some)"
            )
        states.shift(reference[0], shadow[0], parameters)
        with states.signs_kept(buffers, shadow[1]):
            states.shift(reference[1], shadow[1], buffers)

    def _rate_of(self, grown: float) -> float:
        finite = math.isfinite(grown) and math.isfinite(self._distance)
        if not finite or (self.rates and math.isnan(self.rates[-1])):
            return math.nan
        if grown == 0 or self._distance == 0:  # once equal, always equal
            return -math.inf
        return math.log(grown / self._distance)

    def _pull_back(self) -> None:
        """Bring the parameters back to the distance ε‖w‖, and all else along."""
        if self._distance == 0 or not math.isfinite(self._distance):
            return
        kept = EPSILON * self._scale()
        reference, shadow = (states.floating(*member) for member in self.members)
        states.pull(reference[0], shadow[0], kept / self._distance)
        with states.signs_kept(reference[1], shadow[1]):
            states.pull(reference[1], shadow[1], kept / self._distance)
        self._distance = kept

    def _measured(self) -> float:
        one, other = (states.trainable(model) for model, _ in self.members)
        return states.distance(one, other, self.norm)

    def _scale(self) -> float:
        """‖w‖, or what it is for weights of size 1 where all are 0."""
        moved = states.weights(self.reference)
        return states.norm(moved, self.norm) or float(states.size(moved))
