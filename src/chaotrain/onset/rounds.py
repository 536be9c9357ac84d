"""A race in rounds: whoever is about as fast as the winner runs again with more initialisations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from chaotrain.onset.race import FIRST_RUNG, TIME, Lane, Race, Told, Training, race

# Initialisations of the first round, with a target and without one; each further round has twice as
# many as the one before, or as many more as the budget has left for.
FIRST, ALONE, MOST = 1, 2, 16
# Who runs again takes at most so many times as long as the winner.
NEAR = 1.6
CLOSEST = 4
# What has not reached the target by so many times the winner's time counts as if it did then.
PATIENT = 2.0


def race_in_rounds(
    train: Training,
    etas: Sequence[float],
    *,
    epochs: int = 100,
    target: float | None = None,
    budget: float = math.inf,
    told: Told = lambda lane: None,
) -> Race:
    """Race learning rates with one initialisation each, then the fastest of them with more.

    The time to a target varies from one initialisation to the next, so that one race picks any of
    those that are about as fast. They are all that further rounds are spent on.

    Args:
        train: As for `race`.
        etas: The learning rates, increasing.
        epochs: T.
        target: The score to reach; without one, or where it is out of reach, there is one round.
        budget: Gradient evaluations; a round has as many initialisations as it surely allows.
        told: As for `race`.

    Returns:
        The last round's `Race`, with the lanes and the cost of all.

    Example:
        >>> import numpy as np
        >>> from chaotrain.onset.race import Trained
        >>> def train(eta, init, epochs):
        ...     loss = np.exp(-min(eta, 4 / eta) * np.arange(epochs + 1))
        ...     return Trained(loss, 1 - loss, epochs)
        >>> found = race_in_rounds(train, [0.5, 1.0, 2.0, 4.0, 8.0], target=0.99)
        >>> [len(lane.times) for lane in found.lanes]
        [16, 16, 16, 16, 1]
    """
    inits = ALONE if target is None else FIRST
    last = race(train, etas, inits=inits, epochs=epochs, target=target, budget=budget, told=told)
    lanes: dict[float, Lane] = {lane.eta: lane for lane in last.lanes}
    spent = last.cost
    while last.measure == TIME and last.finished and inits < MOST:
        assert last.winner is not None
        time = 1 + last.winner.time
        near = [lane for lane in last.lanes if 1 + lane.time <= NEAR * time]
        near = sorted(
            sorted(near, key=lambda lane: lane.standing)[:CLOSEST], key=lambda lane: lane.eta
        )
        longest = min(epochs, math.ceil(PATIENT * time))
        # The most that each costs: a training goes from rung to rung of the first round.
        rung = math.ceil(FIRST_RUNG * epochs)
        each = len(near) * rung * math.ceil(longest / rung)
        held = inits * sum(min(lane.epochs, longest) for lane in near)
        more = min(inits, MOST - inits)
        if budget < math.inf:
            more = min(more, int((budget - spent + held) // each) - inits)
        if more < 1:
            break
        inits += more
        # All of them are about as fast, so none is dropped for what it scores on the way.
        last = race(
            train,
            [lane.eta for lane in near],
            inits=inits,
            epochs=longest,
            target=target,
            patience=math.inf,
            told=told,
        )
        lanes |= {lane.eta: lane for lane in last.lanes}
        spent += last.cost
    return replace(last, lanes=tuple(lanes[eta] for eta in sorted(lanes)), cost=spent)
