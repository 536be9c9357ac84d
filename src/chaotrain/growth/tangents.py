"""The same judgement on the growth of a tangent vector, whose logarithm is what is recorded."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from chaotrain.growth.curves import FEWEST_EPOCHS
from chaotrain.growth.fit import Growth, fit_ramp, fit_vanishing
from chaotrain.schema import BLOW_UP, EXPONENTIAL, SUBEXPONENTIAL


def fit_tangent_growth(growth: ArrayLike, min_growth: float = math.log(100.0)) -> Growth:
    r"""Find the exponential phase of a tangent vector and its rate, the exponent Λ.

    `fit_growth` on the curve ln‖v(t)‖ itself, with the same verdicts. A tangent has no ε, so it
    does not saturate: its ramp lasts as long as the chaotic transient does, and is followed by a
    level or a fall, so that Λ is the mean rate of the whole transient. The rate may fall on the way
    until a power law describes the whole better: then the growth by the first 2 `min_growth`, which
    is what a pair sees before it saturates, is judged alone, and counts if it is exponential.

    Args:
        growth: ln‖v(t)‖ - ln‖v(0)‖, shape (epoch,), at least 3 epochs; -inf from where v is 0,
            which is contraction; NaN or +inf is a blow-up.
        min_growth: Least gain of an exponential phase, in e-folds.

    Returns:
        The fit; its `saturation` is NaN.

    Raises:
        ValueError: If the shape is not (epoch,), or there are too few epochs.

    Example:
        >>> growth = fit_tangent_growth(0.7 * np.clip(np.arange(2001.0) - 10, 0, 1900))
        >>> growth.verdict, round(growth.rate, 3)
        ('exponential', 0.7)
    """
    curve = np.asarray(growth, dtype=np.float64)
    if curve.ndim != 1 or len(curve) < FEWEST_EPOCHS:
        raise ValueError(
            f"growth must have shape (epoch,) with at least {FEWEST_EPOCHS}, not {curve.shape}"
        )
    broken = np.isnan(curve) | np.isposinf(curve)
    if broken.any():
        nan = math.nan
        return Growth(nan, nan, nan, BLOW_UP, blow_up_epoch=int(broken.argmax()))
    gone = np.isneginf(curve)
    if gone.any():
        return fit_vanishing(curve[: max(int(gone.argmax()), 1)], 0, "ramp")
    whole = fit_ramp(curve, min_growth)
    grown = curve >= curve[0] + 2.0 * min_growth
    if whole.verdict == SUBEXPONENTIAL and grown.any():
        early = fit_ramp(curve[: int(grown.argmax()) + 1], min_growth)
        whole = early if early.verdict == EXPONENTIAL else whole
    return replace(whole, saturation=math.nan)
