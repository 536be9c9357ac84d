"""Growth of a tangent vector along a trajectory, and its mean rate over a window."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from numpy.typing import ArrayLike

from chaotrain import maps, schema
from chaotrain.errors import UserError
from chaotrain.maps import Key, Map, State, in_float64
from chaotrain.statistics.means import correlated_mean
from chaotrain.tangent import running
from chaotrain.tangent.following import Following
from chaotrain.tangent.products import Vector, check_smooth, derivatives_of, floating, log_norm

GROWTH, RATE = "growth", "rate"
ATTRIBUTES = {
    GROWTH: {"long_name": "logarithm of the growth of the perturbation", "units": "1"},
    RATE: {"long_name": "local rate from this epoch to the next", "units": "1/epoch"},
}


@in_float64
def tangent_growth(
    system: Map,
    eta: float,
    key: Key = 0,
    *,
    epochs: int = 201,
    state: State = None,
    norm: str = "l1",
    direction: State = None,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """Evolve a tangent vector along a trajectory: the growth of an infinitesimal perturbation.

    v(t+1) = J(u(t)) v(t) with the Jacobian J of the map in its state, which for a training holds
    the parameters and the optimiser's floating buffers. There is no ε, so nothing saturates, and
    float32 is precise enough. The vector is renormalised every epoch, by a power of two, which
    rounds nothing.

    Args:
        system: Any `Map` whose step JAX can differentiate.
        eta: The learning rate.
        key: An integer or a JAX key; it draws the initial state and the direction.
        epochs: Steps T.
        state: An explicit initial state, instead of the one drawn with `key`.
        norm: "l1" (the paper's) or "l2", over the map's coordinates, as d(t) is.
        direction: v(0), shaped as a state, whose integers do not matter; by default that of the
            first replica of `divergence` with this key, U(-1, 1) for what a perturbation moves.
        progress: Called with the number of epochs done after every compiled call.

    Returns:
        Over `epoch` (T + 1): `growth`, ln‖v(t)‖ - ln‖v(0)‖; `rate`, the growth from an epoch to the
        next (NaN at the last); and every observable of the trajectory. A vector that becomes 0 has
        the growth and rate -inf. If the state or the vector is not finite, both are NaN from the
        epoch in the attribute `blow_up_epoch` on (NaN if there is none).

    Raises:
        UserError: On a number out of range, a map without derivatives, or a direction that does not
            fit or does not move the coordinates.

    Source: G. Benettin, L. Galgani, A. Giorgilli, J.-M. Strelcyn, Meccanica 15, 9 (1980); I.
    Shimada, T. Nagashima, Prog. Theor. Phys. 61, 1605 (1979).

    Example:
        >>> import chaotrain as ct
        >>> growth = ct.tangent_growth(ct.maps.quadratic((3.0,)), eta=1.0, epochs=4)
        >>> (growth.growth / np.log(2)).values.round(12).tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    settings = running.checked(system, norm, eta=eta, epochs=epochs)
    key, state = running.start_of(system, key, state)
    check_smooth(system, state, settings.eta)
    vector = running.moves(system, state, key)
    if direction is not None:
        vector = _fitting(direction, vector)
    if not jnp.isfinite(log_norm(system, state, vector, norm)):
        raise UserError(
            "direction: its part in the coordinates of the map is zero or not finite, "
            "move what the map measures"
        )
    following = Following.of(system, norm)
    carry, rows = following.start(state, vector), settings.epochs + 1
    with derivatives_of(system):
        _, recorded = running.record(
            _row, following, norm, carry, settings.eta, rows, members=1, progress=progress
        )
    attributes = {"eta": settings.eta, "norm": norm, "method": "tangent"}
    return labelled(recorded.pop(schema.TANGENT_GROWTH), recorded, attributes)


class FiniteTimeExponent(NamedTuple):
    """The mean local rate over a window.

    Attributes:
        rate: The exponent, per epoch.
        low: Its lower 95% limit.
        high: Its upper 95% limit.
        start: First epoch of the window.
        stop: Last epoch of the window.
        effective: How many independent local rates are worth as much.
    """

    rate: float
    low: float
    high: float
    start: int
    stop: int
    effective: float


def finite_time_exponent(
    growth: xr.Dataset | xr.DataArray | ArrayLike,
    start: int | None = None,
    stop: int | None = None,
) -> FiniteTimeExponent:
    r"""Estimate the finite-time exponent over a window, with an interval.

    $\Lambda = (\ln\|v(t_2)\| - \ln\|v(t_1)\|) / (t_2 - t_1)$, the mean of the local rates. They are
    correlated, so the interval is that of `chaotrain.statistics.means.correlated_mean`. It is for
    the mean of a stationary series of rates: over a window in which chaos sets in or ends it is
    wide.

    Args:
        growth: What `tangent_growth` or `rescaled_pair` returns, or its `growth`: a DataArray over
            `epoch`, or an array (epoch,) from epoch 0 on.
        start: First epoch t₁ of the window; by default the first of the run.
        stop: Last epoch t₂ of the window; by default the last of the run.

    Returns:
        The exponent; -inf if the perturbation vanished in the window, NaN if it was not finite.

    Raises:
        UserError: On a window that is not within the run, or empty, or what is no growth.

    Source: E. Ott, Chaos in Dynamical Systems (Cambridge, 2002), section 4.4.

    Example:
        >>> finite_time_exponent(0.7 * np.arange(11), start=2).rate.__round__(3)
        0.7
        >>> import chaotrain as ct
        >>> growth = ct.tangent_growth(ct.maps.logistic(), eta=4.0, epochs=2000)
        >>> exponent = ct.finite_time_exponent(growth)
        >>> exponent.low < math.log(2) < exponent.high
        True
    """
    if isinstance(growth, xr.Dataset) and GROWTH not in growth:
        raise UserError(
            "growth: the data set has no variable growth, give what tangent_growth or "
            "rescaled_pair returns"
        )
    curve: Any = growth[GROWTH] if isinstance(growth, xr.Dataset) else growth
    values = np.asarray(curve, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise UserError(
            f"growth: its shape is {values.shape}, give that of one ball at two epochs or more"
        )
    has_epochs = isinstance(curve, xr.DataArray) and schema.EPOCH in curve.coords
    first = int(curve[schema.EPOCH][0]) if has_epochs else 0
    last = first + len(values) - 1
    begin, end = first if start is None else start, last if stop is None else stop
    for name, epoch in (("start", begin), ("stop", end)):
        if not isinstance(epoch, int | np.integer) or not first <= epoch <= last:
            raise UserError(f"{name} = {epoch}: choose one of the run's epochs {first} to {last}")
    if not begin < end:
        raise UserError(f"stop = {end}: give an epoch after start = {begin}")
    mean = correlated_mean(local_rates(values)[begin - first : end - first])
    return FiniteTimeExponent(mean.value, mean.low, mean.high, int(begin), int(end), mean.effective)


def local_rates(growth: np.ndarray) -> np.ndarray:
    """The growth from each epoch to the next, -inf where nothing is left of the perturbation."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(growth[1:]), -np.inf, np.diff(growth))


def labelled(
    log_norm: np.ndarray,
    observables: dict[str, np.ndarray],
    attributes: dict[str, Any],
    first: int = 0,
) -> xr.Dataset:
    """The growth of one vector as a data set over `epoch`, NaN from where it is not finite.

    Args:
        log_norm: ln‖v(t)‖, shape (epoch,); NaN where state or vector is not finite.
        observables: Further arrays (epoch,), by name.
        attributes: Of the data set.
        first: The first epoch.
    """
    broken = np.flatnonzero(np.isnan(log_norm))
    growth = log_norm - log_norm[0]
    blow_up = math.nan
    if len(broken):
        growth[broken[0] :] = math.nan
        blow_up = float(first + broken[0])
    variables = {name: (*schema.recorded(name, 1), values) for name, values in observables.items()}
    rate = np.append(local_rates(growth), math.nan)
    own = {GROWTH: growth, RATE: rate}
    return xr.Dataset(
        {
            **{name: (dims, values, attrs) for name, (dims, attrs, values) in variables.items()},
            **{name: (schema.EPOCH, values, ATTRIBUTES[name]) for name, values in own.items()},
        },
        coords={schema.EPOCH: np.arange(first, first + len(growth))},
        attrs={**attributes, "blow_up_epoch": blow_up},
    )


def _row(system: Map, norm: str, carry: Any, eta: Array) -> Any:
    stepped, revealed = maps.advance(system, carry, eta)
    return stepped, {**revealed, **maps.inspect(system, carry)}


def _fitting(direction: State, like: Vector) -> Vector:
    vector = floating(jax.tree.map(jnp.asarray, direction))
    shapes, wanted = ([leaf.shape for leaf in some] for some in (vector, like))
    if shapes != wanted:
        raise UserError(
            f"direction: its floating leaves have shapes {shapes}, the state's have {wanted}"
        )
    return [leaf.astype(other.dtype) for leaf, other in zip(vector, like, strict=True)]
