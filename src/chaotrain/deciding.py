"""Balls that are trained for as long as there is something to learn of them: `stop = "decided"`.

At checkpoints the replicas of a ball leave that its exponent needs no longer, and then its
reference if its targets are reached. Whether they do depends on what was recorded of that ball
alone, so that a tile computed anew leaves out the same.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.course import Course
from chaotrain.ensembles import Progress, Recorded, follow
from chaotrain.growth import Growth, fit_growth
from chaotrain.growth.settling import needed
from chaotrain.layout import Layout
from chaotrain.maps import Map, State
from chaotrain.statistics.continuing import continued

Places = NDArray[np.intp]

# Checkpoints of a run, and the fewest epochs between two of them.
CHECKPOINTS = 15
FEWEST_EPOCHS = 4
# Each size of a group is compiled anew, so a group shrinks by this factor or not at all.
SHRINKS = 1.5


def segment(epochs: int) -> int:
    """Epochs from one checkpoint to the next in a run of so many."""
    return max(FEWEST_EPOCHS, -(-epochs // CHECKPOINTS))


def sizes(balls: int) -> list[int]:
    """The sizes that a group of so many balls shrinks through.

    Example:
        >>> sizes(20)
        [20, 13, 8, 5, 3, 2, 1]
    """
    found = [balls]
    while found[-1] > 1:
        found.append(int(found[-1] / SHRINKS))
    return found


def evolve(
    system: Map,
    states: State,
    etas: Array,
    epochs: int,
    layout: Layout,
    targets: Sequence[float],
    *,
    progress: Progress | None = None,
) -> Recorded:
    """Evolve balls as `ensembles.evolve` does, but none for longer than it has something to say.

    Args:
        system: The map.
        states: Initial states with leading axes (ball, member); member 0 is the reference.
        etas: Learning rates, shape (ball,).
        epochs: Steps T of a ball that does not leave.
        layout: As for `ensembles.evolve`.
        targets: Test scores that a reference stays for, if the map observes `test_accuracy`.
        progress: Called with the number of epochs that are trained or left out in all balls.

    Returns:
        What `ensembles.evolve` returns, NaN where it was not computed; `followed` (ball, replica)
        and `trained` (ball,), the last epochs of the replicas and of the reference.
    """
    count, members = jax.tree.leaves(states)[0].shape[:2]
    every, ladder = segment(epochs), sizes(count)
    record = _Record(count, members - 1, epochs, targets)
    with jax.enable_x64(True):
        etas = jnp.asarray(etas)
        groups = [_Group(np.arange(count), Course.begun(states))]
        for start in range(0, epochs + 1, every):
            rows = min(every, epochs + 1 - start)
            reached = []
            for group in groups:
                # Filled up with copies of the first balls, which nobody looks at.
                order = _filled(len(group.balls), ladder)
                course, recorded = follow(
                    system,
                    group.course.of(order),
                    etas[group.balls[order]],
                    rows,
                    layout,
                    room=every,
                    progress=functools.partial(_tell, progress, start, group is groups[-1]),
                )
                record.add(group.balls, start, recorded)
                reached.append(_Group(group.balls, course))
            record.judge(start + rows - 1)
            groups = _regrouped(reached, record.staying())
            if not groups:
                break
    return record.arrays


class _Group(NamedTuple):
    """Balls with the same number of members that step side by side, and where they are."""

    balls: Places
    course: Course


def _filled(count: int, ladder: Sequence[int]) -> Places:
    """The first places, and again from the first on up to the next size of the ladder."""
    return np.arange(min(size for size in ladder if size >= count)) % count


def _regrouped(groups: Sequence[_Group], members: Places) -> list[_Group]:
    """The balls that go on, grouped by how many of their members do; none does with 0."""
    found = []
    for size in sorted(set(members[members > 0]), reverse=True):
        chosen = [(group, np.flatnonzero(members[group.balls] == size)) for group in groups]
        chosen = [(group, places) for group, places in chosen if len(places)]
        courses = [group.course.of(places, size) for group, places in chosen]
        balls = np.concatenate([group.balls[places] for group, places in chosen])
        found.append(_Group(balls, Course.joined(courses, len(balls))))
    return found


def _tell(progress: Progress | None, start: int, last: bool, epochs: int) -> None:
    """Report the epochs that all groups have behind them."""
    if progress is not None:
        progress(start + epochs if last else max(start - 1, 0))


class _Record:
    """What was recorded of balls so far, and which of their members go on."""

    def __init__(self, balls: int, replicas: int, epochs: int, targets: Sequence[float]) -> None:
        self.epochs, self.targets = epochs, targets
        self.followed = np.full((balls, replicas), epochs)
        self.trained = np.full(balls, epochs)
        self.recorded: Recorded = {}
        self.fits: list[Growth | None] = [None] * balls

    @property
    def arrays(self) -> Recorded:
        """What is recorded, with how long it was."""
        return {
            **self.recorded,
            schema.FOLLOWED: self.followed,
            schema.TRAINED: self.trained,
        }

    def add(self, balls: Places, start: int, recorded: Recorded) -> None:
        """Keep what these balls did from an epoch on."""
        for name, rows in recorded.items():
            axes = self.followed.shape if name == schema.DISTANCE else self.trained.shape
            whole = self.recorded.setdefault(name, np.full((*axes, self.epochs + 1), np.nan))
            epochs = slice(start, start + rows.shape[-1])
            if name == schema.DISTANCE:
                whole[balls, : rows.shape[1], epochs] = rows[: len(balls)]
            else:
                whole[balls, epochs] = rows[: len(balls)]

    def staying(self) -> Places:
        """How many members of each ball go on."""
        replicas = (self.followed == self.epochs).sum(axis=1)
        return np.where(self.trained == self.epochs, 1 + replicas, 0)

    def judge(self, epoch: int) -> None:
        """Let leave, after an epoch, what has nothing more to say."""
        for ball in np.flatnonzero(self.staying()).tolist():
            stays = self.followed[ball] == self.epochs
            if stays.any():
                keep = 0 if self._blown(ball, epoch) else self._needed(ball, epoch)
                self.followed[ball, keep:][stays[keep:]] = epoch
            left = not (self.followed[ball] == self.epochs).any()
            if left and (self._blown(ball, epoch) or self._reached(ball, epoch)):
                self.trained[ball] = epoch

    def _needed(self, ball: int, epoch: int) -> int:
        """How many replicas the exponent of a ball needs from now on."""
        distances = self.recorded[schema.DISTANCE][ball, :, : epoch + 1]
        distances = continued(distances, np.minimum(self.followed[ball], epoch))
        before, now = self.fits[ball], fit_growth(distances)
        self.fits[ball] = now
        return len(distances) if before is None else needed(before, now, distances, self.epochs)

    def _blown(self, ball: int, epoch: int) -> bool:
        """Whether the reference has blown up."""
        loss = self.recorded.get("loss")
        return loss is not None and not np.isfinite(loss[ball, : epoch + 1]).all()

    def _reached(self, ball: int, epoch: int) -> bool:
        """Whether the reference has reached all targets, or there are none to be reached."""
        score = self.recorded.get("test_accuracy")
        highest = max(self.targets, default=-np.inf)
        return score is None or bool((score[ball, : epoch + 1] >= highest).any())
