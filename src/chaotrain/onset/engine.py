"""Probes and trainings of any `Map`, for the search and the race."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chaotrain import layout, maps
from chaotrain.balls import check_map
from chaotrain.curvature import ADAPTIVE, sharpness, stability_threshold
from chaotrain.errors import UserError
from chaotrain.maps import Key, Map, State, in_float64
from chaotrain.onset.probes import DIVERGED, Floats, Probe, settled
from chaotrain.onset.race import FIRST_RUNG, Trained
from chaotrain.schema import FINITE, TANGENT_GROWTH
from chaotrain.tangent import rescaled_pair, running
from chaotrain.tangent.following import Following
from chaotrain.tangent.products import check_smooth, derivatives_of, is_finite
from chaotrain.training import TrainingMap

NORM = "l1"
LOSS, SCORE, GROWTH = "loss", "test_accuracy", TANGENT_GROWTH
# Gradient evaluations of an epoch with its tangent or its twin; of a Hessian-vector product.
TANGENT = PRODUCT = 2
# A probe looks whether it may end early so often at most, and not below so many epochs.
LOOKS, FEWEST = 8, 20
# Where to begin with an optimiser whose threshold is not known, and with any other map.
SMALL, ANY = 0.01, 1.0
ROUGH = 0.1


class Engine:
    """Initialisations of a map, probed and trained.

    Args:
        system: Any `Map`.
        key: An integer or a JAX key; initialisation i is drawn with fold_in(key, i).
        epochs: Epochs of a probe.

    Raises:
        UserError: If `system` is no map, or its state cannot be perturbed.
    """

    @in_float64
    def __init__(self, system: Map, key: Key, epochs: int) -> None:
        check_map(system)
        self.system, self.key, self.epochs = system, maps.as_key(key), epochs
        self.observed = observed(system, self.key)
        try:
            check_smooth(system, self._state(0), 1.0)
            self.following: Following | None = Following.of(system, NORM)
        except UserError:
            self.following = None
        self.trainings: dict[tuple[float, int], tuple[State, dict[str, Floats]]] = {}

    @in_float64
    def start(self) -> tuple[float, float]:
        """Where to begin: at the edge of stability of the first weights; and what that cost."""
        system = self.system
        if not isinstance(system, TrainingMap):
            return ANY, 0.0
        threshold = stability_threshold(system.optimizer, 1.0)
        # That of Adam is for another Hessian, which does not exist before its first step.
        if math.isnan(threshold) or getattr(system.optimizer, "name", "") in ADAPTIVE:
            return SMALL, 0.0
        found = sharpness(system, self._state(0), tolerance=ROUGH)
        if not found.value > 0:
            return ANY, float(PRODUCT * found.products)
        return threshold / found.value, float(PRODUCT * found.products)

    @in_float64
    def probe(self, eta: float, init: int) -> Probe:
        """Follow the tangent, or a rescaled pair where the map has no derivative."""
        if self.following is None:
            return self._pair(eta, init)
        carry: Any = self.following.init(self._key(init))
        rows = self.epochs + 1
        length = _length(self.following, max(FEWEST, math.ceil(rows / LOOKS)))
        size, loss = np.array([]), np.array([])
        while len(size) < rows:
            with derivatives_of(self.system):
                carry, part = running.record(_tangent, self.following, NORM, carry, eta, length, 1)
            size = np.append(size, part[GROWTH])[:rows]
            loss = np.append(loss, part[LOSS])[:rows]
            broken = np.isnan(size) | ~np.isfinite(loss)
            growth = np.where(np.logical_or.accumulate(broken), np.nan, size - size[0])
            if broken.any() or settled(growth, self.epochs):
                break
        status = DIVERGED if broken.any() else FINITE
        return Probe(eta, init, growth, loss, None, status, float(TANGENT * (len(growth) - 1)))

    @in_float64
    def train(self, eta: float, init: int, epochs: int) -> Trained:
        """Train so many epochs in all, going on from where the same training stopped."""
        state, curves = self.trainings.get((eta, init)) or (self._state(init), {})
        done = before = len(curves.get(LOSS, ()))
        length = _length(self.system, math.ceil(FIRST_RUNG * self.epochs))
        while done <= epochs:
            state, part = running.record(_training, self.system, NORM, state, eta, length, 1)
            curves = {n: np.append(curves.get(n, []), column) for n, column in part.items()}
            done += length
        self.trainings[eta, init] = state, curves
        shown = {name: curve[: epochs + 1] for name, curve in curves.items()}
        return Trained(shown[LOSS], shown.get(SCORE), float(done - before))

    @property
    def trains(self) -> bool:
        """Whether the map has a loss to race for."""
        return LOSS in self.observed

    def _key(self, init: int) -> Array:
        return jax.random.fold_in(self.key, init)

    def _state(self, init: int) -> State:
        return self.system.init(self._key(init))

    def _pair(self, eta: float, init: int) -> Probe:
        """The same by two trajectories that are kept close."""
        found = rescaled_pair(self.system, eta, self._key(init), steps=self.epochs, norm=NORM)
        growth = found["growth"].values
        if LOSS in found:
            loss = found[LOSS].values
        else:
            with np.errstate(over="ignore"):
                loss = found[self.observed[0]].values ** 2 / 2
        status = FINITE if math.isnan(found.attrs["blow_up_epoch"]) else DIVERGED
        return Probe(eta, init, growth, loss, None, status, float(TANGENT * self.epochs))


def _length(system: Map, most: int) -> int:
    """Epochs of a compiled call; no more than `running.record` takes in one, to go on from it."""
    return max(1, min(most, int(layout.CALL_FLOPS // max(maps.cost(system).flops, 1.0))))


def observed(system: Map, key: Array) -> list[str]:
    """The names of what a map observes."""
    try:
        return sorted(jax.eval_shape(lambda: system.observe(system.init(key))))
    except Exception:  # a step in plain Python
        return sorted(system.observe(system.init(key)))


def _tangent(system: Map, norm: str, carry: Any, eta: Array) -> Any:
    """A row of a probe; what it does not keep is not computed."""
    after, revealed = maps.advance(system, carry, eta)
    seen = {**revealed, **maps.inspect(system, carry)}
    if LOSS not in seen:
        points = jax.tree.leaves(maps.coordinates(system, carry))
        seen[LOSS] = jnp.asarray(sum(jnp.sum(leaf**2) for leaf in points)) / 2
    return after, {name: seen[name] for name in (GROWTH, LOSS)}


def _training(system: Map, norm: str, carry: State, eta: Array) -> Any:
    """A row of a training."""
    after, revealed = maps.advance(system, carry, eta)
    seen = {**revealed, **maps.inspect(system, carry)}
    finite = is_finite(carry)
    kept = {name: seen[name] for name in (LOSS, SCORE) if name in seen}
    return after, {name: jnp.where(finite, value, jnp.nan) for name, value in kept.items()}
