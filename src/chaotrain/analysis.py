"""From what a study recorded to what it means: thin labels around `chaotrain.statistics`.

`derive` adds one verdict a ball, `summarise` averages over initialisations, `best_for_target` and
`best_for_epochs` answer which learning rate to use. The names, dimensions and units are those of
`chaotrain.schema`, the definitions those of the paper (arXiv 2506.08523).

What a study did not record (a variable that is missing, or NaN in every ball) leaves what needs it
NaN, or '' for a regime: a map without an accuracy has exponents and onsets but no training times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chaotrain import schema, statistics
from chaotrain.errors import UserError
from chaotrain.growth import fit_growth
from chaotrain.statistics import Booleans, Floats, Integers

_ONSETS = ("eta_0", "eta_1")
_GROWTH = {  # derived variable: field of the growth fit
    "exponent": "rate",
    "exponent_low": "low",
    "exponent_high": "high",
    "growth_start": "start",
    "growth_stop": "stop",
    "saturation": "saturation",
}


def derive(recorded: xr.Dataset, targets: Sequence[float]) -> xr.Dataset:
    """Add to recorded curves what each ball says: exponent, verdict, status, training times.

    A ball that is NaN in every variable did not run: status `absent`, verdict ''. A ball with a
    non-finite loss or distance is a `blow-up`, in status and verdict, and has no exponent; a
    target that it reached before its loss blew up counts as reached. The training time τ is the
    first epoch whose test accuracy is at least the target, NaN if there is none (censored).

    Args:
        recorded: Variables of `schema.RECORDED`; all but `distance` may be missing.
        targets: Test accuracies in (0, 1]; may be empty.

    Returns:
        The data set with the variables of `schema.DERIVED` and the coordinate `target`.

    Raises:
        UserError: If a target is not in (0, 1], or `distance` is missing.

    Example:
        >>> distance = 1e-8 * np.exp(np.minimum(0.5 * np.arange(101), 15.0))
        >>> recorded = xr.Dataset(
        ...     {"distance": (schema.RECORDED["distance"].dims, distance[None, None, None])},
        ...     {"learning_rate": [7.5], "init": [0], "replica": [0], "epoch": np.arange(101)},
        ... )
        >>> ball = derive(recorded, targets=[0.9]).squeeze()
        >>> ball.verdict.item(), round(ball.exponent.item(), 3), ball.status.item()
        ('exponential', 0.5, 'finite')
    """
    for target in targets:
        _check_target(target)
    if "distance" not in recorded:
        raise UserError("distance is not recorded: analyse a data set that holds it")
    distance = _ordered(recorded, "distance", schema.RECORDED)
    epochs = recorded[schema.EPOCH].values

    broken = ~np.isfinite(distance).all(axis=2)
    loss = _values(recorded, "loss")
    if loss is not None:
        broken |= ~np.isfinite(loss)
    ran = _ran(recorded)
    blown = ran & broken.any(axis=2)

    derived: dict[str, NDArray[Any]] = {name: np.full(ran.shape, np.nan) for name in _GROWTH}
    verdict = np.full(ran.shape, "", dtype=f"<U{max(map(len, schema.VERDICTS))}")
    verdict[blown] = schema.BLOW_UP
    for ball in np.argwhere(ran & ~blown):
        index = tuple(ball)
        growth = fit_growth(distance[index])
        verdict[index] = growth.verdict
        for name, field in _GROWTH.items():
            derived[name][index] = getattr(growth, field)
    derived["verdict"] = verdict
    derived["status"] = np.select([~ran, blown], [schema.ABSENT, schema.BLOW_UP], schema.FINITE)
    derived["blow_up_epoch"] = np.where(blown, epochs[broken.argmax(axis=2)], np.nan)
    derived["training_time"] = _training_time(_accuracy(recorded), epochs, targets, ran.shape)
    derived["loss_rise_share"] = np.full(ran.shape, np.nan)
    if loss is not None:
        rises = (loss[..., 1:] > loss[..., :-1]).mean(axis=2)
        derived["loss_rise_share"] = np.where(np.isfinite(loss).all(axis=2), rises, np.nan)
    derived["path_ratio"] = np.full(ran.shape, np.nan)
    path, net = _values(recorded, "path_length"), _values(recorded, "displacement")
    if path is not None and net is not None:
        path, net = path[..., -1], net[..., -1]
        sound = np.isfinite(path) & np.isfinite(net) & (net > 0)
        np.divide(path, net, out=derived["path_ratio"], where=sound)

    dataset = recorded.assign_coords({schema.TARGET: np.asarray(targets, dtype=np.float64)})
    dataset = dataset.assign(_labelled(derived, schema.DERIVED))
    for name, variable in {**schema.COORDINATES, **schema.RECORDED}.items():
        if name in dataset.variables:
            dataset[name].attrs.update(variable.attrs)
    return dataset


def summarise(
    dataset: xr.Dataset, target: float, *, samples: int = 2000, seed: int = 0
) -> xr.Dataset:
    """Average a derived data set over initialisations, with onsets and 95% intervals.

    - λ_nMLE is the mean of Λ over the decided initialisations. `nmle_std` is the standard
      deviation of that sample with divisor n - 1, since the initialisations are a sample of all
      that could be drawn and it estimates their spread: NaN for fewer than two.
    - ρ is the share of the decided that are exponential, with Wilson's interval.
    - ⟨τ⟩ is the mean of min(τ, T) over all that ran, T the last epoch. One that blew up counts
      as censored at T, or with its τ if it reached the target before.
    - A learning rate is trainable if the median of the best test accuracies reaches the lowest
      target; without accuracies or targets, if at least half of the initialisations stay finite.
    - The regime is `too slow` only if the median training loss is `statistics.still_falling`;
      it is '' where it needs what was not recorded, or ρ and nothing is decided.

    Intervals resample the initialisations (`statistics.resample`, `bootstrap_interval`); they are
    NaN for fewer than three. That of η_0 joins the Wilson limits of ρ
    (`statistics.half_crossing_interval`). That of η_1 reaches down to the tested learning rate
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
    once, drawn = statistics.count_once(balls.ran), statistics.resample(balls.ran, samples, seed)
    point = {name: value[0] for name, value in _estimates(balls, once).items()}
    replicates = _estimates(balls, drawn)
    for name in _ONSETS:
        # 0 and infinity say that the estimate is off the grid: then it does not exist.
        point[name] = np.where((point[name] > 0) & np.isfinite(point[name]), point[name], np.nan)
    point["eta_ratio"] = point["eta_fastest"] / point["eta_1"]

    grid, ran, decided = balls.learning_rates, balls.ran.sum(axis=1), balls.decided.sum(axis=1)
    sizes = {
        name: statistics.supporting_size(grid, decided, float(point[name])) for name in _ONSETS
    }
    if point["eta_before"] > 0:  # the interval of η_1 has two ends
        before = statistics.supporting_size(grid, decided, float(point["eta_before"]))
        sizes["eta_1"] = min(sizes["eta_1"], before)
    size = np.array(
        [statistics.supporting_size(grid, ran, value) for value in point["eta_fastest"]]
    )
    interval = statistics.bootstrap_interval
    exponential = balls.exponential.sum(axis=1)
    limits: dict[str, tuple[Any, Any]] = {
        "nmle": interval(replicates["nmle"], decided),
        "rho": statistics.wilson_interval(exponential, decided),
        "mean_training_time": interval(replicates["mean_training_time"], ran[:, None]),
        "eta_0": statistics.half_crossing_interval(
            grid, exponential, decided, replicates["eta_0"], sizes["eta_0"]
        ),
        "eta_1": (
            interval(replicates["eta_before"], sizes["eta_1"])[0],
            interval(replicates["eta_1"], sizes["eta_1"])[1],
        ),
        "eta_fastest": interval(replicates["eta_fastest"], size),
        "eta_ratio": interval(replicates["eta_ratio"], np.minimum(size, sizes["eta_1"])),
    }
    result = {name: value for name, value in point.items() if name in schema.SUMMARY}
    for name, (low, high) in limits.items():
        result |= {name: point[name], f"{name}_low": low, f"{name}_high": high}
    attributes = {"target": float(target)}
    for name in schema.SUMMARY_ATTRIBUTES:
        value = result[name]
        if np.ndim(value):
            value = value[targets == target][0] if targets.size else np.nan
        attributes[name] = float(value)
    result |= {"ran": ran, "decided": decided, "regime": _regimes(dataset, balls, point)}
    result["nmle_std"] = _standard_deviation(balls.exponent, point["nmle"], once)
    result["reached_training_time"] = _means(balls.time, once)[0]
    for name in ("loss_rise_share", "path_ratio"):
        result[name] = statistics.weighted_mean(_ordered(dataset, name, schema.DERIVED), once)[0]
    variables = {name: value for name, value in result.items() if name in schema.SUMMARY}
    coordinates = {name: dataset[name] for name in (schema.LEARNING_RATE, schema.TARGET)}
    return xr.Dataset(_labelled(variables, schema.SUMMARY), coordinates, attributes)


