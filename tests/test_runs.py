from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import chaotrain as ct
import tiny
from chaotrain import experiment, runs, schema
from chaotrain.errors import UserError


class Spiral:
    """A map whose state depends on the key, so that initialisations can be told apart."""

    description = "spiral"

    def init(self, key: Any) -> Any:
        return jax.random.normal(key, (3,), jnp.float64)

    def step(self, state: Any, eta: Any) -> Any:
        return state * eta

    def observe(self, state: Any) -> dict[str, Any]:
        return {"loss": jnp.sum(state**2)}


SPIRAL = Spiral()
GRID: dict[str, Any] = {"inits": 3, "replicas": 2, "epochs": 6, "epsilon": 1e-6}


@pytest.mark.parametrize(
    ("method", "missing"),
    [("perturbation", {"tangent_growth"}), ("tangent", {"distance"}), ("both", set())],
)
def test_the_data_set_is_as_the_schema_says(
    tmp_path: Path, monkeypatch: Any, method: str, missing: set[str]
) -> None:
    tiny.patch(monkeypatch)
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    settings = experiment.load(tmp_path / "tiny.toml", [f'method = "{method}"', "horizon = true"])
    study = runs.run(settings, tmp_path / "study")
    dataset, summary = study.dataset, study.summary
    missing = missing | {schema.FOLLOWED, schema.TRAINED}  # they are those of stop = "decided"
    for variables, found in (
        (schema.RECORDED | schema.DERIVED, dataset),
        (schema.SUMMARY, summary),
    ):
        assert found.data_vars.keys() == variables.keys() - missing
        for name in variables.keys() - missing:
            variable = variables[name]
            assert found[name].dims == variable.dims
            assert variable.attrs.items() <= found[name].attrs.items()
    sizes = {"learning_rate": 2, "init": 2, "epoch": 31, "target": 2}
    assert dict(dataset.sizes) == sizes | ({} if method == "tangent" else {"replica": 2})
    for name in {"distance", "tangent_growth"} - missing:
        assert np.isfinite(dataset[name]).all()
    assert study.best(target=0.5).learning_rate in settings.learning_rates
    assert study.best(epochs=30).learning_rate in settings.learning_rates
    assert study.path == tmp_path / "study"
    assert study.finished == [0, 1, 2, 3]


def test_a_ball_of_a_sweep_is_the_ball_of_divergence(tmp_path: Path) -> None:
    study = ct.sweep(SPIRAL, [0.5, 1.5], out=tmp_path / "study", **GRID, seed=7)
    for init in range(3):
        key = jax.random.fold_in(jax.random.key(7), init)
        for eta in (0.5, 1.5):
            alone = ct.divergence(SPIRAL, eta, key, epochs=6, replicas=2, epsilon=1e-6)
            ball = study.dataset.sel(learning_rate=eta, init=init)
            for name in ("distance", "loss", "path_length", "displacement"):
                np.testing.assert_allclose(ball[name], alone[name], rtol=1e-12)


def test_an_initialisation_is_the_same_at_every_learning_rate(tmp_path: Path) -> None:
    dataset = ct.sweep(SPIRAL, [0.5, 1.5], out=tmp_path / "study", **GRID).dataset
    first = dataset.isel(epoch=0)
    np.testing.assert_array_equal(first.loss[0], first.loss[1])
    np.testing.assert_array_equal(first.distance[0], first.distance[1])
    assert len(np.unique(first.loss[0])) == 3
    assert len(np.unique(first.distance[0])) == 6


def test_another_seed_draws_other_balls(tmp_path: Path) -> None:
    losses = [
        ct.sweep(SPIRAL, [0.5], out=tmp_path / str(seed), **GRID, seed=seed).dataset.loss
        for seed in (0, 1)
    ]
    assert not np.intersect1d(losses[0][..., 0], losses[1][..., 0]).size


def test_learning_rates_may_have_different_numbers_of_initialisations(tmp_path: Path) -> None:
    fields = {**GRID, "inits": [3, 1, 2], "epochs": 100}
    study = ct.sweep(tiny.MAP, [0.9, 0.1, 0.5], out=tmp_path / "study", **fields)
    assert study.dataset.learning_rate.values.tolist() == [0.1, 0.5, 0.9]
    ran = (study.dataset.status != "absent").sum("init").values.tolist()
    assert ran == study.summary.ran.values.tolist() == [1, 2, 3]
    # Exponents of the quadratic are ln|1 - ηh|, and the slower of its two modes is left.
    slowest = [np.log(max(abs(1 - eta * h) for h in (1.0, 3.0))) for eta in (0.1, 0.5, 0.9)]
    np.testing.assert_allclose(study.summary.nmle, slowest, atol=0.05)


