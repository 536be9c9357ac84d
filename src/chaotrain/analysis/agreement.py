"""Do replicas and tangent agree? The same exponent, of the same ball, measured twice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.growth import Growth, fit_tangent_growth
from chaotrain.statistics.means import correlated_mean

FIELDS = ("tangent_exponent", "tangent_exponent_low", "tangent_exponent_high", "disagrees")


def compare(pair: Growth, tangent_growth: NDArray[np.float64]) -> dict[str, Any]:
    """Compare the growth of a ball's distances with that of its tangent.

    Both follow the same reference from the same perturbation, so over the exponential phase of
    the distances, before they saturate, the tangent has to grow as they do. They disagree if just
    one of the two verdicts is exponential, or if both are and the exponents differ by more than
    the joint interval, the root of the sum of the squares of the two half-widths. (Elsewhere Λ is
    the growth over the whole run, which depends on the direction of a perturbation.)

    Args:
        pair: The fit of the distances.
        tangent_growth: ln‖v(t)‖ - ln‖v(0)‖, shape (epoch,).

    Returns:
        `tangent_verdict`; `tangent_exponent` with `_low` and `_high`, the tangent's mean rate over
        the ramp of the distances, or its own exponent where they have none; and `disagrees`, 1, 0,
        or NaN where one of the two is not decided.

    Example:
        >>> from chaotrain.growth import fit_growth
        >>> growth = 0.5 * np.arange(101.0)
        >>> found = compare(fit_growth(1e-8 * np.exp(np.minimum(growth, 15.0))), growth)
        >>> float(found["tangent_exponent"].round(6)), bool(found["disagrees"])
        (0.5, False)
    """
    own = fit_tangent_growth(tangent_growth)
    rate, low, high = own.rate, own.low, own.high
    if pair.verdict == schema.EXPONENTIAL:
        ramp = tangent_growth[int(pair.start) : int(pair.stop) + 1]
        rate, low, high, _ = correlated_mean(np.diff(ramp))
    verdicts = (pair.verdict, own.verdict)
    chaotic = [verdict == schema.EXPONENTIAL for verdict in verdicts]
    disagrees = float(any(chaotic))
    if not set(verdicts) <= set(schema.DECIDED):
        disagrees = np.nan
    elif all(chaotic):
        difference = pair.rate - rate
        halves = (pair.rate - pair.low, high - rate)
        if difference < 0:
            halves = (pair.high - pair.rate, rate - low)
        joint = float(np.hypot(*halves))
        disagrees = float(abs(difference) > joint) if np.isfinite(joint) else np.nan
    values = np.array([rate, low, high, disagrees])
    return {"tangent_verdict": own.verdict, **dict(zip(FIELDS, values, strict=True))}