@dataclass(frozen=True)
class Best:
    """A learning rate that answers a question, and how sure that is.

    Attributes:
        learning_rate: The answer; NaN if no learning rate qualifies.
        low: Lower 95% bootstrap limit.
        high: Upper 95% bootstrap limit.
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
    time: float
    share: float
    score: float

    def __str__(self) -> str:
        """Say it in one sentence."""
        wanted = not math.isnan(self.target)
        if math.isnan(self.learning_rate):
            if wanted:
                return (
                    f"No learning rate reaches a test accuracy of {self.target:g} within "
                    f"{self.epochs} epochs in at least half of the initialisations."
                )
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
        UserError: If the target is not in (0, 1] or no test accuracy was recorded.

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
    _check_target(target)
    dataset = dataset.sortby(schema.LEARNING_RATE)
    accuracy = _needed_accuracy(dataset)
    epochs = dataset[schema.EPOCH].values
    ran = _ran(dataset)
    time = _training_time(accuracy, epochs, [target], ran.shape)
    capped, reached = _censored(time, ran, epochs[-1])
    grid = dataset[schema.LEARNING_RATE].values
    weights = statistics.count_once(ran), statistics.resample(ran, samples, seed)
    means, shares = ([_means(values, w)[..., 0] for w in weights] for values in (capped, reached))
    found = [
        statistics.fastest(grid, mean, share) for mean, share in zip(means, shares, strict=True)
    ]
    chosen, low, high = _choice(grid, ran, *found)
    mean, share = (_at(grid, values[0][0], chosen) for values in (means, shares))
    return Best(chosen, low, high, float(target), int(epochs[-1]), mean, share, math.nan)


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
        UserError: If that epoch is not in the run or no test accuracy was recorded.

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
    recorded = dataset[schema.EPOCH].values
    if isinstance(epochs, bool) or not (epochs >= 1 and epochs in recorded):
        last = int(recorded[-1])
        raise UserError(
            f"epochs = {epochs} is not in the run: choose a recorded epoch, 1 to {last}"
        )
    ran = _ran(dataset)
    score = _needed_accuracy(dataset)[..., int(np.flatnonzero(recorded == epochs)[0])]
    score = np.where(ran, np.nan_to_num(score, nan=0.0), np.nan)
    grid = dataset[schema.LEARNING_RATE].values
    weights = statistics.count_once(ran), statistics.resample(ran, samples, seed)
    means = [statistics.weighted_mean(score, w) for w in weights]
    chosen, low, high = _choice(grid, ran, *(statistics.highest(grid, mean) for mean in means))
    mean = _at(grid, means[0][0], chosen)
    return Best(chosen, low, high, math.nan, int(epochs), math.nan, math.nan, mean)


@dataclass(frozen=True)
class _Balls:
    """Arrays of a derived data set: R learning rates (ascending), I initialisations, K targets."""

    learning_rates: Floats  # (R,)
    ran: Booleans  # (R, I)
    decided: Booleans  # (R, I)
    exponential: Booleans  # (R, I)
    exponent: Floats  # (R, I), NaN where not decided
    time: Floats  # (R, I, K), NaN where censored
    capped: Floats  # (R, I, K), min(τ, T), NaN where it did not run
    reached: Floats  # (R, I, K), 1 or 0, NaN where it did not run
    score: Floats  # (R, I), best test accuracy, or whether it stayed finite
    needed: float  # the median score that makes a learning rate trainable
    has_accuracy: bool


def _balls(dataset: xr.Dataset) -> _Balls:
    """Take the arrays that the averages need out of a derived data set."""
    derived = {name: _ordered(dataset, name, schema.DERIVED) for name in schema.DERIVED}
    ran = derived["status"] != schema.ABSENT
    decided = np.isin(derived["verdict"], schema.DECIDED)
    accuracy = _accuracy(dataset)
    targets = dataset[schema.TARGET].values
    if accuracy is None or not targets.size:
        accuracy = None
        score, needed = np.where(derived["status"] == schema.FINITE, 1.0, 0.0), 0.5
        capped = reached = np.full(derived["training_time"].shape, np.nan)
    else:
        score, needed = np.nan_to_num(np.fmax.reduce(accuracy, axis=2)), float(targets.min())
        last = dataset[schema.EPOCH].values[-1]
        capped, reached = _censored(derived["training_time"], ran, last)
    return _Balls(
        learning_rates=dataset[schema.LEARNING_RATE].values.astype(np.float64),
        ran=ran,
        decided=decided,
        exponential=derived["verdict"] == schema.EXPONENTIAL,
        exponent=np.where(decided, derived["exponent"], np.nan),
        time=derived["training_time"],
        capped=capped,
        reached=reached,
        score=score,
        needed=needed,
        has_accuracy=accuracy is not None,
    )


def _estimates(balls: _Balls, weights: Integers) -> dict[str, NDArray[Any]]:
    """Return every estimate in each of S samples: shape (S, R), (S, R, K), (S,) or (S, K)."""
    grid = balls.learning_rates
    decided = statistics.weighted_sum(balls.decided, weights)
    exponential = statistics.weighted_sum(balls.exponential, weights)
    rho = np.full(decided.shape, np.nan)
    np.divide(exponential, decided, out=rho, where=decided > 0)
    score = statistics.weighted_median(balls.score, weights)
    before, eta_1 = statistics.full_onset(grid, exponential, decided, score >= balls.needed)
    times, reached = _means(balls.capped, weights), _means(balls.reached, weights)
    eta_fastest = np.empty((weights.shape[1], times.shape[2]))
    for k in range(times.shape[2]):
        eta_fastest[:, k] = statistics.fastest(grid, times[..., k], reached[..., k])
    rows = zip(rho, decided, strict=True)
    return {
        "nmle": statistics.weighted_mean(balls.exponent, weights),
        "rho": rho,
        "trainable": score >= balls.needed,
        "best_accuracy": score if balls.has_accuracy else np.full(score.shape, np.nan),
        "mean_training_time": times,
        "reached": reached,
        "eta_0": np.array([statistics.half_crossing(grid, *row) for row in rows]),
        "eta_1": eta_1,
        "eta_before": before,
        "eta_fastest": eta_fastest,
        "eta_ratio": eta_fastest / eta_1[:, None],
    }


def _regimes(dataset: xr.Dataset, balls: _Balls, point: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the regime of each learning rate, '' where it cannot be told."""
    regime = np.full(balls.ran.shape[0], "", dtype=f"<U{max(map(len, schema.REGIMES))}")
    loss = _values(dataset, "loss")
    if not balls.has_accuracy:
        return regime
    for rate, ran in enumerate(balls.ran):
        if point["trainable"][rate]:
            if point["rho"][rate] < 0.5:
                regime[rate] = schema.EXPLOITATION
            elif point["rho"][rate] >= 0.5:
                regime[rate] = schema.EXPLORATION_EXPLOITATION
        elif ran.any() and loss is not None:
            # A run that blew up counts with an infinite loss in the median.
            curves = np.where(np.isfinite(loss[rate, ran]), loss[rate, ran], np.inf)
            falling = statistics.still_falling(np.median(curves, axis=0))
            regime[rate] = schema.TOO_SLOW if falling else schema.NO_LEARNING
    return regime


