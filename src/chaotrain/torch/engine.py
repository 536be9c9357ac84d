"""Probes and trainings of a PyTorch model, for the search and the race of the onset finder."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from chaotrain.onset.engine import SMALL
from chaotrain.onset.probes import DIVERGED, Probe, look, settled
from chaotrain.onset.race import Trained
from chaotrain.schema import FINITE
from chaotrain.torch import checks
from chaotrain.torch.curvature import edge_of_stability
from chaotrain.torch.pair import Before, Pair
from chaotrain.torch.twin import Loss, descent

MakeModel = Callable[[], Any]
MakeOptimizer = Callable[..., Any]
Score = Callable[[Any], Any]

# Gradient evaluations of an epoch with its twin.
TWIN = 2


@dataclass
class Training:
    """One training in the race: where it stands, and its curves so far."""

    model: Any
    optimizer: Any
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


@dataclass
class Engine:
    """Initialisations of a model, probed in float64 and trained in the model's own type.

    An epoch is a pass through `batches`. What is random in step n of initialisation i is seeded by
    (seed, i, n), whatever the learning rate.

    Args:
        make_model: () → a module, drawn at random.
        loss: (model, batch) → the scalar loss.
        batches: The batches of an epoch.
        optimizer: (parameters, lr=η) → an optimiser.
        epochs: Epochs of a probe.
        score: model → a number, higher is better; None to race for the loss.
        seed: Seeds initialisations.
    """

    make_model: MakeModel
    loss: Loss
    batches: Sequence[Any]
    optimizer: MakeOptimizer
    epochs: int
    score: Score | None = None
    seed: int = 0
    trainings: dict[tuple[float, int], Training] = field(default_factory=dict)

    trains = True

    def start(self) -> tuple[float, float]:
        """Where to begin: at the edge of stability of the first weights; and what that cost."""
        model, optimizer = self.drawn(SMALL, 0)
        eta, cost = edge_of_stability(
            model, optimizer, self.loss, self.batches, lambda number: self._seed(0, 1 + number)
        )
        return eta if math.isfinite(eta) else SMALL, cost

    @property
    def samples(self) -> tuple[int, int, int]:
        """An epoch is a pass through the same batches in probes and in the race."""
        return 1, 1, 1

    def drawn(self, eta: float, init: int) -> tuple[Any, Any]:
        """A model with its first weights, and its optimiser.

        Raises:
            UserError: If `make_model` or `optimizer` makes something else.
        """
        self._seed(init, 0)
        # A copy, for a factory may hand out the same model again and again.
        model = copy.deepcopy(self.make_model())
        checks.check_model(model)
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = self.optimizer(parameters, lr=eta)
        checks.check_trainable(model, optimizer)
        return model, optimizer

    def probe(self, eta: float, init: int) -> Probe:
        """Follow a pair until it is clear what it shows."""
        pair = Pair(*self.drawn(eta, init), seed=init)
        train = descent(self.loss)
        growth, losses = [0.0], [math.nan]
        length = look(self.epochs)
        for epoch in range(1, self.epochs + 1):
            seen = []
            for number in range(len(self.batches)):
                self._seed(init, 1 + (epoch - 1) * len(self.batches) + number)
                before = Before.of(pair.reference_optimizer)
                seen.append(float(pair.advance(train, self.batches[number], before)))
            growth.append(growth[-1] + sum(pair.rates[-len(seen) :]))
            losses.append(float(np.mean(seen)))
            if not math.isfinite(growth[-1]) or not math.isfinite(losses[-1]):
                break
            if len(growth) % length == 0 and settled(
                np.array(growth), np.array(losses), self.epochs
            ):
                break
        losses[0] = losses[1]
        curve, descended = np.array(growth), np.array(losses)
        broken = np.isnan(curve) | ~np.isfinite(descended)
        curve[broken] = math.nan
        status = DIVERGED if broken.any() else FINITE
        return Probe(eta, init, curve, descended, None, status, float(TWIN * (len(curve) - 1)))

    def train(self, eta: float, init: int, epochs: int) -> Trained:
        """Train so many epochs in all, going on from where the same training stopped."""
        if (eta, init) not in self.trainings:
            started = Training(*self.drawn(eta, init))
            started.scores.append(self._scored(started.model))
            self.trainings[eta, init] = started
        run = self.trainings[eta, init]
        train = descent(self.loss)
        done = len(run.scores) - 1
        for epoch in range(done + 1, epochs + 1):
            seen = []
            for number in range(len(self.batches)):
                self._seed(init, 1 + (epoch - 1) * len(self.batches) + number)
                seen.append(float(train(run.model, run.optimizer, self.batches[number])))
            mean = float(np.mean(seen))
            run.losses = run.losses or [mean]
            run.losses.append(mean)
            run.scores.append(self._scored(run.model) if math.isfinite(mean) else math.nan)
        losses, scores = (np.array(curve[: epochs + 1]) for curve in (run.losses, run.scores))
        losses[~np.isfinite(losses)] = math.nan
        cost = float(max(epochs - done, 0))
        return Trained(losses, None if self.score is None else scores, cost)

    def _scored(self, model: Any) -> float:
        """The score in evaluation mode, from which training goes on as if nothing was."""
        if self.score is None:
            return math.nan
        modes = [module.training for module in model.modules()]
        model.eval()
        with torch.no_grad():
            score = float(self.score(model))
        for module, mode in zip(model.modules(), modes, strict=True):
            module.training = mode
        return score

    def _seed(self, init: int, step: int) -> None:
        drawn = int(np.random.SeedSequence((self.seed, init, step)).generate_state(1)[0])
        random.seed(drawn)
        np.random.seed(drawn)  # noqa: NPY002
        torch.manual_seed(drawn)
