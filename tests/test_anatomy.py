from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from filelock import FileLock

import chaotrain as ct
import tiny
from chaotrain import anatomy, experiment, figures, files, parts, showing
from chaotrain.runs import Tick
from command_line import Command, refused

ARGUMENTS = ("anatomy", "tiny.toml", "--eta", "2", "--out", "out")
TABLES = ["anatomy.csv", "anatomy-layers.csv", "anatomy-spectrum.csv"]
FIGURES = [
    f"{name}.{kind}"
    for name in ("anatomy", "weights-and-function", "spectrum")
    for kind in ("pdf", "png")
]


@pytest.fixture
def chaotrain(chaotrain: Command, tmp_path: Path) -> Command:
    """The command line in a folder with `tiny.toml`."""
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    return chaotrain


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[xr.Dataset]:
    """What the command would write and draw, which takes longer than it computes."""
    some: list[xr.Dataset] = []

    def draw(folder: Path, data: xr.Dataset) -> list[Path]:
        some.append(data)
        return [folder / "drawn"]

    monkeypatch.setattr(showing, "draw_anatomy", draw)
    return some


@pytest.mark.slow
def test_a_dissection_is_its_six_measurements(blobs) -> None:  # type: ignore[no-untyped-def]
    system, ticks = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), blobs()), list[Tick]()
    data = anatomy.dissect(system, 2.0, epochs=12, every=4, progress=ticks.append)
    pair = ct.divergence(system, 2.0, epochs=12, replicas=1)
    np.testing.assert_array_equal(data.distance, pair.distance[0])
    np.testing.assert_array_equal(data.loss, pair.loss)
    np.testing.assert_array_equal(data.growth, ct.tangent_growth(system, 2.0, epochs=12).growth)
    along = ct.sharpness_along(system, 2.0, epochs=12, every=4)
    np.testing.assert_array_equal(data.sharpness.dropna("epoch"), along.sharpness)
    assert data.sharpness.notnull().sum() == 4
    apart = ct.separation(system, 2.0, epochs=12).isel(replica=0, drop=True)
    for name in set(apart.data_vars) - {"test_accuracy"}:
        np.testing.assert_array_equal(data[name], apart[name])
    np.testing.assert_array_equal(data.test_accuracy, pair.test_accuracy)
    np.testing.assert_array_equal(data.l1, data.distance)
    leading = ct.lyapunov_convergence(system, 2.0, steps=12, transient=0, count=4)
    np.testing.assert_array_equal(data.spectrum, leading["mean"])
    assert data.attrs["dimension"] == 5 * 4 + 4 + 4 * 3 + 3
    # From the same perturbation, infinitesimal and finite growth are the same at first.
    early = np.log(data.distance[:4] / data.distance[0])
    np.testing.assert_allclose(early, data.growth[:4], atol=1e-4)
    done = [tick.done for tick in ticks]
    assert done == sorted(done)
    assert [tick.tiles_done for tick in ticks] == sorted(tick.tiles_done for tick in ticks)
    assert ticks[-1] == Tick(done[-1], done[-1], 5, 5)
    assert len(set(done)) > 10


