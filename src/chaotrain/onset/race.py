"""A race of a few learning rates towards a target score, or to the best score, by halving.

The contract of an engine: a function `train(eta, init, epochs) -> Trained` that trains
initialisation `init` for so many epochs in all, going on from where the same training stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from chaotrain.onset.probes import Floats


class Trained(NamedTuple):
    """What a training has shown, NaN from the first epoch on that is not finite.

    Attributes:
        loss: Shape (epochs + 1,).
        score: Shape (epochs + 1,), higher is better; None where there is none.
        cost: Gradient evaluations of the epochs that were new.
    """

    loss: Floats
    score: Floats | None
    cost: float


Training = Callable[[float, int, int], Trained]
Told = Callable[["Lane"], None]

# What decides a race.
TIME, SCORE, LOSS = "time", "score", "loss"
# The first rung is this part of the race, each further one this many times the one before.
FIRST_RUNG, GROWTH = 1 / 32, 1.5
PATIENCE = 1 / 4
# How much a faster learning rate counts for more than a slower one in the recommendation.
SHARPNESS = 8.0


@dataclass(frozen=True)
class Lane:
    """One learning rate in the race.

    Attributes:
        eta: The learning rate.
        epochs: How far it was trained.
        time: The mean over initialisations of min(τ, epochs), τ the epoch at which the target is
            reached; NaN without a target.
        times: τ of each initialisation, infinite where it is not reached.
        score: The mean of the best score so far, without one that of minus the lowest loss.
        loss: The mean loss at the end.
    """

    eta: float
    epochs: int
    time: float
    times: tuple[float, ...]
    scores: tuple[float, ...]
    loss: float

    @property
    def score(self) -> float:
        """The mean over initialisations of the best score so far."""
        return float(np.mean(self.scores))

    @property
    def reached(self) -> float:
        """The share of the initialisations that reached the target."""
        return float(np.mean(np.isfinite(self.times)))

    @property
    def standing(self) -> tuple[float, float, float]:
        """What sorts the lanes, the best first."""
        return self.time, -self.score, self.loss


@dataclass(frozen=True)
class Race:
    """How a race ended.

    Attributes:
        lanes: Every learning rate, in increasing order, as far as it was trained.
        winner: The lane that was first; None where the budget allowed no race.
        fastest: The recommendation; see `race`.
        interval: Around those that were fastest for some initialisation, to halfway (in ln η) to
            the next learning rates; and around the recommendation.
        measure: What decided: `TIME` to the target, which at least half of the winner's
            initialisations reached, else the best `SCORE`, or the lowest `LOSS` without one.
        target: The target, None where the time to it did not decide.
        cost: Gradient evaluations.
        finished: Whether the budget was enough for all.
    """

    lanes: tuple[Lane, ...]
    winner: Lane | None
    fastest: float
    interval: tuple[float, float]
    measure: str
    target: float | None
    cost: float
    finished: bool


def race(
    train: Training,
    etas: Sequence[float],
    *,
    inits: int = 2,
    epochs: int = 100,
    target: float | None = None,
    budget: float = math.inf,
    patience: float = PATIENCE,
    told: Told = lambda lane: None,
) -> Race:
    """Race learning rates side by side, and drop those that fall behind.

    All go from rung to rung together, from T/32 epochs on by factors of about 1.5. With a target a
    lane is dropped once it cannot reach it as early in the mean as one that has; from `patience`
    on, while more than two are left, the worse half is dropped at each rung, by mean time to the
    target, then best score, then loss.

    Where the time to the target decides, the recommendation is the geometric mean of the learning
    rates that most initialisations reached it at, weighted by $(1 + t)^{-8}$ with their mean times
    t: on a plateau its middle, where the first is a matter of chance, and at a sharp minimum the
    winner. Elsewhere it is the winner.

    Args:
        train: (eta, init, epochs) → `Trained`; see the module.
        etas: The learning rates, increasing.
        inits: Initialisations of each.
        epochs: T.
        target: The score to reach.
        budget: Gradient evaluations, one a step; as many of the best go to a rung as it allows.
        patience: The part of the race before which nobody is dropped for the score.
        told: Called with every lane at every rung.

    Returns:
        The `Race`.

    Source: successive halving, K. Jamieson, A. Talwalkar, AISTATS 2016, arXiv 1502.07943.

    Example:
        >>> def train(eta, init, epochs):
        ...     loss = np.exp(-min(eta, 4 / eta) * np.arange(epochs + 1))
        ...     return Trained(loss, 1 - loss, epochs)
        >>> found = race(train, [0.5, 1.0, 2.0, 4.0, 8.0], target=0.99)
        >>> found.winner.eta, found.winner.time, round(found.fastest, 2)
        (2.0, 3.0, 2.0)
    """
    lanes: dict[float, Lane] = {}
    measure = LOSS
    alive, done, cost, finished = list(etas), 0, 0.0, True
    for rung in _rungs(epochs):
        affordable = (
            int((budget - cost) / (inits * (rung - done))) if budget < math.inf else len(alive)
        )
        if affordable < len(alive):
            finished = False
            # The best of them so far go on; before the first rung none is known to be better.
            alive = sorted(alive, key=lambda eta: lanes[eta].standing)[:affordable] if lanes else []
            if len(alive) < 2:
                break
        for eta in alive:
            curves = [train(eta, init, rung) for init in range(inits)]
            cost += sum(curve.cost for curve in curves)
            measure = LOSS if curves[0].score is None else SCORE
            lanes[eta] = _lane(eta, rung, curves, target)
            told(lanes[eta])
        done = rung
        alive = _survivors([lanes[eta] for eta in alive], rung + 1 >= patience * epochs)
        if len(alive) == 1:
            break
    if not lanes:
        return Race((), None, math.nan, (math.nan, math.nan), LOSS, None, 0.0, False)
    furthest = [lane for lane in lanes.values() if lane.epochs == done]
    best = min(furthest, key=lambda lane: lane.standing)
    met = target is not None and best.reached >= 0.5
    ordered = tuple(lanes[eta] for eta in sorted(lanes))
    low, high = _interval(ordered, best, met)
    fastest = best.eta
    if met:
        measure, fastest = TIME, _middle(ordered, best.epochs)
    interval = min(low, fastest), max(high, fastest)
    goal = target if met else None
    return Race(ordered, best, fastest, interval, measure, goal, cost, finished)


def _rungs(epochs: int) -> list[int]:
    """Where lanes are compared; each but the last has a multiple of the states of the first."""
    first = math.ceil(FIRST_RUNG * epochs)
    count, rungs = 1, []
    while first * count - 1 < epochs:
        rungs.append(first * count - 1)
        count = math.ceil(GROWTH * count)
    return [*(rung for rung in rungs if rung > 0), epochs]


def _lane(eta: float, epochs: int, curves: Sequence[Trained], target: float | None) -> Lane:
    times, scores, losses = [], [], []
    for curve in curves:
        score = -curve.loss if curve.score is None else curve.score
        known = np.where(np.isfinite(score), score, -np.inf)
        there = np.flatnonzero(known >= target) if target is not None else np.array([])
        times.append(float(there[0]) if len(there) else math.inf)
        scores.append(float(known.max()) if np.isfinite(score[-1]) else -math.inf)
        losses.append(float(curve.loss[-1]) if np.isfinite(curve.loss[-1]) else math.inf)
    mean = float(np.mean(np.minimum(times, epochs)))
    return Lane(eta, epochs, mean, tuple(times), tuple(scores), float(np.mean(losses)))


def _survivors(lanes: list[Lane], may_halve: bool) -> list[float]:
    ordered = sorted(lanes, key=lambda lane: lane.standing)
    complete = [lane for lane in ordered if lane.reached == 1]
    if complete:
        ordered = [lane for lane in ordered if lane is complete[0] or lane.time < complete[0].time]
    elif may_halve and len(ordered) > 2:
        ordered = ordered[: max(2, math.ceil(len(ordered) / 2))]
    return [lane.eta for lane in ordered]


def _middle(lanes: Sequence[Lane], epochs: int) -> float:
    """The geometric mean of the learning rates, the more of each the faster it was."""
    there = [lane for lane in lanes if lane.reached >= 0.5]
    # Who was dropped before `epochs` counts as one who did not reach the target until then.
    times = np.array([np.minimum(lane.times, epochs).mean() for lane in there])
    weights = (1 + times) ** -SHARPNESS
    return float(np.exp(np.average(np.log([lane.eta for lane in there]), weights=weights)))


def _interval(lanes: Sequence[Lane], best: Lane, met: bool) -> tuple[float, float]:
    """Around all that were fastest for some initialisation."""
    winners = {best.eta}
    whole = [lane for lane in lanes if lane.epochs == best.epochs]
    for init, time in enumerate(best.times):
        if not met:
            winners.add(max(whole, key=lambda lane: lane.scores[init]).eta)
        elif any(lane.times[init] < time for lane in lanes):
            winners.add(min(lanes, key=lambda lane: lane.times[init]).eta)
    etas = [lane.eta for lane in lanes]
    first, last_one = etas.index(min(winners)), etas.index(max(winners))
    step = math.sqrt(etas[1] / etas[0]) if len(etas) > 1 else 1.0
    low = math.sqrt(etas[first] * etas[first - 1]) if first else etas[0] / step
    high = (
        math.sqrt(etas[last_one] * etas[last_one + 1])
        if last_one + 1 < len(etas)
        else etas[-1] * step
    )
    return low, high