def test_how_a_study_is_cut_does_not_change_what_it_says(tmp_path: Path, monkeypatch: Any) -> None:
    whole = ct.sweep(SPIRAL, [0.5, 1.5], out=tmp_path / "whole", **GRID)
    tiny.patch(monkeypatch)
    cut = ct.sweep(SPIRAL, [0.5, 1.5], out=tmp_path / "cut", **GRID)
    assert (len(whole.tiles), len(cut.tiles)) == (1, 6)
    for name in ("distance", "loss", "path_length", "displacement"):
        np.testing.assert_allclose(cut.dataset[name], whole.dataset[name], rtol=1e-12)
    np.testing.assert_array_equal(cut.dataset.verdict, whole.dataset.verdict)


def test_the_flag_of_jax_is_left_alone(tmp_path: Path) -> None:
    before = jax.config.jax_enable_x64
    study = ct.sweep(SPIRAL, [0.5], out=tmp_path / "study", **GRID)
    assert jax.config.jax_enable_x64 == before
    assert study.dataset.distance.dtype == np.float64


def test_a_member_that_blows_up_has_an_epoch_and_its_neighbours_are_untouched(
    tmp_path: Path,
) -> None:
    grid = {**GRID, "epochs": 400}
    both = ct.sweep(SPIRAL, [0.5, 10.0], out=tmp_path / "both", **grid).dataset
    tame = ct.sweep(SPIRAL, [0.5, 0.6], out=tmp_path / "tame", **grid).dataset
    assert (both.status.sel(learning_rate=10.0) == "blow-up").all()
    # The loss is the square of a state of order 1 that grows tenfold: infinite after 10^154.
    assert both.blow_up_epoch.sel(learning_rate=10.0).values == pytest.approx(154, abs=2)
    np.testing.assert_array_equal(both.distance[0], tame.distance[0])
    np.testing.assert_array_equal(both.loss[0], tame.loss[0])


def test_a_system_without_an_accuracy_is_summarised(tmp_path: Path) -> None:
    summary = ct.sweep(SPIRAL, [0.5, 1.5], out=tmp_path / "study", **{**GRID, "epochs": 60}).summary
    assert summary.rho.values.tolist() == [0.0, 1.0]
    assert summary.mean_training_time.isnull().all()


@pytest.mark.parametrize("arguments", [{}, {"target": 0.9, "epochs": 3}])
def test_best_takes_one_question(tmp_path: Path, arguments: dict[str, Any]) -> None:
    study = ct.sweep(SPIRAL, [0.5], out=tmp_path / "study", **GRID)
    with pytest.raises(UserError, match="give either target="):
        study.best(**arguments)


@pytest.mark.parametrize("out", [None, 3, b"study"])
def test_what_is_no_path_is_refused(out: Any) -> None:
    with pytest.raises(UserError, match=f"^out = {out}: give the path of a study directory$"):
        ct.sweep(SPIRAL, [0.5], out=out, **GRID)


def test_another_system_is_refused_by_its_description(tmp_path: Path) -> None:
    ct.sweep(SPIRAL, [0.5], out=tmp_path / "study", **GRID)
    other = Spiral()
    other.description = "another"
    with pytest.raises(UserError, match=r"differs in system \('spiral' there, 'another' here\)"):
        ct.sweep(other, [0.5], out=tmp_path / "study", **GRID)
    with pytest.raises(UserError, match=r"differs in .*dtype.*task"):
        runs.run(experiment.load("mnist-quick"), tmp_path / "study")


def test_a_budget_that_is_not_given_again_is_that_of_the_study(tmp_path: Path) -> None:
    """Its tiles are cut; another one would cut others."""
    study = ct.sweep(SPIRAL, [0.5], out=tmp_path / "study", memory=1.0, **GRID)
    study.store.pair(0)[0].unlink()
    again = ct.sweep(SPIRAL, [0.5], out=tmp_path / "study", **GRID)
    assert again.store.grid().memory == 1.0
    assert again.store.finished(0)
    with pytest.raises(UserError, match=r"differs in memory \(1\.0 there, 2\.0 here\)"):
        ct.sweep(SPIRAL, [0.5], out=tmp_path / "study", memory=2.0, **GRID)


def test_a_perturbation_of_zero_keeps_the_replicas_together(tmp_path: Path) -> None:
    dataset = ct.sweep(SPIRAL, [1.5], out=tmp_path / "study", **{**GRID, "epsilon": 0}).dataset
    assert (dataset.distance == 0).all()
