"""What a tile of a study holds: distances, tangents or both, of a run of balls."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain import deciding, ensembles, layout, maps, memory, schema, twins
from chaotrain.balls import check_epsilon
from chaotrain.device import Device, here
from chaotrain.errors import UserError
from chaotrain.experiment import Grid
from chaotrain.layout import Layout
from chaotrain.maps import Map, State
from chaotrain.store import Balls
from chaotrain.tangent import following
from chaotrain.tangent.following import Following
from chaotrain.tangent.products import check_smooth
from chaotrain.training import TrainingMap


def plan(system: Map, grid: Grid, reference: State, device: Device | None = None) -> Layout:
    """How an experiment is cut into tiles.

    Args:
        system: The map.
        grid: The experiment.
        reference: An initial state.
        device: What computes them; by default what JAX computes on here.

    Raises:
        UserError: If the experiment does not fit the system, or the memory.
    """
    if grid.copies:
        check_epsilon(system, reference, grid.epsilon)
    if grid.follows_tangent:
        _check_tangent(system, reference, grid)
    if grid.horizon:
        _check_horizon(system)
    # Beside replicas a tangent is the smaller part; alone it sizes the tiles.
    cost = maps.cost(system if grid.copies else Following.of(system))
    members = 1 + grid.copies
    device = device or here()
    cut = layout.plan(cost, len(grid.balls), members, grid.epochs, grid.memory, device)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(reference))
    layout.check_ball(size, members, grid.epochs, device.budget(grid.memory))
    return cut


def check_room(system: Map, grid: Grid, plan: Layout, reference: State) -> None:
    """Check that this machine can compute a tile, whatever machine it was planned for.

    Raises:
        UserError: If it needs more memory than there is.
    """
    members = min(plan.balls_per_tile, len(grid.balls)) * (1 + grid.copies)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(reference))
    # A block of every lane steps at the same time.
    stepping = min(plan.lanes * plan.members_per_block, members)
    needed = stepping * maps.cost(system).bytes
    needed += members * max(2.0 * size, 8.0 * (grid.epochs + 1))
    memory.check(needed, "a tile", "compute it where there is more", here().memory)


def work(grid: Grid) -> tuple[int, int, int]:
    """Members that step for a ball's tangent (as many as it costs), distances, and horizon."""
    tangent, pair = 2 if grid.follows_tangent else 0, 1 + grid.copies if grid.copies else 0
    return tangent, pair, 2 if grid.horizon else 0


def compute(
    system: Map,
    grid: Grid,
    base: Array,
    plan: Layout,
    balls: Balls,
    tick: Callable[[int], None],
) -> ensembles.Recorded:
    """Evolve the balls of a tile.

    Args:
        system: The map.
        grid: The experiment.
        base: The key that those of the initialisations are folded from.
        plan: How members are cut into blocks and calls.
        balls: (index of the learning rate, initialisation) of each.
        tick: Called with the member-epochs done of each ball (see `work`).

    Returns:
        Arrays with a leading axis (ball), as `schema.RECORDED` names them.
    """
    rates = jnp.array([grid.learning_rates[rate] for rate, _ in balls])
    tangent, pair, both = work(grid)
    recorded: ensembles.Recorded = {}

    def started(start: Callable[[Array], State]) -> State:
        # A ball starts the same at every learning rate.
        inits = sorted({init for _, init in balls})
        starts = {init: start(jax.random.fold_in(base, init)) for init in inits}
        return ensembles.stack([starts[init] for _, init in balls])

    if grid.follows_tangent:
        followed = Following.of(system)
        recorded |= following.evolve(
            followed,
            started(followed.init),
            rates,
            grid.epochs,
            plan,
            lambda epochs: tick(tangent * epochs),
        )
    if grid.copies:
        evolve = ensembles.evolve
        if grid.stop == "decided":
            evolve = functools.partial(deciding.evolve, targets=grid.targets)
        recorded |= evolve(
            system,
            started(lambda key: ensembles.ball(system, key, grid.copies, grid.epsilon)),
            rates,
            grid.epochs,
            plan,
            progress=lambda epochs: tick(tangent * grid.epochs + pair * epochs),
        )
    if grid.horizon:
        pairs = twins.twins_of(system)
        done = (tangent + pair) * grid.epochs
        recorded[schema.ROUNDING_DISTANCE] = twins.evolve(
            pairs,
            started(pairs.init),
            rates,
            grid.epochs,
            plan,
            lambda epochs: tick(done + both * epochs),
        )
    return recorded


def _check_horizon(system: Map) -> None:
    """Check that a system is computed otherwise by itself: nobody gives another one here."""
    if not isinstance(system, TrainingMap):
        raise UserError(
            "horizon = True: it is measured for trainings only; of another map chaotrain."
            "reproducibility_horizon measures it, given the same map computed otherwise as other"
        )
    twins.twins_of(system)


def _check_tangent(system: Map, reference: State, grid: Grid) -> None:
    """Check that a tangent can follow a system, and says the same as its replicas do."""
    if getattr(system, "noise", "common") == "own":
        raise UserError(
            f"method = {grid.method!r}: noise = 'own' is between replicas, a tangent has none; "
            "use method = 'perturbation'"
        )
    check_smooth(system, reference, grid.learning_rates[0])
