"""How far a run has come: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

if TYPE_CHECKING:
    from chaotrain.meter import Tick

# Seconds between two lines in a log.
PAUSE = 10.0


class Pace:
    """How fast this process is, from the work done since its first tick.

    A resumed run does not count what an earlier one did.
    """

    def __init__(self) -> None:
        self.start: tuple[float, int] | None = None

    def rate(self, done: int, now: float) -> float | None:
        """Work a second, or None while too little was done to tell.

        Example:
            >>> from chaotrain.progress import Pace
            >>> pace = Pace()
            >>> pace.rate(50, now=0.0)
            >>> pace.rate(75, now=10.0)
            2.5
        """
        if self.start is None:
            self.start = (now, done)
        then, before = self.start
        return None if done <= before or now <= then else (done - before) / (now - then)


def left(done: int, total: int, rate: float | None) -> float | None:
    """Seconds left at a rate, None where that is not known.

    Example:
        >>> from chaotrain.progress import left
        >>> left(75, 100, 2.5), left(75, 100, None), left(100, 100, None)
        (10.0, None, 0.0)
    """
    if done >= total:
        return 0.0
    return None if rate is None else (total - done) / rate


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


def speed(rate: float) -> str:
    """A rate with three digits, as short as can be.

    Example:
        >>> from chaotrain.progress import speed
        >>> speed(4.567), speed(222.4), speed(12_345), speed(2.5e6)
        ('4.57', '222', '12.3k', '2.5M')
    """
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if rate >= 0.9995 * unit:
            return f"{float(f'{rate / unit:.3g}'):g}{letter}"
    return f"{float(f'{rate:.3g}'):g}"


def told(rate: float, share: float | None) -> str:
    """A rate in words, with its share of the matrix-product limit where that is known.

    Example:
        >>> from chaotrain.progress import told
        >>> told(222.0, 0.888)
        '222 network-epochs/s (89% of the matrix-product limit)'
    """
    of_limit = "" if share is None else f" ({share:.0%} of the matrix-product limit)"
    return f"{speed(rate)} network-epochs/s{of_limit}"


@contextmanager
def shown(name: str = "") -> Iterator[Callable[[Tick], None]]:
    """A function that shows each `Tick` on stderr, for as long as the context lasts.

    Args:
        name: What is run, where it is one of several.
    """
    console = Console(stderr=True)
    pace = Pace()
    if not console.is_terminal:
        yield _lines(console, pace, name)
        return
    columns = (
        TextColumn(name or "training", markup=False),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[tiles]} tiles"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[share]}"),
        TextColumn("left: {task.fields[left]}"),
    )
    with Progress(*columns, console=console, expand=True) as bar:
        task = bar.add_task("", total=None, tiles="", rate="", share="", left="unknown")

        def tick(state: Tick) -> None:
            rate = pace.rate(state.done, time.monotonic())
            bar.update(
                task,
                completed=state.done,
                total=state.total,
                tiles=f"{state.tiles_done}/{state.tiles}",
                # Short, since all is to stand in 80 columns.
                rate="" if rate is None else f"{speed(rate)} epochs/s",
                share="" if state.share is None else f"{state.share:.0%} of limit",
                left=clock(left(state.done, state.total, rate)),
            )

        yield tick


def _lines(console: Console, pace: Pace, name: str) -> Callable[[Tick], None]:
    last = float("-inf")
    prefix = f"{name}: " if name else ""

    def tick(state: Tick) -> None:
        nonlocal last
        now = time.monotonic()
        rate = pace.rate(state.done, now)
        if now - last >= PAUSE or state.tiles_done == state.tiles:
            last = now
            # Rounded down: 100% is said once, when the last tile is stored.
            whole = state.tiles_done == state.tiles
            percent = 100 if whole else min(99, 100 * state.done // state.total)
            does = "" if rate is None else f"{told(rate, state.share)}, "
            console.print(
                f"{prefix}{percent:3d}%, tile {state.tiles_done} of {state.tiles}, "
                f"{does}left: {clock(left(state.done, state.total, rate))}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

    return tick
