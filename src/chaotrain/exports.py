"""Results for other programs: the summary as JSON, a data set as Zarr or CSV."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chaotrain import files
from chaotrain.errors import UserError


def summary_json(summary: xr.Dataset) -> str:
    """The summary as JSON: the same text for the same numbers, without times or paths.

    Numbers are numbers, and what does not exist (NaN) is null. JSON has no infinity, so a limit
    that the grid leaves open at infinity is null as well, and is named: an attribute in the list
    `open`, an entry of a variable by true in its list `open`, of the shape of its values.

    Example:
        >>> summary = xr.Dataset({"rho": ("learning_rate", [0.5])}, attrs={"eta_1_high": np.inf})
        >>> found = json.loads(summary_json(summary))
        >>> found["attributes"], found["open"], found["variables"]["rho"]["values"]
        ({'eta_1_high': None}, ['eta_1_high'], [0.5])
    """
    variables = {}
    for name, variable in sorted({**summary.coords, **summary.data_vars}.items()):
        values = variable.values
        row = {"dims": [str(dim) for dim in variable.dims], "values": _plain(values)}
        if values.dtype.kind == "f" and np.isinf(values).any():
            row["open"] = np.isinf(values).tolist()
        variables[str(name)] = row
    attributes = {str(name): _plain(value) for name, value in sorted(summary.attrs.items())}
    unbounded = [
        n for n, v in sorted(summary.attrs.items()) if isinstance(v, float) and abs(v) == math.inf
    ]
    content = {"attributes": attributes, "open": unbounded, "variables": variables}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def export(dataset: xr.Dataset, path: Path) -> list[Path]:
    """Write a data set as a Zarr store, or as CSV tables.

    A path ending in `.zarr` becomes one store (format 2, whose fixed-length texts every reader
    knows). A path ending in `.csv` becomes one table for every set of dimensions that variables
    have, with the dimensions in its name: `study.csv` gives `study-learning_rate-init.csv` and
    others. Their numbers have all their digits; what is missing is an empty field.

    Returns:
        What was written.

    Raises:
        UserError: On another ending, a path that exists, or one that cannot be written; nothing
            is left half-written.
    """
    if path.suffix not in (".zarr", ".csv"):
        raise UserError(f"{path}: end the name in .zarr or .csv")
    if path.suffix == ".zarr":
        _refuse_existing(path)
        with files.replacing(path) as temporary:
            dataset.to_zarr(temporary, mode="w-", zarr_format=2, consolidated=True)
        return [path]
    paths = {dims: path.with_name("-".join((path.stem, *dims)) + ".csv") for dims in axes(dataset)}
    for file in paths.values():
        _refuse_existing(file)
    for dims, file in paths.items():
        with files.replacing(file) as temporary:
            table(dataset, dims).to_csv(temporary)
    return list(paths.values())


def axes(dataset: xr.Dataset) -> list[tuple[str, ...]]:
    """The sets of dimensions that variables have, in the order of the variables."""
    return list(dict.fromkeys(tuple(map(str, v.dims)) for v in dataset.data_vars.values()))


def table(dataset: xr.Dataset, dims: tuple[str, ...]) -> pd.DataFrame:
    r"""The variables over just these dimensions, as a table with the dimensions as its index.

    Example:
        >>> dataset = xr.Dataset({"rho": ("eta", [0.5, np.nan]), "n": 3}, {"eta": [1, 2]})
        >>> table(dataset, ("eta",)).to_csv()
        'eta,rho\n1,0.5\n2,\n'
    """
    names = [name for name, array in dataset.data_vars.items() if array.dims == dims]
    return dataset[names].to_dataframe(dim_order=list(dims))


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise UserError(f"{path} exists already: choose another name, or remove it")
