"""What a study says: averages over initialisations, onsets and the fastest learning rate.

Thin labels around `chaotrain.statistics`. What needs something that was not recorded is NaN, or
unknown ('') for a regime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.analysis import horizons, lengths
from chaotrain.analysis.arrays import if_recorded, labelled, ordered, word_array
from chaotrain.analysis.times import censored, valid_accuracy
from chaotrain.analysis.transients import lifetimes, phase_shares
from chaotrain.errors import UserError
from chaotrain.statistics import averages, onsets
from chaotrain.statistics.averages import Booleans, Floats, Integers

Estimates = dict[str, NDArray[Any]]


def summarise(
    dataset: xr.Dataset, target: float, *, samples: int = 2000, seed: int = 0
) -> xr.Dataset:
    """Average a derived data set over initialisations, with onsets and 95% intervals.

    - λ_nMLE is the mean of Λ over the decided initialisations. `nmle_std` is the standard
      deviation of that sample with divisor n - 1, since the initialisations are a sample of all
      that could be drawn and it estimates their spread: NaN for fewer than two.
    - `horizon` is the median of the epochs from which on rounding makes another training, measured
      and `_predicted`: infinite if half of them lie beyond the run.
    - `tangent_nmle` is the mean of `tangent_exponent` over the initialisations compared.
    - ρ is the share of the decided that are exponential, with Wilson's interval.
    - ⟨τ⟩ is the mean of min(τ, T) over all that ran, T the last epoch. One that blew up counts
      as censored at T, or with its τ if it reached the target before.
    - `best_accuracy`, `loss_rise_share` and `path_ratio` are those of the epochs that were trained.
    - A learning rate is trainable if the median of the best test accuracies reaches the lowest
      target; without accuracies or targets, if at least half of the initialisations stay finite.
    - The regime is `too slow` only if the median training loss is `onsets.still_falling`, and
      below where it began (far beyond the onset it falls back slowly from a first burst);
      it is '' where it needs what was not recorded, or ρ and nothing is decided.
    - The lifetimes of the chaotic transients and when in them the targets are reached are those
      of `chaotrain.analysis.transients`.

    Intervals resample the initialisations (`averages.resample`, `bootstrap_interval`); they are
    NaN for fewer than three. That of η_0 joins the Wilson limits of ρ
    (`onsets.half_crossing_interval`). That of η_1 reaches down to the tested learning rate
    before it, 0 if there is none; resampling cannot move it past learning rates where the sample
    is unanimous. That of η*/η_1 does not contain the spacing of the grid. A limit of 0 or
    infinity is one that the grid leaves open.

    Args:
        dataset: What `derive` returns; the result is sorted by learning rate.
        target: Main target, one of the data set's (any if it has none); its η* and η*/η_1
            become attributes.
        samples: Number of bootstrap samples.
        seed: Seed of the bootstrap: the same input and seed give the same bytes.

    Returns:
        The variables of `schema.SUMMARY`, with `schema.SUMMARY_ATTRIBUTES` and `target` as
        attributes.

    Raises:
        UserError: If the target is not one of the data set's.

    Example:
        >>> from chaotrain.analysis import derive
        >>> curves = np.exp(np.minimum(np.multiply.outer([0.0, 0.5], np.arange(101)), 15.0))
        >>> recorded = xr.Dataset(
        ...     {"distance": (schema.RECORDED["distance"].dims, 1e-8 * curves[:, None, None])},
        ...     {"learning_rate": [1.0, 4.0], "init": [0], "replica": [0]},
        ... ).assign_coords(epoch=np.arange(101))
        >>> summary = summarise(derive(recorded, targets=[0.9]), target=0.9)
        >>> summary.rho.values.tolist(), summary.attrs["eta_0"], summary.attrs["eta_1"]
        ([0.0, 1.0], 2.0, 4.0)
    """
    targets = dataset[schema.TARGET].values
    if targets.size and target not in targets:
        known = ", ".join(f"{value:g}" for value in targets)
        raise UserError(f"target = {target:g} is not a target of the study: choose from {known}")
    dataset = dataset.sortby(schema.LEARNING_RATE)
    balls = _balls(dataset)
    once = averages.count_once(balls.ran)
    point = _point(balls, once)
    replicates = _estimates(balls, averages.resample(balls.ran, samples, seed))

    result = point | _limits(balls, point, replicates)
    result["ran"] = balls.ran.sum(axis=1)
    result["compared"] = (~np.isnan(balls.disagrees)).sum(axis=1)
    result["disagreeing"] = (balls.disagrees == 1).sum(axis=1)
    result |= horizons.horizons_of(dataset)
    result["decided"] = balls.decided.sum(axis=1)
    result["regime"] = _regimes(dataset, balls, point)
    result["nmle_std"] = _standard_deviation(balls.exponent, point["nmle"], once)
    result["reached_training_time"] = _means(balls.time, once)[0]
    result |= lifetimes(dataset) | phase_shares(dataset)
    for name in ("loss_rise_share", "path_ratio"):
        result[name] = averages.weighted_mean(ordered(dataset, name), once)[0]

    attributes = {"target": float(target)}
    for name in schema.SUMMARY_ATTRIBUTES:
        values = np.atleast_1d(result[name])
        if name in schema.SUMMARY:  # one for every target
            values = values[targets == target]
        attributes[name] = float(values[0]) if values.size else np.nan
    coordinates = {name: dataset[name] for name in (schema.LEARNING_RATE, schema.TARGET)}
    return xr.Dataset(labelled(result, schema.SUMMARY), coordinates, attributes)


@dataclass(frozen=True)
class _Balls:
    """Arrays of a derived data set: R learning rates (ascending), I initialisations, K targets."""

    learning_rates: Floats  # (R,)
    ran: Booleans  # (R, I)
    decided: Booleans  # (R, I)
    exponential: Floats  # (R, I), 1 or 0, NaN where not decided
    exponent: Floats  # (R, I), NaN where not decided
    tangent_exponent: Floats  # (R, I), NaN where not compared
    disagrees: Floats  # (R, I), 1 or 0, NaN where not compared
    time: Floats  # (R, I, K), NaN where censored
    capped: Floats  # (R, I, K), min(τ, T), NaN where it did not run
    reached: Floats  # (R, I, K), 1 or 0, NaN where it did not run
    score: Floats  # (R, I), best test accuracy, or whether it stayed finite
    needed: float  # the median score that makes a learning rate trainable
    has_accuracy: bool


def _balls(dataset: xr.Dataset) -> _Balls:
    """Take the arrays that the averages need out of a derived data set."""
    status, verdict = ordered(dataset, "status"), ordered(dataset, "verdict")
    time = ordered(dataset, "training_time")
    disagrees = ordered(dataset, "disagrees")
    ran, decided = status != schema.ABSENT, np.isin(verdict, schema.DECIDED)
    targets = dataset[schema.TARGET].values
    accuracy = valid_accuracy(dataset) if targets.size else None
    if accuracy is None:
        score, needed = np.where(status == schema.FINITE, 1.0, 0.0), 0.5
        capped = reached = np.full(time.shape, np.nan)
    else:
        score, needed = np.nan_to_num(np.fmax.reduce(accuracy, axis=2)), float(targets.min())
        capped, reached = censored(time, ran[..., None], dataset[schema.EPOCH].values[-1])
    return _Balls(
        learning_rates=dataset[schema.LEARNING_RATE].values.astype(np.float64),
        ran=ran,
        decided=decided,
        exponential=np.where(decided, verdict == schema.EXPONENTIAL, np.nan),
        exponent=np.where(decided, ordered(dataset, "exponent"), np.nan),
        tangent_exponent=np.where(
            np.isnan(disagrees), np.nan, ordered(dataset, "tangent_exponent")
        ),
        disagrees=disagrees,
        time=time,
        capped=capped,
        reached=reached,
        score=score,
        needed=needed,
        has_accuracy=accuracy is not None,
    )


def _estimates(balls: _Balls, weights: Integers) -> Estimates:
    """Return every estimate in each of S samples: shape (S, R), (S, R, K), (S,) or (S, K)."""
    grid = balls.learning_rates
    decided = averages.weighted_sum(balls.decided, weights)
    exponential = averages.weighted_sum(balls.exponential, weights)
    rho = averages.weighted_mean(balls.exponential, weights)
    score = averages.weighted_median(balls.score, weights)
    trainable = score >= balls.needed
    before, eta_1 = onsets.full_onset(grid, exponential, decided, trainable)
    times, reached = _means(balls.capped, weights), _means(balls.reached, weights)
    eta_fastest = np.empty((times.shape[0], times.shape[2]))
    for k in range(times.shape[2]):
        eta_fastest[:, k] = onsets.fastest(grid, times[..., k], reached[..., k])
    samples = zip(rho, decided, strict=True)
    return {
        "nmle": averages.weighted_mean(balls.exponent, weights),
        "tangent_nmle": averages.weighted_mean(balls.tangent_exponent, weights),
        "rho": rho,
        "trainable": trainable,
        "best_accuracy": score if balls.has_accuracy else np.full(score.shape, np.nan),
        "mean_training_time": times,
        "reached": reached,
        "eta_0": np.array([onsets.half_crossing(grid, *sample) for sample in samples]),
        "eta_1": eta_1,
        "eta_before": before,
        "eta_fastest": eta_fastest,
        "eta_ratio": eta_fastest / eta_1[:, None],
    }


def _point(balls: _Balls, once: Integers) -> Estimates:
    """Return the estimates themselves; an onset that is off the grid does not exist."""
    point = {name: values[0] for name, values in _estimates(balls, once).items()}
    for name in ("eta_0", "eta_1"):
        on_grid = (point[name] > 0) & np.isfinite(point[name])
        point[name] = np.where(on_grid, point[name], np.nan)
    point["eta_ratio"] = point["eta_fastest"] / point["eta_1"]
    return point


def _limits(balls: _Balls, point: Estimates, replicates: Estimates) -> Estimates:
    """Return the lower and upper limit of every estimate that has an interval."""
    grid, ran, decided = balls.learning_rates, balls.ran.sum(axis=1), balls.decided.sum(axis=1)
    exponential = (balls.exponential == 1).sum(axis=1)

    def decided_at(name: str) -> int:
        return onsets.supporting_size(grid, decided, float(point[name]))

    size_0, size_1 = decided_at("eta_0"), decided_at("eta_1")
    if point["eta_before"] > 0:  # the interval of η_1 has two ends
        size_1 = min(size_1, decided_at("eta_before"))
    size_fastest = np.array(
        [onsets.supporting_size(grid, ran, eta) for eta in point["eta_fastest"]]
    )
    interval = averages.bootstrap_interval
    limits: dict[str, tuple[Any, Any]] = {
        "nmle": interval(replicates["nmle"], decided),
        "tangent_nmle": interval(
            replicates["tangent_nmle"], (~np.isnan(balls.disagrees)).sum(axis=1)
        ),
        "rho": averages.wilson_interval(exponential, decided),
        "mean_training_time": interval(replicates["mean_training_time"], ran[:, None]),
        "eta_0": onsets.half_crossing_interval(
            grid, exponential, decided, replicates["eta_0"], size_0
        ),
        "eta_1": (
            interval(replicates["eta_before"], size_1)[0],
            interval(replicates["eta_1"], size_1)[1],
        ),
        "eta_fastest": interval(replicates["eta_fastest"], size_fastest),
        "eta_ratio": interval(replicates["eta_ratio"], np.minimum(size_fastest, size_1)),
    }
    low = {f"{name}_low": limit for name, (limit, _) in limits.items()}
    high = {f"{name}_high": limit for name, (_, limit) in limits.items()}
    return low | high


def _regimes(dataset: xr.Dataset, balls: _Balls, point: Estimates) -> NDArray[Any]:
    """Return the regime of each learning rate, unknown where it cannot be told."""
    regime = word_array(balls.learning_rates.shape, schema.REGIMES)
    if not balls.has_accuracy:
        return regime
    loss = if_recorded(dataset, "loss")
    if loss is not None:
        # One that left had learnt what it should: it stays below those that go on.
        loss = lengths.carried(loss, lengths.trained(dataset))
    for rate, ran in enumerate(balls.ran):
        trainable, rho = point["trainable"][rate], point["rho"][rate]
        if trainable and rho < 0.5:
            regime[rate] = schema.EXPLOITATION
        elif trainable and rho >= 0.5:
            regime[rate] = schema.EXPLORATION_EXPLOITATION
        elif not trainable and ran.any() and loss is not None:
            # A run that blew up counts with an infinite loss in the median.
            curves = np.where(np.isfinite(loss[rate, ran]), loss[rate, ran], np.inf)
            median = np.median(curves, axis=0)
            slow = onsets.still_falling(median) and median[-1] < median[0]
            regime[rate] = schema.TOO_SLOW if slow else schema.NO_LEARNING
    return regime


def _means(values: Floats, weights: Integers) -> Floats:
    """Return the mean over initialisations for each target: (R, I, K) to (S, R, K)."""
    means = np.empty((*weights.shape[1:], values.shape[2]))
    for k in range(values.shape[2]):
        means[..., k] = averages.weighted_mean(values[..., k], weights)
    return means


def _standard_deviation(values: Floats, mean: Floats, once: Integers) -> Floats:
    """Return the standard deviation over initialisations with divisor n - 1, NaN for n < 2."""
    count = averages.weighted_sum(~np.isnan(values), once)[0]
    squares = averages.weighted_sum((values - mean[:, None]) ** 2, once)[0]
    variance = np.full(count.shape, np.nan)
    np.divide(squares, count - 1, out=variance, where=count > 1)
    return np.sqrt(variance)
