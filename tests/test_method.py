"""`method`: a study by replicas, by the tangent, or by both beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import chaotrain as ct
import tiny
from chaotrain import tables
from chaotrain.analysis.agreement import compare
from chaotrain.errors import UserError
from chaotrain.growth import fit_growth, fit_tangent_growth
from chaotrain.tables import studies
from chaotrain.tangent import following

GRID: dict[str, Any] = {"inits": 2, "replicas": 3, "epochs": 40}


def trained(**more: Any) -> ct.TrainingMap:
    network = ct.networks.mlp([4, 6, 3], init="normal")
    return ct.TrainingMap(network, ct.tasks.load("iris"), **more)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [optax.sgd, optax.adam], ids=["sgd", "adam"])
def test_the_tangent_of_a_study_is_tangent_growth(tmp_path: Path, optimizer: Any) -> None:
    system = trained(optimizer=optimizer)
    rates = [0.01, 0.02]
    study = ct.sweep(system, rates, out=tmp_path, method="tangent", seed=3, **GRID)
    assert "distance" not in study.dataset
    assert "replica" not in study.dataset.dims
    for rate in rates:
        for init in range(2):
            key = ct.runs.key_of(study.grid, init)
            alone = ct.tangent_growth(system, rate, key, epochs=40)
            ball = study.dataset.sel(learning_rate=rate, init=init)
            # Side by side rounds otherwise than alone.
            np.testing.assert_allclose(ball.tangent_growth, alone.growth, atol=1e-9)
            np.testing.assert_allclose(ball.loss, alone.loss, rtol=1e-9)


@pytest.mark.slow
def test_both_holds_the_same_distances_as_replicas_alone(tmp_path: Path) -> None:
    system = trained()
    both, pair = (
        ct.sweep(system, [0.1, 3.0], out=tmp_path / method, method=method, **GRID).recorded
        for method in ("both", "perturbation")
    )
    for name in pair.data_vars:
        np.testing.assert_array_equal(both[name], pair[name])
    assert set(both.data_vars) - set(pair.data_vars) == {"tangent_growth"}


@pytest.mark.slow
def test_both_follow_the_same_perturbation(tmp_path: Path) -> None:
    study = ct.sweep(trained(), [0.1], out=tmp_path, method="both", **GRID)
    first = np.log(study.dataset.distance.isel(replica=0))
    np.testing.assert_allclose(
        (first - first.isel(epoch=0)).transpose(..., "epoch"),
        study.dataset.tangent_growth.transpose(..., "epoch"),
        atol=1e-5,
    )


def test_a_stopped_study_by_the_tangent_goes_on_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.patch(monkeypatch)
    ticks: list[Any] = []

    def until(tick: Any) -> None:
        ticks.append(tick)
        if tick.tiles_done == 2:
            raise KeyboardInterrupt

    arguments: dict[str, Any] = {"method": "both", **tiny.GRID}
    with pytest.raises(KeyboardInterrupt):
        ct.sweep(tiny.MAP, out=tmp_path / "stopped", progress=until, **arguments)
    ct.sweep(tiny.MAP, out=tmp_path / "stopped", progress=ticks.append, **arguments)
    ct.sweep(tiny.MAP, out=tmp_path / "whole", **arguments)
    assert tiny.tiles(tmp_path / "stopped") == tiny.tiles(tmp_path / "whole")
    done = [tick.done for tick in ticks]
    assert done == sorted(done)
    assert done[-1] == ticks[-1].total


@pytest.mark.slow
def test_single_precision_is_sound_for_a_tangent_and_refused_for_replicas(tmp_path: Path) -> None:
    single = trained(dtype="float32")
    grid = {**GRID, "epochs": 15}
    with pytest.raises(UserError, match=r"epsilon = 1e-08: float32 rounds it away"):
        ct.sweep(single, [0.5], out=tmp_path / "none", **grid)
    study = ct.sweep(single, [0.5], out=tmp_path / "single", method="tangent", **grid)
    state = single.init(ct.runs.key_of(study.grid, 1))
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), state)
        direction = following.Following.of(single).init(ct.runs.key_of(study.grid, 1)).vector
    alone = ct.tangent_growth(trained(), 0.5, epochs=15, state=exact, direction=direction)
    found = study.dataset.tangent_growth.sel(init=1).squeeze()
    np.testing.assert_allclose(found, alone.growth, atol=1e-4)


class Steep:
    """u → u² from a start above 1 or below it: only some initialisations blow up."""

    description = "steep"

    def init(self, key: Any) -> Any:
        return jnp.exp(jax.random.normal(key, (1,), jnp.float64))

    def step(self, state: Any, eta: Any) -> Any:
        return eta * state**2

    def observe(self, state: Any) -> dict[str, Any]:
        return {"loss": jnp.sum(state)}


@pytest.mark.parametrize("method", ["tangent", "both"])
def test_what_is_not_finite_ends_its_ball_and_no_other(tmp_path: Path, method: str) -> None:
    study = ct.sweep(Steep(), [1.0], out=tmp_path, inits=8, replicas=1, epochs=30, method=method)
    dataset = study.dataset.isel(learning_rate=0)
    blown = dataset.tangent_growth.isnull().any("epoch").values
    assert 0 < blown.sum() < 8
    assert (dataset.status.values[blown] == "blow-up").all()
    assert (dataset.status.values[~blown] == "finite").all()
    epoch = dataset.blow_up_epoch.values[blown].astype(int)
    for growth, first in zip(dataset.tangent_growth.values[blown], epoch, strict=True):
        assert np.isfinite(growth[: first - 1]).all()
        assert np.isnan(growth[first:]).all()
    assert (dataset.verdict.values[~blown] == "contracting").all()


def test_a_tangent_that_vanishes_is_contraction(tmp_path: Path) -> None:
    study = ct.sweep(
        ct.maps.quadratic((1.0,)), [1.0], out=tmp_path, inits=3, epochs=9, method="tangent"
    )
    assert (study.dataset.verdict == "contracting").all()
    assert (study.dataset.exponent < -30).all()


def test_an_epsilon_that_saturates_at_once_is_flagged(tmp_path: Path) -> None:
    """With ε = 0.05 the logistic map's distances cannot grow by ln 100; its tangent can."""
    calls = [
        ct.sweep(ct.maps.logistic(), [3.9], out=tmp_path / f"{epsilon}", inits=6, epochs=200,
                 epsilon=epsilon, method="both").summary
        for epsilon in (1e-9, 0.05)
    ]  # fmt: skip
    sound, too_large = (summary.isel(learning_rate=0) for summary in calls)
    assert (sound.compared, sound.disagreeing) == (6, 0)
    assert sound.tangent_nmle_low < sound.nmle < sound.tangent_nmle_high
    assert too_large.disagreeing == too_large.compared > 0
    columns = studies.chaos(calls[1]).columns
    headings = [str(column.header) for column in columns]
    assert headings[3:6] == ["by tangent", "[95%]", "disagree"]
    assert next(iter(columns[5].cells)) == f"{int(too_large.disagreeing)}/{int(too_large.compared)}"
    assert "by tangent" in tables.report("x", calls[1])


