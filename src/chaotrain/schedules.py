"""Hold the learning rate as long as the chaotic transient lasts, then let it decay.

The rule for the end of a transient takes arrays of NumPy and of JAX alike; it is also that of
`chaotrain.torch.OnsetHold`.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from pydantic import Field

from chaotrain.experiment import plain, validated
from chaotrain.fields import Model, Steps

E_FOLD = 1.0
# Local rates that the rule looks back at.
WINDOW = 20


class Settings(Model):
    """The numbers of `onset_hold`, by the names of its arguments."""

    steps: Steps
    longest: Annotated[int, Field(ge=0)]
    window: Annotated[int, Field(ge=1, le=10**6)] = WINDOW


def transient_ended(rates: Any) -> Any:
    r"""Whether the chaotic transient has ended: by the last local rates it grows no more.

    It has ended once a perturbation grew by no more than an e-fold over a whole window of w steps,
    $\sum_{t=T-w}^{T-1} \lambda_t \le 1$. In chaos it grows by $w\Lambda$, so w is to be several
    times $1/\Lambda$; in smooth training the local rates are not below zero but slightly above it,
    for the loss is flat along most directions, so a rule that waits for them to fall below zero
    waits for ever.

    Args:
        rates: The last w local rates, shape (w,), NumPy or JAX.

    Returns:
        A boolean; False where a rate is NaN, True where the perturbation has vanished.

    Example:
        >>> import numpy as np
        >>> bool(transient_ended(np.full(20, 0.3))), bool(transient_ended(np.full(20, 0.002)))
        (False, True)
    """
    return rates.sum() <= E_FOLD


class OnsetHoldState(NamedTuple):
    """The state of `onset_hold`.

    Attributes:
        step: Steps taken.
        start: The step at which the decay starts; -1 while the learning rate is held.
        rates: The last local rates, the newest last; infinite before the first.
    """

    step: Array
    start: Array
    rates: Array


def onset_hold(
    steps: int, longest: int, window: int = WINDOW
) -> optax.GradientTransformationExtraArgs:
    """Hold the learning rate until the chaotic transient ends, then decay it to 0.

    Chain it behind an optimiser at the recommended learning rate. It multiplies the updates: by 1
    until `transient_ended`, or for `longest` steps, then along a half cosine to 0 at `steps`.
    Where there is no transient it holds for one window, and is a cosine schedule from there.

    Args:
        steps: Steps of the whole training.
        longest: Steps that the learning rate is held at most.
        window: Local rates that the rule looks back at.

    Returns:
        A gradient transformation whose `update` takes the local rate of the last step as the
        keyword `rate`: ln of the growth of a perturbation of the state, infinite if there is none
        yet.

    Raises:
        UserError: On a number out of range.

    Example:
        >>> rule = optax.chain(optax.sgd(0.5), onset_hold(steps=100, longest=60, window=2))
        >>> state = rule.init(jnp.zeros(1))
        >>> for rate in (jnp.inf, 0.9, 0.8, 0.1):
        ...     update, state = rule.update(jnp.ones(1), state, rate=rate)
        >>> update.tolist(), int(state[1].start)
        ([-0.5], 3)
    """
    given = checked(steps=steps, longest=longest, window=window)

    def init(params: Any) -> OnsetHoldState:
        del params
        nothing = jnp.full(given.window, jnp.inf)
        return OnsetHoldState(jnp.zeros((), jnp.int32), jnp.full((), -1, jnp.int32), nothing)

    def update(
        updates: Any, state: OnsetHoldState, params: Any = None, *, rate: Any, **others: Any
    ) -> tuple[Any, OnsetHoldState]:
        del params, others
        rates = jnp.append(state.rates[1:], jnp.asarray(rate, state.rates.dtype))
        ends = transient_ended(rates) | (state.step >= given.longest)
        start = jnp.where((state.start < 0) & ends, state.step, state.start)
        left = jnp.maximum(given.steps - start, 1)
        done = jnp.where(start < 0, 0.0, (state.step - start) / left)
        factor = 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(done, 1.0)))
        scaled = jax.tree.map(lambda leaf: leaf * factor.astype(leaf.dtype), updates)
        return scaled, OnsetHoldState(state.step + 1, start, rates)

    return optax.GradientTransformationExtraArgs(init, update)


def checked(**numbers: Any) -> Settings:
    """The numbers of a schedule, within their ranges.

    Raises:
        UserError: In one line on what is not.
    """
    return validated(Settings, {name: plain(value) for name, value in numbers.items()})
