from __future__ import annotations

import itertools

import pytest

from chaotrain import experiment, layout
from chaotrain.device import Device
from chaotrain.errors import UserError
from chaotrain.layout import GIB, Layout, plan
from chaotrain.maps import Cost

# What a step of one network of the baseline takes with 60,000 and with 2,000 images, were no pixel
# zero in all. The tiles of studies on record were cut by these, into blocks of these.
WHOLE, PART = Cost(flops=18_320_400_000.0, bytes=9_227_904.0), Cost(610_680_000.0, 9_227_904.0)
PRESETS = {
    "mnist-full": (WHOLE, Layout(1, 2, 1)),
    "mnist-paper": (WHOLE, Layout(1, 6, 1)),
    "mnist-quick": (PART, Layout(10, 10, 4, 5)),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_cut_into_tiles_as_it_always_was(name: str) -> None:
    cost, expected = PRESETS[name]
    grid = experiment.load(name)
    found = plan(cost, len(grid.balls), 1 + grid.replicas, grid.epochs, grid.memory)
    assert found == expected


GRID = itertools.product(
    (0.0, 160.0, 1e8, 1e13), (0.0, 96.0, 1e7, 1e9), (1, 7, 800), (2, 6, 400), (2, 201), (1.0, 2.0)
)


@pytest.mark.parametrize(("flops", "size", "balls", "members", "epochs", "memory"), list(GRID))
def test_a_layout_keeps_to_its_limits(
    flops: float, size: float, balls: int, members: int, epochs: int, memory: float
) -> None:
    cost = Cost(flops, size)
    found = plan(cost, balls, members, epochs, memory)
    assert found == plan(cost, balls, members, epochs, memory)
    assert found.members_per_block * size <= memory * GIB
    assert 1 <= found.balls_per_tile <= balls
    each = found.balls_per_lane or found.balls_per_tile
    lanes = found.lanes
    assert lanes == -(-found.balls_per_tile // each)
    assert 1 <= found.members_per_block <= each * members
    assert lanes in (1, 2, 4)
    assert lanes * found.members_per_block * size <= memory * GIB
    # The last lane is filled up, by less than a ball for each of the others.
    assert lanes * each - found.balls_per_tile < lanes
    assert 1 <= found.epochs_per_call <= epochs + 1
    work = flops * members * (epochs + 1)
    assert found.balls_per_tile == 1 or found.balls_per_tile * work <= layout.TILE_FLOPS
    together = found.balls_per_tile * members * size
    assert found.balls_per_tile == 1 or together <= layout.TILE_BYTES
    side_by_side = found.balls_per_tile * members
    call = flops * side_by_side * found.epochs_per_call
    assert found.epochs_per_call == 1 or call <= layout.CALL_FLOPS
    # Small blocks stay in a processor's cache; on a GPU a block is all that fits.
    assert found.members_per_block <= max(layout.BLOCK, layout.CACHE // max(size, 1))
    whole = plan(cost, balls, members, epochs, memory, device=Device(cached=False))
    assert whole.members_per_block >= found.members_per_block
    assert whole.balls_per_lane is None
    assert whole.balls_per_tile >= found.balls_per_tile
    assert whole.members_per_block * size <= memory * GIB
    if whole.balls_per_tile * members * size <= memory * GIB:
        assert whole.members_per_block == whole.balls_per_tile * members
    most = layout.FASTER * layout.TILE_FLOPS
    assert whole.balls_per_tile == 1 or whole.balls_per_tile * work <= most
    call = flops * whole.balls_per_tile * members * whole.epochs_per_call
    assert whole.epochs_per_call == 1 or call <= layout.FASTER * layout.CALL_FLOPS
    # Blocks are as even as can be, since the last one is filled up.
    blocks = -(-each * members // found.members_per_block)
    assert blocks * found.members_per_block - each * members < blocks


@pytest.mark.parametrize(("size", "balls"), list(itertools.product((1, 3, 100), (1, 3, 7))))
def test_tiles_hold_every_ball_once_in_order(size: int, balls: int) -> None:
    tiles = Layout(size, 1, 1).tiles(balls)
    assert [ball for tile in tiles for ball in tile] == list(range(balls))
    assert {len(tile) for tile in tiles[:-1]} <= {size}


def test_a_gpu_is_filled_as_far_as_half_of_its_memory_allows() -> None:
    small, large = (
        plan(WHOLE, 800, 6, 201, device=Device(cached=False, memory=size * GIB)) for size in (1, 60)
    )
    assert small.members_per_block == small.balls_per_tile * 6 == 9 * 6  # of 9.2 MB each
    assert large.balls_per_tile > 2 * small.balls_per_tile
    # What the user asks for stays, and what JAX does not tell is as on a processor.
    assert plan(WHOLE, 800, 6, 201, 0.5, Device(False, 60 * GIB)) == small
    unknown = plan(WHOLE, 800, 6, 201, device=Device(cached=False))
    assert unknown == plan(WHOLE, 800, 6, 201, 2.0, Device(False, 60 * GIB))


def test_a_network_above_the_budget_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"memory = 1\.0 GiB: one network needs 1\.9 GiB, raise"):
        plan(Cost(1.0, 2e9), balls=1, members=2, epochs=2, memory=1.0)


@pytest.mark.parametrize(
    ("state", "members", "epochs", "fits"),
    [
        (GIB / 4, 2, 201, True),
        (GIB / 4, 3, 201, False),
        (8.0, 2, GIB // 16 - 1, True),
        (8.0, 2, GIB // 16, False),
    ],
)
def test_a_ball_above_the_budget_is_refused(
    state: float, members: int, epochs: int, fits: bool
) -> None:
    if fits:
        layout.check_ball(state, members, epochs, memory=1.0)
        return
    with pytest.raises(UserError, match=rf"replicas = {members - 1}: .*raise memory = 1\.0"):
        layout.check_ball(state, members, epochs, memory=1.0)