def test_a_study_by_replicas_compares_nothing(tmp_path: Path) -> None:
    study = ct.sweep(ct.maps.quadratic((1.0,)), [0.5], out=tmp_path, inits=3, epochs=9)
    assert int(study.summary.compared.item()) == 0
    assert np.isnan(study.summary.tangent_nmle.item())
    assert "by tangent" not in [str(c.header) for c in studies.chaos(study.summary).columns]


@pytest.mark.parametrize(("factor", "disagrees"), [(1.0, 0.0), (1.02, 0.0), (1.6, 1.0), (0.5, 1.0)])
def test_exponents_beyond_the_joint_interval_disagree(factor: float, disagrees: float) -> None:
    noise = np.random.default_rng(0).normal(scale=0.02, size=(2, 101)).cumsum(axis=1)
    ramp = 0.5 * np.clip(np.arange(101.0) - 5, 0, 40)
    pair = fit_growth(1e-8 * np.exp(np.minimum(ramp + noise[0], 16.0)))
    found = compare(pair, factor * ramp + noise[1])
    assert found["disagrees"] == disagrees
    assert found["tangent_exponent_low"] < 0.5 * factor < found["tangent_exponent_high"]


def test_undecided_is_not_compared() -> None:
    pair = fit_growth(np.full(101, 1e-8))
    assert np.isnan(compare(pair, np.full(101, np.nan))["disagrees"])


def test_a_long_tangent_does_not_overflow() -> None:
    growth = fit_tangent_growth(2.0 * np.clip(np.arange(1001.0), 0, 800))
    assert (growth.verdict, round(growth.rate, 6)) == ("exponential", 2.0)
    assert np.isnan(growth.saturation)
    assert fit_tangent_growth(np.append(np.zeros(9), -np.inf)).verdict == "contracting"
    assert fit_tangent_growth(np.append(np.zeros(9), np.inf)).verdict == "blow-up"
    with pytest.raises(ValueError, match="shape"):
        fit_tangent_growth(np.zeros((2, 9)))


@pytest.mark.parametrize("last", [0.3, 0.5, 0.75])
def test_a_tangent_whose_rate_falls_later_is_exponential_at_its_first_rate(last: float) -> None:
    """A pair would have saturated by then: what follows must not undo its verdict."""
    rates = np.concatenate([np.zeros(5), np.full(20, 0.75), last * np.exp(-np.arange(75) / 40)])
    curve = np.append(0.0, np.cumsum(rates))
    assert fit_growth(np.exp(curve)).verdict == "subexponential"
    growth = fit_tangent_growth(curve)
    assert growth.verdict == "exponential"
    np.testing.assert_allclose(growth.rate, 0.75, rtol=1e-6)


def test_a_power_law_is_no_exponential_tangent_however_far_it_grows() -> None:
    epochs = np.arange(201.0)
    for power in (2.0, 4.0, 8.0):
        assert fit_tangent_growth(power * np.log1p(epochs)).verdict == "subexponential"


class Unsmooth:
    """A map whose step runs in NumPy."""

    def init(self, key: Any) -> Any:
        return jnp.ones(2)

    def step(self, state: Any, eta: Any) -> Any:
        return jnp.asarray(np.asarray(state) * float(eta))

    def observe(self, state: Any) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("method", ["tangent", "both"])
def test_what_no_tangent_can_follow_is_refused(tmp_path: Path, method: str) -> None:
    out = tmp_path / "study"
    own = trained(batch_size=50, noise="own")
    for system, words in (
        (own, f"method = '{method}': noise = 'own'"),
        (Unsmooth(), "rescaled_pair"),
    ):
        with pytest.raises(UserError, match=words) as refused:
            ct.sweep(system, [0.1], out=out, method=method, **GRID)
        assert "\n" not in str(refused.value)
        assert not out.exists()


def test_an_unknown_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"method = 'tangents'"):
        ct.sweep(ct.maps.quadratic((1.0,)), [0.1], out=tmp_path / "study", method="tangents")
