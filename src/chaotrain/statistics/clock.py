"""The clock of the chaotic transient: when the growth of a tangent vector starts, and is over."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from chaotrain.errors import UserError
from chaotrain.statistics.averages import Floats
from chaotrain.statistics.means import correlated_mean

# A perturbation that never grows by this factor has no chaotic transient.
MIN_GROWTH = math.log(100.0)
E_FOLD, DECADE = 1.0, math.log(10.0)
# Growth this many times its error above zero is growth. Of the many stretches of a noise without
# drift the most growing one reaches 4 errors in up to a tenth of the curves, 5 in few of a hundred.
CERTAIN = 5.0
# A transient is over after a calm of this share of its length: chaos is intermittent.
CALM = 0.5
# Fewer local rates than this say nothing of their error.
FEWEST_RATES = 3


class Transient(NamedTuple):
    """The chaotic transient, NaN where there is none.

    Attributes:
        start: Its first epoch.
        stop: Its last epoch; NaN too where the run does not show that it is over (censored).
        lifetime: Epochs from start to stop; where it is censored, what the run shows it to exceed.
    """

    start: float
    stop: float
    lifetime: float

    def __str__(self) -> str:
        """Say it in words."""
        if math.isnan(self.start):
            return "no chaotic transient"
        until = "beyond the end" if math.isnan(self.stop) else f"to epoch {self.stop:g}"
        return f"chaotic transient from epoch {self.start:g} {until}"


NONE = Transient(math.nan, math.nan, math.nan)


def transient(growth: ArrayLike, min_growth: float = MIN_GROWTH) -> Transient:
    r"""Find the chaotic transient in the growth of a tangent vector.

    It ends at the epoch from which on the local rate stays at or below zero within its error: no
    later stretch of epochs grows by more than a decade and by more than 5 times its error. The
    stretch looked for is the one that gains most over half its own mean rate, so its end is where
    the mean rate changes, which noise hardly moves (the least-squares change point). The error of
    the growth over n epochs is $\sqrt{n\Omega}$, with $\Omega$ the long-run variance of the local
    rates about their medians. It is taken from their lower half: bursts of chaos, which go up,
    are no noise.

    The transient starts at the last epoch before its end at which ln‖v(t)‖ is within 1 (one e-fold)
    of its minimum so far, and is one only if it gains `min_growth` from that minimum on.

    Chaos is intermittent. A transient counts as over only after a calm at least half as long as
    itself, whose mean rate is below half of its own (upper 95% limit) and not above zero (lower
    limit, or a growth by less than a decade); else it is censored. To see that a lifetime L is
    over takes L + L/2 epochs. So in a run of t epochs from the start on all lifetimes to t/1.5 are
    seen, and of the others only that they are longer: they are censored there, whatever their last
    growth was, so that the censoring tells nothing of the end.

    Args:
        growth: ln‖v(t)‖ - ln‖v(0)‖, shape (epoch,). What is not finite ends the run; a
            perturbation that vanishes (-inf) ends the transient too.
        min_growth: What a transient gains at least, by default ln 100.

    Returns:
        A `Transient`.

    Raises:
        UserError: If the growth is not that of one ball.

    Source: the change point is that of D. V. Hinkley, Biometrika 57, 1 (1970).

    Example:
        >>> transient([0, 0, 3, 6, 9, 8, 7, 6])
        Transient(start=1.0, stop=4.0, lifetime=3.0)
        >>> transient([0, 0, 3, 6, 9])
        Transient(start=1.0, stop=nan, lifetime=2.0)
        >>> print(transient([0, 1, 0]))
        no chaotic transient
    """
    values = np.asarray(growth, dtype=np.float64)
    if values.ndim != 1:
        raise UserError(f"growth: its shape is {values.shape}, give that of one ball over epochs")
    ended = np.argmin(np.append(np.isfinite(values), False))
    curve, vanished = values[:ended], np.isneginf(values[ended : ended + 1]).any()
    rates = np.diff(curve)
    stop = 0
    while found := _next_growth(rates[stop:]):
        stop += found
    if not stop:
        return NONE
    lowest = curve[: stop + 1].min()
    if curve[stop] - lowest < min_growth:
        return NONE
    start = int(np.flatnonzero(curve[: stop + 1] <= lowest + E_FOLD)[-1])
    lifetime = stop - start
    if vanished or _is_calm(rates[stop:], lifetime, (curve[stop] - curve[start]) / lifetime):
        return Transient(float(start), float(stop), float(lifetime))
    shown = (len(rates) - start) / (1 + CALM)
    return Transient(float(start), math.nan, min(float(lifetime), shown))


def _next_growth(rates: Floats) -> int:
    """Return how many epochs on the largest stretch of growth ends, 0 if nothing grows."""
    start, stop = _growing(rates)
    gain = rates[start:stop].sum()
    if gain <= DECADE:
        return 0
    inside = np.zeros(len(rates), dtype=bool)
    inside[start:stop] = True
    noise = rates.copy()
    for part in (inside, ~inside):
        if part.any():
            noise[part] -= np.median(rates[part])
    certain = gain > CERTAIN * math.sqrt(_long_run_variance(noise) * (stop - start))
    return stop if certain else 0


def _growing(rates: Floats) -> tuple[int, int]:
    """Return the stretch that gains most over the level halfway between its mean and the rest's."""
    level, found = 0.0, (0, 0)
    seen = {found}
    while True:
        walk = np.concatenate([[0.0], np.cumsum(rates - level)])
        stop = int(np.argmax(walk - np.minimum.accumulate(walk)))
        start = int(np.argmin(walk[: stop + 1]))
        if (start, stop) in seen:
            return found
        found = (start, stop)
        seen.add(found)
        rest = np.concatenate([rates[:start], rates[stop:]])
        # A calm that contracts fast must not lower the level to where it counts as growth.
        outside = max(float(rest.mean()), 0.0) if rest.size else 0.0
        level = 0.5 * (float(rates[start:stop].mean()) + outside)


def _long_run_variance(noise: Floats) -> float:
    """Return the sum of all autocovariances of a noise, at least its variance, without bursts."""
    low, middle = np.quantile(noise, [0.1587, 0.5])
    deviation = middle - low
    clipped = np.clip(noise - middle, -3 * deviation, 3 * deviation)
    variance, effective = float(clipped.var()), correlated_mean(clipped).effective
    correlated = effective > 0 and math.isfinite(effective)
    return max(variance, len(noise) * variance / effective) if correlated else variance


def _is_calm(rates: Floats, lifetime: int, before: float) -> bool:
    """Return whether the rates after a transient show that it is over."""
    if len(rates) < max(FEWEST_RATES, CALM * lifetime):
        return False
    mean = correlated_mean(rates)
    return mean.high < 0.5 * before and (mean.low <= 0 or rates.sum() <= DECADE)
