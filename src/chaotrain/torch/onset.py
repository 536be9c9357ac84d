"""The onset finder for a PyTorch model and any of its optimisers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from pydantic import Field

from chaotrain.errors import UserError
from chaotrain.experiment import plain, validated
from chaotrain.onset import finder
from chaotrain.onset.engine import SMALL
from chaotrain.onset.result import Onset
from chaotrain.torch.batches import MOST, check_replay, drawn
from chaotrain.torch.engine import Engine, MakeModel, MakeOptimizer, Score
from chaotrain.torch.randomness import undisturbed
from chaotrain.torch.twin import Loss


class Settings(finder.Settings):
    """The numbers that `find_onset` takes, by the names of its arguments."""

    batches: Annotated[int, Field(ge=1, le=MOST)] | None
    seed: Annotated[int, Field(ge=0)]


def find_onset(
    make_model: MakeModel,
    loss: Loss,
    loader: Iterable[Any],
    optimizer: MakeOptimizer,
    *,
    epochs: int = 100,
    batches: int | None = None,
    score: Score | None = None,
    target: float | None = None,
    budget: float | None = None,
    tolerance: float = 1.1,
    start: float | None = None,
    seed: int = 0,
    told: finder.Told = lambda event: None,
) -> Onset:
    """Find the onset of chaos in the training of a model, and the learning rate to train at.

    As `chaotrain.find_onset`, which says how: probes are trainings whose deviation is followed by
    twins in float64 (`chaotrain.torch.Twin`), and a few learning rates race in the model's own
    precision. The batches are drawn once from the loader and replayed in every epoch.

    Nothing of the caller's is changed: models are made and copied, and the random state of Python,
    NumPy, PyTorch and the loader is bitwise as before.

    Args:
        make_model: () → a module on one device, its weights drawn from the global random state, so
            that each call gives another initialisation; `lambda: model` tells of one only.
        loss: (model, batch) → the scalar loss.
        loader: Yields batches, on the device of the model unless `loss` moves them.
        optimizer: (parameters, lr=η) → an optimiser: a class of `torch.optim`, or a
            `functools.partial` of one.
        epochs: Epochs T of a probe and of the race; an epoch is a pass through the batches.
        batches: How many batches of the loader make an epoch here; by default all.
        score: model → a number, higher is better, computed in evaluation mode after each epoch of
            the race; without one the loss decides.
        target: The score to reach first.
        budget: Passes through the batches, one for an epoch and two for one with its twin; by
            default 15 times `epochs`, since probes take all batches.
        tolerance: A learning rate of the onset is known well enough if its interval is within this
            factor of its middle.
        start: The first learning rate to probe; by default the edge of stability of the first
            weights, and 0.01 for an optimiser other than `torch.optim.SGD`.
        seed: Seeds initialisation i, and what is random in it, together with i.
        told: Called with every probe, and every learning rate at every rung of the race.

    Returns:
        An `Onset`, whatever comes out: its `outcome` and `reason` say what, and what to do.

    Raises:
        UserError: On a number out of range, a loader without batches or without end, a loss that is
            no scalar or cannot be replayed, a model without trainable parameters or on another
            device than the data.

    Example:
        >>> data = [(torch.tensor([[2.0]]), torch.tensor([[0.0]]))]
        >>> def loss(model, batch):  # its curvature is h = 2 · 2²
        ...     return torch.nn.functional.mse_loss(model(batch[0]), batch[1])
        >>> def make_model():
        ...     return torch.nn.Linear(1, 1, bias=False)
        >>> onset = find_onset(make_model, loss, data, torch.optim.SGD, budget=float("inf"))
        >>> onset.outcome, round(onset.divergence, 3)  # 2/h
        ('diverges first', 0.25)
    """
    numbers = {
        "budget": None if budget == float("inf") else budget,
        "epochs": epochs,
        "target": target,
        "tolerance": tolerance,
        "start": start,
        "batches": batches,
        "seed": seed,
    }
    settings = validated(Settings, {name: plain(value) for name, value in numbers.items()})
    if isinstance(make_model, torch.nn.Module) or not callable(make_model):
        raise UserError(
            f"make_model is a {type(make_model).__name__}: give a function that makes a model, "
            "like lambda: model"
        )
    if isinstance(optimizer, torch.optim.Optimizer) or not callable(optimizer):
        raise UserError(
            f"optimizer is a {type(optimizer).__name__}: give a class like torch.optim.SGD, or a "
            "functools.partial of one"
        )
    if target is not None and score is None:
        raise UserError(f"target = {target}: give score=..., a function of the model, to reach it")
    with _left_alone():
        engine = Engine(
            make_model, loss, drawn(loader, settings.batches), optimizer, settings.epochs, score,
            settings.seed,
        )  # fmt: skip
        model, _ = engine.drawn(start or SMALL, 0)
        check_replay(model, loss, engine.batches[0])
        return finder.found_by(engine, settings, budget, settings.target, told)


@contextmanager
def _left_alone() -> Iterator[None]:
    """Compute so that it can be repeated, and leave the process as it was."""
    cudnn = torch.backends.cudnn
    flags = cudnn.benchmark, cudnn.deterministic
    grad = torch.is_grad_enabled()
    try:
        with undisturbed():
            cudnn.benchmark, cudnn.deterministic = False, True
            torch.set_grad_enabled(True)
            yield
    finally:
        cudnn.benchmark, cudnn.deterministic = flags
        torch.set_grad_enabled(grad)