def _standard_deviation(values: Floats, mean: Floats, weights: Integers) -> Floats:
    """Return the standard deviation over initialisations with divisor n - 1, NaN for n < 2."""
    count = statistics.weighted_sum(~np.isnan(values), weights)[0]
    squares = statistics.weighted_sum((values - mean[:, None]) ** 2, weights)[0]
    variance = np.full(count.shape, np.nan)
    np.divide(squares, count - 1, out=variance, where=count > 1)
    return np.sqrt(variance)


def _means(values: Floats, weights: Integers) -> Floats:
    """Return the mean over initialisations for each target: (R, I, K) to (S, R, K)."""
    means = np.empty((*weights.shape[1:], values.shape[2]))
    for k in range(values.shape[2]):
        means[..., k] = statistics.weighted_mean(values[..., k], weights)
    return means


def _training_time(
    accuracy: Floats | None, epochs: NDArray[Any], targets: Sequence[float], shape: tuple[int, ...]
) -> Floats:
    """Return the first epoch at each target, (R, I, K), NaN where it is not reached."""
    time = np.full((*shape, len(targets)), np.nan)
    if accuracy is not None:
        for k, target in enumerate(targets):
            reached = accuracy >= target
            first = epochs[reached.argmax(axis=2)]
            time[..., k] = np.where(reached.any(axis=2), first, np.nan)
    return time


