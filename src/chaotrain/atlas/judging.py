"""Does the paper's claim hold? A rule that says yes, no, or that the data cannot tell."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import xarray as xr

from chaotrain import schema
from chaotrain.atlas import estimates

YES, NO, UNDECIDED = "yes", "no", "undecided"
# η* is close to η_1 within this factor; a small learning rate is below η_0 by the other at least.
CLOSE, SMALL = 2.0, 3.0
RULE = (
    "The claim: training is fastest close to the onset of fully developed chaos, and faster there "
    "than far below. yes: the 95% interval of η*/η_1 lies within [1/2, 2], and ⟨τ⟩ at η* is below "
    "⟨τ⟩ at the tested η nearest to η_0/10, their intervals apart. no: the interval lies outside, "
    "also if the onset is anywhere between η_1 and the tested η before it; or no trainable η is "
    "chaotic, the upper limit of ρ being below 1/2 at all of them. undecided: anything else."
)


class Claim(NamedTuple):
    """Whether the claim holds (yes, no or undecided), and why, in a few words."""

    holds: str
    reason: str

    def __str__(self) -> str:
        """Say both."""
        return f"{self.holds}: {self.reason}"


NOT_RUN, NOT_FINISHED = Claim(UNDECIDED, "not run yet"), Claim(UNDECIDED, "not finished")


def claim(summary: xr.Dataset) -> Claim:
    """Judge the paper's claim by the summary of a study: η* lies close to η_1.

    In this order:

    1. No η* (no learning rate brings half of the initialisations to the target): undecided.
    2. No trainable η is chaotic (ρ ≥ 1/2): `no`, the fastest training is regular, if the upper 95%
       limit of ρ is below 1/2 at every trainable η and the largest tested η is not trainable, so
       that the grid leaves none out; else undecided.
    3. No η_1, or no tested η below it: undecided, the grid does not contain the onset.
    4. The interval [low, high] of η*/η_1 does not exist (few initialisations): undecided.
    5. It lies outside [1/2, 2]: `no`. Since the onset is only known to lie between the tested η
       before η_1 and η_1 itself, high is first multiplied by the ratio of the two.
    6. It lies partly outside: undecided.
    7. ⟨τ⟩ at η* is below ⟨τ⟩ at the tested η nearest to η_0/10, with intervals that do not
       overlap: `yes`. If they do, or no tested η is below η_0/3: undecided.

    Args:
        summary: What `analysis.summarise` returns.

    Source:
        arXiv 2506.08523; the interval rule is that of equivalence tests.
    """
    rates, fastest = summary[schema.LEARNING_RATE].values, summary.attrs["eta_fastest"]
    if math.isnan(fastest):
        return Claim(UNDECIDED, "no η brings half of the initialisations to the target")
    lowest = summary[schema.TARGET].values.min()
    ran = summary["ran"].values > 0
    trainable = summary["best_accuracy"].values >= lowest
    stops = bool(trainable[ran][-1])
    chaotic = trainable & (summary["rho"].values >= 0.5)
    if not chaotic.any():
        if stops:
            return Claim(UNDECIDED, "the grid stops while training is regular")
        if (summary["rho_high"].values[trainable] < 0.5).all():
            return Claim(NO, "fastest while regular, no trainable η is chaotic")
        return Claim(UNDECIDED, "too few initialisations are decided")
    onset, ratio = summary.attrs["eta_1"], estimates.attribute(summary, "eta_ratio")
    if math.isnan(onset):
        where = "the grid stops" if stops else "trainable η end"
        return Claim(UNDECIDED, f"{where} before chaos is full")
    before = rates[(summary["decided"].values > 0) & (rates < onset)]
    if not before.size:
        return Claim(UNDECIDED, "the grid begins above the onset")
    if math.isnan(ratio.low) or math.isnan(ratio.high):
        return Claim(UNDECIDED, "too few initialisations for an interval")
    if ratio.low > CLOSE or ratio.high * onset / before.max() < 1 / CLOSE:
        side = "above" if ratio.low > CLOSE else "below"
        return Claim(NO, f"fastest far {side} the onset, η* = {ratio.value:.2g} η_1")
    if ratio.low < 1 / CLOSE or ratio.high > CLOSE:
        return Claim(UNDECIDED, "η* may be close to η_1 or not")
    return _faster(summary, fastest)


def _faster(summary: xr.Dataset, fastest: float) -> Claim:
    """Judge whether training at η*, which is close to η_1, is faster than far below the onset."""
    eta_0 = summary.attrs["eta_0"]
    small = estimates.nearest_tested(summary, eta_0 / 10)
    if not small <= eta_0 / SMALL:
        return Claim(UNDECIDED, "close to η_1, but no small η was tested")
    quick, slow = (estimates.time_at(summary, eta) for eta in (fastest, small))
    if quick.high < slow.low:
        return Claim(YES, f"η* = {summary.attrs['eta_ratio']:.2g} η_1")
    where = np.format_float_positional(small, precision=3, fractional=False, trim="-")
    return Claim(UNDECIDED, f"close to η_1, but not clearly faster than at η = {where}")