@pytest.mark.slow
@pytest.mark.parametrize("eta", ["0.5", "30"])
def test_the_command_writes_the_figures_and_the_numbers(
    eta: str, chaotrain: Command, tmp_path: Path
) -> None:
    said = chaotrain(*ARGUMENTS, "--eta", eta)
    assert said.code == 0
    transient, *paths = said.out.splitlines()
    assert "transient" in transient
    assert paths == [f"out/{name}" for name in (*TABLES, *FIGURES)]
    assert said.err.splitlines()[-1].startswith("100%, tile 5 of 5")
    table, layers, exponents = (pd.read_csv(tmp_path / "out" / name) for name in TABLES)
    assert len(table) == 31
    names = {"epoch", "distance", "growth", "rate", "loss", "instability", "l2_aligned"}
    assert names | {"disagreement", "output_l2"} <= set(table.columns)
    assert len(layers) == 2 * 31
    assert {"layer", "epoch", "layer_l2", "layer_norm"} <= set(layers.columns)
    assert {"exponent", "length", "spectrum", "spectrum_low"} <= set(exponents.columns)
    held = {path.name for path in (tmp_path / "out").iterdir()}
    assert held == {"anatomy.toml", "tiles", *TABLES, *FIGURES}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--eta", "-1"), "eta = -1.0"),
        (("--every", "0"), "every = 0"),
        (("--set", "epochs=1"), "epochs = 1"),
        (("--set", 'dtype="float32"'), "use at least"),
        (("--out", "tiny.toml"), "is not a directory that can be written"),
        (("--out", "."), "the directory holds files but no anatomy"),
    ],
)
def test_mistakes_are_refused_and_leave_nothing(
    chaotrain: Command, change: tuple[str, str], words: str, tmp_path: Path
) -> None:
    refused_late = "dtype" in change[1]
    said = chaotrain(*ARGUMENTS, *change)
    if refused_late:  # after the bar has begun
        assert said.code == 2
        assert words in said.err
    else:
        refused(said, words)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_what_cannot_be_dissected_is_refused_before_anything_is_computed(
    blobs: Callable[..., ct.Task],
) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), blobs())

    def keep(part: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
        raise AssertionError(f"{part} is computed")

    for arguments, more, words in (
        ((ct.maps.henon(), 1.0), {}, "give a TrainingMap"),
        ((system, -1.0), {}, "eta = -1.0: give a number above 0"),
        ((system, 1.0), {"every": 0}, "every = 0: give at least 1"),
    ):
        with pytest.raises(ct.UserError, match=words):
            anatomy.dissect(*arguments, **more, keep=keep)


def test_the_numbers_of_a_dissection_may_be_those_of_numpy(
    blobs: Callable[..., ct.Task],
) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), blobs())
    own = anatomy.dissect(system, 0.5, epochs=6, every=3)
    numpys = anatomy.dissect(system, np.float64(0.5), epochs=np.int64(6), every=np.int64(3))
    xr.testing.assert_identical(numpys, own)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_pair_is_as_far_apart_as_is_asked(
    dtype: str, chaotrain: Command, found: list[xr.Dataset]
) -> None:
    said = chaotrain(*ARGUMENTS, "--set", f'dtype="{dtype}"', "--set", "epsilon=1e-2")
    assert said.code == 0, said.err
    (data,) = found
    # The mean of |U(-ε, ε)| is ε/2.
    assert 0.3e-2 < data.distance[0] / data.attrs["dimension"] < 0.7e-2
    np.testing.assert_allclose(data.l1, data.distance, rtol=1e-6)


def killing(number: int) -> Callable[..., Any]:
    """A measurement during which a signal comes."""

    def measure(*arguments: Any, **more: Any) -> Any:
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was lost")

    return measure


