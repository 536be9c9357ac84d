"""The rescaled pair: two trajectories that are kept close, for maps without derivatives."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from chaotrain import ensembles, maps
from chaotrain.balls import check_epsilon
from chaotrain.distances import DISTANCES
from chaotrain.errors import UserError
from chaotrain.maps import Key, Map, State, in_float64
from chaotrain.tangent import running
from chaotrain.tangent.growth import labelled
from chaotrain.tangent.products import floating, is_finite, with_floating


@in_float64
def rescaled_pair(
    system: Map,
    eta: float,
    key: Key = 0,
    *,
    steps: int = 1000,
    transient: int = 0,
    epsilon: float = 1e-8,
    norm: str = "l1",
    state: State = None,
) -> xr.Dataset:
    """Evolve a reference and a replica that is pulled back along their separation every epoch.

    The local rate of an epoch is ln(d'/d): d is the realised distance before the step, d' the one
    after it. Then the replica is pulled back to the distance that U(-ε, ε) has in the mean, n ε/2
    in L1 and ε √(n/3) in L2 for n perturbed numbers, so that ε means what it does in `divergence`.
    The start is the first replica of `divergence` with this key, at that distance.

    Where the map has a derivative, `tangent_growth` is more precise. Here ε and the rounding unit
    over ε err, the least for ε near 1e-8. A step that JAX cannot trace is called as it is.

    Args:
        system: Any `Map`; its step may be plain Python or NumPy.
        eta: The learning rate.
        key: An integer or a JAX key; it draws the initial state and the perturbation.
        steps: Steps that are recorded.
        transient: Steps before those, in which the separation aligns.
        epsilon: The half-width ε.
        norm: "l1" or "l2", over the map's coordinates.
        state: An explicit initial state, instead of the one drawn with `key`.

    Returns:
        As `tangent_growth`, over `epoch` from `transient` to `transient` + `steps`: `growth` since
        the transient, `rate`, and every observable of the reference. Both are -inf once a step
        makes the two equal, and NaN from the epoch `blow_up_epoch` on at which one is not finite
        or has grown so large that rounding swallows ε.

    Raises:
        UserError: On a number out of range, or an ε that rounding would swallow.

    Source: G. Benettin, L. Galgani, J.-M. Strelcyn, Phys. Rev. A 14, 2338 (1976).

    Example:
        >>> import chaotrain as ct
        >>> pair = ct.rescaled_pair(ct.maps.logistic(), eta=4.0, steps=4000)
        >>> exponent = ct.finite_time_exponent(pair)
        >>> exponent.low < math.log(2) < exponent.high
        True
    """
    settings = running.checked(
        system, norm, eta=eta, steps=steps, transient=transient, epsilon=epsilon
    )
    key, reference = running.start_of(system, key, state)
    check_epsilon(system, reference, settings.epsilon)
    moves = [settings.epsilon * np.asarray(move) for move in running.moves(system, reference, key)]
    points = floating(reference)
    replica = with_floating(reference, [p + m for p, m in zip(points, moves, strict=True)])
    distance = _distance(system, norm, reference, replica)
    if not (distance > 0 and math.isfinite(distance)):
        raise UserError(
            f"system: the perturbation is {float(distance):g} in its coordinates, let a "
            "perturbation move what the map measures"
        )
    size = sum(leaf.size for leaf in jax.tree.leaves(maps.perturbed(system, reference)))
    kept = settings.epsilon * (size / 2 if norm == "l1" else math.sqrt(size / 3))
    replica = _pulled(reference, replica, kept / float(distance))

    carry, rows = (reference, replica, kept), settings.transient + settings.steps + 1
    if _is_traceable(system, norm, carry, settings.eta):
        _, recorded = running.record(_row, system, norm, carry, settings.eta, rows, members=2)
    else:
        recorded = _called(system, norm, carry, settings.eta, rows)
    recorded = jax.tree.map(lambda column: column[settings.transient :], recorded)
    rates = recorded["rate"][:-1]
    # Once equal, always equal.
    log_norm = np.append(0.0, np.cumsum(np.where(np.isneginf(rates).cumsum() > 0, -np.inf, rates)))
    attributes = {
        "eta": settings.eta,
        "norm": norm,
        "method": "rescaled pair",
        "epsilon": settings.epsilon,
    }
    sound = recorded["finite"] & ~np.isposinf(log_norm)
    log_norm = np.where(sound, log_norm, math.nan)
    return labelled(log_norm, recorded["observables"], attributes, settings.transient)


def _row(system: Map, norm: str, carry: Any, eta: Any) -> Any:
    """One epoch, both side by side in one compiled step."""
    reference, replica, _ = carry
    both = ensembles.stack([reference, replica])
    stepped, revealed = jax.vmap(lambda one: maps.advance(system, one, eta))(both)
    after, other = (jax.tree.map(lambda leaf, i=i: leaf[i], stepped) for i in (0, 1))
    revealed = {name: value[0] for name, value in revealed.items()}
    factor, row = _compared(system, norm, carry, after, other, revealed)
    return (after, _pulled(after, other, factor), carry[2]), row


def _called(system: Map, norm: str, carry: Any, eta: Any, rows: int) -> running.Recorded:
    """The same epochs by calling the map as it is, one after the other."""
    recorded = []
    for _ in range(rows):
        reference, replica, kept = carry
        (after, revealed), (other, _) = (maps.advance(system, s, eta) for s in (reference, replica))
        factor, row = _compared(system, norm, carry, after, other, revealed)
        carry = (after, _pulled(after, other, float(factor)), kept)
        recorded.append(row)
    return jax.tree.map(lambda *column: np.stack(column), *recorded)


def _compared(
    system: Map, norm: str, carry: Any, after: State, other: State, revealed: maps.Observables
) -> Any:
    """The factor that brings the separation back, and what is recorded of an epoch."""
    reference, replica, kept = carry
    before = _distance(system, norm, reference, replica)
    grown = _distance(system, norm, after, other)
    usable = (grown > 0) & jnp.isfinite(grown)
    row = {
        "observables": {**revealed, **maps.inspect(system, reference)},
        "rate": jnp.log(grown) - jnp.log(before),
        "finite": is_finite(reference, replica),
    }
    return jnp.where(usable, kept / jnp.where(usable, grown, 1.0), 1.0), row


def _pulled(reference: State, replica: State, factor: Any) -> State:
    """A replica whose separation from the reference is multiplied."""
    pairs = zip(floating(reference), floating(replica), strict=True)
    return with_floating(reference, [(a + (b - a) * factor).astype(a.dtype) for a, b in pairs])


def _distance(system: Map, norm: str, a: State, b: State) -> Any:
    """The distance of two states over the coordinates, in float64 whatever their type."""
    points = (
        jax.tree.map(
            lambda leaf: jnp.asarray(leaf).astype(jnp.float64), maps.coordinates(system, s)
        )
        for s in (a, b)
    )
    return DISTANCES[norm](*points)


def _is_traceable(system: Map, norm: str, carry: Any, eta: float) -> bool:
    """Whether the map can be compiled: JAX can trace its step, which keeps shapes and types."""
    try:
        maps.cost(system)
        later, _ = jax.eval_shape(functools.partial(_row, system, norm), carry, eta)
    except Exception:  # whatever a step raises on what is not yet a number
        return False
    before, after = (
        [(jnp.shape(leaf), leaf.dtype) for leaf in jax.tree.leaves(tree[:2])]
        for tree in (carry, later)
    )
    return before == after
