"""Balls that leave once they are decided: the same answers from less training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import chaotrain as ct
import tiny
from chaotrain import deciding, ensembles, experiment, layout, runs, schema
from chaotrain.analysis import answerable, best_for_epochs, best_for_target, derive, summarise
from chaotrain.errors import UserError
from chaotrain.growth import fit_growth
from chaotrain.growth.settling import needed
from chaotrain.layout import Layout
from chaotrain.maps import Iterated
from chaotrain.statistics.continuing import continued

LATE = 200.0
LOGISTIC = ct.maps.logistic()
GRID: dict[str, Any] = {"learning_rates": [2.5, 4.0], "inits": 4, "replicas": 3, "epochs": 150}


def _late_rule(u: Any, eta: Any) -> Any:
    """The identity for 200 epochs, and then the logistic map."""
    chaotic = eta * u[0] * (1 - u[0])
    return jnp.stack([jnp.where(u[1] < LATE, u[0], chaotic), u[1] + 1])


LATE_LOGISTIC = Iterated(_late_rule, lambda key: jnp.array([0.3, 0.5]), "late logistic map")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[ct.Study, ct.Study]:
    """A study of the logistic map at a fixed point and in chaos, whole and decided."""
    out = tmp_path_factory.mktemp("both")
    whole = ct.sweep(LOGISTIC, **GRID, out=out / "epochs")
    return whole, ct.sweep(LOGISTIC, **GRID, out=out / "decided", stop="decided")


def test_verdicts_and_exponents_are_those_of_the_whole_run(
    both: tuple[ct.Study, ct.Study],
) -> None:
    whole, decided = (study.dataset for study in both)
    assert (decided.verdict == whole.verdict).all()
    assert (decided.verdict == [["contracting"] * 4, ["exponential"] * 4]).all()
    # At the fixed point all distances end as 0, and Λ is the same number; in chaos it is ln 2.
    assert (decided.exponent[0] == whole.exponent[0]).all()
    inside = (whole.exponent_low <= decided.exponent) & (decided.exponent <= whole.exponent_high)
    assert inside[1].all()
    assert (abs(decided.exponent[1] - np.log(2)) < 0.15).all()
    assert (decided.trained < 150).all()
    assert (decided.status == schema.FINITE).all()
    assert decided.blow_up_epoch.isnull().all()


def test_what_was_not_trained_is_nan_and_nothing_else_is(both: tuple[ct.Study, ct.Study]) -> None:
    whole, decided = (study.recorded for study in both)
    epoch = decided.epoch
    assert (decided.distance.notnull() == (epoch <= decided.followed)).all()
    for name in ("u", "path_length", "displacement"):
        assert (decided[name].notnull() == (epoch <= decided.trained)).all()
        # The logistic map does not mix members, so that other groups do not round otherwise.
        assert decided[name].where(epoch <= decided.trained, whole[name]).equals(whole[name])
    assert schema.FOLLOWED not in whole
    assert schema.TRAINED not in whole


def test_a_ball_does_not_depend_on_those_beside_it() -> None:
    etas, cut = np.array([2.5, 3.2, 3.9, 4.0, 2.0]), Layout(5, 20, 10)
    with jax.enable_x64(True):
        keys = [ensembles.ball(LOGISTIC, jax.random.key(i), 3, 1e-8) for i in range(5)]
    together = deciding.evolve(LOGISTIC, ensembles.stack(keys), etas, 120, cut, [])
    assert len(set(together["trained"].tolist())) > 2
    for ball, key in enumerate(keys):
        alone = deciding.evolve(
            LOGISTIC, ensembles.stack([key]), etas[ball : ball + 1], 120, cut, []
        )
        for name, values in alone.items():
            # Norms may be summed up otherwise.
            close = 1e-12 if name in ("path_length", "displacement") else 0.0
            np.testing.assert_allclose(values[0], together[name][ball], close, err_msg=name)


def test_growth_that_starts_late_is_seen(tmp_path: Path) -> None:
    study = ct.sweep(
        LATE_LOGISTIC,
        [4.0],
        out=tmp_path / "s",
        inits=1,
        replicas=3,
        epochs=300,
        stop="decided",
    )
    ball = study.dataset.squeeze()
    assert ball.verdict == "exponential"
    assert abs(ball.exponent - np.log(2)) < 0.1
    assert 195 <= ball.growth_start <= 212
    # One replica was on watch since the first fifth of the run.
    assert ball.followed[0] > LATE
    assert (ball.followed[1:] < 100).all()


def test_what_blows_up_leaves_and_its_neighbours_stay(tmp_path: Path) -> None:
    system = ct.maps.linear(((1.0,),), start=(1.0,))
    study = ct.sweep(
        system, [0.999, 1e12], out=tmp_path / "s", inits=2, replicas=2, epochs=60, stop="decided"
    )
    data = study.dataset
    assert (data.verdict[1] == "blow-up").all()
    assert (data.trained[1] < 60).all()
    whole = ct.sweep(system, [0.999, 1e12], out=tmp_path / "w", inits=2, replicas=2, epochs=60)
    assert (data.blow_up_epoch[1] == whole.dataset.blow_up_epoch[1]).all()
    assert (data.verdict[0] == whole.dataset.verdict[0]).all()
    assert (data.trained[0] == 60).all()


@pytest.mark.slow
def test_with_nothing_decided_it_is_the_whole_run_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deciding, "needed", lambda before, now, distances, epochs: len(distances))
    system = ct.TrainingMap(ct.networks.mlp([1, 4, 2]), tiny.task())
    with jax.enable_x64(True):
        balls = [ensembles.ball(system, jax.random.key(i), 2, 1e-8) for i in range(3)]
        states = ensembles.stack(balls)
    etas, cut = np.array([0.5, 1.0, 5.0]), Layout(3, 9, 7)
    whole = ensembles.evolve(system, states, etas, 30, cut)
    decided = deciding.evolve(system, states, etas, 30, cut, [2.0])
    assert (decided.pop("followed") == 30).all()
    assert (decided.pop("trained") == 30).all()
    assert whole.keys() == decided.keys()
    for name, values in whole.items():
        np.testing.assert_array_equal(decided[name], values, name)


def test_a_run_and_one_that_was_stopped_and_resumed_write_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "TILE_FLOPS", 1.5e5)  # three balls a tile
    grid = {**GRID, "stop": "decided"}
    ticks: list[runs.Tick] = []

    def stop(tick: runs.Tick) -> None:
        ticks.append(tick)
        if tick.tiles_done == 1:
            raise KeyboardInterrupt

    ct.sweep(LOGISTIC, **grid, out=tmp_path / "once", progress=ticks.append)
    with pytest.raises(KeyboardInterrupt):
        ct.sweep(LOGISTIC, **grid, out=tmp_path / "twice", progress=stop)
    ct.sweep(LOGISTIC, **grid, out=tmp_path / "twice")
    once, twice = (sorted((tmp_path / n / "tiles").glob("*.npz")) for n in ("once", "twice"))
    assert len(once) == len(twice) == 3
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in twice]


def test_progress_counts_what_is_left_out_as_done_but_the_log_does_not(tmp_path: Path) -> None:
    ticks: list[runs.Tick] = []
    grid = {**GRID, "stop": "decided"}
    study = ct.sweep(LOGISTIC, **grid, out=tmp_path / "study", progress=ticks.append)
    done = [tick.done for tick in ticks]
    assert done == sorted(done)
    assert done[-1] == ticks[-1].total == 8 * 4 * 150
    log = (tmp_path / "study" / "log.jsonl").read_text().splitlines()
    did = sum(line.get("network_epochs", 0) for line in map(json.loads, log))
    assert did == study.recorded.followed.sum() + study.recorded.trained.sum()
    assert did < done[-1]


@pytest.mark.slow
def test_a_reference_leaves_at_its_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.patch(monkeypatch)
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    overrides = ["epochs = 80", "learning_rates = [0.001, 2.0]", "inits = 3"]
    settings = experiment.load(tmp_path / "tiny.toml", overrides)
    whole = runs.run(settings, tmp_path / "whole")
    study = runs.run(settings.model_copy(update={"stop": "decided"}), tmp_path / "decided")
    # A watcher stays with quiet balls: nothing leaves but the other replica.
    assert (study.dataset.trained == 80).all()
    assert (study.dataset.followed[..., 0] == 80).all()
    assert (study.dataset.followed[..., 1] < 80).all()
    assert not (study.dataset.verdict == schema.EXPONENTIAL).any()
    assert study.dataset.training_time.equals(whole.dataset.training_time)

    monkeypatch.setattr(deciding, "needed", lambda before, now, distances, epochs: 0)
    study = runs.run(settings.model_copy(update={"stop": "decided"}), tmp_path / "early")
    trained, data = study.dataset.trained, study.dataset
    assert (trained[1] < 80).all()
    reached = data.training_time.max("target")
    assert (trained.where(reached.notnull(), 80) >= reached.fillna(0)).all()
    assert (trained.where(reached.isnull(), 80) == 80).all()
    assert data.training_time.equals(whole.dataset.training_time)
    assert (study.summary.regime == whole.summary.regime).all()
    assert study.best(target=0.9).learning_rate == whole.best(target=0.9).learning_rate
    highest, last = answerable(data)
    assert highest >= 0.9
    assert last == trained.min()
    assert study.best(epochs=last).score == pytest.approx(whole.best(epochs=last).score)
    with pytest.raises(UserError, match=f"epochs = 80: .* choose at most {last}"):
        study.best(epochs=80)


def test_a_target_that_a_training_left_before_is_refused() -> None:
    accuracy = np.array([[[0.1, 0.7, np.nan], [0.1, 0.2, 0.6]]])
    dims = {name: schema.RECORDED[name].dims for name in ("test_accuracy", "trained")}
    dataset = xr.Dataset(
        {
            "test_accuracy": (dims["test_accuracy"], accuracy),
            "trained": (dims["trained"], np.array([[1.0, 2.0]])),
        },
        {"learning_rate": [1.0], "epoch": [0, 1, 2]},
    )
    assert best_for_target(dataset, 0.6).time == 1.5
    assert best_for_epochs(dataset, 1).score == pytest.approx(0.45)
    with pytest.raises(UserError, match=r"target = 0\.8: with stop = 'decided'"):
        best_for_target(dataset, 0.8)
    whole = dataset.drop_vars("trained").fillna(0.75)
    assert best_for_target(whole, 0.8).share != 1  # nobody left: censored, not refused


def test_a_loss_that_left_is_carried_on_in_the_regime() -> None:
    """Two trainings that fall on, one that left: the median still falls, it has no jump."""
    epochs = np.arange(101)
    falling = np.exp(-epochs / 50)
    loss = np.stack([np.where(epochs <= 40, 0.5 * falling, np.nan), falling, 1.1 * falling])
    accuracy = np.stack([np.where(epochs <= 40, 0.9, np.nan), *np.full((2, 101), 0.1)])
    recorded = xr.Dataset(
        {
            "loss": (schema.RECORDED["loss"].dims, loss[None]),
            "test_accuracy": (schema.RECORDED["test_accuracy"].dims, accuracy[None]),
            "distance": (
                schema.RECORDED["distance"].dims,
                np.where(epochs <= 40, 1e-8, np.where([[[[1]], [[0]], [[0]]]], np.nan, 1e-8)),
            ),
            "followed": (schema.RECORDED["followed"].dims, [[[40], [100], [100]]]),
            "trained": (schema.RECORDED["trained"].dims, [[40, 100, 100]]),
            "path_length": (schema.RECORDED["path_length"].dims, 2 + 0 * loss[None]),
            "displacement": (schema.RECORDED["displacement"].dims, 1 + 0 * loss[None]),
        },
        {"learning_rate": [1.0], "init": [0, 1, 2], "replica": [0], "epoch": epochs},
    )
    derived = derive(recorded, [0.8])
    assert (derived.verdict == "bounded").all()
    assert (derived.path_ratio == 2).all()
    assert (derived.loss_rise_share == 0).all()
    assert derived.training_time.values.ravel().tolist()[0] == 0
    summary = summarise(derived, 0.8)
    assert summary.regime.values.tolist() == ["too slow"]
    assert summary.mean_training_time.values.tolist() == [[pytest.approx(200 / 3)]]


def _needed(curve: np.ndarray, now: int, past: int, replicas: int = 3) -> int:
    distances = np.tile(np.exp(curve), (replicas, 1))
    fits = [fit_growth(distances[:, : epoch + 1]) for epoch in (past, now)]
    return needed(*fits, distances[:, : now + 1], len(curve) - 1)


@pytest.mark.parametrize(
    ("now", "past", "replicas"),
    [(20, 15, 3), (30, 25, 3), (45, 35, 1), (70, 60, 0)],
    ids=["on the ramp", "just saturated", "on a plateau", "on a plateau that has held"],
)
def test_a_ramp_needs_fewer_replicas_the_longer_its_plateau(
    now: int, past: int, replicas: int
) -> None:
    ramp = -18 + 0.5 * np.clip(np.arange(151) - 5, 0, 24)
    assert _needed(ramp, now, past) == replicas


def test_a_plateau_that_rises_has_not_held() -> None:
    epochs = np.arange(151)
    ramp = -18 + 0.5 * np.clip(epochs - 5, 0, 24)
    rising = ramp + 0.04 * np.clip(epochs - 29, 0, None)
    assert _needed(ramp, 70, 60) == 0
    assert _needed(rising, 70, 60) > 0


def test_a_quiet_ball_is_watched_to_the_end() -> None:
    quiet = np.full(151, -18.0)
    assert _needed(quiet, 20, 10) == 3
    assert [_needed(quiet, now, now - 10) for now in (30, 80, 149)] == [1, 1, 1]


def test_a_replica_that_is_gone_does_not_stand_for_the_others() -> None:
    distances = np.full((3, 101), 1e-8)
    distances[0, 20:] = 0.0
    fit = fit_growth(distances[:, :61])
    assert needed(fit, fit, distances[:, :61], 100) == 3
    distances[:, 20:] = 0.0
    fit = fit_growth(distances[:, :61])
    assert needed(fit, fit, distances[:, :61], 100) == 0


def test_continued_replicas_keep_their_mean_without_a_step() -> None:
    growth = np.cumsum(np.random.default_rng(0).normal(0.1, 0.3, 60))
    distances = np.exp(growth + np.array([[0.0], [1.0], [-2.0]]))
    cut = distances.copy()
    cut[1:, 31:] = np.nan
    np.testing.assert_allclose(continued(cut, np.array([59, 30, 30])), distances)
    assert continued(cut[1:], np.array([30, 30])).shape == (2, 31)
    gone = np.array([[1.0, 2.0, 4.0], [1.0, 0.0, np.nan]])
    assert continued(gone, np.array([2, 1]))[1].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("other", [{"method": "tangent"}, {"method": "both"}, {"horizon": True}])
def test_what_needs_every_epoch_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"stop = 'decided'.*needs every epoch"):
        ct.sweep(LOGISTIC, [1.0], out=tmp_path / "study", stop="decided", **other)


def test_a_study_is_not_resumed_with_another_stop(both: tuple[ct.Study, ct.Study]) -> None:
    with pytest.raises(UserError, match=r"differs in stop \('decided' there, 'epochs' here\)"):
        ct.sweep(LOGISTIC, **GRID, out=both[1].path)


def test_a_study_of_before_goes_on(tmp_path: Path) -> None:
    study = ct.sweep(LOGISTIC, **GRID, out=tmp_path / "study")
    file = study.store.root / "experiment.toml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("stop")]
    old = tmp_path / "old"
    old.mkdir()
    (old / "experiment.toml").write_text("\n".join(lines) + "\n")
    assert ct.sweep(LOGISTIC, **GRID, out=old).dataset.equals(study.dataset)


def test_the_sizes_of_groups_shrink_to_one() -> None:
    assert deciding.sizes(1) == [1]
    assert deciding.sizes(3) == [3, 2, 1]
    for count in range(1, 60):
        found = deciding.sizes(count)
        assert found[0] == count
        assert found[-1] == 1
        assert found == sorted(set(found), reverse=True)


@pytest.mark.slow
def test_digits_at_the_onset_and_beyond(tmp_path: Path) -> None:
    network = ct.networks.mlp([64, 16, 10], init="normal")
    system = ct.TrainingMap(network, ct.tasks.load("digits", train_size=300, test_size=300))
    grid = {"learning_rates": [0.5, 10.0], "inits": 3, "replicas": 3, "epochs": 120}
    whole = ct.sweep(system, **grid, out=tmp_path / "whole", targets=[0.5])
    study = ct.sweep(system, **grid, out=tmp_path / "decided", targets=[0.5], stop="decided")
    assert (study.dataset.verdict == whole.dataset.verdict).all()
    assert (study.summary.rho == whole.summary.rho).all()
    low, high = whole.dataset.exponent_low[1], whole.dataset.exponent_high[1]
    assert ((low <= study.dataset.exponent[1]) & (study.dataset.exponent[1] <= high)).all()
    assert (study.summary.regime == whole.summary.regime).all()
    members = 1 + (study.dataset.followed + 1).sum("replica") / (study.dataset.trained + 1)
    assert ((members * (study.dataset.trained + 1)).sum() < 0.6 * 6 * 4 * 121).all()
