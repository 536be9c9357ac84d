"""How long the members of each ball were trained: to the end, unless `stop = "decided"`."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.analysis.arrays import ordered
from chaotrain.statistics.averages import Booleans, Floats

Places = NDArray[np.int64]


def followed(dataset: xr.Dataset) -> Places:
    """Return the place of the last epoch of each replica, (R, I, replica)."""
    return _last(dataset, schema.FOLLOWED)


def trained(dataset: xr.Dataset) -> Places:
    """Return the place of the last epoch of each reference, (R, I)."""
    return _last(dataset, schema.TRAINED)


def ended_early(dataset: xr.Dataset) -> Booleans:
    """Return which references left, all targets reached or blown up, before the last epoch."""
    return trained(dataset) < dataset.sizes[schema.EPOCH] - 1


def within(last: Places, epochs: int) -> Booleans:
    """Return which epochs were recorded, (..., epoch).

    Example:
        >>> within(np.array([0, 2]), 3).tolist()
        [[True, False, False], [True, True, True]]
    """
    return np.asarray(np.arange(epochs) <= last[..., None])


def carried(curves: Floats, last: Places) -> Floats:
    """Return curves (..., epoch) that stay where they were when they left.

    Example:
        >>> carried(np.array([[3.0, 2.0, np.nan]]), np.array([1])).tolist()
        [[3.0, 2.0, 2.0]]
    """
    places = np.minimum(np.arange(curves.shape[-1]), last[..., None])
    return np.take_along_axis(curves, places, axis=-1)


def _last(dataset: xr.Dataset, name: str) -> Places:
    end = dataset.sizes[schema.EPOCH] - 1
    if name not in dataset:
        sizes = (dataset.sizes[dim] for dim in schema.RECORDED[name].dims)
        return np.full(tuple(sizes), end)
    # A ball that did not run has none.
    values = np.nan_to_num(ordered(dataset, name), nan=end)
    return np.asarray(np.clip(values, 0, end), dtype=np.int64)
