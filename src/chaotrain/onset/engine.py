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
from chaotrain.onset.probes import DIVERGED, Floats, Probe, look, settled
from chaotrain.onset.race import FIRST_RUNG, Trained
from chaotrain.schema import FINITE, TANGENT_GROWTH
from chaotrain.tangent import rescaled_pair, running
from chaotrain.tangent.following import Following
from chaotrain.tangent.products import check_smooth, derivatives_of, is_finite
from chaotrain.training import TrainingMap
from chaotrain.training.subset import subset

NORM = "l1"
LOSS, SCORE, GROWTH = "loss", "test_accuracy", TANGENT_GROWTH
# Gradient evaluations of an epoch with its tangent or its twin; of a Hessian-vector product.
TANGENT = PRODUCT = 2
# The part of the training samples that probes follow, and the fewest and the most of them; a race
# trains on the most. docs/results/onset.md tells where the onset on a part is that on all.
PART, FEWEST_SAMPLES, MOST_SAMPLES = 1 / 8, 64, 2000
# Steps that the mini-batches of a part are to make in a probe.
STEPS = 100
# Where to begin with an optimiser whose threshold is not known, and with any other map.
SMALL, ANY = 0.01, 1.0
ROUGH = 0.1


class Engine:
    """Initialisations of a map, probed and trained.

    Args:
        system: Any `Map`.
        key: An integer or a JAX key; initialisation i is drawn with fold_in(key, i).
        epochs: Epochs of a probe.
        samples: Training samples that probes follow; None for a part of those of a full batch.

    Attributes:
        probed, raced: What probes follow, and what a race trains.

    Raises:
        UserError: If `system` is no map, or its state cannot be perturbed.
    """

    @in_float64
    def __init__(self, system: Map, key: Key, epochs: int, samples: int | None = None) -> None:
        check_map(system)
        self.system, self.key, self.epochs = system, maps.as_key(key), epochs
        self.observed = observed(system, self.key)
        count = samples or part(system, epochs)
        self.probed, self.raced = (_on(system, most) for most in (count, max(count, MOST_SAMPLES)))
        try:
            check_smooth(self.probed, self._state(0), 1.0)
            self.following: Following | None = Following.of(self.probed, NORM)
        except UserError:
            self.following = None
        self.trainings: dict[tuple[float, int], tuple[State, dict[str, Floats]]] = {}

    @in_float64
    def start(self) -> tuple[float, float]:
        """Where to begin: at the edge of stability of the first weights; and what that cost."""
        system = self.probed
        if not isinstance(system, TrainingMap):
            return ANY, 0.0
        threshold = stability_threshold(system.optimizer, 1.0)
        # That of Adam is for another Hessian, which does not exist before its first step.
        if math.isnan(threshold) or getattr(system.optimizer, "name", "") in ADAPTIVE:
            return SMALL, 0.0
        found = sharpness(system, self._state(0), tolerance=ROUGH)
        cost = PRODUCT * found.products * self._share(system)
        return threshold / found.value if found.value > 0 else ANY, cost

    @in_float64
    def probe(self, eta: float, init: int) -> Probe:
        """Follow the tangent, or a rescaled pair where the map has no derivative."""
        if self.following is None:
            return self._pair(eta, init)
        carry: Any = self.following.init(self._key(init))
        rows = self.epochs + 1
        length = _length(self.following, look(self.epochs))
        size, loss = np.array([]), np.array([])
        while len(size) < rows:
            with derivatives_of(self.probed):
                carry, more = running.record(_tangent, self.following, NORM, carry, eta, length, 1)
            size = np.append(size, more[GROWTH])[:rows]
            loss = np.append(loss, more[LOSS])[:rows]
            broken = np.isnan(size) | ~np.isfinite(loss)
            growth = np.where(np.logical_or.accumulate(broken), np.nan, size - size[0])
            if broken.any() or settled(growth, loss, self.epochs):
                break
        status = DIVERGED if broken.any() else FINITE
        cost = TANGENT * (len(growth) - 1) * self._share(self.probed)
        return Probe(eta, init, growth, loss, None, status, cost)

    @in_float64
    def train(self, eta: float, init: int, epochs: int) -> Trained:
        """Train so many epochs in all, going on from where the same training stopped."""
        state, curves = self.trainings.get((eta, init)) or (self._state(init), {})
        done = before = len(curves.get(LOSS, ()))
        length = _length(self.raced, math.ceil(FIRST_RUNG * self.epochs))
        while done <= epochs:
            state, more = running.record(_training, self.raced, NORM, state, eta, length, 1)
            curves = {n: np.append(curves.get(n, []), column) for n, column in more.items()}
            done += length
        self.trainings[eta, init] = state, curves
        shown = {name: curve[: epochs + 1] for name, curve in curves.items()}
        return Trained(shown[LOSS], shown.get(SCORE), (done - before) * self._share(self.raced))

    @property
    def trains(self) -> bool:
        """Whether the map has a loss to race for."""
        return LOSS in self.observed

    @property
    def samples(self) -> tuple[int, int, int]:
        """Training samples of a probe, of a training in the race, and all; of another map 1."""
        counts = (_count(system) for system in (self.probed, self.raced, self.system))
        probed, raced, every = counts
        return probed, raced, every

    def _share(self, system: Map) -> float:
        """The part of the training samples that a gradient is over."""
        return _count(system) / _count(self.system)

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


def part(system: Map, epochs: int) -> int:
    """How many training samples probes of so many epochs follow where nobody says."""
    count = _count(system)
    if not isinstance(system, TrainingMap):
        return count
    wanted = min(max(math.ceil(PART * count), FEWEST_SAMPLES), MOST_SAMPLES)
    if system.batch_size is not None:
        wanted = max(wanted, system.batch_size * math.ceil(STEPS / epochs))
    return min(wanted, count)


def _on(system: Map, samples: int) -> Map:
    return subset(system, samples) if isinstance(system, TrainingMap) else system


def _count(system: Map) -> int:
    return system.samples if isinstance(system, TrainingMap) else 1


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
