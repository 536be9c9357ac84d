"""How far a run has come, counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from chaotrain import signals, tiles
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
        self.begun, self.seconds, self.since = self.done, 0.0, 0.0

    def begin(self, limit: Limit | None) -> None:
        """Report where the run begins."""
        self.limit, self.since = limit, time.perf_counter()
        self.tick(0)

    def tick(self, work: int) -> None:
        """Report so many member-epochs of every ball of the tile in hand."""
        signals.check()
        if self.progress is not None:
            done = self.done + work * next(iter(self.sizes.values()), 0)
            stored = self.tiles - len(self.sizes)
            share = None
            if self.limit is not None and done > self.begun:
                in_hand = time.perf_counter() - self.since if work else 0.0
                share = self.limit.share(done - self.begun, self.seconds + in_hand)
            self.progress(Tick(done, self.total, stored, self.tiles, share))

    def finish_tile(self, index: int, seconds: float) -> int:
        """Count a tile as stored, and return its member-epochs."""
        work = self.ball * self.sizes.pop(index)
        self.done += work
        self.seconds, self.since = self.seconds + seconds, time.perf_counter()
        return work
