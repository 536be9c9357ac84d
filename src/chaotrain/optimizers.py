"""Optimisers by name: those of optax that need only the gradient, with options and a schedule."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from chaotrain import arguments
from chaotrain.errors import UserError
from chaotrain.explaining import near

Optimizer = Callable[[Any], optax.GradientTransformation]

# Names that optax does not have: descent with heavy-ball momentum, and with Nesterov's.
MOMENTUM: dict[str, dict[str, Any]] = {
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True},
}
# Schedules by name: the function in optax, and the arguments that make it a factor of η.
SCHEDULES: dict[str, tuple[str, dict[str, float]]] = {
    "cosine": ("cosine_decay_schedule", {"init_value": 1.0}),
    "exponential": ("exponential_decay", {"init_value": 1.0}),
    "linear": ("linear_schedule", {"init_value": 1.0}),
    "polynomial": ("polynomial_schedule", {"init_value": 1.0}),
    "one-cycle": ("cosine_onecycle_schedule", {"peak_value": 1.0}),
    "warmup": ("warmup_constant_schedule", {"init_value": 0.0, "peak_value": 1.0}),
    "warmup-cosine": ("warmup_cosine_decay_schedule", {"init_value": 0.0, "peak_value": 1.0}),
}
# Optimisers that need what a map does not have, and why.
REFUSED = {
    "dpsgd": "it needs the gradient of every sample",
    "lbfgs": "its line search needs the loss at other weights",
    "momo": "it needs the loss beside the gradient",
    "momo_adam": "it needs the loss beside the gradient",
    "polyak_sgd": "it needs the loss beside the gradient",
    "sophia": "it needs second derivatives",
}
Options = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Named:
    """An optimiser by name, called with a learning rate; equal if all its fields are."""

    name: str
    options: Options = ()
    schedule: tuple[str, Options] | None = None
    weight_decay: float = 0.0

    @property
    def __name__(self) -> str:
        """The name with whatever is set, as a study's description has it."""
        more = [f"{key}={value}" for key, value in self.options]
        if self.schedule is not None:
            name, options = self.schedule
            more.append(f"schedule={name}({', '.join(f'{k}={v}' for k, v in options)})")
        if self.weight_decay:
            more.append(f"weight_decay={self.weight_decay}")
        return f"{self.name}({', '.join(more)})" if more else self.name

    def __call__(self, eta: Any) -> optax.GradientTransformation:
        """The optimiser at the learning rate η."""
        given = {**MOMENTUM.get(self.name, {}), **dict(self.options)}
        rate: Any = eta
        if self.schedule is not None:
            factor = _factor(*self.schedule)

            def rate(count: Any) -> Any:
                return eta * factor(count)

        rule = _known()[self.name](rate, **given)
        if not self.weight_decay:
            return rule
        alpha = self.weight_decay

        def decay(count: Any) -> Any:
            return -alpha * (rate(count) if callable(rate) else rate)

        return optax.chain(rule, optax.add_decayed_weights(decay, mask=_is_weight))


def named(
    name: str,
    options: Mapping[str, Any] | None = None,
    schedule: Mapping[str, Any] | None = None,
    weight_decay: float = 0.0,
) -> Named:
    """An optimiser of optax or optax.contrib by its name there, or "momentum" or "nesterov".

    Args:
        name: Any function of theirs whose first argument is the learning rate, like "adam".
        options: Its other arguments, by their names in optax.
        schedule: {"name": one of `SCHEDULES`, ...arguments of the function in optax}; the
            learning rate of step n is η times its value there. A step is one update: an epoch
            has one without mini-batches, and as many as it has batches with them.
        weight_decay: Strength α of decoupled weight decay, w → w - η_n α w in every step, on the
            weights (parameters with two axes or more); Loshchilov and Hutter, arXiv 1711.05101.

    Returns:
        A function of the learning rate, as `TrainingMap` takes it.

    Raises:
        UserError: On an unknown name or option, a value that optax refuses, or an optimiser that
            needs more than the gradient.

    Example:
        >>> import chaotrain as ct
        >>> ct.optimizers.named("adam", {"b1": 0.8}).__name__
        'adam(b1=0.8)'
    """
    arguments.strength("weight_decay", weight_decay)
    known = _known()
    if isinstance(name, str) and name in REFUSED:
        raise UserError(f"optimizer = {name}: {REFUSED[name]}, choose another")
    rule = arguments.entry("optimizer", name, known)
    allowed = list(inspect.signature(rule).parameters)[1:]
    remedy = 'give a table of arguments, like {"momentum": 0.9}'
    arguments.instance("optimizer.options", options or {}, Mapping, remedy)
    options = dict(options or {})
    _check_names("optimizer.options", options, allowed)
    plan = None
    if schedule is not None:
        remedy = 'give a table, like {"name": "cosine", "decay_steps": 100}'
        arguments.instance("optimizer.schedule", schedule, Mapping, remedy)
        rest = dict(schedule)
        title = rest.pop("name", None)
        function, fixed = arguments.entry("optimizer.schedule.name", title, SCHEDULES)
        others = inspect.signature(getattr(optax, function)).parameters
        _check_names("optimizer.schedule", rest, [a for a in others if a not in fixed])
        plan = (title, tuple(sorted(rest.items())))
    found = Named(name, tuple(sorted(options.items())), plan, weight_decay)
    _try(found)
    return found


