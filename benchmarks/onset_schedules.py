"""What a schedule makes of the recommended learning rate: constant, cosine, and `onset_hold`."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import chaotrain as ct
from chaotrain import ensembles, maps, schedules, schema
from chaotrain.tangent.following import Following
from onset_cases import Case

CONSTANT, COSINE, HOLD = "constant", "cosine", "onset_hold"
SCHEDULES = (CONSTANT, COSINE, HOLD)
# `onset_hold` holds for so much of the training at most, and looks back at so much of it.
LONGEST, WINDOW = 0.75, 0.2
# Gradient evaluations of an epoch with its tangent.
TANGENT = 2
SIZE = schema.TANGENT_GROWTH


def compare(case: Case, eta: float, seeds: int) -> dict[str, Any]:
    """Epochs and gradient evaluations to the target, and the score at T, of every initialisation.

    Args:
        case: The training.
        eta: The learning rate to begin with.
        seeds: How many of the evaluation's initialisations.
    """
    with jax.enable_x64(True):
        following = Following.of(case.system)
        drawn = [
            following.init(jax.random.fold_in(jax.random.key(2026), init)) for init in range(seeds)
        ]
        starts = ensembles.stack(drawn)
        found: dict[str, Any] = {"eta": eta}
        for name in SCHEDULES:
            curves = _train(case.system, starts, jnp.asarray(eta), case.epochs, name)
            scores, losses, held = map(np.asarray, curves)
            finite = np.logical_and.accumulate(np.isfinite(losses), axis=-1)
            reached = np.where(finite, scores, -np.inf) >= case.target
            times = np.where(reached.any(axis=1), reached.argmax(axis=1), case.epochs)
            tangents = (TANGENT - 1) * np.minimum(held, times) if name == HOLD else 0 * times
            found[name] = {
                "times": times.tolist(),
                "evaluations": (times + tangents).tolist(),
                "reached": int(reached.any(axis=1).sum()),
                "scores": np.where(finite, scores, np.nan)[:, -1].tolist(),
                "held": held.tolist(),
            }
        return found


@functools.partial(jax.jit, static_argnums=(3, 4))
def _train(
    system: ct.TrainingMap, starts: Any, eta: Array, epochs: int, name: str
) -> tuple[Array, Array, Array]:
    """Scores and losses, shape (init, T + 1), and the epochs that η was held, shape (init,)."""
    following = Following.of(system)
    rule = schedules.onset_hold(epochs, round(LONGEST * epochs), max(2, round(WINDOW * epochs)))

    def factor(epoch: Array, hold: Any, rate: Array) -> tuple[Array, Any]:
        if name == CONSTANT:
            return jnp.ones(()), hold
        if name == COSINE:
            return 0.5 * (1 + jnp.cos(jnp.pi * epoch / epochs)), hold
        return rule.update(jnp.ones(()), hold, rate=rate)

    def epoch(carry: Any, number: Array) -> Any:
        state, hold, rate = carry
        scale, hold = factor(number, hold, rate)
        if name == HOLD:
            before = following.inspect(state)[SIZE]
            after, seen = following.advance(state, eta * scale)
            rate = following.inspect(after)[SIZE] - before
        else:  # no schedule but that one looks at the tangent
            stepped, seen = system.advance(state.state, eta * scale)
            after = state._replace(state=stepped)
        seen = {**seen, **maps.inspect(system, state.state)}
        return (after, hold, rate), (seen["test_accuracy"], seen["loss"])

    def one(start: Any) -> Any:
        carry = start, rule.init(None), jnp.asarray(jnp.inf)
        (_, hold, _), curves = jax.lax.scan(epoch, carry, jnp.arange(epochs + 1))
        return *curves, jnp.where(hold.start < 0, epochs, hold.start)

    return jax.lax.map(one, starts)