def stored(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "tiles").iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "part", "left"),
    [
        (signal.SIGINT, "sharpness_along", {"pair", "tangent"}),
        (signal.SIGTERM, "lyapunov_convergence", {"pair", "tangent", "sharpness", "separation"}),
    ],
)
def test_an_interrupted_anatomy_keeps_its_parts_and_goes_on(
    number: int,
    part: str,
    left: set[str],
    chaotrain: Command,
    found: list[xr.Dataset],
    tmp_path: Path,
) -> None:
    whole = chaotrain(*ARGUMENTS, "--out", "whole")
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(anatomy, part, killing(number))
        said = chaotrain(*ARGUMENTS)
    assert (said.code, said.out) == (128 + number, "")
    assert said.err.splitlines()[-1] == (
        "chaotrain: stopped; what is finished is kept, the same command goes on from there"
    )
    kept = stored(out)
    assert kept.keys() == {f"{name}.{kind}" for name in left for kind in ("nc", "json")}
    assert {path.name for path in out.iterdir()} == {"anatomy.toml", "tiles"}
    again = chaotrain(*ARGUMENTS)
    assert again.code == 0
    assert stored(out).items() >= kept.items()
    assert again.out == whole.out.replace("whole/", "out/")
    # All is there, so nothing is computed.
    with pytest.MonkeyPatch.context() as patcher:
        for measure in (
            "divergence", "tangent_growth", "sharpness_along", "separation", "_spectrum"
        ):  # fmt: skip
            patcher.setattr(anatomy, measure, killing(signal.SIGINT))
        assert chaotrain(*ARGUMENTS).out == again.out
    uninterrupted, resumed, stored_only = found
    for one in (resumed, stored_only):
        xr.testing.assert_identical(one, uninterrupted)
        assert list(one) == list(uninterrupted)


def test_an_anatomy_that_is_stopped_in_its_first_part_leaves_nothing(
    chaotrain: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(anatomy, "divergence", killing(signal.SIGINT))
    assert chaotrain(*ARGUMENTS, "--out", "a/b").code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_a_directory_of_another_run_is_refused(
    chaotrain: Command, found: list[xr.Dataset], tmp_path: Path
) -> None:
    assert chaotrain(*ARGUMENTS).code == 0
    refused(chaotrain(*ARGUMENTS, "--eta", "3"), "differs in eta (2.0 there, 3.0 here)")
    refused(chaotrain(*ARGUMENTS, "--init", "1"), "differs in init (0 there, 1 here)")
    refused(chaotrain(*ARGUMENTS, "--set", "epochs=20"), "differs in epochs")
    refused(chaotrain("run", "tiny.toml", "--out", "out"), "holds files but no study")
    with FileLock(tmp_path / "out" / ".lock"):
        said = chaotrain(*ARGUMENTS)
    assert said.code == 2
    assert "another run is working in it" in said.err
    (tmp_path / "out" / "anatomy.toml").write_text("eta = ")
    refused(chaotrain(*ARGUMENTS), "anatomy.toml was altered")


def test_several_initialisations_have_a_folder_each(
    chaotrain: Command, found: list[xr.Dataset], tmp_path: Path
) -> None:
    both = ("--init", "2", "--init", "0")
    refused(chaotrain(*ARGUMENTS, "--init", "0", "--init", "0"), "init = [0, 0]: give each")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "init-a").write_text("")
    refused(chaotrain(*ARGUMENTS, *both, "--out", "other"), "the directory holds something else")
    assert chaotrain(*ARGUMENTS, "--init", "2", "--out", "alone").code == 0
    said = chaotrain(*ARGUMENTS, *both)
    assert said.code == 0, said.err
    assert [line for line in said.out.splitlines() if line.startswith("out")] == [
        "out/init-2/drawn", "out/init-0/drawn"
    ]  # fmt: skip
    assert "init-2: 100%" in said.err
    alone, second, first = found
    xr.testing.assert_identical(second, alone)
    assert not first.equals(second)
    assert chaotrain("figures", "out").out.splitlines() == [
        "out/init-0/drawn", "out/init-2/drawn"
    ]  # fmt: skip
    # One that differs is refused before another is computed.
    more = chaotrain(*ARGUMENTS, "--init", "7", *both, "--eta", "3")
    refused(more, "differs in eta")
    assert not (tmp_path / "out" / "init-7").exists()


def test_the_figures_of_an_anatomy_are_drawn_again_from_what_is_stored(
    chaotrain: Command, found: list[xr.Dataset], tmp_path: Path
) -> None:
    first = chaotrain(*ARGUMENTS)
    again = chaotrain("figures", "out")
    assert (again.code, again.err) == (0, "")
    assert again.out == first.out.split("\n", 1)[1]
    computed, stored_only = found
    xr.testing.assert_identical(stored_only, computed)
    for command in ("summary", "report", "verify", "status"):
        refused(chaotrain(command, "out"), "out holds an anatomy, not a study")
    (tmp_path / "out" / "tiles" / "spectrum.json").unlink()
    refused(chaotrain("figures", "out"), "the spectrum of its anatomy is not computed yet")


