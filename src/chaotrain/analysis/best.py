"""The learning rate to use: the one that reaches a target first, or is best after some epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from chaotrain import schema
from chaotrain.analysis import lengths
from chaotrain.analysis.arrays import which_ran
from chaotrain.analysis.times import censored, check_target, training_time, valid_accuracy
from chaotrain.arguments import is_number
from chaotrain.errors import UserError
from chaotrain.explaining import short
from chaotrain.statistics.averages import (
    Booleans,
    Floats,
    bootstrap_interval,
    count_once,
    resample,
    weighted_mean,
)
from chaotrain.statistics.onsets import fastest, highest, supporting_size


@dataclass(frozen=True)
class Best:
    """A learning rate that answers a question, and how sure that is.

    Attributes:
        learning_rate: The answer; NaN if no learning rate qualifies.
        low: Lower 95% limit.
        high: Upper 95% limit.
        target: The test accuracy asked for, or NaN.
        epochs: The number of epochs asked for, or the length of the run.
        time: ⟨τ⟩ at that learning rate, in epochs; NaN if epochs were asked for.
        share: Share of the initialisations that reached the target; NaN if epochs were asked for.
        score: Mean test accuracy after those epochs; NaN if a target was asked for.
    """

    learning_rate: float
    low: float
    high: float
    target: float
    epochs: int
    time: float = math.nan
    share: float = math.nan
    score: float = math.nan

    def __str__(self) -> str:
        """Say it in one sentence."""
        found, wanted = not math.isnan(self.learning_rate), not math.isnan(self.target)
        if not found and wanted:
            return (
                f"No learning rate reaches a test accuracy of {self.target:g} within "
                f"{self.epochs} epochs in at least half of the initialisations."
            )
        if not found:
            return f"No learning rate was run for {self.epochs} epochs."
        interval = "no interval from these initialisations"
        if not math.isnan(self.low):
            interval = f"95% interval {self.low:g} to {self.high:g}"
        which = f"The learning rate {self.learning_rate:g} ({interval})"
        if wanted:
            return (
                f"{which} reaches a test accuracy of {self.target:g} first: mean time "
                f"{self.time:.1f} of {self.epochs} epochs, reached by {self.share:.0%} of the "
                "initialisations."
            )
        return f"{which} has the best test accuracy after {self.epochs} epochs: {self.score:.4f}."


def best_for_target(
    dataset: xr.Dataset, target: float, *, samples: int = 2000, seed: int = 0
) -> Best:
    """Return the learning rate η* that reaches a test accuracy first.

    It minimises ⟨τ⟩ among the learning rates at which at least half of the initialisations reach
    the target, which need not be one of the study's.

    Args:
        dataset: What `derive` returns, or what it takes.
        target: Test accuracy in (0, 1].
        samples: Number of bootstrap samples.
        seed: Seed of the bootstrap.

    Returns:
        η* with its interval, ⟨τ⟩ and the share that reached; NaN where none qualifies.

    Raises:
        UserError: If the target is not in (0, 1], a training ended before it could reach it
            (`answerable`), or no test accuracy was recorded.

    Example:
        >>> accuracy = np.array([[0.1, 0.85, 0.88], [0.1, 0.7, 0.92]])[:, None].repeat(3, axis=1)
        >>> dataset = xr.Dataset(
        ...     {"test_accuracy": (schema.RECORDED["test_accuracy"].dims, accuracy)},
        ...     {"learning_rate": [5.0, 7.5], "epoch": [0, 1, 2]},
        ... )
        >>> print(best_for_target(dataset, target=0.9))  # doctest: +NORMALIZE_WHITESPACE
        The learning rate 7.5 (95% interval 7.5 to 7.5) reaches a test accuracy of 0.9 first:
        mean time 2.0 of 2 epochs, reached by 100% of the initialisations.
    """
    check_target(target)
    target = float(target)
    dataset = dataset.sortby(schema.LEARNING_RATE)
    grid, epochs = dataset[schema.LEARNING_RATE].values, dataset[schema.EPOCH].values
    accuracy = _needed_accuracy(dataset)
    if target > answerable(dataset)[0]:
        raise UserError(
            f"target = {target:g}: with stop = 'decided' trainings ended before they reached it; "
            "choose a target of the study, or run with stop = 'epochs'"
        )
    time = training_time(accuracy, epochs, target)
    ran = which_ran(dataset)
    capped, reached = censored(time, ran, epochs[-1])
    once, drawn = count_once(ran), resample(ran, samples, seed)
    mean, share = weighted_mean(capped, once), weighted_mean(reached, once)
    chosen = float(fastest(grid, mean, share)[0])
    replicates = fastest(grid, weighted_mean(capped, drawn), weighted_mean(reached, drawn))
    low, high = _interval(grid, ran, chosen, replicates)
    return Best(
        learning_rate=chosen,
        low=low,
        high=high,
        target=target,
        epochs=int(epochs[-1]),
        time=_at(grid, mean, chosen),
        share=_at(grid, share, chosen),
    )


def best_for_epochs(
    dataset: xr.Dataset, epochs: int, *, samples: int = 2000, seed: int = 0
) -> Best:
    """Return the learning rate with the best score after a number of epochs.

    The score is the mean test accuracy at that epoch over all initialisations that ran; one that
    has blown up by then counts with 0.

    Args:
        dataset: What `derive` returns, or what it takes.
        epochs: Number of epochs, one that the run recorded, at least 1.
        samples: Number of bootstrap samples.
        seed: Seed of the bootstrap.

    Returns:
        The learning rate with its interval and score; NaN where none ran.

    Raises:
        UserError: If that epoch is not in the run, a training ended before it (`answerable`), or
            no test accuracy was recorded.

    Example:
        >>> accuracy = np.array([[0.1, 0.85, 0.88], [0.1, 0.7, 0.92]])[:, None].repeat(3, axis=1)
        >>> dataset = xr.Dataset(
        ...     {"test_accuracy": (schema.RECORDED["test_accuracy"].dims, accuracy)},
        ...     {"learning_rate": [5.0, 7.5], "epoch": [0, 1, 2]},
        ... )
        >>> best_for_epochs(dataset, epochs=1).learning_rate
        5.0
    """
    dataset = dataset.sortby(schema.LEARNING_RATE)
    grid, recorded = dataset[schema.LEARNING_RATE].values, dataset[schema.EPOCH].values
    if not (is_number(epochs) and epochs >= 1 and epochs in recorded):
        raise UserError(
            f"epochs = {short(epochs)} is not in the run: choose a recorded epoch, "
            f"1 to {int(recorded[-1])}"
        )
    accuracy = _needed_accuracy(dataset)[..., recorded.tolist().index(epochs)]
    last = answerable(dataset)[1]
    if epochs > last:
        raise UserError(
            f"epochs = {epochs}: with stop = 'decided' trainings ended before, at their targets; "
            f"choose at most {last}, or run with stop = 'epochs'"
        )
    ran = which_ran(dataset)
    score = np.where(ran, np.nan_to_num(accuracy, nan=0.0), np.nan)
    mean = weighted_mean(score, count_once(ran))
    chosen = float(highest(grid, mean)[0])
    replicates = highest(grid, weighted_mean(score, resample(ran, samples, seed)))
    low, high = _interval(grid, ran, chosen, replicates)
    return Best(
        learning_rate=chosen,
        low=low,
        high=high,
        target=math.nan,
        epochs=int(epochs),
        score=_at(grid, mean, chosen),
    )


def answerable(dataset: xr.Dataset) -> tuple[float, int]:
    """Return the highest target and the last epoch that `best` can be asked for.

    Beyond them are those of 1 and the length of the run only if trainings left once they had
    reached their targets (`stop = "decided"`), so that nobody knows what they would have done.

    Example:
        >>> accuracy = np.array([[[0.1, 0.7, np.nan], [0.1, 0.2, 0.6]]])
        >>> dataset = xr.Dataset(
        ...     {
        ...         "test_accuracy": (schema.RECORDED["test_accuracy"].dims, accuracy),
        ...         "trained": (schema.RECORDED["trained"].dims, [[1, 2]]),
        ...     },
        ...     {"epoch": [0, 1, 2]},
        ... )
        >>> answerable(dataset)
        (0.7, 1)
    """
    last, epochs = lengths.trained(dataset), dataset[schema.EPOCH].values
    accuracy = valid_accuracy(dataset)
    if accuracy is None:
        return 1.0, int(epochs[-1])
    # One that blew up ended there, it has no score.
    at_end = np.take_along_axis(accuracy, last[..., None], axis=2)[..., 0]
    early = lengths.ended_early(dataset) & ~np.isnan(at_end)
    if not early.any():
        return 1.0, int(epochs[-1])
    highest = np.nanmax(accuracy[early], axis=1).min()
    return float(highest), int(epochs[last[early].min()])


def _interval(
    grid: Floats, ran: Booleans, chosen: float, replicates: Floats
) -> tuple[float, float]:
    """Return the bootstrap interval of a chosen learning rate."""
    size = supporting_size(grid, ran.sum(axis=1), chosen)
    low, high = bootstrap_interval(replicates, size)
    return float(low), float(high)


def _at(grid: Floats, values: Floats, chosen: float) -> float:
    """Return the value at the chosen learning rate, shape (1, R); NaN if none was chosen."""
    return math.nan if math.isnan(chosen) else float(values[0, grid == chosen][0])


def _needed_accuracy(dataset: xr.Dataset) -> Floats:
    """Return the test accuracy, or say that there is none."""
    accuracy = valid_accuracy(dataset)
    if accuracy is None:
        raise UserError("test_accuracy is not recorded: run a task that has one first")
    return accuracy
