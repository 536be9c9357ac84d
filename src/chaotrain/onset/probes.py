"""A probe, one training at one learning rate with its perturbation, and what it shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chaotrain.growth.curves import FEWEST_EPOCHS
from chaotrain.growth.fit import fit_ramp
from chaotrain.schema import BLOW_UP, CONTRACTING, EXPONENTIAL, UNDECIDED

Floats = NDArray[np.float64]

# Status of a probe, beside `schema.FINITE`.
DIVERGED = "diverged"

MIN_GROWTH = math.log(100.0)
E_FOLD = 1.0
# A probe may end once it has gained, or lost, so many times the least growth.
AMPLE = 3.0
# Steps that a run-away is seen over at least, and how well its rates agree.
FEWEST_STEPS = 8
AGREEMENT = 0.5
# A probe looks whether it may end early so often at most, and not below so many epochs.
LOOKS, FEWEST = 16, 8


@dataclass(frozen=True, eq=False)
class Probe:
    """One training at one learning rate, followed together with an infinitesimal perturbation.

    Attributes:
        eta: The learning rate.
        init: Which initialisation: a number of which the same one draws the same weights.
        growth: ln‖v(t)‖ - ln‖v(0)‖, shape (epochs + 1,), from 0; shorter where the probe ended
            early, NaN from the first epoch on that is not finite.
        loss: What must stay bounded, shape as `growth`: the training loss, or of a map without one
            half its squared norm.
        score: What is to be high, shape as `growth`; None where there is none.
        status: `schema.FINITE`, or `DIVERGED` once loss, state or perturbation were not finite.
        cost: Gradient evaluations it took.
    """

    eta: float
    init: int
    growth: Floats
    loss: Floats
    score: Floats | None
    status: str
    cost: float


class Judged(NamedTuple):
    """What a probe shows.

    Attributes:
        probe: The probe.
        verdict: One of `schema.VERDICTS`; a run-away is a blow-up.
        exponent: Λ per epoch; where the verdict has none, the mean local rate.
        peak: The highest growth within the probe, in e-folds.
    """

    probe: Probe
    verdict: str
    exponent: float
    peak: float

    @property
    def diverged(self) -> bool:
        """Whether training blew up or runs away."""
        return self.verdict == BLOW_UP

    @property
    def grows(self) -> bool:
        """Whether the perturbation grew by more than one e-fold at some time."""
        return not self.diverged and self.peak > E_FOLD

    @property
    def late_rate(self) -> float:
        """The mean local rate over the second half of what is finite."""
        curve = self.probe.growth[np.isfinite(self.probe.growth)]
        late = curve[len(curve) // 2 :]
        return float(late[-1] - late[0]) / (len(late) - 1) if len(late) > 1 else math.nan

    @property
    def exponential(self) -> bool:
        """Whether it grew exponentially, or by so much that the shape does not matter.

        A tangent never saturates, so that a rate that changes may look like a power law; but none
        gains three times ln 100 within the epochs of a probe.
        """
        ample = self.peak >= AMPLE * MIN_GROWTH
        return self.verdict == EXPONENTIAL or (ample and not self.diverged)


def judge(probe: Probe, min_growth: float = MIN_GROWTH) -> Judged:
    """Judge a probe by the growth of its perturbation.

    Args:
        probe: The probe.
        min_growth: What an exponential phase gains at least, in e-folds.

    Returns:
        The verdict as that of `fit_growth`, or blow-up if the probe diverged or runs away.

    Example:
        >>> growth = 0.5 * np.arange(51.0)
        >>> probe = Probe(5.0, 0, growth, np.cos(growth), None, "finite", 100)
        >>> judge(probe).verdict, round(judge(probe).exponent, 3)
        ('exponential', 0.5)
    """
    known = np.isfinite(probe.growth)
    length = len(known) if known.all() else int(np.argmin(known))
    curve = probe.growth[:length]
    peak = float(curve.max()) if length else 0.0
    mean = float(curve[-1] - curve[0]) / (length - 1) if length > 1 else math.nan
    if probe.status == DIVERGED or runs_away(probe.growth, probe.loss):
        return Judged(probe, BLOW_UP, mean, peak)
    if length < len(probe.growth):  # the perturbation has vanished
        return Judged(probe, CONTRACTING, mean, peak)
    if length < FEWEST_EPOCHS:
        return Judged(probe, UNDECIDED, mean, peak)
    found = fit_ramp(curve, min_growth)
    return Judged(probe, found.verdict, mean if math.isnan(found.rate) else found.rate, peak)


def runs_away(growth: Floats, loss: Floats) -> bool:
    """Whether training runs away from an unstable point without end, which is no chaos.

    Chaos folds: the perturbation grows and the loss stays. Where a linear instability is all there
    is, as on a quadratic beyond η = 2/h, displacement and perturbation grow at one steady rate, and
    the loss, which is quadratic in the displacement, rises by steps that grow at twice that rate.
    It is one if both hold to 50% over each half of the second half of the run. Steps are over two
    epochs, since an unstable direction may change its sign in each.

    Args:
        growth: ln‖v(t)‖ - ln‖v(0)‖, shape (epoch,).
        loss: Shape (epoch,).

    Example:
        >>> epoch = np.arange(101)
        >>> runs_away(0.002 * epoch, 3 + np.exp(0.004 * epoch))
        True
        >>> runs_away(0.5 * epoch, 3 + np.cos(epoch))
        False
    """
    tail = slice(len(growth) // 2, None)
    late, losses = growth[tail], loss[tail]
    if len(late) < FEWEST_STEPS or not (np.isfinite(late).all() and np.isfinite(losses).all()):
        return False
    rises = losses[2:] - losses[:-2]
    if not (rises > 0).all():
        return False
    logs, middle = np.log(rises), len(rises) // 2
    pairs = (
        (late[middle] - late[0], logs[middle] - logs[0]),
        (late[-3] - late[middle], logs[-1] - logs[middle]),
    )
    return all(rate > 0 and abs(rise - 2 * rate) <= AGREEMENT * 2 * rate for rate, rise in pairs)


def look(epochs: int) -> int:
    """Epochs of a probe from one look whether it has `settled` to the next.

    Example:
        >>> look(40), look(100), look(1000)
        (8, 8, 63)
    """
    return max(FEWEST, math.ceil((epochs + 1) / LOOKS))


def settled(growth: Floats, loss: Floats, epochs: int, min_growth: float = MIN_GROWTH) -> bool:
    """Whether a probe may end early, since what it shows will hardly change.

    It has gained three times what an exponential phase takes, and twice that where it runs away; or
    has contracted by three times; or it is calm after a third of its epochs: within half an e-fold,
    also if it went on to its end as it does of late.

    Args:
        growth: What is known so far, shape (epoch,), finite.
        loss: Shape (epoch,).
        epochs: How many epochs the probe would have.
        min_growth: What an exponential phase gains at least, in e-folds.

    Example:
        >>> loss = np.ones(51)
        >>> settled(0.5 * np.arange(51.0), loss, 100), settled(0.1 * np.arange(51.0), loss, 100)
        (True, False)
        >>> settled(np.full(31, 0.1), loss[:31], 100), settled(np.full(41, 0.1), loss[:41], 100)
        (False, True)
    """
    ample = AMPLE * min_growth
    known = len(growth) - 1
    if growth[-1] < -ample:
        return True
    if 3 * known >= epochs and known >= FEWEST_STEPS:
        middle = known // 2
        late = (growth[-1] - growth[middle]) / (known - middle)
        if max(growth.max(), late * (epochs - known)) <= E_FOLD / 2:
            return True
    if known < 2 * FEWEST_STEPS or growth.max() < ample:
        return False
    return bool(growth.max() >= 2 * ample) or not runs_away(growth, loss)