@pytest.mark.filterwarnings("default::chaotrain.ProvenanceWarning")
def test_a_damaged_part_or_one_of_other_data_is_refused(
    chaotrain: Command, found: list[xr.Dataset], tmp_path: Path
) -> None:
    assert chaotrain(*ARGUMENTS).code == 0
    tiles = tmp_path / "out" / "tiles"
    record = files.unsealed((tiles / "pair.json").read_bytes())
    assert record is not None
    other = record["run"] | {"data_sha256": {"tiny": "0"}}
    (tiles / "pair.json").write_bytes(files.sealed(record | {"run": other}))
    assert "is of other data" in chaotrain(*ARGUMENTS).err
    older = record["run"] | {"threads": 99}
    (tiles / "pair.json").write_bytes(files.sealed(record | {"run": older}))
    said = chaotrain(*ARGUMENTS)
    assert said.code == 0
    assert "warning: a part was computed with threads 99 then" in said.err
    for content in (b"", b"{}", b"[]", files.sealed(record | {"sha256": "0"})):
        (tiles / "pair.json").write_bytes(content)
        assert "pair.nc or its record was altered" in chaotrain(*ARGUMENTS).err
    for path in (tiles / "pair.nc", tiles / "pair.json"):
        path.unlink()
    assert chaotrain(*ARGUMENTS).code == 0
    assert json.loads((tiles / "pair.json").read_text())["sha256"] == record["sha256"]


def test_a_part_is_read_as_it_was_stored(tmp_path: Path) -> None:
    asked = experiment.validated(
        experiment.CustomExperiment, {"learning_rates": [1.0], "system": ""}
    )
    part = xr.Dataset(
        {"a": (("layer", "epoch"), [[1 / 3, math.nan], [math.inf, 0.0]], {"long_name": "Λ"})},
        {"epoch": np.array([0, 5]), "layer": ["0", "dense.1"]},
        {"eta": 0.1, "alignment": "none: ‖v‖"},
    )
    held = parts.Parts(tmp_path / "new", "anatomy", asked)
    held.check()
    with held.opened({}) as keep:
        assert keep("one", lambda: part) is part
    held.check()
    with held.opened({}) as keep:
        again = keep("one", lambda: pytest.fail("computed again"))
    xr.testing.assert_identical(again, part)
    assert again.epoch.dtype == part.epoch.dtype


def anatomy_data() -> xr.Dataset:
    """What `dissect` returns, in a form known by hand."""
    epochs = np.arange(20.0)
    growth = np.where(epochs < 10, epochs, 20 - epochs)
    layers = 1e-8 * np.exp(np.array([growth, growth - 1]))
    return xr.Dataset(
        {
            "distance": ("epoch", 1e-4 * np.exp(growth)),
            "growth": ("epoch", growth),
            "rate": ("epoch", np.append(np.diff(growth), math.nan)),
            "loss": ("epoch", np.exp(-epochs / 5)),
            "test_accuracy": ("epoch", epochs / 20),
            "replica_accuracy": ("epoch", epochs / 21),
            "instability": ("epoch", np.where(epochs % 5 == 0, 1.0 + epochs / 20, math.nan)),
            "l2": ("epoch", np.linalg.norm(layers, axis=0)),
            "l2_aligned": ("epoch", np.linalg.norm(layers, axis=0)),
            "output_l2": ("epoch", 1e-8 * np.exp(growth)),
            "output_norm": ("epoch", np.full(20, 5.0)),
            "disagreement": ("epoch", np.where(epochs > 9, 0.1, 0.0)),
            "layer_l2": (("layer", "epoch"), layers),
            "layer_norm": (("layer", "epoch"), np.full((2, 20), [[3.0], [4.0]])),
        },
        {"epoch": epochs, "layer": ["0", "1"]},
        {"eta": 2.5, "transient_start": 0.0, "transient_stop": 10.0},
    )


