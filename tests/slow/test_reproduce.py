"""The paper's result on the preset that `make reproduce` runs."""

from __future__ import annotations

import numpy as np
import pytest

import chaotrain as ct
from chaotrain import experiment, runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> ct.Study:
    return runs.run(experiment.load("mnist-quick"), tmp_path_factory.mktemp("study") / "quick")


def test_small_learning_rates_are_regular_and_large_ones_chaotic(quick: ct.Study) -> None:
    summary = quick.summary
    verdicts = quick.dataset.verdict
    assert not (verdicts.sel(learning_rate=slice(None, 2.5)) == "exponential").any()
    assert (verdicts.sel(learning_rate=slice(7.5, None)) == "exponential").all()
    assert 2.5 < summary.attrs["eta_0"] <= summary.attrs["eta_1"] <= 7.5


def test_exponents_grow_through_the_onset(quick: ct.Study) -> None:
    nmle = quick.summary.nmle
    assert abs(float(nmle.sel(learning_rate=1.0))) < 0.02
    assert 0.6 < float(nmle.sel(learning_rate=7.5)) < 1.4


def test_it_learns_above_the_onset_and_not_far_beyond(quick: ct.Study) -> None:
    best = quick.summary.best_accuracy
    assert float(best.sel(learning_rate=7.5)) > 0.75
    assert float(best.sel(learning_rate=20.0)) < 0.5
    regimes = quick.summary.regime
    assert str(regimes.sel(learning_rate=1.0).values) == "exploitation"
    assert str(regimes.sel(learning_rate=7.5).values) == "exploration-exploitation"
    assert str(regimes.sel(learning_rate=20.0).values) == "no learning"


def test_training_is_fastest_close_to_the_onset(quick: ct.Study) -> None:
    ratio = float(quick.summary.eta_ratio.sel(target=0.7))
    assert 0.5 <= ratio <= 1.5
    best = quick.best(target=0.7)
    assert best.learning_rate == quick.summary.attrs["eta_fastest"]
    assert best.share == 1.0


def test_a_ball_of_the_study_is_what_divergence_gives(quick: ct.Study) -> None:
    """The same key gives the same ball, up to the rounding of another layout."""
    import jax

    with jax.enable_x64(True):
        key = jax.random.fold_in(jax.random.key(0), 2)
    system = runs.system_of(experiment.load("mnist-quick"))
    curves = ct.divergence(system, 7.5, key, epochs=10, replicas=1)
    stored = quick.recorded.sel(learning_rate=7.5, init=2, epoch=slice(0, 10))
    np.testing.assert_allclose(curves.distance, stored.distance, rtol=1e-5)
    np.testing.assert_allclose(curves.loss, stored.loss, rtol=1e-7)
