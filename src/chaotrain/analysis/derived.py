"""What each ball says: from recorded curves to an exponent, a verdict and training times.

The names, dimensions and units are those of `chaotrain.schema`, the definitions those of the
paper (arXiv 2506.08523). What was not recorded (a variable that is missing, or NaN in every ball)
leaves what needs it NaN: a map without an accuracy has exponents but no training times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.analysis import agreement, horizons, lengths
from chaotrain.analysis.arrays import if_recorded, labelled, ordered, which_ran, word_array
from chaotrain.analysis.times import check_target, training_time, valid_accuracy
from chaotrain.analysis.transients import saturation_epoch, transients
from chaotrain.errors import UserError
from chaotrain.growth import fit_growth, fit_tangent_growth
from chaotrain.statistics.averages import Booleans, Floats
from chaotrain.statistics.continuing import continued

_GROWTH = {  # derived variable: field of the growth fit
    "exponent": "rate",
    "exponent_low": "low",
    "exponent_high": "high",
    "growth_start": "start",
    "growth_stop": "stop",
    "saturation": "saturation",
}


def derive(recorded: xr.Dataset, targets: Sequence[float]) -> xr.Dataset:
    """Add to recorded curves what each ball says: exponent, verdict, status, times, transient.

    A ball that is NaN in every variable did not run: its status is `absent` and its verdict
    unknown (''). A ball with a non-finite loss or distance is a `blow-up`, in status and verdict,
    and has no exponent; a target that it reached before its loss blew up counts as reached. The
    training time τ is the first epoch whose test accuracy is at least the target, NaN if there is
    none (censored). The chaotic transient is that of the tangent (`analysis.transients`), unknown
    where none was recorded.

    What left before the end (`stop = "decided"`) is read up to where it was `followed` and
    `trained`: T in Λ of a ball that is not exponential is the last epoch of its replicas, and the
    share of rising epochs and the path are those of the epochs trained.

    Args:
        recorded: Variables of `schema.RECORDED`; all may be missing but one of `distance` and
            `tangent_growth`.
        targets: Test accuracies in (0, 1]; may be empty.

    Returns:
        The data set with the variables of `schema.DERIVED` and the coordinate `target`.

    Raises:
        UserError: If a target is not in (0, 1], or neither growth is recorded.

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
        check_target(target)
    if schema.DISTANCE not in recorded and schema.TANGENT_GROWTH not in recorded:
        raise UserError("neither distance nor tangent_growth is recorded: analyse what holds one")
    distance, tangent = (
        ordered(recorded, name) if name in recorded else None
        for name in (schema.DISTANCE, schema.TANGENT_GROWTH)
    )
    loss = if_recorded(recorded, "loss")
    epochs = recorded[schema.EPOCH].values
    ran = which_ran(recorded)
    broken = np.zeros((*ran.shape, len(epochs)), dtype=bool)
    trained = lengths.trained(recorded)
    if distance is not None:
        followed = lengths.followed(recorded)
        there = lengths.within(followed, len(epochs))
        broken |= (there & ~np.isfinite(distance)).any(axis=2)
    elif tangent is not None:
        broken |= np.isnan(tangent)
    if loss is not None:
        broken |= lengths.within(trained, len(epochs)) & ~np.isfinite(loss)
    blown = ran & broken.any(axis=2)

    rounding = if_recorded(recorded, schema.ROUNDING_DISTANCE)
    pairs = None if distance is None else (distance, followed)
    derived = _growth(pairs, tangent, rounding, ran & ~blown)
    derived["verdict"][blown] = schema.BLOW_UP
    derived["status"] = np.select([~ran, blown], [schema.ABSENT, schema.BLOW_UP], schema.FINITE)
    derived["blow_up_epoch"] = np.where(blown, epochs[broken.argmax(axis=2)], np.nan)
    derived["training_time"] = np.full((*ran.shape, len(targets)), np.nan)
    accuracy = valid_accuracy(recorded)
    if accuracy is not None:
        for k, target in enumerate(targets):
            derived["training_time"][..., k] = training_time(accuracy, epochs, target)
    derived |= transients(recorded, derived["training_time"])
    derived["loss_rise_share"] = np.full(ran.shape, np.nan)
    if loss is not None:
        derived["loss_rise_share"] = _rise_share(loss, trained)
    derived["path_ratio"] = np.full(ran.shape, np.nan)
    path, net = if_recorded(recorded, "path_length"), if_recorded(recorded, "displacement")
    if path is not None and net is not None:
        ends = (lengths.carried(values, trained)[..., -1] for values in (path, net))
        derived["path_ratio"] = _ratio(*ends)

    dataset = recorded.assign_coords({schema.TARGET: np.asarray(targets, dtype=np.float64)})
    dataset = dataset.assign(labelled(derived, schema.DERIVED))
    for name, variable in {**schema.COORDINATES, **schema.RECORDED}.items():
        if name in dataset.variables:
            dataset[name].attrs.update(variable.attrs)
    return dataset


def _growth(
    pairs: tuple[Floats, lengths.Places] | None,
    tangent: Floats | None,
    rounding: Floats | None,
    fitted: Booleans,
) -> dict[str, NDArray[Any]]:
    """Return what the growth fit says of the fitted balls, each (R, I).

    Pairs are the distances of the replicas and the last epoch of each.
    """
    numbers = (*_GROWTH, "saturation_epoch", *agreement.FIELDS, *horizons.FIELDS)
    growth: dict[str, NDArray[Any]] = {name: np.full(fitted.shape, np.nan) for name in numbers}
    for name in ("verdict", "tangent_verdict"):
        growth[name] = word_array(fitted.shape, schema.VERDICTS)
    for rate, init in np.argwhere(fitted):
        if pairs is not None:
            ball = continued(*(values[rate, init] for values in pairs))
            fit = fit_growth(ball)
            growth["saturation_epoch"][rate, init] = saturation_epoch(ball, fit)
        elif tangent is not None:
            fit = fit_tangent_growth(tangent[rate, init])
        found = {name: getattr(fit, field) for name, field in _GROWTH.items()}
        found["verdict"] = fit.verdict
        if pairs is not None and tangent is not None:
            found |= agreement.compare(fit, tangent[rate, init])
        if rounding is not None:
            horizon = horizons.horizon_of(rounding[rate, init], fit)
            found |= dict(zip(horizons.FIELDS, horizon, strict=False))
        for name, value in found.items():
            growth[name][rate, init] = value
    return growth


def _rise_share(loss: Floats, trained: lengths.Places) -> Floats:
    """Return the share of epochs in which the loss rises, NaN where it is not finite."""
    rises = (loss[..., 1:] > loss[..., :-1]).sum(axis=2) / np.maximum(trained, 1)
    sound = np.isfinite(loss) | ~lengths.within(trained, loss.shape[2])
    return np.where(sound.all(axis=2), rises, np.nan)


def _ratio(path: Floats, net: Floats) -> Floats:
    """Return path over net, NaN where either is not finite or net is 0."""
    ratio = np.full(path.shape, np.nan)
    sound = np.isfinite(path) & np.isfinite(net) & (net > 0)
    np.divide(path, net, out=ratio, where=sound)
    return ratio
