"""A study directory opened: its data set, its summary, and the learning rate it recommends."""

from __future__ import annotations

import json
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chaotrain import analysis, schema
from chaotrain.errors import UserError
from chaotrain.layout import Layout
from chaotrain.store import Store


class Study:
    """A study directory, finished or not; balls that are not there yet are `absent`.

    Args:
        path: The directory.

    Raises:
        UserError: If it is no study, or a file in it was altered.
    """

    def __init__(self, path: str | Path) -> None:
        self.store = Store(path)
        self.grid = self.store.grid()
        record = self.store.provenance()
        if not record:
            raise UserError(f"{self.store.root} has no provenance.json: run it again to resume")
        try:
            self.tiles = Layout(**record["layout"]).tiles(len(self.grid.balls))
        except (TypeError, ValueError):
            raise UserError(
                f"{self.store.root / 'provenance.json'} was altered: restore it"
            ) from None

    @property
    def path(self) -> Path:
        """The study directory."""
        return self.store.root

    @property
    def finished(self) -> list[int]:
        """The tiles that are finished."""
        return [index for index in range(len(self.tiles)) if self.store.finished(index)]

    @cached_property
    def recorded(self) -> xr.Dataset:
        """What the runs recorded, over learning rate, initialisation, replica and epoch."""
        grid = self.grid
        shape = (len(grid.learning_rates), max(grid.inits_each))
        arrays: dict[str, np.ndarray] = {}
        for index in self.finished:
            tile = self.store.read_tile(index)
            rates, inits = np.transpose([grid.balls[i] for i in self.tiles[index]])
            for name, values in tile.items():
                whole = arrays.setdefault(name, np.full((*shape, *values.shape[1:]), np.nan))
                whole[rates, inits] = values
        if not arrays:
            raise UserError(f"{self.path} has no finished tile yet: run it again to resume")
        variables = {}
        for name in sorted(arrays):
            more = (schema.REPLICA, schema.EPOCH)[4 - arrays[name].ndim :]
            known = schema.RECORDED.get(name)
            dims = (schema.LEARNING_RATE, schema.INIT, *more)
            variables[name] = xr.Variable(dims, arrays[name], known.attrs if known else {})
        points: dict[str, Any] = {
            schema.LEARNING_RATE: grid.learning_rates,
            schema.INIT: np.arange(shape[1]),
            schema.REPLICA: np.arange(grid.replicas),
            schema.EPOCH: np.arange(grid.epochs + 1),
        }
        coords = {
            name: (name, values, schema.COORDINATES[name].attrs) for name, values in points.items()
        }
        return xr.Dataset(variables, coords=coords)

    @cached_property
    def dataset(self) -> xr.Dataset:
        """What was recorded and what the growth fit derives from it, a ball at a time."""
        return analysis.derive(self.recorded, self.grid.targets)

    @cached_property
    def summary(self) -> xr.Dataset:
        """The statistics over initialisations, a learning rate at a time."""
        assert self.grid.target is not None
        return analysis.summarise(self.dataset, self.grid.target)

    def best(self, target: float | None = None, epochs: int | None = None) -> analysis.Best:
        """The learning rate that reaches a target first, or scores best after some epochs.

        Args:
            target: A test accuracy; any, not only those of the experiment.
            epochs: An epoch budget.

        Raises:
            UserError: If not just one of the two is given, or it is out of range.
        """
        if (target is None) == (epochs is None):
            raise UserError("best: give either target=... or epochs=...")
        if target is not None:
            return analysis.best_for_target(self.dataset, target)
        assert epochs is not None
        return analysis.best_for_epochs(self.dataset, epochs)

    def verify(self) -> list[str]:
        """What is wrong with the finished tiles, one line each."""
        problems = []
        for index in self.finished:
            problem = self.store.problem(index)
            if problem:
                problems.append(f"{self.store.tile(index)} {problem}")
        return problems


def summary_json(summary: xr.Dataset) -> str:
    """The summary as JSON, the same text for the same numbers; NaN is null."""
    rows = {
        name: {"dims": list(map(str, variable.dims)), "values": _plain(variable.values)}
        for name, variable in sorted({**summary.coords, **summary.data_vars}.items())
    }
    attributes = {name: _plain(value) for name, value in sorted(summary.attrs.items())}
    return json.dumps({"attributes": attributes, "variables": rows}, indent=1) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def export(dataset: xr.Dataset, path: Path) -> None:
    """Write a data set as a Zarr store (`.zarr`) or as a long table (`.csv`).

    Raises:
        UserError: On another ending, a path that exists, or one that cannot be written.
    """
    if path.suffix not in (".zarr", ".csv"):
        raise UserError(f"{path}: end the name in .zarr or .csv")
    if path.exists():
        raise UserError(f"{path} exists already: choose another name")
    try:
        if path.suffix == ".zarr":
            dataset.to_zarr(path, mode="w-", consolidated=False)
        else:
            dataset.to_dataframe().to_csv(path)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}): choose another place") from None
