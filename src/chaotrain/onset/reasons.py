"""What came out of a search and its race, in one paragraph of plain words."""

from __future__ import annotations

import math

from chaotrain.onset.crossing import Crossing
from chaotrain.onset.race import LOSS, Race
from chaotrain.onset.search import (
    DIVERGES,
    EVERYWHERE,
    ONSET,
    REGULAR,
    UNFINISHED,
    UNSTABLE,
    Bracket,
)


def reason(
    bracket: Bracket,
    raced: Race | None,
    target: float | None,
    epochs: int,
    budget: float,
    trains: bool,
    samples: tuple[int, int, int],
) -> str:
    """Say what was found, why the recommendation is what it is, and what to do where there is none.

    Args:
        bracket: What the search found.
        raced: How the race ended; None if there was none.
        target: The target that was raced for.
        epochs: Epochs of a probe and of the race.
        budget: Gradient evaluations that were allowed.
        trains: Whether the map has a loss.
        samples: Training samples of a probe, of a training in the race, and all.
    """
    probed, in_race, every = samples
    text = _of_search(bracket, epochs, budget)
    if probed < every:
        text += f" Probes followed {probed} of the {every} training samples; the onset on all may "
        text += "lie higher."
    text += " " + _of_race(raced, target, epochs, trains)
    if raced is not None and raced.lanes and in_race < every:
        text += f" The race was on {in_race} of the {every} training samples."
    return text


def _of_search(bracket: Bracket, epochs: int, budget: float) -> str:
    tested = [found.probe.eta for found in bracket.judged]
    low, high = min(tested), max(tested)
    if bracket.outcome == ONSET:
        assert bracket.first is not None
        assert bracket.half is not None
        assert bracket.full is not None
        return (
            f"Below η = {spoken(bracket.first)} a perturbation hardly grows within {epochs} "
            f"epochs. From there on it grows for a while, and from η_0 = {spoken(bracket.half)} "
            "exponentially for half of the initialisations, from "
            f"η_1 = {spoken(bracket.full)} for nine in ten or more: the full onset of chaos."
        )
    if bracket.outcome == DIVERGES:
        edge = bracket.divergence
        return (
            f"There is no onset of chaos: training diverges from η = {spoken(edge)} on, and no "
            "perturbation grows exponentially below that. Stay below it; where it should be stable "
            "at larger η, bound its steps, by clipping gradients or by another loss."
        )
    if bracket.outcome == REGULAR:
        return (
            f"There is no onset of chaos from η = {low:.3g} to {high:.3g}: training stays regular "
            f"over {epochs} epochs. Give more epochs, or a start at another learning rate."
        )
    if bracket.outcome == EVERYWHERE:
        return (
            f"The onset lies below every η tested, {low:.3g} to {high:.3g}: perturbations grow at "
            "all of them. Give a smaller start."
        )
    if bracket.outcome == UNSTABLE:
        return (
            f"Training diverges at every η tested, {low:.3g} to {high:.3g}. Give a smaller start, "
            "and check the scale of the inputs and of the initial weights."
        )
    assert bracket.outcome == UNFINISHED
    return (
        f"The budget of {budget:.3g} gradient evaluations was spent at η from {low:.3g} to "
        f"{high:.3g} before the onset was bracketed. Raise budget."
    )


def _of_race(raced: Race | None, target: float | None, epochs: int, trains: bool) -> str:
    if raced is None or not raced.lanes:
        if not trains:
            return "The map has no loss, so nothing could be raced and no η is recommended."
        if raced is None:
            return "No η is recommended."
        return "Nothing of the budget was left to race for a recommendation: raise it."
    fastest = Crossing(raced.fastest, *raced.interval)
    lanes = f"Of {len(raced.lanes)} learning rates from {raced.lanes[0].eta:.3g} to "
    lanes += f"{raced.lanes[-1].eta:.3g} that raced, "
    winner = raced.winner
    assert winner is not None
    if raced.target is not None:
        text = (
            f"{lanes}η = {winner.eta:.3g} was the first to reach {raced.target:g}, after "
            f"{winner.time:.0f} epochs in the mean. Train at η = {spoken(fastest)}, the middle of "
            "those that were about as fast."
        )
    else:
        what = "the lowest loss" if raced.measure == LOSS else "the best score"
        text = f"{lanes}η = {spoken(fastest)} had {what}, {abs(winner.score):.4g}, "
        text += f"after {winner.epochs} epochs: train at it."
        if target is not None:
            text += f" None reached the target {target:g} for half of the initialisations."
    if not raced.finished:
        text += f" The budget cut the race short, at {winner.epochs} of {epochs} epochs: raise it "
        text += "to be surer."
    return text


def spoken(crossing: Crossing) -> str:
    """A learning rate with its interval, with as many digits as tell its limits apart.

    Example:
        >>> spoken(Crossing(5.0, 4.0, 6.25)), spoken(Crossing(5.0, 4.0, math.inf))
        ('5 [4, 6.25]', '5 [4, ∞]')
        >>> spoken(Crossing(0.66666, 0.66633, 0.66699))
        '0.66666 [0.66633, 0.66699]'
    """
    digits = 3 if crossing.ratio > 1.01 else 5
    high = f"{crossing.high:.{digits}g}" if math.isfinite(crossing.high) else "∞"
    return f"{crossing.value:.{digits}g} [{crossing.low:.{digits}g}, {high}]"