@pytest.mark.parametrize("save", [figures.save_anatomy, figures.save_weights_and_function])
def test_the_figures_are_the_same_bytes(save: Callable[..., list[Path]], tmp_path: Path) -> None:
    first, again = (save(anatomy_data(), tmp_path / name) for name in "ab")
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_the_figures_have_a_panel_for_each_and_shade_the_transient() -> None:
    assert len(figures.anatomy(anatomy_data()).axes) == 5
    figure = figures.weights_and_function(anatomy_data())
    distances, classes, layers = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in distances.lines}
    np.testing.assert_allclose(lines["weights"], anatomy_data().l2 / 5)
    np.testing.assert_allclose(lines["test outputs"], anatomy_data().output_l2 / 5)
    names = [line.get_label() for line in classes.lines]
    assert names == ["accuracy", "accuracy of the copy", "disagreement"]
    np.testing.assert_allclose(layers.lines[1].get_ydata(), anatomy_data().layer_l2[1] / 4)
    assert [line.get_label() for line in layers.lines] == ["layer 1", "layer 2"]
    for axes in figure.axes:
        assert axes.patches[0].get_bbox().intervalx.tolist() == [0, 10]


def test_a_layer_that_starts_at_zero_has_no_distance_over_its_norm_there() -> None:
    data = anatomy_data()
    begins = (data.epoch == 0) & (data.layer == data.layer[0])
    for name in ("layer_l2", "layer_norm"):
        data[name] = data[name].where(~begins, 0.0)
    first, *others = figures.weights_and_function(data).axes[2].lines
    assert math.isnan(first.get_ydata()[0])
    assert np.isfinite(first.get_ydata()[1:]).all()
    assert all(np.isfinite(line.get_ydata()).all() for line in others)


@pytest.mark.filterwarnings("error")
def test_a_training_that_blows_up_near_the_largest_float_is_drawn() -> None:
    data = anatomy_data()
    before, beyond = data.epoch < 6, data.epoch > 6
    for name in ("distance", "loss", "layer_l2", "layer_norm", "output_l2", "output_norm"):
        data[name] = data[name].where(before, 1e289).where(~beyond, math.inf)
    for name in ("l2", "l2_aligned"):
        data[name] = data[name].where(before, math.inf)
    data["test_accuracy"] = data.test_accuracy.where(before, -1e289)
    data["instability"] = data.instability.where(before, 1e289)
    data["growth"] = data.growth.where(before, 700.0)
    for figure in (figures.anatomy(data), figures.weights_and_function(data)):
        figure.draw_without_rendering()
        for axes in figure.axes:
            assert max(map(abs, axes.get_ylim())) < 1e150
    pair = figures.anatomy(data).axes[0].lines
    assert [line.get_marker() for line in pair] == ["None", "x", "None"]
    assert pair[1].get_xdata() == [5.0]


def test_a_figure_without_distances_or_classes_says_what_there_is() -> None:
    data = anatomy_data()
    for name in ("l2", "l2_aligned", "output_l2", "layer_l2"):
        data[name] = 0 * data[name]
    data["disagreement"] = math.nan * data.disagreement
    data = data.assign_attrs(score="R²", transient_start=math.nan, transient_stop=math.nan)
    figure = figures.weights_and_function(data)
    assert [text.get_text() for text in figure.axes[0].texts] == ["no distance above zero"]
    assert [line.get_label() for line in figure.axes[1].lines] == ["R²", "R² of the copy"]
    assert not figure.axes[1].patches
