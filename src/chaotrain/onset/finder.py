"""The onset of chaos and a learning rate: the search, then a race inside what it brackets."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Annotated, Protocol

import numpy as np
from pydantic import Field

from chaotrain.experiment import plain, validated
from chaotrain.fields import Count, Model, Positive, Share, Steps
from chaotrain.maps import Key, Map
from chaotrain.onset.engine import Engine
from chaotrain.onset.probes import Judged, Probe
from chaotrain.onset.race import Lane, Race, Trained
from chaotrain.onset.reasons import reason
from chaotrain.onset.result import Onset
from chaotrain.onset.rounds import race_in_rounds
from chaotrain.onset.search import DIVERGES, MOST_PROBES, ONSET, Bracket, search

# Epochs' worth of gradient evaluations that a search and its race may take: where probes follow a
# part of the samples, and where they follow all there is.
BUDGET, OF_ALL_DATA = 6.3, 15.0
# The part of the budget that the search may take where there is something to race for, and the part
# of that after which it refines nothing.
SEARCH, REFINED = 0.75, 0.72
# Probes after which it refines nothing there: the race can do with a bracket that is less sharp.
ENOUGH = 12
# How far the race goes beyond both ends of the bracket; how much of their uncertainty it covers.
BEYOND, UNSURE = 1.2, 2.0
# How far its lanes are apart.
APART = 1.4
FEWEST_LANES, MOST_LANES = 4, 7
# Without chaos the race is over so much below the learning rate at which training diverges.
BELOW = 8.0

Told = Callable[[Judged | Lane], None]


class Settings(Model):
    """The numbers that `find_onset` takes, by the names of its arguments."""

    budget: Positive | None
    epochs: Steps
    target: Share | None
    tolerance: Annotated[float, Field(gt=1, allow_inf_nan=False)]
    start: Positive | None
    samples: Count | None = None


class Engines(Protocol):
    """What probes and trains the initialisations of a training, as `Engine` does those of a map."""

    @property
    def trains(self) -> bool:
        """Whether there is a loss to race for."""

    @property
    def samples(self) -> tuple[int, int, int]:
        """Training samples of a probe, of a training in the race, and all."""

    def start(self) -> tuple[float, float]:
        """The learning rate to begin with, and the gradient evaluations that finding it took."""

    def probe(self, eta: float, init: int) -> Probe:
        """What `chaotrain.onset.search` asks for."""

    def train(self, eta: float, init: int, epochs: int) -> Trained:
        """What `chaotrain.onset.race` asks for."""


def find_onset(
    system: Map,
    *,
    budget: float | None = None,
    key: Key = 0,
    epochs: int = 100,
    target: float | None = None,
    tolerance: float = 1.1,
    start: float | None = None,
    samples: int | None = None,
    told: Told = lambda event: None,
) -> Onset:
    """Find the onset of chaos of a map, and the learning rate to train at.

    Probes follow the tangent of a training (a rescaled pair where it has no derivative) at learning
    rates that a search chooses (`chaotrain.onset.search`): it brackets the first transient growth
    and the full onset. Where the map has a loss, a few learning rates from the one to the other,
    and a little beyond, then race to the target (`chaotrain.onset.race`), and the fastest of them
    again with more initialisations.

    Args:
        system: Any `Map`, such as a `TrainingMap`.
        budget: Gradient evaluations, over all data that the map trains on: one an epoch, two with
            the tangent, and on a part of the data that part of it. By default 6.3 times `epochs`,
            15 times where probes follow all there is; infinity goes on to the `tolerance`.
        key: An integer or a JAX key; initialisation i is drawn with fold_in(key, i).
        epochs: Epochs T of a probe and of the race.
        target: The score to reach first; by default the task's. Where it is not reached within T
            the best score at T decides, or the lowest loss of a map without a score.
        tolerance: A learning rate of the onset is known well enough if its interval is within this
            factor of its middle.
        start: The first learning rate to probe; by default the edge of stability of the initial
            weights, 0.01 for an optimiser whose edge is not known, and 1 for any other map.
        samples: Training samples that probes follow. By default an eighth of them, but at least
            64, at most 2,000, and enough for 100 steps in mini-batches; all if the budget is
            infinite. The race trains on so many too, but on no fewer than 2,000 if there are. The
            onset on a part may lie lower than on all: give all to measure it.
        told: Called with every probe, and every learning rate at every rung of the race.

    Returns:
        An `Onset`, whatever comes out: its `outcome` and `reason` say what, and what to do.

    Raises:
        UserError: On a number out of range, or a system that is no map.

    Example:
        >>> import chaotrain as ct
        >>> onset = ct.find_onset(ct.maps.quadratic((1.0, 3.0)))
        >>> onset.outcome, round(onset.divergence, 3)
        ('diverges first', 0.667)
    """
    numbers = {
        "budget": None if budget == math.inf else budget,
        "epochs": epochs,
        "target": target,
        "tolerance": tolerance,
        "start": start,
        "samples": samples,
    }
    settings = validated(Settings, {name: plain(value) for name, value in numbers.items()})
    goal = settings.target if settings.target is not None else getattr(system, "target", None)
    count = settings.samples
    if count is None and budget == math.inf:
        count = getattr(system, "samples", None)
    engine = Engine(system, key, settings.epochs, count)
    return found_by(engine, settings, budget, goal, told)


def found_by(
    engine: Engines, settings: Settings, budget: float | None, goal: float | None, told: Told
) -> Onset:
    """Find the onset by whatever probes and trains.

    Args:
        engine: What probes and trains.
        settings: The numbers of `find_onset`.
        budget: As in `find_onset`, infinite or not.
        goal: The score to reach first; None without one.
        told: As in `find_onset`.
    """
    began = time.monotonic()
    probed, _, every = engine.samples
    usual = BUDGET if probed < every else OF_ALL_DATA
    allowed = usual * settings.epochs if budget is None else budget
    first, spent = (settings.start, 0.0) if settings.start else engine.start()
    bracket = search(
        engine.probe,
        start=first,
        tolerance=settings.tolerance,
        budget=allowed * SEARCH - spent if engine.trains else allowed,
        share=REFINED if engine.trains else 1.0,
        enough=ENOUGH if engine.trains and allowed < math.inf else MOST_PROBES,
        told=told,
    )
    spent += bracket.cost
    raced: Race | None = None
    limits = to_race(bracket) if engine.trains else None
    if limits is not None:
        raced = race_in_rounds(
            engine.train,
            lanes_between(*limits),
            epochs=settings.epochs,
            target=goal,
            budget=allowed - spent,
            told=told,
        )
        spent += raced.cost
    seconds = time.monotonic() - began
    words = reason(bracket, raced, goal, settings.epochs, allowed, engine.trains, engine.samples)
    return Onset.of(bracket, raced, limits, spent, seconds, words)


def to_race(bracket: Bracket) -> tuple[float, float] | None:
    """The learning rates between which the fastest one lies, as far as a search can tell.

    From the first growth to the full onset, as far as they are certain to a factor of 2, and a
    little beyond; without chaos up to where training diverges, or to the largest tested.
    """
    finite = [found.probe.eta for found in bracket.judged if not found.diverged]
    if not finite:
        return None
    ceiling = bracket.divergence.low if math.isfinite(bracket.divergence.high) else math.inf
    low, high = min(finite), max(finite)
    if bracket.outcome == DIVERGES:
        low = ceiling / BELOW
    elif bracket.first is not None and any(found.grows for found in bracket.judged):
        low = max(bracket.first.low, bracket.first.value / UNSURE) / BEYOND
    if bracket.outcome == ONSET and bracket.full is not None:
        high = min(bracket.full.high, bracket.full.value * UNSURE) * BEYOND
    return min(low, high), min(high, ceiling)


def lanes_between(low: float, high: float) -> list[float]:
    """Learning rates from one to the other, apart by a factor of 1.4 where that makes 4 to 7.

    Example:
        >>> [round(eta, 2) for eta in lanes_between(1.0, 4.0)]
        [1.0, 1.32, 1.74, 2.3, 3.03, 4.0]
    """
    if low == high:
        return [low]
    count = 1 + math.ceil(math.log(high / low) / math.log(APART))
    return [
        float(eta) for eta in np.geomspace(low, high, min(max(count, FEWEST_LANES), MOST_LANES))
    ]
