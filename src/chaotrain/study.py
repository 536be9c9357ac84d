"""A study directory opened: its data set, its summary, and the learning rate it recommends."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chaotrain import schema
from chaotrain.analysis import Best, best_for_epochs, best_for_target, derive, summarise
from chaotrain.errors import UserError
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
        if record is None:
            raise UserError(f"{self.store.root} has no provenance.json: run it again to resume")
        self.score = record.score
        balls = self.grid.balls
        self.tiles = [[balls[i] for i in tile] for tile in record.plan.tiles(len(balls))]

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
            rates, inits = np.transpose(self.tiles[index])
            for name, values in self._tile(index).items():
                whole = arrays.setdefault(name, np.full((*shape, *values.shape[1:]), np.nan))
                whole[rates, inits] = values
        if not arrays:
            raise UserError(f"{self.path} has no finished tile yet: run it again to resume")
        variables = {}
        for name in sorted(arrays):
            more, attributes = schema.recorded(name, arrays[name].ndim - len(shape))
            dims = (schema.LEARNING_RATE, schema.INIT, *more)
            variables[name] = xr.Variable(dims, arrays[name], attributes)
        points: dict[str, Any] = {
            schema.LEARNING_RATE: grid.learning_rates,
            schema.INIT: np.arange(shape[1]),
            schema.REPLICA: np.arange(grid.copies),
            schema.EPOCH: np.arange(grid.epochs + 1),
        }
        coords = {
            name: (name, values, schema.COORDINATES[name].attrs)
            for name, values in points.items()
            if len(values)
        }
        return xr.Dataset(variables, coords=coords, attrs={schema.SCORE: self.score})

    def _tile(self, index: int) -> dict[str, np.ndarray]:
        arrays = self.store.read_tile(index, self.tiles[index])
        sizes = {schema.REPLICA: self.grid.copies, schema.EPOCH: self.grid.epochs + 1}
        for name, values in arrays.items():
            dims, _ = schema.recorded(name, values.ndim - 1)
            if values.shape[1:] != tuple(sizes[dim] for dim in dims):
                raise UserError(
                    f"tile {self.store.tile(index)}: {name} is of another experiment, delete the "
                    "tile with its record and run again to compute it anew"
                )
        return arrays

    @cached_property
    def dataset(self) -> xr.Dataset:
        """What was recorded and what the growth fit derives from it, a ball at a time."""
        return derive(self.recorded, self.grid.targets)

    @cached_property
    def summary(self) -> xr.Dataset:
        """The statistics over initialisations, a learning rate at a time."""
        assert self.grid.target is not None
        summary = summarise(self.dataset, self.grid.target)
        return summary.assign_attrs({schema.SCORE: self.score})

    def best(self, target: float | None = None, epochs: int | None = None) -> Best:
        """The learning rate that reaches a target first, or scores best after some epochs.

        Args:
            target: A test score; any, not only those of the experiment.
            epochs: An epoch budget.

        Raises:
            UserError: If not just one of the two is given, or it is out of range.
        """
        if (target is None) == (epochs is None):
            raise UserError("best: give either target=... or epochs=...")
        if target is not None:
            return best_for_target(self.dataset, target)
        assert epochs is not None
        return best_for_epochs(self.dataset, epochs)

    def verify(self) -> list[str]:
        """What is wrong with the finished tiles, one line each."""
        problems = ((i, self.store.problem(i, self.tiles[i])) for i in self.finished)
        return [f"tile {self.store.tile(i)} {problem}" for i, problem in problems if problem]

    def unrecorded(self) -> list[Path]:
        """Files among the tiles that are none: left by a run that was killed, or foreign."""
        known = {path for i in self.finished for path in self.store.pair(i)}
        return sorted(set(self.store.tiles.glob("*")) - known)
