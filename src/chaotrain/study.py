"""A study directory opened: its data set, its summary, and the learning rate it recommends."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chaotrain import memory, schema
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
        # Part of the labels of figures, where a dollar sign would begin a formula.
        self.score = record.score.replace("$", "")
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
        size = 0.0
        for index in self.finished:
            rates, inits = np.transpose(self.tiles[index])
            tile = self.store.read_tile(index, self.tiles[index], self._sizes)
            for name, values in tile.items():
                if name not in arrays:
                    whole = (*shape, *values.shape[1:])
                    size += 8.0 * math.prod(whole)
                    # One tile of many says nothing of what they take together.
                    memory.check(size, f"{self.path}: its data set", "open it where there is more")
                    arrays[name] = np.full(whole, np.nan)
                arrays[name][rates, inits] = values
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

    @property
    def _sizes(self) -> dict[str, int]:
        """How long the axes of what is recorded of a ball are."""
        return {schema.REPLICA: self.grid.copies, schema.EPOCH: self.grid.epochs + 1}

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

    def damaged(self) -> dict[int, str]:
        """What is wrong with the finished tiles, by their numbers."""
        problems = ((i, self.store.problem(i, self.tiles[i], self._sizes)) for i in self.finished)
        return {i: f"tile {self.store.tile(i)} {problem}" for i, problem in problems if problem}

    def verify(self) -> list[str]:
        """What is wrong with the finished tiles and with the log, one line each."""
        log = self.store.log_problem()
        return [*self.damaged().values(), *([] if log is None else [log])]

    def repair(self) -> list[str]:
        """Remove the finished tiles that are damaged, so that the next run computes them anew.

        Returns:
            What was wrong with each.

        Raises:
            UserError: If a run is at work here.
        """
        with self.store.locked():
            damaged = self.damaged()
            for index in damaged:
                self.store.remove_tile(index)
        return list(damaged.values())

    def unrecorded(self) -> list[Path]:
        """Files among the tiles that are none: left by a run that was killed, or foreign."""
        known = {path for i in self.finished for path in self.store.pair(i)}
        return sorted(set(self.store.tiles.glob("*")) - known)
