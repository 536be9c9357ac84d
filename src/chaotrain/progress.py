"""How far a run has come: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from chaotrain.runs import Tick

# Seconds between two lines in a log.
PAUSE = 10.0


class Remaining:
    """The time left, from the work done since the first tick of this process.

    A resumed run does not count what an earlier one did.
    """

    def __init__(self) -> None:
        self.start: tuple[float, int] | None = None

    def estimate(self, done: int, total: int, now: float) -> float | None:
        """Seconds left, or None while too little was done to tell.

        Example:
            >>> from chaotrain.progress import Remaining
            >>> left = Remaining()
            >>> left.estimate(50, 100, now=0.0)
            >>> left.estimate(75, 100, now=10.0)
            10.0
        """
        if done >= total:
            return 0.0
        if self.start is None:
            self.start = (now, done)
        then, before = self.start
        if done <= before:
            return None
        return (now - then) / (done - before) * (total - done)


def clock(seconds: float | None) -> str:
    """Seconds as a person reads them.

    Example:
        >>> from chaotrain.progress import clock
        >>> clock(59.4), clock(3700), clock(None)
        ('59 s', '1 h 02 min', 'unknown')
    """
    if seconds is None:
        return "unknown"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


@contextmanager
def shown(name: str = "") -> Iterator[Callable[[Tick], None]]:
    """A function that shows each `Tick` on stderr, for as long as the context lasts.

    Args:
        name: What is run, where it is one of several.
    """
    console = Console(stderr=True)
    left = Remaining()
    if not console.is_terminal:
        yield _lines(console, left, name)
        return
    columns = (
        TextColumn(name or "training", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[tiles]} tiles"),
        TimeElapsedColumn(),
        TextColumn("left: {task.fields[left]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None, tiles="", left="unknown")

        def tick(state: Tick) -> None:
            bar.update(
                task,
                completed=state.done,
                total=state.total,
                tiles=f"{state.tiles_done}/{state.tiles}",
                left=clock(left.estimate(state.done, state.total, time.monotonic())),
            )

        yield tick


def _lines(console: Console, left: Remaining, name: str) -> Callable[[Tick], None]:
    last = float("-inf")
    prefix = f"{name}: " if name else ""

    def tick(state: Tick) -> None:
        nonlocal last
        now = time.monotonic()
        remaining = left.estimate(state.done, state.total, now)
        if now - last >= PAUSE or state.tiles_done == state.tiles:
            last = now
            # Rounded down: 100% is said once, when the last tile is stored.
            whole = state.tiles_done == state.tiles
            percent = 100 if whole else min(99, 100 * state.done // state.total)
            console.print(
                f"{prefix}{percent:3d}%, tile {state.tiles_done} of {state.tiles}, "
                f"left: {clock(remaining)}",
                highlight=False,
                markup=False,
            )

    return tick
