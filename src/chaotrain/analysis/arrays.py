"""From a labelled data set to plain arrays in the schema's order of dimensions, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.statistics.averages import Booleans, Floats

_BALL_VARIABLES = schema.RECORDED | schema.DERIVED


def ordered(dataset: xr.Dataset, name: str) -> NDArray[Any]:
    """Return a recorded or derived variable in the schema's order of dimensions."""
    return dataset[name].transpose(*_BALL_VARIABLES[name].dims).values


def if_recorded(dataset: xr.Dataset, name: str) -> Floats | None:
    """Return a recorded variable, or None if it is missing or NaN throughout."""
    if name not in dataset:
        return None
    values = ordered(dataset, name)
    return None if np.isnan(values).all() else values


def which_ran(dataset: xr.Dataset) -> Booleans:
    """Return which balls ran, (R, I): those that are not NaN in every recorded variable."""
    shape = (dataset.sizes[schema.LEARNING_RATE], dataset.sizes[schema.INIT])
    ran = np.zeros(shape, dtype=bool)
    for name in schema.RECORDED:
        values = if_recorded(dataset, name)
        if values is not None:
            ran |= ~np.isnan(values).reshape(*shape, -1).all(axis=2)
    return ran


def labelled(
    arrays: Mapping[str, NDArray[Any]], variables: Mapping[str, schema.Variable]
) -> dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, str]]]:
    """Return the arrays of these variables with their dimensions and attributes."""
    return {
        name: (variable.dims, arrays[name], variable.attrs) for name, variable in variables.items()
    }


def word_array(shape: tuple[int, ...], vocabulary: tuple[str, ...]) -> NDArray[np.str_]:
    """Return an array of unknown words that has room for each one of the vocabulary."""
    return np.full(shape, schema.UNKNOWN, dtype=f"<U{max(map(len, vocabulary))}")
