"""What the figures show of a study by the tangent, or by replicas and tangent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chaotrain as ct
from chaotrain.figures import balls, exponents, growths, save_all
from chaotrain.figures.separation import ball

GRID: dict[str, Any] = {"inits": 3, "replicas": 2, "epochs": 60, "epsilon": 1e-12}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ct.Study]:
    folder = tmp_path_factory.mktemp("studies")
    return {
        method: ct.sweep(ct.maps.logistic(), [3.2, 3.9], out=folder / method, method=method, **GRID)
        for method in ("tangent", "both")
    }


def curve(axes: Any, label: str) -> np.ndarray:
    (line,) = (line for line in axes.lines if line.get_label() == label)
    return np.asarray(line.get_ydata(), dtype=float)


@pytest.mark.slow
def test_a_study_by_the_tangent_has_its_growth_drawn(
    studies: dict[str, ct.Study], tmp_path: Path
) -> None:
    study = studies["tangent"]
    axes = ball(study.dataset, study.summary, learning_rate=3.9, init=1)
    growth = study.dataset.tangent_growth.sel(learning_rate=3.9, init=1)
    np.testing.assert_allclose(curve(axes, "tangent"), np.exp(growth))
    assert "growth of a tangent" in axes.get_ylabel()
    title = balls(study.dataset, study.summary, learning_rate=3.9).get_title(loc="left")
    assert title == "Growth of tangents, 3 balls at η = 3.9"
    names = {path.stem for path in save_all(study.dataset, study.summary, tmp_path)}
    assert {"figure-2", "figure-3", "figure-4"} <= names


def test_a_tangent_lies_beside_the_distances_until_they_saturate(
    studies: dict[str, ct.Study],
) -> None:
    study = studies["both"]
    axes = ball(study.dataset, study.summary, learning_rate=3.9, init=0)
    mean, tangent = curve(axes, "geometric mean"), curve(axes, "tangent")
    growth = study.dataset.tangent_growth.sel(learning_rate=3.9, init=0).values
    expected = mean[0] * np.exp(growth)
    near = expected <= growths.TANGENT_ROOM * mean.max()
    assert 0 < near.sum() < len(near)
    np.testing.assert_allclose(tangent, np.where(near, expected, np.nan))


def test_the_mean_by_the_tangent_is_drawn_and_flagged_where_it_disagrees(
    studies: dict[str, ct.Study],
) -> None:
    study = studies["both"]
    axes = exponents(study.dataset, study.summary)
    np.testing.assert_allclose(curve(axes, "mean by the tangent"), study.summary.tangent_nmle)
    assert "disagrees in some balls" not in axes.get_legend_handles_labels()[1]
    flagged = study.summary.assign(disagreeing=("learning_rate", [0, 1]))
    axes = exponents(study.dataset, flagged)
    assert curve(axes, "disagrees in some balls") == study.summary.tangent_nmle.values[1:]
    plain = exponents(studies["tangent"].dataset, studies["tangent"].summary)
    assert "mean by the tangent" not in plain.get_legend_handles_labels()[1]


def test_what_is_far_above_the_distances_is_not_shown() -> None:
    growth = np.array([0.0, 1.0, 9.0, 900.0])
    found = growths.tangent_over(np.array([1.0, 2.0, 3.0, np.nan]), growth)
    np.testing.assert_allclose(found, [1.0, np.e, np.nan, np.nan])
    assert np.isnan(growths.tangent_over(np.full(4, np.nan), growth)).all()
