"""From distances as the caller holds them to the curve ln d(t) of a ball."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chaotrain.schema import EPOCH

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]

FEWEST_EPOCHS = 3


def as_table(distances: ArrayLike | xarray.DataArray) -> Floats:
    """Return distances as float64 of shape (replica, epoch), or raise ValueError."""
    labelled: Any = distances
    if EPOCH in getattr(labelled, "dims", ()):
        labelled = labelled.transpose(..., EPOCH)
    table = np.asarray(labelled, dtype=np.float64)
    if table.ndim not in (1, 2):
        raise ValueError(
            f"distances must have shape (epoch,) or (replica, epoch), not {table.shape}"
        )
    table = np.atleast_2d(table)
    if len(table) == 0 or table.shape[1] < FEWEST_EPOCHS:
        raise ValueError(
            f"distances need at least 1 replica and {FEWEST_EPOCHS} epochs, "
            f"not {table.shape[0]} and {table.shape[1]}"
        )
    if (table < 0.0).any():
        raise ValueError(
            f"distances must not be negative, but the smallest is {np.nanmin(table):g}; "
            "pass d(t), not ln d(t)"
        )
    return table


def log_mean(table: Floats) -> Floats:
    """Return the curve of a ball, the mean over replicas of ln d(t)."""
    return np.asarray(np.log(table).mean(axis=0))


def positive_part(table: Floats) -> tuple[Floats, int]:
    """Cut distances to the epochs between the first and the last at which all are positive.

    Returns:
        The distances, a zero between replaced by its replica's smallest positive distance; and
        the first epoch.
    """
    positive = table > 0.0
    # A replica that is gone for good must not come back through the replacement of zeros.
    alive = np.cumsum(positive[:, ::-1], axis=1)[:, ::-1] > 0
    together = np.flatnonzero(positive.all(axis=0))
    first = int(together[0]) if len(together) else 0
    last = max(int(np.flatnonzero(alive.all(axis=0))[-1]), first)
    smallest = np.where(positive, table, np.inf).min(axis=1, keepdims=True)
    return np.where(positive, table, smallest)[:, first : last + 1], first
