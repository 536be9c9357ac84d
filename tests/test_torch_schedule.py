"""Holding the learning rate as long as the transient lasts, in optax and in PyTorch."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import chaotrain as ct
from chaotrain.schedules import WINDOW, onset_hold, transient_ended

# Local rates: those of a transient and after it, with noise.
RANDOM = np.random.default_rng(0)


def rates(*pieces: tuple[int, float], noise: float = 0.0) -> np.ndarray:
    """Local rates piece by piece: so many steps at such a mean."""
    means = np.concatenate([np.full(steps, mean) for steps, mean in pieces])
    return means + noise * RANDOM.normal(size=len(means))


def ends(series: np.ndarray, window: int = WINDOW) -> int | None:
    """The number of rates that are known when the transient is found to have ended."""
    found = (n for n in range(window, len(series) + 1) if transient_ended(series[n - window : n]))
    return next(found, None)


# The rule


def test_it_ends_one_window_after_the_growth() -> None:
    # The last window of growth that is let through gains at most one e-fold: two steps of 0.5.
    assert ends(rates((50, 0.5), (100, 0.0))) == 50 + WINDOW - 2
    assert ends(rates((50, 0.5), (100, 0.0)), window=10) == 50 + 8


@pytest.mark.parametrize("rate", [0.01, 0.0, -0.3])
def test_without_a_transient_it_ends_at_once(rate: float) -> None:
    """Smooth training grows slowly, for the loss is flat along most directions."""
    assert ends(rates((100, rate))) == WINDOW


def test_in_lasting_chaos_it_does_not_end() -> None:
    assert ends(rates((500, 0.3), noise=0.2)) is None
    assert ends(np.full(100, np.nan)) is None


def test_it_ends_with_the_perturbation() -> None:
    assert ends(np.append(rates((40, 0.5)), [-np.inf])) == 41


def test_noise_does_not_hide_the_end() -> None:
    for _ in range(20):
        found = ends(rates((100, 0.5), (100, 0.0), noise=0.1))
        assert found is not None
        assert 100 < found < 100 + WINDOW + 5


def test_it_takes_arrays_of_both_kinds() -> None:
    series = rates((WINDOW, 0.04))
    assert bool(transient_ended(series))
    assert bool(jax.jit(transient_ended)(jnp.asarray(series)))


@pytest.mark.slow
@pytest.mark.parametrize("key", [0, 1])
def test_it_finds_the_end_that_the_whole_curve_shows(key: int) -> None:
    """On any trajectory: chaos is another one on every machine, and may pause before it ends."""
    task = ct.tasks.load("mnist", train_size=500, test_size=100)
    network = ct.networks.mlp([784, 64, 10], activation="tanh", init="normal")
    exact = ct.tangent_growth(ct.TrainingMap(network, task), eta=7.5, key=key, epochs=120)
    growth = exact.growth.values
    later = np.maximum.accumulate(growth[::-1])[::-1]
    end = int(np.argmax(later - growth <= 1))
    found = ends(exact.rate.values[:-1])
    assert growth.max() > 30
    assert found is not None
    gained = growth[WINDOW : found + 1] - growth[: found + 1 - WINDOW]
    assert gained[-1] <= 1 < gained[:-1].min()
    # By the definition of the anatomy: from when on it never again grows by an e-fold.
    assert found <= end + WINDOW


# The schedules


def factors(series: np.ndarray, **options: Any) -> list[float]:
    """What the optax transformation multiplies updates by, the rate of step t known at t + 1."""
    rule = onset_hold(**options)
    state = rule.init(jnp.zeros(1))
    update = jax.jit(rule.update)
    found = []
    for rate in [math.inf, *series[:-1]]:
        scaled, state = update(jnp.ones(1), state, rate=rate)
        found.append(float(scaled[0]))
    return found


def expected(start: int, steps: int) -> np.ndarray:
    done = np.clip((np.arange(steps) - start) / (steps - start), 0, 1)
    return 0.5 * (1 + np.cos(np.pi * done))


SERIES = rates((30, 0.5), (70, 0.0))


def test_it_holds_and_then_decays() -> None:
    found = factors(SERIES, steps=100, longest=80, window=10)
    np.testing.assert_allclose(found, expected(38, 100), atol=1e-6)
    held = factors(rates((100, 0.5)), steps=100, longest=60)
    np.testing.assert_allclose(held, expected(60, 100), atol=1e-6)


def test_it_chains_behind_an_optimiser_whose_state_is_a_tree_of_arrays() -> None:
    rule = optax.chain(optax.adam(0.1), onset_hold(steps=10, longest=5))
    tree = {"w": jnp.ones(2), "b": jnp.ones(())}
    state = rule.init(tree)
    leaves, structure = jax.tree.flatten(state)
    state = jax.tree.unflatten(structure, [jnp.asarray(np.asarray(leaf)) for leaf in leaves])
    updates, _ = rule.update(tree, state, tree, rate=0.3)
    assert updates["w"].shape == (2,)
    with pytest.raises(TypeError, match="rate"):
        onset_hold(steps=10, longest=5).update(tree, onset_hold(steps=10, longest=5).init(tree))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 1, "longest": 1}, "steps = 1: give at least 2"),
        ({"steps": 10, "longest": -1}, "longest = -1: give at least 0"),
        ({"steps": 10, "longest": 5, "window": 0}, "window = 0: give at least 1"),
    ],
)
def test_numbers_out_of_range_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ct.UserError, match=f"^{message}"):
        onset_hold(**options)


class Followed:
    """A twin as the schedule reads it: with rates of our choice."""

    def __init__(self) -> None:
        self.rates = np.array([])


def scheduled(steps: int = 100, longest: int = 80, window: int = 10) -> tuple[Any, Any, Any]:
    torch = pytest.importorskip("torch", reason="needs chaotrain[torch]")
    twin: Any = Followed()
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [parameters[0]]}, {"params": [parameters[1]], "lr": 0.2}]
    optimizer = torch.optim.SGD(groups, lr=0.4)
    schedule = ct.torch.OnsetHold(optimizer, twin, steps, longest, window)
    return schedule, twin, optimizer


def advance(schedule: Any, twin: Any, optimizer: Any, series: np.ndarray) -> list[float]:
    found = []
    for rate in series:
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        twin.rates = np.append(twin.rates, rate)
        schedule.step()
        assert optimizer.param_groups[1]["lr"] == pytest.approx(schedule.get_last_lr()[0] / 2)
    return found


def test_that_of_pytorch_is_that_of_optax() -> None:
    found = advance(*scheduled(), SERIES)
    same = factors(SERIES, steps=100, longest=80, window=10)
    np.testing.assert_allclose(found, 0.4 * np.array(same), atol=1e-6)


def test_its_state_comes_back() -> None:
    whole = advance(*scheduled(), SERIES)
    schedule, twin, optimizer = scheduled()
    first = advance(schedule, twin, optimizer, SERIES[:50])
    saved, weights = schedule.state_dict(), optimizer.state_dict()
    assert "twin" not in saved
    assert schedule.start == 38
    schedule, twin, optimizer = scheduled()
    schedule.load_state_dict(saved)
    optimizer.load_state_dict(weights)
    rest = advance(schedule, twin, optimizer, SERIES[50:])
    np.testing.assert_allclose(first + rest, whole)


def test_it_refuses_what_the_other_refuses() -> None:
    with pytest.raises(ct.UserError, match=r"^window = 0: give at least 1"):
        scheduled(window=0)
