"""How a study does, seen from another terminal: from its tiles, its log and its lock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from chaotrain import files, provenance
from chaotrain.atlas import Atlas
from chaotrain.errors import UserError
from chaotrain.limit import Limit
from chaotrain.progress import clock, told
from chaotrain.store import LOG, PROVENANCE, Store
from chaotrain.study import Study

# What a study is doing, besides the outcomes of `provenance`.
RUNNING, KILLED = "running", "killed"


class Event(BaseModel):
    """A line of the log; what else an event tells is kept as it is."""

    model_config = ConfigDict(extra="allow")

    time: AwareDatetime
    event: str
    balls: list[tuple[int, int]] = []
    seconds: float = 0.0
    network_epochs: int = 0

    def to_dict(self) -> dict[str, Any]:
        """What it told, without the list of balls."""
        told = self.model_dump(mode="json", exclude={"balls"}, exclude_unset=True)
        return told | {"time": f"{self.time:{provenance.TIME}}"}


@dataclass(frozen=True)
class Status:
    """How a study does.

    Attributes:
        state: "running", or how its last run ended: "complete", "interrupted", "failed", "killed".
        started: When that run started, local time with its offset.
        tiles_done: Tiles that are finished, by whichever run.
        tiles: All of them.
        seconds_per_tile: The mean time that a tile of the last run took its worker.
        network_epochs_per_second: Epochs of one network that the last run did in a second, by all
            workers together.
        limit_fraction: The share of the matrix-product limit in its tiles; None if not known.
        seconds_left: At that rate; None if nothing runs, or it has finished no tile yet.
        last: The last event of the log, without the list of balls.
    """

    state: str
    started: str
    tiles_done: int
    tiles: int
    seconds_per_tile: float | None
    network_epochs_per_second: float | None
    limit_fraction: float | None
    seconds_left: float | None
    last: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON knows it."""
        return asdict(self)

    def __str__(self) -> str:
        speed = left = last = ""
        if self.seconds_per_tile is not None:
            speed = f", {self.seconds_per_tile:.3g} s a tile"
        if self.network_epochs_per_second is not None:
            speed += f", {told(self.network_epochs_per_second, self.limit_fraction)}"
        if self.state == RUNNING:
            left = f", left: {clock(self.seconds_left)}"
        if self.last is not None:
            last = f"; last: {self.last['event']} at {self.last['time']}"
        return (
            f"{self.tiles_done} of {self.tiles} tiles, {self.state}, started {self.started}"
            f"{speed}{left}{last}"
        )


def of_study(folder: str | Path, now: datetime | None = None) -> Status:
    """The status of a study.

    Args:
        folder: The study directory.
        now: The time; by default that of the clock.

    Raises:
        UserError: If it is no study.

    Example:
        >>> import tempfile
        >>> import chaotrain as ct
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     system = ct.maps.quadratic((1.0,))
        ...     study = ct.sweep(system, [0.5], out=folder, inits=2, epochs=5, replicas=1)
        ...     found = of_study(folder)
        >>> found.state, found.tiles_done, found.tiles
        ('complete', 1, 1)
    """
    study = Study(folder)
    # In this order: a run that ends in between is then told by its outcome.
    running = study.store.running()
    record = study.store.provenance()
    if record is None or not record.runs:
        raise UserError(f"{folder} has no run in {PROVENANCE}: run it again to resume")
    run = record.runs[-1]
    begun, limit, tiles, last = _log(study.store)
    done = [event for event in tiles if event.balls]
    finished = study.finished
    rate = left = share = None
    if done and begun is not None:
        balls = sum(len(event.balls) for event in done)
        wall = (done[-1].time - begun.time) / timedelta(seconds=1)
        more = sum(map(len, study.tiles)) - sum(len(study.tiles[index]) for index in finished)
        if wall > 0:
            work = sum(event.network_epochs for event in done)
            rate = work / wall or None
            if work and limit is not None:
                share = limit.share(work, sum(event.seconds for event in done))
        if running:
            since = ((now or datetime.now(UTC)) - done[-1].time) / timedelta(seconds=1)
            left = max(0.0, wall / balls * more - since)
    return Status(
        state=RUNNING if running else run.outcome or KILLED,
        started=run.started,
        tiles_done=len(finished),
        tiles=len(study.tiles),
        seconds_per_tile=sum(event.seconds for event in done) / len(done) if done else None,
        network_epochs_per_second=rate,
        limit_fraction=share,
        seconds_left=left,
        last=None if last is None else last.to_dict(),
    )


def of_collection(folder: str | Path) -> dict[str, Status | None]:
    """The status of every case of a collection, None for those that are not begun.

    Raises:
        UserError: If it is no collection.
    """
    root = Path(folder)
    paths = Atlas(root).collection.cases
    return {
        path: of_study(root / path) if Store(root / path).provenance() else None for path in paths
    }


def _log(store: Store) -> tuple[Event | None, Limit | None, list[Event], Event | None]:
    """The start of the last run in the log, its limit, its tiles, and the last event of all."""
    begun, limit, tiles, last = None, None, list[Event](), None
    for last in _events(store):
        if last.event == "started":
            begun, limit, tiles = last, None, []
        elif last.event == "limit":
            with contextlib.suppress(ValidationError):  # of another version
                limit = Limit.model_validate(last.model_extra)
        elif last.event == "tile":
            tiles.append(last)
    return begun, limit, tiles, last


def _events(store: Store) -> Iterator[Event]:
    try:
        with files.regular(store.root / LOG) as lines:
            # What is longer than any line is no line.
            while line := lines.readline(files.MOST_TEXT):
                try:
                    yield Event.model_validate_json(line)
                except ValidationError:  # half of what is being written
                    continue
    except OSError:
        return