@cache
def _known() -> dict[str, Callable[..., optax.GradientTransformation]]:
    """Every optimiser that needs only the gradient: its first argument is the learning rate."""
    found: dict[str, Callable[..., optax.GradientTransformation]] = {}
    for name, function in (vars(optax.contrib) | vars(optax)).items():
        if not inspect.isfunction(function) or name.startswith(("_", "scale_by_")):
            continue
        if next(iter(inspect.signature(function).parameters), None) == "learning_rate":
            found[name] = function
    own = {"rprop": _rprop, **dict.fromkeys(MOMENTUM, optax.sgd)}
    known = sorted({**found, **own}.items())
    return {name: rule for name, rule in known if name not in REFUSED}


def _rprop(
    learning_rate: Any,
    eta_minus: float = 0.5,
    eta_plus: float = 1.2,
    min_step_size: float = 1e-6,
    max_step_size: float = 50.0,
) -> optax.GradientTransformation:
    """That of optax with its steps in units of η, so that its buffers start the same at every η."""
    if callable(learning_rate):
        raise TypeError("its steps are its own, it has no schedule")
    limits = (jnp.divide(step, learning_rate) for step in (min_step_size, max_step_size))
    return optax.chain(
        optax.scale_by_rprop(1.0, eta_minus, eta_plus, *limits),
        optax.scale_by_learning_rate(learning_rate),
    )


def _factor(name: str, options: Options) -> Callable[[Any], Any]:
    function, fixed = SCHEDULES[name]
    schedule: Callable[[Any], Any] = getattr(optax, function)(**fixed, **dict(options))
    return schedule


def _is_weight(parameters: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim >= 2, parameters)


# Numbers that an optimiser may keep of the six of `_try`.
MOST_BUFFERS = 10**5


def _check_names(field: str, given: Mapping[str, Any], allowed: list[str]) -> None:
    for option in given:
        if option not in allowed:
            raise UserError(
                f"{field}.{option} is unknown{near(option, allowed, 'options are')}"
                if allowed
                else f"{field}.{option} is unknown: it has no options"
            )


def _try(optimizer: Named) -> None:
    """Step once on a small tree, so that what optax refuses is said before a sweep."""
    tree = {"weight": jnp.ones((2, 2)), "bias": jnp.ones(2)}

    try:
        buffers = jax.tree.leaves(jax.eval_shape(optimizer(1.0).init, tree))
        if sum(leaf.size for leaf in buffers) > MOST_BUFFERS:
            raise ValueError("its buffers are too large")
        starts = [optimizer(eta).init(tree) for eta in (0.0, 1.0)]
        stepped = jax.tree.leaves(optimizer(1.0).update(tree, starts[1], tree))
        floating = [leaf for leaf in stepped if jnp.issubdtype(leaf.dtype, jnp.inexact)]
        if not all(jnp.isfinite(leaf).all() for leaf in floating):
            raise ValueError("its step along a gradient of 1 is not finite")
    except Exception as error:
        reason = f"optax refuses it ({' '.join(str(error).split())[:120]})"
        raise UserError(f"optimizer = {optimizer.__name__}: {reason}") from None
    if not all(map(jnp.array_equal, *map(jax.tree.leaves, starts))):
        raise UserError(
            f"optimizer = {optimizer.__name__}: its buffers start from the learning rate, and the "
            "state of a map must not, choose another"
        )
