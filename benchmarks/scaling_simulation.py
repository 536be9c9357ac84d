"""A study on many workers that fail: a discrete-event simulation, and its figure.

Workers take tiles from a scheduler's queue. One run, which does one thing after the other, stores
what is finished and hands out as many new tiles. A worker that fails loses its tile, which goes to
another, and is away for a while. Failures are a Poisson process: a worker that starts a tile has an
exponential time ahead of it, however long it has run.

`python benchmarks/scaling_simulation.py docs/scaling.png` prints a table and draws the figure of
docs/scaling.md.
"""

from __future__ import annotations

import heapq
import json
import math
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from chaotrain.figures import style
from chaotrain.workers import AHEAD

HOUR = 3600.0
CHUNK = 4096
# What can happen; at the same moment in this order.
FINISHED, FAILED, BACK, STORED = range(4)


@dataclass(frozen=True)
class Cluster:
    """What is simulated; times in seconds.

    Attributes:
        workers: How many there are.
        tiles: How many there are.
        seconds: What a tile takes a worker; each takes one of these, at random.
        serial: What the run takes to store a tile and to hand out the next.
        lifetime: The mean time between two failures of a worker.
        absence: How long a worker is away after one.
        seed: Of the times and of the failures.
    """

    workers: int
    tiles: int
    seconds: tuple[float, ...]
    serial: float = 0.0
    lifetime: float = math.inf
    absence: float = 0.0
    seed: int = 0


# A hundred tiles a worker; storing and handing out a tile as measured, with some to spare.
CLUSTER = Cluster(workers=1000, tiles=10**5, seconds=(60.0,), serial=0.01, absence=300.0)
LIFETIMES = {"no failure": math.inf, "one a day": 24 * HOUR, "one an hour": HOUR}
FINE = np.geomspace(1.0, HOUR, 200).tolist()


@dataclass(frozen=True)
class Outcome:
    """How a simulated study went.

    Attributes:
        makespan: Seconds until the last tile was stored.
        failures: Failures that cost a tile.
        lost: Seconds of work that they threw away, of all workers.
        work: Seconds of work that was stored, of all workers.
        efficiency: That over the seconds that the workers were there for.
    """

    makespan: float
    failures: int
    lost: float
    work: float
    efficiency: float


def simulate(cluster: Cluster) -> Outcome:
    """Run a study in simulated time.

    Args:
        cluster: What is simulated.

    Returns:
        The outcome, a function of the cluster alone.
    """
    random = np.random.default_rng(cluster.seed)
    times = _stream(lambda size: random.choice(cluster.seconds, size))
    lives = _stream(lambda size: cluster.lifetime * random.standard_exponential(size))
    handed = min(cluster.tiles, AHEAD * cluster.workers)
    queue = deque(next(times) for _ in range(handed))
    idle, stored, failures = cluster.workers, 0, 0
    now = lost = work = run_is_free = 0.0
    events: list[tuple[float, int, float, float]] = []  # when, what, seconds of the tile, begun
    while stored < cluster.tiles:
        while idle and queue:
            idle -= 1
            seconds, life = queue.popleft(), next(lives)
            what = FINISHED if seconds <= life else FAILED
            heapq.heappush(events, (now + min(seconds, life), what, seconds, now))
        now, what, seconds, begun = heapq.heappop(events)
        if what == FINISHED:
            idle += 1
            work += seconds
            run_is_free = max(run_is_free, now) + cluster.serial
            heapq.heappush(events, (run_is_free, STORED, seconds, begun))
        elif what == FAILED:
            failures += 1
            lost += now - begun
            queue.appendleft(seconds)
            heapq.heappush(events, (now + cluster.absence, BACK, 0.0, now))
        elif what == BACK:
            idle += 1
        else:
            stored += 1
            if handed < cluster.tiles:
                handed += 1
                queue.append(next(times))
    return Outcome(now, failures, lost, work, work / (now * cluster.workers))


def _stream(draw: Callable[[int], np.ndarray]) -> Iterator[float]:
    """Random numbers one by one, drawn many at a time."""
    while True:
        yield from draw(CHUNK).tolist()


def expected(cluster: Cluster) -> float:
    """The efficiency to expect of many tiles, all of the mean length: the lower of two bounds.

    A tile of t seconds fails e^{λt} - 1 times on average before it succeeds, λ = 1/lifetime, and so
    costs (e^{λt} - 1)(1/λ + absence); and the run stores one tile at a time.
    """
    mean = sum(cluster.seconds) / len(cluster.seconds)
    taken = mean
    if cluster.lifetime < math.inf:
        taken = math.expm1(mean / cluster.lifetime) * (cluster.lifetime + cluster.absence)
    return mean / max(taken, cluster.workers * cluster.serial)


def tiles_of(log: Path) -> tuple[float, ...]:
    """The seconds of the tiles in the log of a study."""
    events = map(json.loads, log.read_text("utf-8").splitlines())
    return tuple(event["seconds"] for event in events if event["event"] == "tile")


def draw(path: Path, real: tuple[float, ...]) -> None:
    """Draw the efficiency against the length of a tile, expected and simulated."""
    with style.house_style():
        axes = style.new_axes()
        lengths = np.geomspace(1.0, HOUR, 13)
        for label, colour in (("one a day", style.BLUE), ("one an hour", style.RED)):
            lifetime = LIFETIMES[label]
            ones = [replace(CLUSTER, seconds=(t,), lifetime=lifetime) for t in lengths.tolist()]
            fine = [replace(CLUSTER, seconds=(t,), lifetime=lifetime) for t in FINE]
            axes.plot(FINE, [expected(one) for one in fine], color=colour)
            found = [simulate(one).efficiency for one in ones]
            axes.plot(lengths, found, "o", color=colour, clip_on=False)
            _note(
                axes,
                label.replace("one", "a failure\n").replace("\n ", "\n"),
                HOUR,
                expected(fine[-1]),
                colour,
            )
        _note(axes, "the run stores\n100 tiles a second", 3.6, 0.24, style.INK)
        mean = sum(real) / len(real)
        axes.axvline(mean, color=style.PALE, zorder=0)
        _note(axes, "a tile of all 60,000\nimages, measured", mean, 0.09, style.GREY)
        axes.set(xscale="log", xlim=(1, HOUR), ylim=(0, 1.02))
        axes.set_xticks([1, 10, 60, 600, HOUR], ["1 s", "10 s", "1 min", "10 min", "1 h"])
        axes.minorticks_off()
        axes.set_xlabel("length of a tile")
        axes.set_ylabel("work stored / time of 1,000 workers")
        style.write(style.root(axes), path)


def _note(axes: Axes, text: str, x: float, y: float, colour: str) -> None:
    place = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(text, (x, y), color=colour, **place)


def main() -> None:
    """Print what becomes of a million tiles, and draw the figure."""
    real = tiles_of(Path("docs/results/mnist-full/log.jsonl"))
    print(f"{len(real)} tiles measured, {min(real):.1f} to {max(real):.1f} s")
    for label, lifetime in LIFETIMES.items():
        cluster = replace(CLUSTER, tiles=10**6, seconds=real, lifetime=lifetime)
        found = simulate(cluster)
        print(
            f"{label:18} {found.makespan / HOUR:6.2f} h, {found.failures:7,} tiles lost, "
            f"{found.lost / found.work:6.2%} of the work, efficiency {found.efficiency:.3f}, "
            f"expected {expected(cluster):.3f}"
        )
    draw(Path(sys.argv[1]), real)


if __name__ == "__main__":
    main()
