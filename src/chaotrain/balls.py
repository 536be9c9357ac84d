"""One ball of networks: how the distance between them grows, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from chaotrain import arguments, ensembles, layout, maps, schema
from chaotrain.device import here
from chaotrain.distances import DISTANCES
from chaotrain.errors import UserError, first_line
from chaotrain.experiment import plain, validated
from chaotrain.explaining import short
from chaotrain.fields import Count, Memory, Model, Positive, Steps, Width
from chaotrain.maps import Key, Map, State, in_float64

# Fewer rounding units than this beside a typical weight, and a perturbation is mostly rounding.
ROUNDING_UNITS = 8


class Settings(Model):
    """The numbers that `divergence` takes, by the names of its arguments."""

    eta: Positive
    epochs: Steps
    replicas: Count
    epsilon: Width
    memory: Memory | None


@in_float64
def divergence(
    system: Map,
    eta: float,
    key: Key = 0,
    *,
    epochs: int = 201,
    replicas: int = 5,
    epsilon: float = 1e-8,
    state: State = None,
    perturbed: Sequence[State] | None = None,
    distance: str = "l1",
    memory: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """Evolve a reference and its perturbed replicas, and record how far apart they are.

    Args:
        system: Any `Map`.
        eta: The learning rate.
        key: An integer or a JAX key; it draws the initial state and the perturbations.
        epochs: Steps T.
        replicas: Perturbed copies, each perturbed number moved by U(-ε, ε).
        epsilon: The half-width ε.
        state: An explicit initial state, instead of the one drawn with `key`.
        perturbed: Explicit perturbed states, instead of `replicas` drawn ones.
        distance: "l1" (the paper's) or "l2", over the map's coordinates.
        memory: What the members may need while they step, in GiB; as for `sweep`.
        progress: Called with the number of epochs done after every compiled call.

    Returns:
        `distance` (replica, epoch) with T + 1 epochs, the first the realised d(0); and over
        `epoch`, of the reference: every observable, `path_length` and `displacement`.

    Raises:
        UserError: On a number out of range, or an ε that rounding would swallow.

    Source: arXiv 2506.08523, Methods. Distances near the rounding unit times the norm of the state
    are noise.

    Example:
        >>> import chaotrain as ct
        >>> curves = ct.divergence(ct.maps.quadratic((3.0,)), eta=1.0, epochs=10, replicas=1)
        >>> d = curves.distance.values[0]
        >>> bool(abs(d[10] / d[0] / 2**10 - 1) < 1e-6)
        True
    """
    check_map(system)
    if perturbed is not None:
        if len(perturbed) == 0:
            raise UserError("perturbed = []: give at least one perturbed state")
        replicas = len(perturbed)
    numbers = {"eta": eta, "epochs": epochs, "replicas": replicas, "epsilon": epsilon}
    settings = validated(
        Settings, {name: plain(value) for name, value in {**numbers, "memory": memory}.items()}
    )
    measure = arguments.entry("distance", distance, DISTANCES)
    key = maps.as_key(key)
    reference = initial(system, key, state)
    check_step(system, reference)
    if perturbed is None:
        check_epsilon(system, reference, settings.epsilon)
        members = ensembles.surround(system, reference, key, replicas, settings.epsilon)
    else:
        members = _stacked(reference, perturbed)
    recorded = ensembles.evolve(
        system,
        jax.tree.map(lambda leaf: leaf[None], members),
        jnp.array([settings.eta]),
        settings.epochs,
        layout.plan(maps.cost(system), 1, 1 + replicas, settings.epochs, settings.memory, here()),
        distance=measure,
        progress=progress,
    )
    return labelled({name: array[0] for name, array in recorded.items()})


def check_map(system: Map) -> None:
    """Check that something can be evolved.

    Raises:
        UserError: If it is no `Map`, or finds itself unfit.
    """
    if not isinstance(system, Map):
        raise UserError(
            f"system = {short(system)}: give a map with init, step and observe, "
            "like chaotrain.TrainingMap(network, task)"
        )
    probe = getattr(system, "probe", None)
    if probe is not None:
        probe()


def initial(system: Map, key: Array, state: State) -> State:
    """The initial state of a run: the explicit one, or that of the key where it is None.

    Raises:
        UserError: If the explicit one is not shaped as those of the map.
    """
    drawn = system.init(key)
    if state is None:
        return drawn
    given, wanted = _kinds(state), _kinds(drawn)
    tree, like = str(jax.tree.structure(state)), str(jax.tree.structure(drawn))
    if given != wanted or tree != like:
        raise UserError(
            f"state: it holds {_listed(given)} where system.init(key) has {_listed(wanted)}, "
            "give a changed copy of that"
        )
    return state


def check_step(system: Map, state: State) -> None:
    """Check that the step of a map can be compiled; one with a `probe` has seen to that.

    Raises:
        UserError: If JAX cannot trace it, or it does not keep the shapes and types of the state.
    """
    if hasattr(system, "probe"):
        return

    def step(state: State, eta: Array) -> Any:
        stepped, _ = maps.advance(system, state, eta)
        return stepped, maps.inspect(system, state), maps.coordinates(system, stepped)

    try:
        jax.eval_shape(system.init, jax.random.key(0))
        # Members step side by side, which is more than to trace one.
        one = jax.tree.map(lambda leaf: leaf[None], state)
        stepped, *_ = jax.eval_shape(jax.vmap(step), one, jnp.ones(1))
    except Exception as error:  # whatever a step raises on what is not yet a number
        raise UserError(
            f"system = {short(system)}: JAX cannot trace it ({first_line(error)[:120]}); write its "
            "methods with jax.numpy, or measure one trajectory by chaotrain.rescaled_pair"
        ) from error
    check_kept(system, one, stepped)


def check_kept(system: Map, before: State, after: State) -> None:
    """Check that a step keeps the shapes and types of a state.

    Raises:
        UserError: If it does not.
    """
    if _kinds(before) != _kinds(after):
        raise UserError(
            f"system = {short(system)}: its step changes the shapes or types of the state, "
            "let it keep them"
        )


def _kinds(state: State) -> list[tuple[str, tuple[int, ...]]]:
    """The type and shape of every leaf."""
    return [
        (str(getattr(leaf, "dtype", type(leaf).__name__)), np.shape(leaf))
        for leaf in jax.tree.leaves(state)
    ]


def _listed(kinds: list[tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(f"{dtype} of shape {shape}" for dtype, shape in kinds[:4]) or "nothing"


def check_epsilon(system: Map, state: State, epsilon: float) -> None:
    """Check that a perturbation is not lost in rounding.

    Raises:
        UserError: If 0 < ε is below 8 rounding units of a typical perturbed number, or there is
            nothing to perturb.
    """
    leaves = jax.tree.leaves(maps.perturbed(system, state))
    size = sum(leaf.size for leaf in leaves)
    if size == 0:
        raise UserError("system: its state has no floating numbers to perturb, give it some")
    typical = float(np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in leaves) / size))
    dtype = max((leaf.dtype for leaf in leaves), key=_rounding_unit)
    smallest = ROUNDING_UNITS * _rounding_unit(dtype) * typical
    if 0 < epsilon < smallest:
        raise UserError(
            f"epsilon = {epsilon}: {dtype} rounds it away beside weights of size {typical:.2g}, "
            f"use at least {smallest:.1g}" + (" or dtype float64" if dtype == "float32" else "")
        )


def _rounding_unit(dtype: jnp.dtype) -> float:
    return float(jnp.finfo(dtype).eps)  # type: ignore[no-untyped-call]


def _stacked(reference: State, perturbed: Sequence[State]) -> State:
    shapes = [jax.tree.map(jnp.shape, state) for state in (reference, *perturbed)]
    for index, shape in enumerate(shapes[1:]):
        if shape != shapes[0]:
            raise UserError(
                f"perturbed[{index}]: it is shaped otherwise than the reference, perturb a copy"
            )
    return ensembles.stack([reference, *perturbed])


def labelled(recorded: ensembles.Recorded) -> xr.Dataset:
    """A ball's arrays as a data set over `replica` and `epoch`."""
    variables = {}
    for name, array in recorded.items():
        dims, attributes = schema.recorded(name, array.ndim)
        variables[name] = xr.Variable(dims, array, attributes)
    epochs = recorded["distance"].shape[-1]
    return xr.Dataset(variables, coords={schema.EPOCH: np.arange(epochs)})
