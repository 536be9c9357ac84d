"""Replicas that were not followed to the end, continued by those that were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chaotrain.statistics.averages import Floats


def continued(distances: Floats, followed: NDArray[np.integer]) -> Floats:
    """Let every replica of a ball grow on as those do that were followed longest.

    Their mean of ln d(t) then goes on without a step. While distances are small the replicas of a
    ball obey one linear map, which soon stretches all of them alike.

    Args:
        distances: d(t) of each replica, shape (replica, epoch).
        followed: The last epoch of each that was recorded, shape (replica,).

    Returns:
        The distances up to the last epoch that any was followed.

    Example:
        >>> distances = np.array([[1.0, 2.0, 4.0, np.nan], [3.0, 5.0, np.nan, np.nan]])
        >>> continued(distances, np.array([2, 1]))
        array([[ 1.,  2.,  4.],
               [ 3.,  5., 10.]])
    """
    last = int(followed.max())
    table = np.array(distances[:, : last + 1], dtype=np.float64)
    longest = followed == last
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        logs = np.log(table[longest]).mean(axis=0)
        for replica in np.flatnonzero(~longest):
            end = int(followed[replica])
            table[replica, end + 1 :] = table[replica, end] * np.exp(logs[end + 1 :] - logs[end])
    return table
