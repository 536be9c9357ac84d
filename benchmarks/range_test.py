"""The learning-rate range test as Lightning runs it, on a training of ours.

The schedule, the smoothing and the early stop are those of Lightning 2.6; the suggestion is made by
its own `_LRFinder` from the curve.
"""

from __future__ import annotations

import functools
import logging
import math

import jax
import jax.numpy as jnp
import numpy as np
from lightning.pytorch.tuner.lr_finder import _LRFinder

import chaotrain as ct
from chaotrain import maps
from onset_cases import Case

STEPS = 100
# Lightning's default range, and one that reaches the learning rates of wide initialisations.
RANGES = {"lr_find": (1e-8, 1.0), "lr_find, 1e-4 to 100": (1e-4, 100.0)}
FORGET, STOP = 0.98, 4.0
logging.getLogger("lightning.pytorch.tuner.lr_finder").setLevel(logging.CRITICAL)


def suggestion(case: Case, seed: int, low: float, high: float) -> tuple[float, float]:
    """What the range test suggests, NaN where it is None, and its gradient evaluations.

    Args:
        case: The training.
        seed: Of the initial weights, and of the order of mini-batches.
        low: The first learning rate.
        high: The last one.
    """
    finder = _LRFinder("exponential", low, high, STEPS)
    rates: list[float] = []
    losses: list[float] = []
    mean = best = 0.0
    with jax.enable_x64(True):
        system = whole(case)
        state, systems = system.init(seed), batches(case, seed)
        for number in range(STEPS):
            rates.append(low if number == 0 else low * (high / low) ** ((number + 1) / STEPS))
            state, loss = step(systems[number % len(systems)], state, rates[-1])
            mean = FORGET * mean + (1 - FORGET) * float(loss)
            # Lightning counts the step that has just been made.
            smooth, count = mean / (1 - FORGET ** (number + 2)), number + 1
            losses.append(smooth)
            if count > 1 and smooth > STOP * best:
                break
            if smooth < best or count == 1:
                best = smooth
    finder.results = {"lr": rates, "loss": losses}
    found = finder.suggestion()
    part = 1.0 if case.batch_size is None else case.batch_size / case.system.samples
    return math.nan if found is None else float(found), len(rates) * part


@functools.cache
def whole(case: Case) -> ct.TrainingMap:
    """The training with one step an epoch."""
    task = case.load()
    return ct.TrainingMap(case.network(task), task, case.optimizer)


def batches(case: Case, seed: int) -> list[ct.TrainingMap]:
    """The trainings on one mini-batch each, in a random order of the samples."""
    if case.batch_size is None:
        return [whole(case)]
    task = case.load()
    order = np.random.default_rng(seed).permutation(len(task.inputs))
    network = case.network(task)
    found = []
    for first in range(0, len(order) - case.batch_size + 1, case.batch_size):
        chosen = order[first : first + case.batch_size]
        part = ct.Task.from_arrays(
            task.inputs[chosen], task.targets[chosen], task.test_inputs, task.test_targets
        )
        found.append(ct.TrainingMap(network, part, case.optimizer))
    return found


@jax.jit
def step(system: ct.TrainingMap, state: maps.State, eta: float) -> tuple[maps.State, jax.Array]:
    """The state after a step, and the loss before it."""
    after, seen = system.advance(state, jnp.asarray(eta))
    return after, seen["loss"]