def _censored(time: Floats, ran: Booleans, last: float) -> tuple[Floats, Floats]:
    """Return min(τ, T) and whether τ exists, NaN for balls that did not run."""
    absent = ~ran[..., None]
    capped = np.where(np.isnan(time), last, time)
    return np.where(absent, np.nan, capped), np.where(absent, np.nan, ~np.isnan(time))


def _choice(
    grid: Floats, ran: Booleans, point: Floats, replicates: Floats
) -> tuple[float, float, float]:
    """Return the chosen learning rate and its interval."""
    chosen = float(point[0])
    size = statistics.supporting_size(grid, ran.sum(axis=1), chosen)
    low, high = statistics.bootstrap_interval(replicates, size)
    return chosen, float(low), float(high)


def _at(grid: Floats, values: Floats, chosen: float) -> float:
    """Return the value at the chosen learning rate, NaN if none was chosen."""
    return math.nan if math.isnan(chosen) else float(values[grid == chosen][0])


def _ordered(
    dataset: xr.Dataset, name: str, variables: Mapping[str, schema.Variable]
) -> NDArray[Any]:
    """Return the values of a variable in the schema's order of dimensions."""
    return dataset[name].transpose(*variables[name].dims).values


def _values(dataset: xr.Dataset, name: str) -> Floats | None:
    """Return a recorded variable, None if it is missing or NaN throughout."""
    if name not in dataset:
        return None
    values = _ordered(dataset, name, schema.RECORDED)
    return None if np.isnan(values).all() else values


