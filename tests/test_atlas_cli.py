"""Collections on the command line: run, stopped, resumed, refused, read and drawn."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import webbrowser
from pathlib import Path
from typing import Any

import pytest

import chaotrain as ct
import tiny
from chaotrain import atlas, figures, overrides, runs
from command_line import Command, refused

FILE = """
title = "Tiny cases"
task = "tiny"
learning_rates = [0.5, 2.0]
inits = 2
replicas = 1
epochs = 20
targets = [0.5, 0.9]
[full]
epochs = 21
[[cases]]
name = "narrow"
network = { hidden = [3] }
[[cases]]
name = "wide"
title = "Wide"
network = { hidden = [4] }
[[cases]]
name = "relu"
network = { hidden = [3], activation = "relu" }
"""
TILES = 4


@pytest.fixture
def chaotrain(chaotrain: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """The command line in this process and an empty folder; figures are stand-ins."""
    monkeypatch.setattr(figures, "save_cases", draw)
    (tmp_path / "mine.toml").write_text(FILE)
    return chaotrain


def draw(title: str, panels: Any, folder: Path, name: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.png"
    path.write_text("\n".join([title, *(f"{p.title} {p.summary is None}" for p in panels)]))
    return [path]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    (folder / "mine.toml").write_text(FILE)
    with pytest.MonkeyPatch.context() as patcher:
        tiny.patch(patcher)
        found = atlas.load(folder / "mine.toml")
        assert isinstance(found, atlas.Collection)
        atlas.run(found, folder / "out")
    return folder / "out"


@pytest.fixture
def out(original: Path, tmp_path: Path) -> Path:
    """A finished collection of three cases with four tiles each."""
    return shutil.copytree(original, tmp_path / "out")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- run


def test_a_run_leaves_ordinary_studies_a_table_and_a_figure(
    chaotrain: Command, tmp_path: Path
) -> None:
    said = chaotrain("run", "mine.toml", "--out", "out", "--set", "inits=3")
    assert said.code == 0
    *table, figure, page = said.out.splitlines()
    assert (figure, page) == ("out/figures/mine.png", "out/report.html")
    assert Path(figure).read_text().splitlines() == [
        "Tiny cases",
        "narrow False",
        "Wide False",
        "relu False",
    ]
    for name in ("narrow", "wide", "relu"):
        assert any(line.strip().startswith(f"{name} ") for line in table)
        study = ct.Study(tmp_path / "out" / name)
        assert study.grid.inits_each == [3, 3]
        assert study.finished == list(range(6))
    assert "The claim:" in said.out
    progress = said.err.splitlines()
    assert progress[0].startswith("narrow (1 of 3):   0%")
    assert progress[-1].startswith("relu (3 of 3): 100%, tile 6 of 6, ")
    assert progress[-1].endswith(", left: 0 s")
    recorded = overrides.parse((tmp_path / "out" / "collection.toml").read_text(), "")
    assert recorded["scale"] == "quick"
    cases = recorded["groups"][0]["cases"]
    assert [case["name"] for case in cases] == ["narrow", "wide", "relu"]
    assert {case["experiment"]["inits"] for case in cases} == {3}
    assert tiny.unfinished(tmp_path) == []


def test_a_finished_collection_is_not_computed_again(
    chaotrain: Command, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(out)
    monkeypatch.setattr(runs, "run", None)
    monkeypatch.setattr(runs, "system_of", None)
    said = chaotrain("run", "mine.toml", "--out", "out")
    assert (said.code, said.err) == (0, "")
    after = contents(out)
    assert after.pop(str(out / "figures" / "mine.png"))
    assert after.pop(str(out / "report.html"))
    assert after == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_collection_goes_on_where_it_was(
    chaotrain: Command, original: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = []

    def run(settings: Any, folder: Path, progress: Any, *more: Any) -> ct.Study:
        def tick(state: Any) -> None:
            ticks.append(state)
            if folder.name == "wide" and state.tiles_done == 2:
                os.kill(os.getpid(), number)
            progress(state)

        return real(settings, folder, tick, *more)

    real = runs.run
    with monkeypatch.context() as patcher:
        patcher.setattr(runs, "run", run)
        said = chaotrain("run", "mine.toml", "--out", "out")
    assert said.code == 128 + number
    assert said.err.splitlines()[-1].startswith("chaotrain: stopped; what is finished is kept")
    kept = {name: tiny.kept(Path("out") / name) for name in ("narrow", "wide")}
    assert [len(files) for files in kept.values()] == [2 * TILES, 2 * 2]
    partly = chaotrain("summary", "out")
    assert partly.err == "1 of 3 cases are finished; run it again to resume.\n"
    assert "not finished" in partly.out
    assert "not run yet" in partly.out
    again = chaotrain("run", "mine.toml", "--out", "out")
    assert again.code == 0
    assert "narrow" not in again.err
    for name, files in kept.items():
        assert files.items() <= tiny.kept(Path("out") / name).items()
        assert tiny.tiles(Path("out") / name) == tiny.tiles(original / name)


def test_a_collection_may_grow(chaotrain: Command, out: Path, tmp_path: Path) -> None:
    kept = tiny.kept(out / "wide")
    more = FILE.replace('"Tiny cases"', '"More cases"')
    more += '[[cases]]\nname = "more"\nnetwork = { hidden = [4] }\n'
    (tmp_path / "mine.toml").write_text(more)
    said = chaotrain("run", "mine.toml", "--out", "out")
    assert said.code == 0
    assert said.err.splitlines()[-1].startswith("more (4 of 4): 100%")
    assert tiny.kept(out / "wide") == kept
    found = atlas.Atlas(out).collection
    assert (found.title, list(found.cases)) == ("More cases", ["narrow", "wide", "relu", "more"])


# ---- what is refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--scale full", "differs in scale (quick there, full here)"),
        ("--set epochs=22", "differs in case narrow: epochs (20 there, 22 here)"),
    ],
)
def test_other_fields_are_refused(
    chaotrain: Command, out: Path, arguments: str, words: str
) -> None:
    before = contents(out)
    refused(chaotrain("run", "mine.toml", "--out", "out", *arguments.split()), words)
    assert contents(out) == before


def test_another_collection_is_refused(chaotrain: Command, out: Path, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(FILE.replace('"wide"', '"wider"'))
    refused(chaotrain("run", "other.toml", "--out", "out"), "differs in cases (wide there, not")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("mine.toml --set network.activation=rellu", "case narrow: activation = 'rellu' is"),
        ("mine.toml --set network.activaton=relu", "case narrow: unknown field network.activaton"),
        ("mine.toml --set task=mnist --set train_size=70000", "case narrow: train_size = 70000"),
        ("mine.toml --set dtype=float32", "case narrow: epsilon = 1e-08: float32"),
        ("mine.toml --scale medium", "--scale medium: choose quick or full"),
        ("mnist-quick --scale quick", "--scale quick: mnist-quick is one experiment"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    chaotrain: Command, arguments: str, words: str, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    refused(chaotrain("run", *arguments.split(), "--out", "deep/out"), words)
    assert sorted(tmp_path.iterdir()) == before


def test_every_case_is_checked_before_the_first_is_computed(
    chaotrain: Command, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(FILE.replace('"relu" }', '"rellu" }'))
    refused(chaotrain("run", "mine.toml", "--out", "out"), "case relu: activation = 'rellu'")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("folder", ["mine.toml", "mine.toml/x", "/proc/nowhere", "foreign", "one"])
def test_a_directory_that_cannot_be_used_is_told(
    chaotrain: Command, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "experiment.toml").write_text("")
    before = sorted(tmp_path.rglob("*"))
    refused(chaotrain("run", "mine.toml", "--out", folder), folder)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_study_is_not_run_into_a_collection(chaotrain: Command, out: Path) -> None:
    refused(chaotrain("run", "mnist-quick", "--out", "out"), "holds files but no study")


def test_a_case_at_work_is_refused(chaotrain: Command, out: Path) -> None:
    (out / "wide" / "tiles" / "00003.json").unlink()
    with ct.Study(out / "wide").store.locked():
        said = chaotrain("run", "mine.toml", "--out", "out")
        refused(said, "case wide: out = out/wide: another run is working in it")


# ---- what reads it


def test_summary_prints_what_the_run_printed(chaotrain: Command, out: Path) -> None:
    ran = chaotrain("run", "mine.toml", "--out", "out").out.splitlines()[:-2]
    said = chaotrain("summary", "out")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == ran


def test_the_page_of_a_collection_has_its_table_and_its_figure(
    chaotrain: Command, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    shutil.rmtree(out / "relu")
    said = chaotrain("report", "out", "--open")
    assert (said.code, said.out) == (0, "out/report.html\n")
    assert said.err == "2 of 3 cases are finished; run it again to resume.\n"
    assert opened == [(out / "report.html").as_uri()]
    page = (out / "report.html").read_text("utf-8")
    picture = base64.b64encode((out / "figures/mine.png").read_bytes()).decode()
    assert page.count(f"data:image/png;base64,{picture}") == 1
    names = re.findall(r'<th scope="row">(.*?)</th>', page)
    assert names[:3] == ["narrow", "wide", "relu"]
    assert names[3:] == ["network.activation", "network.hidden"]
    assert "not run" in page
    assert tiny.unfinished(out) == []


def test_summary_as_json_is_strict(chaotrain: Command, out: Path) -> None:
    shutil.rmtree(out / "relu")
    said = chaotrain("summary", "out", "--json")
    assert said.err == "2 of 3 cases are finished; run it again to resume.\n"
    found = json.loads(said.out, parse_constant=pytest.fail)
    assert (found["title"], found["scale"]) == ("Tiny cases", "quick")
    assert list(found["cases"]) == ["narrow", "wide", "relu"]
    assert found["cases"]["relu"] == {
        "title": "relu",
        "claim": {"holds": "undecided", "reason": "not run yet"},
        "summary": None,
    }
    one = json.loads(chaotrain("summary", "out/wide", "--json").out)
    assert found["cases"]["wide"]["summary"] == one


def test_summary_in_markdown(chaotrain: Command, out: Path, tmp_path: Path) -> None:
    said = chaotrain("summary", "out", "--markdown", "page.md")
    assert said == (0, "page.md\n", "")
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("# Tiny cases\n\n| case |")
    for name in ("narrow", "wide", "relu"):
        assert f"\n| {name} | 2 |" in page
    assert chaotrain("summary", "out/wide", "--markdown", "study.md").code == 0
    assert (tmp_path / "study.md").read_text().startswith("# wide\n\n| η | λ_nMLE ± std |")
    refused(chaotrain("summary", "out", "--markdown", "nowhere/page.md"), "cannot write to nowhere")


def test_verify_checks_every_case(chaotrain: Command, out: Path) -> None:
    said = chaotrain("verify", "out")
    assert said == (0, "12 of 12 tiles finished in 3 of 3 cases, all as recorded\n", "")
    with (out / "wide" / "tiles" / "00001.npz").open("ab") as file:
        file.write(b"x")
    said = chaotrain("verify", "out")
    assert said.code == 1
    assert said.err.splitlines()[0] == "tile out/wide/tiles/00001.npz was altered"
    refused(chaotrain("summary", "out"), "case wide: tile out/wide/tiles/00001.npz was altered")


def test_export_names_the_cases(chaotrain: Command, out: Path) -> None:
    refused(chaotrain("export", "out", "x.csv"), "name one of its cases, out/narrow or 2 more")
    assert chaotrain("export", "out/narrow", "x.csv").code == 0


def test_figures_need_a_finished_tile(chaotrain: Command, out: Path) -> None:
    for name in ("narrow", "relu"):
        shutil.rmtree(out / name)
    said = chaotrain("figures", "out")
    assert said.out == "out/figures/mine.png\n"
    assert said.err == "1 of 3 cases are finished; run it again to resume.\n"
    assert "narrow True\nWide False\nrelu True" in (out / "figures" / "mine.png").read_text()
    shutil.rmtree(out / "wide")
    refused(chaotrain("figures", "out"), "no finished tile yet: run it again to resume")


@pytest.mark.parametrize("text", ["", "{", 'title = "x"', b"\xff"])
def test_a_damaged_collection_is_told_in_one_line(
    chaotrain: Command, out: Path, text: str | bytes
) -> None:
    (out / "collection.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    for command in ("summary", "figures", "verify"):
        refused(chaotrain(command, "out"), "collection.toml")


def test_an_included_collection_has_a_figure_of_its_own(
    chaotrain: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"figure-1": FILE, "figure-2": FILE.replace('"Tiny cases"', '"Again"')}
    monkeypatch.setattr("chaotrain.experiment.presets", lambda: known)
    (tmp_path / "all.toml").write_text('title = "All"\ninclude = ["figure-1", "figure-2"]\n')
    said = chaotrain("run", "all.toml", "--out", "out", "--set", "inits=1")
    assert said.code == 0
    assert said.out.splitlines()[-3:] == [
        "out/figures/figure-1.png",
        "out/figures/figure-2.png",
        "out/report.html",
    ]
    page = Path("out/report.html").read_text("utf-8")
    titles = re.findall(r'<h2 id="section-\d">(.*?)</h2>', page)
    assert titles == ["Figure 1: Tiny cases", "Figure 2: Again"]
    assert (tmp_path / "out/figures/figure-2.png").read_text().startswith("Again")
    assert (tmp_path / "out/figure-2/wide/experiment.toml").exists()
    assert "figure-2/relu (6 of 6): 100%" in said.err
    assert "figure-1/narrow" in said.out


def test_presets_list_the_collections(chaotrain: Command) -> None:
    lines = chaotrain("presets").out.splitlines()
    heading = next(i for i, line in enumerate(lines) if line.startswith("Collections of cases"))
    assert any(line.startswith("mnist-quick") for line in lines[:heading])
    assert lines[heading + 1].startswith("atlas ")
    assert lines[heading + 2].startswith("figure-6 ")
    assert chaotrain("presets", "figure-6").out.startswith("# Figure 6")


def test_the_figure_is_the_same_bytes_whenever_it_is_drawn(
    chaotrain: Command, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "save_cases", SAVE)
    assert chaotrain("figures", "out").out == "out/figures/mine.pdf\nout/figures/mine.png\n"
    first = contents(out / "figures")
    assert chaotrain("figures", "out").code == 0
    assert contents(out / "figures") == first
    assert tiny.unfinished(out) == []


SAVE = figures.save_cases
