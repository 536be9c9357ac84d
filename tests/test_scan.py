"""A scan of ε: read together, told, drawn, and run from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Text

import chaotrain as ct
import test_figures as seen
import tiny
from chaotrain import analysis, atlas, figures, schema, tables
from chaotrain.statistics.plateau import widest_plateau
from chaotrain.tables.scans import plateau_lines, table_of_scan
from command_line import Command, in_process

EPSILONS = [1e-12, 1e-10, 1e-8, 1e-6, 1e-2]
RATES = [1.0, 2.0, 4.0]
SATURATION = 1.0

FILE = """
title = "Tiny scan"
task = "tiny"
learning_rates = [0.5, 2.0]
inits = 2
replicas = 2
epochs = 20
network = { hidden = [3] }
"""
CASES = "".join(f'[[cases]]\nname = "e{k}"\nepsilon = 1e-{k}\n' for k in (4, 8, 6))


def study(epsilon: float) -> tuple[xr.Dataset, xr.Dataset]:
    """Growth at a rate of its own from 10 ε, to 1: too little of it from ε = 1e-2 on."""
    generator = np.random.default_rng(0)
    exponents = np.multiply.outer([0.2, 0.4, 0.6], 1 + 0.2 * generator.normal(size=12))
    curves = 10 * epsilon * np.exp(exponents[..., None] * np.arange(151))
    jitter = np.exp(0.01 * np.random.default_rng(int(1e9 * epsilon)).normal(size=curves.shape))
    distance = np.minimum(curves, SATURATION) * jitter
    recorded = xr.Dataset(
        {"distance": (schema.RECORDED["distance"].dims, distance[:, :, None])},
        {"learning_rate": RATES, "init": np.arange(12), "replica": [0], "epoch": np.arange(151)},
    )
    derived = analysis.derive(recorded, targets=[0.9])
    return derived, analysis.summarise(derived, 0.9)


@pytest.fixture(scope="module")
def studies() -> dict[float, tuple[xr.Dataset, xr.Dataset]]:
    return {epsilon: study(epsilon) for epsilon in reversed(EPSILONS)}


@pytest.fixture(scope="module")
def found(studies: dict[float, tuple[xr.Dataset, xr.Dataset]]) -> xr.Dataset:
    return analysis.scan(studies)


def test_a_scan_holds_what_the_summaries_say_in_order_of_epsilon(
    studies: dict[float, tuple[xr.Dataset, xr.Dataset]], found: xr.Dataset
) -> None:
    assert found.epsilon.values.tolist() == EPSILONS
    for name in ("nmle", "nmle_low", "rho_high", "decided", "ran"):
        for epsilon, (_, summary) in studies.items():
            np.testing.assert_array_equal(found[name].sel(epsilon=epsilon), summary[name])


def test_the_plateau_ends_where_the_perturbation_is_too_large_to_grow(
    studies: dict[float, tuple[xr.Dataset, xr.Dataset]], found: xr.Dataset
) -> None:
    assert found.plateau_first.values.tolist() == [1e-12] * 3
    assert found.plateau_last.values.tolist() == [1e-6] * 3
    assert found.plateau_inits.values.tolist() == [12] * 3
    np.testing.assert_allclose(found.plateau, [0.2, 0.4, 0.6], rtol=0.15)
    each = np.stack([studies[epsilon][0].exponent.values[1] for epsilon in EPSILONS])
    by_hand = widest_plateau(each)
    assert by_hand is not None
    assert found.plateau.values[1] == by_hand.value
    assert found.plateau_p.values[1] == by_hand.p_value


def test_the_finite_size_exponent_is_that_of_the_smallest_epsilon(
    studies: dict[float, tuple[xr.Dataset, xr.Dataset]], found: xr.Dataset
) -> None:
    distance = studies[1e-12][0].distance.isel(learning_rate=2)
    alone = ct.finite_size_exponent(distance, found["size"].values)
    np.testing.assert_array_equal(found.rate.isel(learning_rate=2), alone.rate)
    inside = found.rate.sel(size=slice(1e-10, 1e-2))
    np.testing.assert_allclose(inside.mean("size"), [0.2, 0.4, 0.6], rtol=0.15)


def test_undecided_balls_do_not_count_in_the_plateau(
    studies: dict[float, tuple[xr.Dataset, xr.Dataset]],
) -> None:
    changed = {}
    for epsilon, (data, summary) in studies.items():
        verdict = data.verdict.copy(deep=True)
        verdict[0, :5] = schema.UNDECIDED
        changed[epsilon] = (data.assign(verdict=verdict), summary)
    assert analysis.scan(changed).plateau_inits.values.tolist() == [7, 12, 12]


def test_one_study_is_a_scan_without_a_plateau(
    studies: dict[float, tuple[xr.Dataset, xr.Dataset]],
) -> None:
    one = analysis.scan({1e-8: studies[1e-8]})
    assert np.isnan(one.plateau).all()
    assert "no two neighbouring" in plateau_lines(one)[0]
    assert seen.faults(figures.epsilon_scan("One", one)) == []


def test_the_table_marks_the_plateau(found: xr.Dataset) -> None:
    table = table_of_scan(found)
    assert table.row_count == 15
    columns = [list(column.cells) for column in table.columns]
    assert columns[0] == ["1"] * 5 + ["2"] * 5 + ["4"] * 5
    assert columns[1][:5] == ["1e-12", "1e-10", "1e-08", "1e-06", "0.01"]
    assert columns[7] == (["yes"] * 4 + [""]) * 3
    lines = plateau_lines(found)
    assert lines[0].startswith("η = 1: plateau from ε = 1e-12 to 1e-06, λ_nMLE = 0.")
    page = tables.report("Title", found)
    assert page.startswith("# Title\n\n| η | ε |")
    assert "- η = 4: plateau from" in page


def test_the_figure_shows_the_means_and_the_plateaus(found: xr.Dataset) -> None:
    figure = figures.epsilon_scan("Growth at three rates", found)
    assert seen.faults(figure) == []
    top, bottom = figure.axes
    for index, marker in enumerate("osD"):
        dots = seen.marker_line(top, marker)
        np.testing.assert_array_equal(dots.get_xdata(), EPSILONS)
        np.testing.assert_array_equal(dots.get_ydata(), found.nmle.values[index])
    curves = [line for line in bottom.lines if len(np.asarray(line.get_xdata())) > 2]
    np.testing.assert_array_equal([line.get_ydata() for line in curves], found.rate.values)
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    assert min(float(text.get_fontsize()) for text in texts) >= 8


def test_files_are_the_same_bytes_whenever_they_are_written(
    found: xr.Dataset, tmp_path: Path
) -> None:
    first, second = (
        figures.save_epsilon_scan("Title", found, tmp_path / name, "scan") for name in "ab"
    )
    assert [path.name for path in first] == ["scan.pdf", "scan.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


# ---- collections


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    (folder / "mine.toml").write_text(FILE + CASES)
    with pytest.MonkeyPatch.context() as patcher:
        tiny.patch(patcher)
        loaded = atlas.load(folder / "mine.toml")
        assert isinstance(loaded, atlas.Collection)
        atlas.run(loaded, folder / "out")
    return folder


@pytest.fixture
def chaotrain(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    original: Path,
    tmp_path: Path,
) -> Command:
    """The command line beside a finished collection."""
    tiny.patch(monkeypatch)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return in_process(capfd)


@pytest.mark.parametrize(
    ("old", "new", "is_scan"),
    [
        ("", "", True),
        ('name = "e8"\nepsilon = 1e-8', 'name = "e8"\nepsilon = 1e-6', False),  # two values left
        ('name = "e8"', 'name = "e8"\nl2 = 0.1', False),  # and something else
        ("epochs = 20", 'epochs = 20\nmethod = "tangent"', False),  # which knows no ε
        ('name = "e8"', 'name = "e8"\nseed = 1', False),  # other initial weights: not paired
    ],
)
def test_cases_that_differ_in_epsilon_alone_are_a_scan(
    tmp_path: Path, old: str, new: str, is_scan: bool
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((FILE + CASES).replace(old, new))
    loaded = atlas.load(path)
    assert isinstance(loaded, atlas.Collection)
    assert [atlas.is_scan(group) for group in loaded.groups] == [is_scan]


def test_a_scan_is_told_and_drawn_from_the_command_line(chaotrain: Command) -> None:
    said = chaotrain("run", "mine.toml", "--out", "out")
    assert said.code == 0
    assert said.out.splitlines()[-3:] == [
        *(f"out/figures/epsilon-scan.{kind}" for kind in ("pdf", "png")),
        "out/report.html",
    ]
    assert "The claim" not in said.out
    assert "η = 0.5: " in said.out
    printed = chaotrain("summary", "out")
    assert printed.out.splitlines() == said.out.splitlines()[:-3]
    content = json.loads(chaotrain("summary", "out", "--json").out)
    assert content["scans"]["mine"]["variables"]["epsilon"]["values"] == [1e-8, 1e-6, 1e-4]
    assert list(content["cases"]) == ["e4", "e8", "e6"]
    assert chaotrain("summary", "out", "--markdown", "page.md").code == 0
    assert Path("page.md").read_text().startswith("# Tiny scan\n\n| η | ε |")


def test_a_scan_that_is_not_finished_is_read_as_far_as_it_is(chaotrain: Command) -> None:
    for path in Path("out/e6/tiles").iterdir():
        path.unlink()
    said = chaotrain("summary", "out")
    assert "2 of 3 cases are finished" in said.err
    assert "1e-06" not in said.out
    assert "1e-08" in said.out


def test_the_predecessors_experiment_is_as_published() -> None:
    loaded = atlas.load("predecessor")
    assert isinstance(loaded, atlas.Collection)
    cases = [case.experiment for case in loaded.cases.values()]
    assert [case.epsilon for case in cases] == [10.0**-power for power in range(14, 0, -1)]
    first = cases[0]
    assert (first.inits, first.replicas, first.epochs) == (500, 5, 200)
    assert first.learning_rates == [1.0, 5.0]
    assert first.batch_size is None
    assert (first.network.hidden, first.network.activation) == ([10], "sigmoid")
    assert first.network.init == "normal"


@pytest.mark.slow
def test_the_predecessors_experiment_is_chaotic_at_both_learning_rates(tmp_path: Path) -> None:
    """The four smallest ε and the largest, with few initialisations."""
    loaded = atlas.load("predecessor", ["inits=12", "replicas=1"])
    assert isinstance(loaded, atlas.Collection)
    group = loaded.groups[0]
    few = group.model_copy(update={"cases": [*group.cases[:4], group.cases[-1]]})
    run = atlas.run(loaded.model_copy(update={"groups": [few]}), tmp_path / "out")
    scan = atlas.scan_of(run, few)
    assert scan is not None
    assert (scan.nmle_low.isel(epsilon=0) > 0).all()
    assert (scan.plateau_first == 1e-14).all()
    assert (scan.nmle.isel(epsilon=-1) < scan.nmle.isel(epsilon=0)).all()
