"""Numbers for JSON: four significant digits, null for what is not finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def number(value: float) -> float | None:
    """Return one of them.

    Example:
        >>> number(0.123456), number(math.nan)
        (0.1235, None)
    """
    return float(f"{value:.4g}") if math.isfinite(value) else None


def numbers(values: Any) -> list[float | None]:
    """Return each of an array.

    Example:
        >>> numbers([0.123456, np.nan])
        [0.1235, None]
    """
    return list(map(number, np.ravel(values).tolist()))
