"""One row a case: the onset, the fastest learning rate, and whether the paper's claim holds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import xarray as xr

from chaotrain import schema
from chaotrain.atlas import estimates, judging
from chaotrain.atlas.estimates import NONE, Estimate
from chaotrain.atlas.judging import Claim


@dataclass(frozen=True)
class Row:
    """What the atlas says of one case.

    Attributes:
        case: Its folder, such as "relu" or "figure-6/relu".
        title: What a person reads.
        inits: The smallest and the largest number of initialisations run at a learning rate.
        target: The main target.
        score: What it is a target of.
        eta_0: Where ρ crosses 1/2.
        eta_1: The onset of fully developed chaos.
        eta_fastest: η* for the main target.
        eta_ratio: η*/η_1.
        other_ratios: The other targets with their η*/η_1.
        exponent: λ_nMLE at η_1.
        time: ⟨τ⟩ at η*.
        small_eta: The tested learning rate nearest to η_0/10.
        small_time: ⟨τ⟩ there.
        claim: Whether the claim holds, and why.
    """

    case: str
    title: str
    inits: tuple[int, int] = (0, 0)
    target: float = math.nan
    score: str = "accuracy"
    eta_0: Estimate = NONE
    eta_1: Estimate = NONE
    eta_fastest: Estimate = NONE
    eta_ratio: Estimate = NONE
    other_ratios: tuple[tuple[float, float], ...] = ()
    exponent: Estimate = NONE
    time: Estimate = NONE
    small_eta: float = math.nan
    small_time: Estimate = NONE
    claim: Claim = judging.NOT_RUN


def row(case: str, title: str, summary: xr.Dataset) -> Row:
    """The row of a case that ran.

    Args:
        case: Its folder.
        title: What a person reads.
        summary: What `analysis.summarise` returns.
    """
    ran = summary["ran"].values
    eta_0, eta_1, fastest, ratio = (
        estimates.attribute(summary, name)
        for name in ("eta_0", "eta_1", "eta_fastest", "eta_ratio")
    )
    small = estimates.nearest_tested(summary, eta_0.value / 10)
    targets = summary["eta_ratio"].drop_sel(
        {schema.TARGET: summary.attrs["target"]}, errors="ignore"
    )
    others = zip(targets[schema.TARGET].values.tolist(), targets.values.tolist(), strict=True)
    return Row(
        case=case,
        title=title,
        inits=(int(ran.min()), int(ran.max())),
        target=float(summary.attrs["target"]),
        score=str(summary.attrs.get(schema.SCORE, Row.score)),
        eta_0=eta_0,
        eta_1=eta_1,
        eta_fastest=fastest,
        eta_ratio=ratio,
        other_ratios=tuple(others),
        exponent=estimates.exponent_at(summary, eta_1.value),
        time=estimates.time_at(summary, fastest.value),
        small_eta=small,
        small_time=estimates.time_at(summary, small),
        claim=judging.claim(summary),
    )