def _accuracy(dataset: xr.Dataset) -> Floats | None:
    """Return the test accuracy, NaN from the epoch at which the loss blows up."""
    accuracy, loss = _values(dataset, "test_accuracy"), _values(dataset, "loss")
    if accuracy is None or loss is None:
        return accuracy
    # The accuracy of a network that is not finite is that of its arg max of NaN: no result.
    return np.where(np.logical_and.accumulate(np.isfinite(loss), axis=2), accuracy, np.nan)


def _needed_accuracy(dataset: xr.Dataset) -> Floats:
    """Return the test accuracy, or say that there is none."""
    accuracy = _accuracy(dataset)
    if accuracy is None:
        raise UserError("test_accuracy is not recorded: run a task that has one first")
    return accuracy


def _ran(dataset: xr.Dataset) -> Booleans:
    """Return which balls ran: those that are not NaN in every recorded variable, (R, I)."""
    shape = tuple(dataset.sizes[dim] for dim in schema.DERIVED["status"].dims)
    ran = np.zeros(shape, dtype=bool)
    for name in schema.RECORDED:
        values = _values(dataset, name)
        if values is not None:
            ran |= ~np.isnan(values).reshape(*shape, -1).all(axis=2)
    return ran


def _check_target(target: float) -> None:
    """Refuse what is no test accuracy."""
    if isinstance(target, bool) or not 0 < target <= 1:
        raise UserError(
            f"target = {target} is no test accuracy: give a number above 0 and at most 1"
        )


def _labelled(
    arrays: Mapping[str, NDArray[Any]], variables: Mapping[str, schema.Variable]
) -> dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, str]]]:
    """Return the arrays with the schema's dimensions and attributes, in the schema's order."""
    return {
        name: (variable.dims, arrays[name], variable.attrs) for name, variable in variables.items()
    }
