"""The leading Lyapunov exponents of a map, their convergence, and the Kaplan-Yorke dimension."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from numpy.typing import ArrayLike

from chaotrain import maps, memory
from chaotrain.errors import UserError
from chaotrain.maps import Key, Map, State, in_float64
from chaotrain.statistics.means import correlated_mean
from chaotrain.tangent import running
from chaotrain.tangent.products import (
    Vector,
    check_smooth,
    derivatives_of,
    floating,
    is_finite,
    push_all,
)

EXPONENT, STEP, LENGTH = "exponent", "step", "length"
# Folded into the key, so that the first vectors draw from another stream than all else.
VECTORS = 0x76656374
# Orthonormalising holds so many copies of the vectors at once.
COPIES = 4
# Over so many lengths the running mean is shown, evenly in the logarithm.
LENGTHS = 60


@in_float64
def lyapunov_spectrum(
    system: Map,
    eta: float = 7.5,
    key: Key = 0,
    steps: int = 1000,
    transient: int = 100,
    count: int = 2,
    *,
    state: State = None,
) -> xr.DataArray:
    r"""Estimate the largest Lyapunov exponents of a map.

    Orthonormal tangent vectors, the columns of $Q_t$, are pushed through a step and made
    orthonormal again: $J(u_t) Q_t = Q_{t+1} R_{t+1}$. Exponent i is the mean of $\ln|R_{ii}|$,
    L2 over the whole state (parameters and the optimiser's floating buffers).

    The exponents of all coordinates add up to the mean of ln|det J|.

    Args:
        system: Any `Map` whose step JAX can differentiate.
        eta: The learning rate.
        key: An integer or a JAX key; it draws the initial state and the first vectors.
        steps: Steps over which the exponents are averaged.
        transient: Steps before those, in which the vectors align.
        count: How many exponents.
        state: An explicit initial state, instead of the one drawn with `key`.

    Returns:
        Over `exponent` (1, 2, ...), largest first, per step; with the coordinates `low` and `high`,
        the 95% interval of each. -inf for a direction that a step maps to 0 exactly; NaN if the
        state or a vector is not finite, after the step `blow_up_step` (an attribute, NaN else). The
        attribute `dimension` is the number of coordinates.

    Raises:
        UserError: On a number out of range, more exponents than the state has coordinates or than
            there is memory for, or a map without derivatives.

    Source: G. Benettin, L. Galgani, A. Giorgilli, J.-M. Strelcyn, Meccanica 15, 9 (1980); I.
    Shimada, T. Nagashima, Prog. Theor. Phys. 61, 1605 (1979); by QR as in J.-P. Eckmann, D.
    Ruelle, Rev. Mod. Phys. 57, 617 (1985).

    Example:
        >>> import chaotrain as ct
        >>> rates = ct.lyapunov_spectrum(ct.maps.quadratic((1.5, 3.0)), eta=1.0, steps=50)
        >>> rates.values.round(6).tolist()  # ln|1 - ηh|
        [0.693147, -0.693147]
    """
    rates, attributes = _rates(system, eta, key, steps, transient, count, state)
    means = [correlated_mean(column) for column in rates.T]
    order = _largest_first(np.array([mean.value for mean in means]))
    means = [means[index] for index in order]
    return xr.DataArray(
        [mean.value for mean in means],
        coords={
            EXPONENT: np.arange(1, len(means) + 1),
            "low": (EXPONENT, [mean.low for mean in means]),
            "high": (EXPONENT, [mean.high for mean in means]),
        },
        dims=EXPONENT,
        name="lyapunov_spectrum",
        attrs={"long_name": "Lyapunov exponent", "units": "1/step", **attributes},
    )


@in_float64
def lyapunov_convergence(
    system: Map,
    eta: float = 7.5,
    key: Key = 0,
    steps: int = 1000,
    transient: int = 100,
    count: int = 2,
    *,
    state: State = None,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """Follow how the exponents of `lyapunov_spectrum` converge, for the same arguments.

    `progress` is called with the steps done now and then.

    Returns:
        `rate` (exponent, step), the local rates ln|R_ii|; and over (exponent, length), for lengths
        evenly spaced in the logarithm up to `steps`: `mean`, the exponent over the first so many
        steps, with the 95% limits `low` and `high`. The order of the exponents is that of their
        means over all steps, largest first.

    Raises:
        UserError: As `lyapunov_spectrum`.

    Example:
        >>> import chaotrain as ct
        >>> runs = ct.lyapunov_convergence(ct.maps.henon(), eta=1.4, steps=400)
        >>> first = runs["mean"].sel(exponent=1)
        >>> bool(abs(first[-1] - 0.4192) < 0.05)
        True
    """
    rates, attributes = _rates(system, eta, key, steps, transient, count, state, progress)
    order = _largest_first(np.array([correlated_mean(column).value for column in rates.T]))
    rates = rates[:, order].T
    lengths = np.unique(np.geomspace(1, rates.shape[1], LENGTHS).round().astype(int))
    table = [[correlated_mean(row[:length]) for length in lengths] for row in rates]
    unit = {"units": "1/step"}
    running_means = {
        name: ((EXPONENT, LENGTH), [[getattr(m, field) for m in row] for row in table], unit)
        for name, field in (("mean", "value"), ("low", "low"), ("high", "high"))
    }
    steps_recorded = np.arange(rates.shape[1]) + int(attributes["transient"])
    return xr.Dataset(
        {"rate": ((EXPONENT, STEP), rates, unit), **running_means},
        coords={
            EXPONENT: np.arange(1, len(rates) + 1),
            STEP: steps_recorded,
            LENGTH: lengths,
        },
        attrs=attributes,
    )


def kaplan_yorke(exponents: ArrayLike | xr.DataArray) -> float:
    r"""Return the Kaplan-Yorke (Lyapunov) dimension of a spectrum.

    $D = j + \sum_{i \le j} \lambda_i / |\lambda_{j+1}|$, where j is the largest number of
    exponents, from the largest on, whose sum is not negative.

    Args:
        exponents: The exponents; all of a map, or so many that their sum is negative.

    Returns:
        D: 0 if all are negative, the number of exponents if a whole spectrum adds up to no less
        than 0. NaN if that of `lyapunov_spectrum` is not whole and adds up to no less than 0: then
        the dimension is larger than the count, so ask for more. NaN if an exponent is.

    Raises:
        UserError: If they are not one spectrum.

    Source: J. L. Kaplan, J. A. Yorke, in Functional Differential Equations and Approximation of
    Fixed Points (Springer, 1979), p. 204.

    Example:
        >>> round(kaplan_yorke([0.4192, -1.6232]), 3)  # Hénon's
        1.258
    """
    values = np.asarray(exponents, dtype=np.float64)
    if values.ndim != 1:
        raise UserError(f"exponents: their shape is {values.shape}, give those of one trajectory")
    values = np.sort(values)[::-1]
    if np.isnan(values).any():
        return math.nan
    sums = np.cumsum(values)
    above = int((sums >= 0).sum())
    if above == len(values):
        whole = getattr(exponents, "attrs", {}).get("dimension", len(values))
        return float(len(values)) if len(values) == whole else math.nan
    return above + (float(sums[above - 1] / -values[above]) if above else 0.0)


def _rates(
    system: Map,
    eta: float,
    key: Key,
    steps: int,
    transient: int,
    count: int,
    state: State,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Local rates (step, exponent) after the transient, and the attributes of the result."""
    settings = running.checked(system, "l2", eta=eta, steps=steps, transient=transient, count=count)
    key, state = running.start_of(system, key, state)
    points = floating(state)
    dimension = sum(leaf.size for leaf in points)
    if settings.count > dimension:
        raise UserError(
            f"count = {settings.count}: the state has {dimension} floating coordinates, "
            f"ask for at most {dimension} exponents"
        )
    # Measured: pushing a vector takes about half of what stepping a member does.
    each = max(COPIES * sum(leaf.nbytes for leaf in points), maps.cost(system).bytes / 2)
    memory.check(settings.count * each, f"count = {settings.count}: it", "ask for fewer exponents")
    check_smooth(system, state, settings.eta)
    draws = jax.random.normal(
        jax.random.fold_in(key, VECTORS), (settings.count, dimension), jnp.float64
    )
    first, _ = _orthonormal(_unraveled(draws, points))
    rows = settings.transient + settings.steps
    members = 1 + settings.count
    with derivatives_of(system):
        _, recorded = running.record(
            _row, system, "l2", (state, first), settings.eta, rows, members, progress=progress
        )
    rates = recorded["rates"][settings.transient :]
    broken = np.flatnonzero(~recorded["finite"])
    blow_up = math.nan
    if len(broken):
        blow_up = float(broken[0] + 1)
        rates[max(broken[0] - settings.transient, 0) :] = math.nan
    return rates, {
        "eta": settings.eta,
        "steps": settings.steps,
        "transient": settings.transient,
        "dimension": dimension,
        "blow_up_step": blow_up,
    }


def _row(system: Map, norm: str, carry: Any, eta: Array) -> Any:
    state, vectors = carry
    stepped, _, pushed = push_all(system, state, vectors, eta)
    finite = is_finite(stepped, pushed)
    vectors, rates = _orthonormal(pushed)
    return (stepped, vectors), {"rates": rates, "finite": finite}


def _orthonormal(vectors: Vector) -> tuple[Vector, Array]:
    """Vectors (vector, ...) made orthonormal, and ln|R_ii| of what was taken from each."""
    rows = jnp.concatenate([leaf.reshape(len(leaf), -1) for leaf in vectors], axis=1)
    q, r = jnp.linalg.qr(rows.T)
    rates = jnp.log(jnp.abs(jnp.diagonal(r)).astype(jnp.float64))
    return _unraveled(q.T, [leaf[0] for leaf in vectors]), rates


def _unraveled(rows: Array, like: Vector) -> Vector:
    """Rows (vector, coordinate) as tangent vectors with a leading axis."""
    ends = np.cumsum([leaf.size for leaf in like])[:-1]
    parts = jnp.split(rows, ends, axis=1)
    return [
        part.reshape(len(rows), *leaf.shape).astype(leaf.dtype)
        for part, leaf in zip(parts, like, strict=True)
    ]


def _largest_first(values: np.ndarray) -> np.ndarray:
    return np.argsort(-values, kind="stable")
