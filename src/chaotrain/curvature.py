"""Sharpness: the largest eigenvalue of the Hessian of the training loss, beside what is stable.

Descent with learning rate η on a quadratic with curvature h multiplies the distance to the minimum
by 1 - ηh, which is stable up to h = 2/η. Momentum and Adam have thresholds of their own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jax import Array
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.errors import UserError
from chaotrain.experiment import plain, validated
from chaotrain.fields import Count, Model, Positive
from chaotrain.maps import Key, State, in_float64
from chaotrain.optimizers import MOMENTUM, Named
from chaotrain.training import TrainingMap

Floats = NDArray[np.float64]

# Optimisers whose step is divided by √v̂ + ε, and optax's defaults of their options.
ADAPTIVE = ("adam", "adamw")
# What of optax is known without a name, by its defaults.
KNOWN = ((optax.sgd, Named("sgd")), (optax.adam, Named("adam")), (optax.adamw, Named("adamw")))
DEFAULTS = {"b1": 0.9, "b2": 0.999, "eps": 1e-8}
SEED = 0
# Lanczos vectors kept: with few a good start ends early, with fewer a bad one takes longer.
BASIS = 10


class Settings(Model):
    """The numbers that `sharpness_along` takes, by the names of its arguments."""

    eta: Positive
    epochs: Count
    every: Count


class Sharpness(NamedTuple):
    """The largest eigenvalue, its eigenvector, and how many Hessian-vector products it took."""

    value: float
    vector: Floats
    products: int


@in_float64
def sharpness(
    system: TrainingMap,
    state: State,
    *,
    preconditioned: bool = False,
    tolerance: float = 1e-10,
    start: Floats | None = None,
) -> Sharpness:
    """The largest eigenvalue of the Hessian of the training loss, penalty included.

    It is found by Lanczos iterations on Hessian-vector products H v = d/ds ∇L(θ + s v) at s = 0,
    of the whole training set, without ever forming H.

    Args:
        system: The training.
        state: One of its states.
        preconditioned: The largest eigenvalue of P⁻¹H instead, with the preconditioner P of Adam,
            the diagonal of √v̂ + ε from the buffers of `state`.
        tolerance: Of the eigenvalue, relative.
        start: A vector to start from, like the eigenvector of an epoch before; by default random.

    Returns:
        A `Sharpness`; NaN without a vector where the parameters or the Hessian are not finite.

    Raises:
        UserError: If `system` is no `TrainingMap`, or has no preconditioner when one is asked for.

    Source:
        Cohen and others, arXiv 2103.00065 and 2207.14484; `scipy.sparse.linalg.eigsh`.

    Example:
        >>> import chaotrain as ct
        >>> task = ct.tasks.load("iris")
        >>> system = ct.TrainingMap(ct.networks.mlp([4, 3]), task)
        >>> round(sharpness(system, system.init(0)).value, 3)
        0.588
    """
    check_training(system)
    flat, unravel = ravel_pytree(state.parameters)
    scale = np.ones(flat.size)
    if preconditioned:
        scale = 1 / np.sqrt(_preconditioner(system, state))

    def product(vector: Floats) -> Floats:
        tangent = unravel(jnp.asarray(scale * vector, flat.dtype))
        found = _hessian_product(system, state.parameters, tangent)
        return scale * np.asarray(ravel_pytree(found)[0], dtype=np.float64)

    return leading(product, flat.size, tolerance, start)


def leading(
    product: Callable[[Floats], Floats], size: int, tolerance: float, start: Floats | None = None
) -> Sharpness:
    """The largest eigenvalue of a symmetric matrix that is known by its products.

    Args:
        product: v → H v, both of shape (size,).
        size: Of a vector.
        tolerance: Of the eigenvalue, relative.
        start: A vector to start from; by default random.

    Returns:
        A `Sharpness`; NaN without a vector where the first product is not finite.

    Example:
        >>> found = leading(lambda v: np.arange(5.0) * v, 5, 1e-10)
        >>> round(found.value, 6), found.products > 1
        (4.0, True)
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    count = 0

    def counted(vector: Floats) -> Floats:
        nonlocal count
        count += 1
        return product(np.ravel(vector))

    start = np.random.default_rng(SEED).normal(size=size) if start is None else np.asarray(start)
    first = counted(start)
    if not np.isfinite(first).all():
        return Sharpness(math.nan, np.full(size, np.nan), count)
    if not first.any():  # the matrix is zero, which Lanczos does not take
        return Sharpness(0.0, start / np.linalg.norm(start), count)
    if size < 3:  # too small for Lanczos
        dense = np.array([counted(row) for row in np.eye(size)])
        values, vectors = np.linalg.eigh((dense + dense.T) / 2)
    else:
        operator = LinearOperator((size, size), matvec=counted, dtype=np.float64)
        basis = min(BASIS, size)
        values, vectors = eigsh(operator, k=1, which="LA", v0=start, tol=tolerance, ncv=basis)
    return Sharpness(float(values[-1]), np.asarray(vectors[:, -1]), count)


