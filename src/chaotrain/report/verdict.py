"""What a study says, in a sentence, and what it recommends for other targets and budgets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr

from chaotrain import schema
from chaotrain.analysis import Best, answerable, best_for_epochs, best_for_target
from chaotrain.figures import selection
from chaotrain.tables.cells import interval, number, significant

# Positions of a slider.
POSITIONS = 25

REGIMES = {
    schema.TOO_SLOW: "does not reach the lowest target, but the loss still falls",
    schema.EXPLOITATION: "learns, and training is regular",
    schema.EXPLORATION_EXPLOITATION: "learns, and training is chaotic",
    schema.NO_LEARNING: "does not reach the lowest target, and the loss no longer falls",
    schema.UNKNOWN: "cannot be told from what was recorded",
}


def recommendation(summary: xr.Dataset, epochs: int) -> str:
    """The fastest learning rate for the main target in a sentence, or why there is none.

    Args:
        summary: What `summarise` returns.
        epochs: The length T of the run.
    """
    score = selection.score(summary)
    if not summary[schema.TARGET].size or not summary["reached"].notnull().any():
        return "No learning rate is recommended, since no test score and target were recorded."
    target, rate = summary.attrs["target"], summary.attrs["eta_fastest"]
    if math.isnan(rate):
        return (
            f"No tested learning rate reaches a test {score} of {target:g} within {epochs} epochs "
            "in at least half of the initialisations."
        )
    row = summary.sel({schema.LEARNING_RATE: rate, schema.TARGET: target})
    time, share = float(row["mean_training_time"]), float(row["reached"])
    return (
        f"Train at η = {_limits(summary.attrs, 'eta_fastest')}: it reaches a test {score} of "
        f"{target:g} first, after {number(time, 1)} of {epochs} epochs on average, in {share:.0%} "
        "of the initialisations."
    )


def onset(summary: xr.Dataset) -> str:
    """Where chaos sets in, in a sentence."""
    attributes, rho = summary.attrs, summary["rho"].values
    if np.isnan(rho).all():
        return "Whether training is chaotic is not decided at any learning rate."
    if math.isfinite(attributes["eta_1"]):
        return (
            f"From η_1 = {_limits(attributes, 'eta_1')} on, training is chaotic in all "
            "initialisations."
        )
    if math.isfinite(attributes["eta_0"]):
        return (
            f"Half of the initialisations are chaotic at η_0 = {_limits(attributes, 'eta_0')}; at "
            "no trainable learning rate are all of them."
        )
    if np.nanmax(rho) < 0.5:
        return "No onset of chaos was found: at every η fewer than half are chaotic."
    return "The onset of chaos is not within the tested learning rates."


def regimes(summary: xr.Dataset) -> list[dict[str, str]]:
    """Neighbouring learning rates of the same regime: its name, which they are, and in words."""
    pairs = zip(
        map(str, summary["regime"].values), selection.rates_of(summary).tolist(), strict=True
    )
    bands = []
    for name, group in groupby(pairs, key=lambda pair: pair[0]):
        rates = [rate for _, rate in group]
        first, last = (f"{rate:.6g}" for rate in (rates[0], rates[-1]))
        bands.append(
            {
                "name": name or "unknown",
                "rates": first if first == last else f"{first} to {last}",
                "words": REGIMES[name],
            }
        )
    return bands


def recommended(dataset: xr.Dataset) -> dict[str, list[dict[str, Any]]]:
    """What `study.best` answers for some targets and epoch budgets; empty lists without a score.

    Args:
        dataset: What `derive` returns.
    """
    none: dict[str, list[dict[str, Any]]] = {"target": [], "epochs": []}
    if "test_accuracy" not in dataset:
        return none
    scores = dataset["test_accuracy"].values
    highest = float(np.max(scores, initial=-np.inf, where=np.isfinite(scores)))
    if not 0 < highest <= 1:
        return none
    most, last = answerable(dataset)
    some = np.linspace(highest / 2, highest, POSITIONS).round(2).tolist()
    asked = (*some, *dataset[schema.TARGET].values.tolist())
    targets = sorted({target for target in asked if 0 < target <= most})
    budgets = sorted(set(np.linspace(1, last, POSITIONS).round().astype(int).tolist()))
    return {
        "target": _answers(targets, (best_for_target(dataset, target) for target in targets)),
        "epochs": _answers(budgets, (best_for_epochs(dataset, budget) for budget in budgets)),
    }


def _answers(asked: Iterable[float], found: Iterable[Best]) -> list[dict[str, Any]]:
    return [
        {
            "at": at,
            "learning_rate": None if math.isnan(best.learning_rate) else best.learning_rate,
            "words": str(best),
        }
        for at, best in zip(asked, found, strict=True)
    ]


def _limits(attributes: Mapping[Any, Any], name: str) -> str:
    limits = interval(attributes, name)
    return significant(attributes[name]) + ("" if limits == "-" else f" (95% interval {limits})")
