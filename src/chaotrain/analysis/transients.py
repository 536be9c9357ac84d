"""The chaotic transient over a whole study: how long it lasts, and when in it training succeeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.analysis.arrays import if_recorded, ordered, word_array
from chaotrain.growth import Growth
from chaotrain.statistics.averages import Floats, wilson_interval
from chaotrain.statistics.clock import Transient, transient
from chaotrain.statistics.survival import median_lifetime, survival

# A target is reached at the end of a transient if it is within this share of the lifetime from it.
NEAR = 0.1
# A curve bends into its plateau over several e-folds and is noisy there: so near it has arrived.
AT_LEVEL = 0.5

Arrays = dict[str, NDArray[Any]]


def transients(recorded: xr.Dataset, time: Floats) -> Arrays:
    """Return what the tangent says of each ball: its transient, and when in it targets are reached.

    A tangent that blows up before it shows a transient says nothing. The phase of a target is
    `phase_of`, 'never' where τ does not exist, and unknown ('') where the tangent says nothing.

    Args:
        recorded: Variables of `schema.RECORDED`; without `tangent_growth` all is unknown.
        time: τ of each ball and target, shape (R, I, K).

    Returns:
        `transient` (a word), `transient_start`, `transient_stop`, `transient_lifetime`, each
        (R, I), and `target_phase` (R, I, K).

    Example:
        >>> growth = np.interp(np.arange(61), [10, 20, 60], [0, 8, 7])
        >>> dims = schema.RECORDED["tangent_growth"].dims
        >>> recorded = xr.Dataset(
        ...     {"tangent_growth": (dims, growth[None, None])}, {"epoch": np.arange(61)}
        ... )
        >>> found = transients(recorded, np.array([[[15.0, 19.0, np.nan]]]))
        >>> found["transient"][0, 0], found["transient_stop"][0, 0], found["target_phase"][0, 0]
        (np.str_('ended'), np.float64(20.0), array(['inside', 'at the end', 'never'], dtype='<U12'))
    """
    shape = time.shape[:2]
    found: Arrays = {
        f"transient_{name}": np.full(shape, np.nan) for name in ("start", "stop", "lifetime")
    }
    found["transient"] = word_array(shape, schema.TRANSIENTS)
    found["target_phase"] = word_array(time.shape, schema.PHASES)
    growth = if_recorded(recorded, schema.TANGENT_GROWTH)
    if growth is None:
        return found
    first = float(recorded[schema.EPOCH][0])
    for ball in np.ndindex(*shape):
        chaotic = transient(growth[ball])
        word = _word(chaotic)
        if word == schema.NO_TRANSIENT and np.isnan(growth[ball]).any():
            continue
        chaotic = chaotic._replace(start=first + chaotic.start, stop=first + chaotic.stop)
        found["transient"][ball] = word
        for name, value in chaotic._asdict().items():
            found[f"transient_{name}"][ball] = value
        found["target_phase"][ball] = [phase_of(epoch, chaotic) for epoch in time[ball]]
    return found


def phase_of(time: float, chaotic: Transient) -> str:
    """Return when an epoch comes: before, inside, at the end of or after a transient.

    At the end is within a tenth of the lifetime from it, at least one epoch, on either side. What
    comes in a transient that is not over is inside.

    Args:
        time: τ in epochs; NaN if the target is never reached.
        chaotic: The transient.

    Returns:
        One of `schema.PHASES`.

    Example:
        >>> chaotic = Transient(start=10.0, stop=50.0, lifetime=40.0)
        >>> [phase_of(time, chaotic) for time in (9, 45, 46, 54, 55)]
        ['before', 'inside', 'at the end', 'at the end', 'after']
    """
    if np.isnan(time):
        return schema.NEVER
    if np.isnan(chaotic.start):
        return schema.WITHOUT
    if time < chaotic.start:
        return schema.BEFORE
    if abs(time - chaotic.stop) <= max(NEAR * chaotic.lifetime, 1.0):
        return schema.AT_END
    return schema.AFTER if time > chaotic.stop else schema.INSIDE


def saturation_epoch(distances: Floats, growth: Growth) -> float:
    """Return the first epoch at which a ball is as far apart as it gets.

    That is within half an e-fold of the level of its plateau, at the earliest where the fit of the
    ramp begins. The fit ends up to 3 e-folds before it (`growth_stop`).

    Args:
        distances: d(t) of the replicas, shape (replica, epoch).
        growth: What `fit_growth` says of them.

    Returns:
        The epoch; NaN where the growth does not saturate within the run.

    Example:
        >>> from chaotrain.growth import fit_growth
        >>> pair = 1e-8 * np.exp(np.minimum(0.5 * np.arange(101), 18.0))  # its plateau is at 18
        >>> saturation_epoch(pair[None], fit_growth(pair))
        35.0
    """
    if np.isnan(growth.saturation):
        return float(np.nan)
    there = distances[distances[:, -1] > 0]  # what the fit is of
    with np.errstate(divide="ignore"):
        curve = np.log(there).mean(axis=0)
    arrived = np.flatnonzero(curve >= np.log(growth.saturation) - AT_LEVEL)
    arrived = arrived[arrived >= growth.start]
    return float(arrived[0]) if arrived.size else float(np.nan)


def lifetimes(dataset: xr.Dataset) -> Arrays:
    """Return the share of balls with a transient, and the median lifetime of those, each (R,).

    An initialisation without a transient has no lifetime, and not one of 0: it counts in
    `transient_share` alone. Censored lifetimes count as such in the median (Kaplan-Meier), which is
    infinite where the run is too short for it.
    """
    word, lifetime = ordered(dataset, "transient"), ordered(dataset, "transient_lifetime")
    ended, chaotic = word == schema.ENDED, np.isin(word, (schema.ENDED, schema.CENSORED))
    count, known = chaotic.sum(axis=1), (chaotic | (word == schema.NO_TRANSIENT)).sum(axis=1)
    medians = [
        median_lifetime(survival(values[here], over[here]))
        for values, over, here in zip(lifetime, ended, chaotic, strict=True)
    ]
    median, low, high = np.reshape(medians, (-1, 3)).T
    share_low, share_high = wilson_interval(count, known)
    return {
        "transient_share": _share(count, known),
        "transient_share_low": share_low,
        "transient_share_high": share_high,
        "transient_ended": _share(ended.sum(axis=1), count),
        "transient_lifetime": median,
        "transient_lifetime_low": low,
        "transient_lifetime_high": high,
    }


def phase_shares(dataset: xr.Dataset) -> Arrays:
    """Return the share of the balls whose phase is known that is in each phase, each (R, K)."""
    phase = ordered(dataset, "target_phase")
    known = np.isin(phase, schema.PHASES).sum(axis=1)
    return {
        f"target_{word.replace(' ', '_')}": _share((phase == word).sum(axis=1), known)
        for word in schema.PHASES
    }


def _word(chaotic: Transient) -> str:
    if np.isnan(chaotic.start):
        return schema.NO_TRANSIENT
    return schema.CENSORED if np.isnan(chaotic.stop) else schema.ENDED


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Return part over whole, NaN where there is nothing."""
    share = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share
