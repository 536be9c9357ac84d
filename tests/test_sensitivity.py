from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import chaotrain as ct
import tiny
from chaotrain import experiment, fields, figures, sensitivity
from chaotrain.cli import main

DIMS = ("learning_rate", "init", "replica", "epoch")
OVERRIDES = ["batch_size=16", "inits=3", "epochs=20", "learning_rates=[0.2, 0.5]"]


@contextlib.contextmanager
def shown(name: str) -> Iterator[Any]:
    yield None


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> experiment.Experiment:
    tiny.patch(monkeypatch)
    path = tmp_path / "tiny.toml"
    path.write_text(tiny.FILE)
    return experiment.load(path, OVERRIDES)


def studies(random: np.random.Generator) -> tuple[xr.Dataset, xr.Dataset]:
    """Distances over 2 learning rates, 5 initialisations, 3 replicas and 4 epochs."""
    grid = {"learning_rate": [0.5, 1.0], "epoch": np.arange(4)}
    both = (xr.Dataset({"distance": (DIMS, random.lognormal(size=(2, 5, 3, 4)))}, grid),) * 2
    return both[0].copy(deep=True), both[1] * 3.0


@pytest.mark.slow
def test_both_studies_differ_in_what_is_other(
    settings: experiment.Experiment, tmp_path: Path
) -> None:
    weights, batches = sensitivity.compare(settings, tmp_path / "out", shown)
    assert (weights.path.name, batches.path.name) == ("weights", "batches")
    near, far = weights.dataset.distance, batches.dataset.distance
    assert (near.isel(epoch=0) > 0).all()
    assert not far.isel(epoch=0).any()
    # Far below the onset the batches matter, and the weights' 1e-8 do not.
    assert float(near.isel(epoch=-1).max()) < 1e-4 < float(far.isel(epoch=-1).min())
    # The references of both are the same networks, with the same noise.
    np.testing.assert_allclose(weights.dataset.loss, batches.dataset.loss, rtol=1e-9)
    again = sensitivity.compare(settings, tmp_path / "out", shown)
    assert again[0].dataset.identical(weights.dataset)
    share = sensitivity.compared(weights.dataset, batches.dataset).share
    assert (share < 1e-3).all()


def test_means_are_geometric_and_the_share_is_their_ratio() -> None:
    weights, batches = studies(np.random.default_rng(3))
    found = sensitivity.compared(weights, batches)
    final = weights.distance.isel(epoch=-1).values
    np.testing.assert_allclose(found.weights, np.exp(np.log(final).mean(axis=(1, 2))), rtol=1e-12)
    np.testing.assert_allclose(found.share, 1 / 3, rtol=1e-12)
    np.testing.assert_allclose(found.share_low, 1 / 3, rtol=1e-12)
    assert (found.weights_low < found.weights).all()
    assert (found.weights < found.weights_high).all()


def test_networks_that_blew_up_are_left_out_of_both() -> None:
    weights, batches = studies(np.random.default_rng(3))
    weights.distance[0, 0, 1, -1] = np.nan
    batches.distance[1, :3] = np.inf
    found = sensitivity.compared(weights, batches)
    final = np.log(weights.distance.isel(epoch=-1).values)
    expected = [final[0, 1:].mean(), final[1, 3:].mean()]
    np.testing.assert_allclose(np.log(found.weights), expected, rtol=1e-12)
    assert np.isfinite(found.weights_low[0])
    assert np.isnan(found.weights_low[1])  # two are left, and they give no interval


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"batch_size": None}, "batch_size: nothing is random in full-batch training"),
        ({"epsilon": 0.0}, "epsilon = 0.0: the study of other weights needs them apart"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_written(
    settings: experiment.Experiment, tmp_path: Path, overrides: dict, message: str
) -> None:
    with pytest.raises(ct.UserError, match=message):
        sensitivity.compare(settings.model_copy(update=overrides), tmp_path / "out", shown)
    assert not (tmp_path / "out").exists()


PARTS = """
import chaotrain as ct

def network(shape, outputs):
    return ct.networks.mlp([*shape, 4, outputs])

def forgetful(shape, outputs):
    plain = ct.networks.mlp([*shape, 4, outputs])
    calls = []

    def apply(parameters, inputs):
        calls.append(1)
        return plain.apply(parameters, inputs) + len(calls)

    return ct.Network(plain.init, apply, "forgetful")
"""


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"network": "network", "batch_size": None}, "noise = 'own': nothing is random"),
        ({"network": "forgetful"}, "apply gives other outputs for the same parameters"),
        ({"method": "tangent"}, "method = 'tangent': noise = 'own'"),
        ({"task": "no.npz"}, "there is no such file"),
    ],
)
def test_what_only_the_systems_tell_is_refused_before_either_study(
    settings: experiment.Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: dict,
    message: str,
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "noise_parts.py").write_text(PARTS)
    if "network" in overrides:
        function = fields.NetworkFields(function=f"noise_parts:{overrides['network']}")
        overrides = overrides | {"network": function}
    with pytest.raises(ct.UserError, match=message):
        sensitivity.compare(settings.model_copy(update=overrides), tmp_path / "out", shown)
    assert not (tmp_path / "out").exists()


def test_the_figure_has_a_panel_a_learning_rate_and_is_the_same_again(tmp_path: Path) -> None:
    both = studies(np.random.default_rng(0))
    drawn = figures.sensitivities(*both)
    assert [axes.get_title(loc="left") for axes in drawn.axes] == ["η = 0.5", "η = 1"]
    mean = np.exp(np.log(both[1].distance.sel(learning_rate=1.0)).mean(("init", "replica")))
    assert any(np.allclose(line.get_ydata(), mean) for line in drawn.axes[1].lines)
    first, again = (figures.save_sensitivities(*both, tmp_path / name) for name in "ab")
    assert [path.name for path in first] == ["sensitivities.pdf", "sensitivities.png"]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_the_command_prints_the_table_and_draws_the_figure(
    settings: experiment.Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    more = [word for override in OVERRIDES for word in ("--set", override)]
    assert main(["noise", "tiny.toml", "--out", "out", *more]) == 0
    said = capfd.readouterr()
    weights, batches = (ct.Study(tmp_path / "out" / name) for name in ("weights", "batches"))
    found = sensitivity.compared(weights.dataset, batches.dataset)
    assert f"{float(found.share[0]):.3g}" in said.out
    assert said.out.splitlines()[-1] == "out/figures/sensitivities.png"
    assert "other batches" in said.err
    assert main(["noise", "tiny.toml", "--out", "more"]) == 2
    said = capfd.readouterr()
    assert said.err.startswith("chaotrain: batch_size: nothing is random")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "more").exists()