@in_float64
def sharpness_along(
    system: TrainingMap,
    eta: float,
    key: Key = 0,
    *,
    epochs: int = 201,
    every: int = 5,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """The sharpness along a training, beside the threshold of its optimiser.

    Args:
        system: The training.
        eta: The learning rate.
        key: An integer or a JAX key; it draws the initial state.
        epochs: Steps T.
        every: Epochs between two measurements; each starts from the eigenvector of the last.
        progress: Called with the number of epochs done after every measurement.

    Returns:
        Over `epoch`, at 0, `every`, 2 `every`, ... up to T: `sharpness`; `threshold`, above which a
        step of the optimiser is unstable; and their ratio `instability`, which is η·sharpness/2 for
        plain descent. Both are NaN for an optimiser whose threshold is not known (see
        `stability_threshold`), like `optax.lion`. For Adam the sharpness is that of
        P⁻¹H, NaN at epoch 0, before P exists. NaN from the epoch at which training blows up.

    Raises:
        UserError: On numbers out of range, or as `sharpness`.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.TrainingMap(ct.networks.mlp([4, 3]), ct.tasks.load("iris"))
        >>> along = sharpness_along(system, eta=1.0, epochs=10, every=5)
        >>> along.epoch.values.tolist(), float(along.threshold[0])
        ([0, 5, 10], 2.0)
    """
    settings = checked(system, eta=eta, epochs=epochs, every=every)
    eta, every = settings.eta, settings.every
    limit = stability_threshold(system.optimizer, eta)
    adaptive = _is_adaptive(system.optimizer)
    state, vector = system.init(plain(key) if isinstance(key, np.integer) else key), None
    steps = np.arange(0, settings.epochs + 1, every)
    values = np.full(len(steps), np.nan)
    for index, step in enumerate(steps):
        if step:
            state = _many_steps(system, state, eta, every)
        elif adaptive:  # no preconditioner before the first step
            continue
        found = sharpness(system, state, preconditioned=adaptive, start=vector)
        if math.isnan(found.value):
            break
        values[index], vector = found.value, found.vector
        if progress is not None:
            progress(int(step))
    limits = np.full(len(steps), limit)
    named = {"sharpness": values, "threshold": limits, "instability": values / limits}
    return xr.Dataset(
        {name: (schema.EPOCH, array) for name, array in named.items()},
        {schema.EPOCH: steps},
        {"eta": eta, "preconditioned": int(adaptive)},
    )


def check_training(system: TrainingMap) -> None:
    """Check that something has a training loss.

    Raises:
        UserError: If it is no `TrainingMap`.
    """
    if not isinstance(system, TrainingMap):
        raise UserError("system: the sharpness is that of a training loss, give a TrainingMap")


def checked(system: TrainingMap, **numbers: Any) -> Settings:
    """The numbers within their ranges, of a system that has a sharpness.

    Raises:
        UserError: In one line on what is not.
    """
    check_training(system)
    return validated(Settings, {name: plain(value) for name, value in numbers.items()})


def stability_threshold(optimizer: Any, eta: float) -> float:
    r"""The curvature above which a step of an optimiser on a quadratic is unstable.

    Args:
        optimizer: `optax.sgd`, `optax.adam` or `optax.adamw` with their defaults, or what
            `optimizers.named` returns.
        eta: The learning rate η.

    Returns:
        2/η for descent, 2(1 + β)/η with heavy-ball momentum β, 2(1 + β)/((1 + 2β) η) with
        Nesterov's; for Adam, of the preconditioned curvature, 2(1 + β₁)/((1 - β₁) η). NaN where
        it is not known: a function of one's own around an optimiser (name the optimiser by
        `optimizers.named` instead), another optimiser, a schedule, or decoupled weight decay but
        for that of AdamW, which is small beside the threshold and left out.

    Source:
        Cohen and others, arXiv 2103.00065, appendix B, and 2207.14484, equation 3.

    Example:
        >>> from chaotrain.optimizers import named
        >>> stability_threshold(named("momentum"), 0.5)
        7.6
    """
    optimizer = _known_as(optimizer)
    if not isinstance(optimizer, Named) or optimizer.schedule or optimizer.weight_decay:
        return math.nan
    options = {**MOMENTUM.get(optimizer.name, {}), **dict(optimizer.options)}
    if optimizer.name in ("sgd", *MOMENTUM):
        beta = options.get("momentum") or 0.0
        damped = 1 + 2 * beta if options.get("nesterov") else 1.0
        return float(2 * (1 + beta) / (damped * eta))
    if optimizer.name in ADAPTIVE and not options.get("nesterov"):
        beta = options.get("b1", DEFAULTS["b1"])
        return float(2 * (1 + beta) / ((1 - beta) * eta))
    return math.nan


def _known_as(optimizer: Any) -> Any:
    """The optimiser by its name, where it is one of optax that is known without."""
    return next((named for function, named in KNOWN if optimizer is function), optimizer)


def _is_adaptive(optimizer: Any) -> bool:
    optimizer = _known_as(optimizer)
    return isinstance(optimizer, Named) and optimizer.name in ADAPTIVE


def _preconditioner(system: TrainingMap, state: State) -> Floats:
    """The diagonal of √v̂ + ε, with v̂ free of the bias of its start at 0."""
    optimizer = _known_as(system.optimizer)
    if not isinstance(optimizer, Named) or optimizer.name not in ADAPTIVE:
        name = getattr(optimizer, "__name__", "the optimiser")
        raise UserError(f"preconditioned = True: {name} has no preconditioner that is known")
    options = DEFAULTS | dict(optimizer.options)
    adam: Any = next(
        part
        for part in jax.tree.leaves(state.buffers, is_leaf=_is_adam_state)
        if _is_adam_state(part)
    )
    bias = 1 - options["b2"] ** int(adam.count)
    if bias == 0:
        raise UserError("preconditioned = True: before its first step Adam has no preconditioner")
    variance = np.asarray(ravel_pytree(adam.nu)[0], dtype=np.float64) / bias
    return np.asarray(np.sqrt(variance) + options["eps"])


def _is_adam_state(part: Any) -> bool:
    return isinstance(part, optax.ScaleByAdamState)


@jax.jit
def _hessian_product(system: TrainingMap, parameters: Any, tangent: Any) -> Any:
    slope: Callable[[Any], Any] = jax.grad(system.objective)
    return jax.jvp(slope, (parameters,), (tangent,))[1]


@functools.partial(jax.jit, static_argnums=3)
def _many_steps(system: TrainingMap, state: State, eta: Array, steps: int) -> State:
    return jax.lax.fori_loop(0, steps, lambda _, s: system.advance(s, eta)[0], state)
