from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import chaotrain as ct
import tiny
from chaotrain import anatomy, figures
from chaotrain.cli import main


def test_a_dissection_is_its_four_measurements(blobs) -> None:  # type: ignore[no-untyped-def]
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), blobs())
    data = anatomy.dissect(system, 2.0, epochs=12, every=4)
    pair = ct.divergence(system, 2.0, epochs=12, replicas=1)
    np.testing.assert_array_equal(data.distance, pair.distance[0])
    np.testing.assert_array_equal(data.loss, pair.loss)
    np.testing.assert_array_equal(data.growth, ct.tangent_growth(system, 2.0, epochs=12).growth)
    along = ct.sharpness_along(system, 2.0, epochs=12, every=4)
    np.testing.assert_array_equal(data.sharpness.dropna("epoch"), along.sharpness)
    assert data.sharpness.notnull().sum() == 4
    # From the same perturbation, infinitesimal and finite growth are the same at first.
    early = np.log(data.distance[:4] / data.distance[0])
    np.testing.assert_allclose(early, data.growth[:4], atol=1e-4)


@pytest.mark.parametrize("eta", ["0.5", "30"])
def test_the_command_writes_the_figure_and_the_numbers(
    eta: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny.patch(monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    assert main(["anatomy", "tiny.toml", "--eta", eta, "--out", "out"]) == 0
    said = capfd.readouterr().out.splitlines()
    assert said[-2:] == ["out/anatomy.pdf", "out/anatomy.png"]
    table = pd.read_csv(tmp_path / "out" / "anatomy.csv")
    assert len(table) == 31
    assert {"epoch", "distance", "growth", "rate", "loss", "instability"} <= set(table.columns)
    assert "transient" in said[0]
    assert main(["anatomy", "tiny.toml", "--eta", "-1", "--out", "more"]) == 2
    assert "eta = -1.0" in capfd.readouterr().err
    assert not (tmp_path / "more").exists()


def test_the_figure_is_the_same_bytes_and_shades_the_transient(tmp_path: Path) -> None:
    epochs = np.arange(20.0)
    growth = np.where(epochs < 10, epochs, 20 - epochs)
    data = xr.Dataset(
        {
            "distance": ("epoch", 1e-4 * np.exp(growth)),
            "growth": ("epoch", growth),
            "rate": ("epoch", np.append(np.diff(growth), math.nan)),
            "loss": ("epoch", np.exp(-epochs / 5)),
            "test_accuracy": ("epoch", epochs / 20),
            "instability": ("epoch", np.where(epochs % 5 == 0, 1.0 + epochs / 20, math.nan)),
        },
        {"epoch": epochs},
        {"eta": 2.5, "transient_start": 0.0, "transient_stop": 10.0},
    )
    assert len(figures.anatomy(data).axes) == 5
    first, again = (figures.save_anatomy(data, tmp_path / name) for name in "ab")
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
