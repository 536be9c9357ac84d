"""How many replicas a ball still needs: all while its growth is open, one to watch it, or none.

A verdict belongs to a length of training: what is quiet may turn chaotic late, and a slow drift
may make a power law of what began as a ramp. So a quiet ball is watched to the end by one replica,
which tells the verdict almost as well as several, and a ramp until its plateau has held.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chaotrain.growth.fit import Growth
from chaotrain.schema import BLOW_UP, BOUNDED, CONTRACTING, EXPONENTIAL, SUBEXPONENTIAL

Floats = NDArray[np.float64]

QUIET = (BOUNDED, SUBEXPONENTIAL, CONTRACTING)
# The share of the run before which nothing passes for quiet, and for which a plateau has to hold.
SHARE = 0.2
# The epochs of a plateau that end a ramp, and the fewest that settle it.
SHORT, LONG = 5, 20
# A plateau that rises by more than this from one half to the next, in e-folds, does not hold.
DRIFT = 0.25


def needed(before: Growth, now: Growth, distances: Floats, epochs: int) -> int:
    """Say how many replicas are needed from a checkpoint on.

    - All of them while the verdict is open: undecided, another one than at the checkpoint before,
      or a ramp whose slope is outside the interval of then, or whose plateau is not yet 5 epochs
      and half of its own length.
    - One where the verdict stands: a ramp that has ended, or a quiet ball (bounded, subexponential,
      contracting) after a fifth of the run.
    - None where no later epoch can change it: the ball blew up, every distance is 0 (it equals its
      reference for good), or the plateau of a ramp has held, for 20 epochs, a fifth of the run and
      the length of the ramp, and its median does not rise by more than 1/4 from the first half to
      the second half of that time.

    Args:
        before: The fit at the checkpoint before.
        now: The fit of these distances.
        distances: d(t) so far, shape (replica, epoch).
        epochs: The length T of the whole run.

    Example:
        >>> from chaotrain.growth import fit_growth
        >>> curve = 1e-8 * np.exp(np.minimum(0.5 * np.arange(101), 15.0))
        >>> distances = np.tile(curve, (5, 1))
        >>> fits = {t: fit_growth(distances[:, : t + 1]) for t in (20, 30, 40, 60)}
        >>> [
        ...     needed(fits[past], fits[t], distances[:, : t + 1], epochs=100)
        ...     for past, t in ((20, 30), (30, 40), (40, 60))
        ... ]
        [5, 1, 0]
    """
    several, passed = len(distances), distances.shape[1] - 1
    hold = max(LONG, round(SHARE * epochs))
    if now.verdict == BLOW_UP or not distances[:, -LONG:].any():
        return 0
    # One alone could not stand for those that differ from it in being gone.
    one = 1 if (distances[:, -1] > 0).all() else several
    if now.verdict in QUIET:
        return one if before.verdict in QUIET and passed >= SHARE * epochs else several
    if now.verdict != EXPONENTIAL or not _agree(before, now):
        return several
    ramp, plateau = now.stop - now.start, passed - now.stop
    if plateau >= max(hold, ramp) and _drift(distances, hold) <= DRIFT:
        return 0
    return one if plateau >= max(SHORT, ramp / 2) else several


def _agree(before: Growth, now: Growth) -> bool:
    """Whether both are exponential, each with its slope in the interval of the other."""
    return (
        before.verdict == EXPONENTIAL
        and now.low <= before.rate <= now.high
        and before.low <= now.rate <= before.high
    )


def _drift(distances: Floats, epochs: int) -> float:
    """By how much the last epochs rise from one half to the next, in e-folds."""
    curve = np.log(distances[:, -epochs:]).mean(axis=0)
    earlier, later = curve[: epochs // 2], curve[epochs - epochs // 2 :]
    return float(np.median(later) - np.median(earlier))
