"""How far a run has come, counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from chaotrain import schema, signals, tiles
from chaotrain.experiment import Grid
from chaotrain.limit import Limit
from chaotrain.store import Balls


class Tick(NamedTuple):
    """How far a run has come.

    Attributes:
        done: Work that is done, in epochs of one network.
        total: All of it.
        tiles_done: Tiles that are stored.
        tiles: All of them.
        share: Of the matrix-product limit, in the tiles of this run; None before the first, or if
            there is no limit.
    """

    done: int
    total: int
    tiles_done: int
    tiles: int
    share: float | None = None


Progress = Callable[[Tick], None]


class Meter:
    """Counts what a run has done and reports it."""

    def __init__(
        self, grid: Grid, parts: Sequence[Balls], left: Sequence[int], progress: Progress | None
    ) -> None:
        self.progress = progress
        self.ball = sum(tiles.work(grid)) * grid.epochs
        self.total = self.ball * sum(map(len, parts))
        self.sizes = {index: len(parts[index]) for index in left}
        self.done = self.total - self.ball * sum(self.sizes.values())
        self.tiles = len(parts)
        self.limit: Limit | None = None
        self.worked, self.seconds, self.since = 0, 0.0, 0.0
        self.foreseen = grid.stop == "epochs"  # else a tile may do less than it plans

    def begin(self, limit: Limit | None) -> None:
        """Report where the run begins."""
        self.limit, self.since = limit, time.perf_counter()
        self.tick(0)

    def tick(self, work: int) -> None:
        """Report so many member-epochs of every ball of the tile in hand."""
        signals.check()
        if self.progress is not None:
            in_hand = work * next(iter(self.sizes.values()), 0)
            worked, seconds, share = self.worked, self.seconds, None
            if in_hand and self.foreseen:
                worked, seconds = worked + in_hand, seconds + time.perf_counter() - self.since
            if self.limit is not None and worked:
                share = self.limit.share(worked, seconds)
            stored = self.tiles - len(self.sizes)
            self.progress(Tick(self.done + in_hand, self.total, stored, self.tiles, share))

    def finish_tile(self, index: int, seconds: float, recorded: Mapping[str, np.ndarray]) -> int:
        """Count a tile as stored, and return its member-epochs, without those left out."""
        planned = self.ball * self.sizes.pop(index)
        worked = planned
        if schema.FOLLOWED in recorded:
            worked = int(recorded[schema.FOLLOWED].sum() + recorded[schema.TRAINED].sum())
        self.done, self.worked = self.done + planned, self.worked + worked
        self.seconds, self.since = self.seconds + seconds, time.perf_counter()
        return worked
