"""How an ensemble is cut into tiles and blocks: a pure function of the configuration.

A ball is a reference and its replicas. A tile is a run of consecutive balls that is computed in
one go and stored as one file. Its lanes run at the same time. A block is the number of members of a
lane that step side by side. None of it depends on the machine if that is a processor, since another
composition rounds differently and training is chaotic; a GPU is filled as far as its memory allows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from chaotrain.device import GIB, Device
from chaotrain.errors import UserError

if TYPE_CHECKING:
    from chaotrain.maps import Cost

# A tile is as much as one is willing to lose to a kill, a call as long as an interrupt may wait:
# on a processor, and so many times as much on a GPU.
TILE_FLOPS = 2e12
CALL_FLOPS = 5e10
FASTER = 250
# On a processor the states of a tile, which every epoch passes over, stay in the shared cache where
# the members of a tile need no more than this while they step: half as much again otherwise.
TILE_BYTES = 2**28
# On a processor more members than these side by side step slower: a product of a dozen runs at
# full speed, and what they need leaves the cache.
BLOCK, CACHE = 12, 2**20
# There a block is too small to keep more than one core busy, so that several run at the same time:
# so many lanes, where each has so many members, and filling up the last takes no more than this.
LANES = ((4, 3, 1.125), (2, 2, 1.25))


@dataclass(frozen=True)
class Layout:
    """How many balls make a tile and a lane, how many members a block, how many epochs a call.

    Where balls of a lane is None, all of a tile make one.
    """

    balls_per_tile: int
    members_per_block: int
    epochs_per_call: int
    balls_per_lane: int | None = None

    @property
    def lanes(self) -> int:
        """The lanes of a whole tile."""
        return -(-self.balls_per_tile // (self.balls_per_lane or self.balls_per_tile))

    def tiles(self, balls: int) -> list[range]:
        """The balls of every tile."""
        step = self.balls_per_tile
        return [range(i, min(i + step, balls)) for i in range(0, balls, step)]

    def to_dict(self) -> dict[str, int]:
        """The layout as it is recorded."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def plan(
    cost: Cost,
    balls: int,
    members: int,
    epochs: int,
    memory: float | None = None,
    device: Device | None = None,
) -> Layout:
    """The layout of an ensemble.

    Args:
        cost: What one step of one member takes.
        balls: How many balls there are in all.
        members: Members of a ball: the reference and its replicas.
        epochs: Steps of a run.
        memory: Budget for what a block needs while it steps, in GiB; by default that of the device.
        device: What computes; by default a processor.

    Raises:
        UserError: If one member alone exceeds the budget.

    Example:
        >>> from chaotrain.layout import plan
        >>> from chaotrain.maps import Cost
        >>> plan(Cost(flops=6e8, bytes=8e6), balls=40, members=2, epochs=150)
        Layout(balls_per_tile=11, members_per_block=6, epochs_per_call=3, balls_per_lane=3)
    """
    flops, size = max(cost.flops, 1.0), max(cost.bytes, 1.0)
    device = device or Device()
    budget, cached, faster = device.budget(memory), device.cached, 1 if device.cached else FASTER
    fitting = int(budget * GIB // size)
    if fitting < 1:
        raise UserError(
            f"memory = {budget} GiB: one network needs {size / GIB:.2g} GiB, raise memory"
        )
    per_tile = int(faster * TILE_FLOPS // (flops * members * (epochs + 1)))
    together = min(fitting, int(TILE_BYTES // size)) if cached else fitting
    balls_per_tile = max(1, min(balls, per_tile, together // members))
    side_by_side = balls_per_tile * members
    most = min(fitting, max(BLOCK, int(CACHE // size // BLOCK) * BLOCK)) if cached else fitting
    lanes = _lanes(balls_per_tile, members) if cached else 1
    balls_per_lane = -(-balls_per_tile // lanes)
    blocks = -(-balls_per_lane * members // min(most, max(1, fitting // lanes)))
    per_call = int(faster * CALL_FLOPS // (flops * side_by_side))
    return Layout(
        balls_per_tile=balls_per_tile,
        members_per_block=-(-balls_per_lane * members // blocks),
        epochs_per_call=max(1, min(epochs + 1, per_call)),
        balls_per_lane=balls_per_lane if lanes > 1 else None,
    )


def _lanes(balls: int, members: int) -> int:
    """The first of `LANES` that pays, else 1."""
    for lanes, least, filled in LANES:
        each = -(-balls // lanes)
        if each * members >= least and lanes * each <= filled * balls:
            return lanes
    return 1


def check_ball(state: float, members: int, epochs: int, memory: float) -> None:
    """Check that one ball, which is never cut, stays within the budget.

    Args:
        state: Bytes of the state of one member.
        members: The reference and its replicas.
        epochs: Steps of a run.
        memory: The budget in GiB.

    Raises:
        UserError: If its states before and after a step, or its distances, need more.
    """
    needed = members * max(2 * state, 8.0 * (epochs + 1)) / GIB
    if needed > memory:
        raise UserError(
            f"replicas = {members - 1}: the states and distances of a ball need {needed:.2g} GiB, "
            f"lower replicas or raise memory = {memory}"
        )
