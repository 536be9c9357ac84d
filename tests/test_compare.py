"""`chaotrain compare`: the table, the figure and the page of studies side by side."""

from __future__ import annotations

import base64
import html.parser
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import chaotrain as ct
import study_data
import tiny
from browsing import SCHEMES, WIDTHS, findings, opened
from chaotrain import atlas, comparing, figures, report, runs, schema
from chaotrain.analysis import derive, summarise
from chaotrain.experiment import differences, load
from chaotrain.tables.cases import table_of_cases
from command_line import Command, refused

HOSTILE = "<img src=x onerror=alert(1)>$x_"
PICTURE = b"a picture"


class Page(html.parser.HTMLParser):
    """The tables of a page as cells, and its elements.

    Args:
        text: The page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.words = ""
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        if tag == "table":
            self.rows = self.tables[str(found["class"])] = []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.words += data
        if self.inside:
            self.rows[-1][-1] += data.replace("\xa0", " ")


def picture(title: str, panels: Sequence[figures.Case], folder: Path, name: str) -> list[Path]:
    """A stand-in for the figure."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    path.write_bytes(PICTURE)
    return [path]


@pytest.fixture
def chaotrain(chaotrain: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in an empty folder, where figures are stand-ins."""
    monkeypatch.setattr(figures, "save_cases", picture)
    return chaotrain


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two studies of the tiny task, and a collection with one of two cases run."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patcher:
        tiny.patch(patcher)
        path = root / "tiny.toml"
        path.write_text(tiny.FILE)
        runs.run(load(path), root / "one")
        runs.run(load(path, ["inits=3", "seed=1"]), root / "two")
        path.write_text(
            'title = "Cases"'
            + tiny.FILE.replace("network = ", '[[cases]]\nname = "one"\nnetwork = ')
            + '[[cases]]\nname = "wide"\nnetwork = { hidden = [5] }\n'
        )
        settings = atlas.load(str(path), (), None)
        assert isinstance(settings, atlas.Collection)
        atlas.run(settings, root / "cases")
        shutil.rmtree(root / "cases" / "wide")
    return root


def test_a_row_has_the_numbers_of_the_summary(chaotrain: Command, made: Path) -> None:
    said = chaotrain("compare", made / "one", made / "two", "--json")
    assert said.code == 0
    assert said.err.splitlines() == ["comparison/comparison.png", "comparison/comparison.html"]
    found = json.loads(said.out)
    assert found["differences"] == {"inits": [2, 3], "seed": [0, 1]}
    page = Page(Path("comparison/comparison.html").read_text("utf-8"))
    _, *rows = page.tables["studies"]
    assert [row[0] for row in rows] == list(found["studies"]) == ["one", "two"]
    for name, row in zip(("one", "two"), rows, strict=True):
        summary = json.loads(chaotrain("summary", made / name, "--json").out)
        assert found["studies"][name]["summary"] == summary
        attributes = summary["attributes"]
        for cell, attribute in zip(row[2:5], ("eta_0", "eta_1", "eta_fastest"), strict=True):
            value = attributes[attribute]
            assert cell.split("\n")[0] == ("-" if value is None else f"{value:.3g}")
        claim = found["studies"][name]["claim"]
        assert " ".join(row[-1].split()) == f"{claim['holds']}: {claim['reason']}"
    assert page.tables["differences"] == [
        ["field", "one", "two"],
        ["inits", "2", "3"],
        ["seed", "0", "1"],
    ]


def test_the_table_is_printed_and_the_files_are_named(chaotrain: Command, made: Path) -> None:
    said = chaotrain("compare", made / "one", made / "two", "--out", "deep/er")
    lines = said.out.splitlines()
    assert (said.code, said.err) == (0, "")
    assert lines[-2:] == ["deep/er/comparison.png", "deep/er/comparison.html"]
    assert [line.split()[:2] for line in lines if line.startswith((" one", " two"))] == [
        ["one", "2"],
        ["two", "3"],
    ]
    assert tiny.unfinished(Path()) == []


def test_the_cases_of_a_collection_join_in_under_names_of_their_own(
    chaotrain: Command, made: Path
) -> None:
    said = chaotrain("compare", made / "cases", made / "one", "--json")
    assert said.code == 0
    first, second = json.loads(said.out)["studies"]
    assert (first, second) == ("cases/one", f"{made.name}/one")
    told = f"{made / 'cases'}: 1 of 2 cases are finished; run it again to resume."
    assert said.err.splitlines()[0] == told


def test_an_unfinished_study_is_told_and_not_judged(
    chaotrain: Command, made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "one", "part")
    for path in ct.Study("part").store.pair(3):
        path.unlink()
    said = chaotrain("compare", "part", made / "two", "--json")
    assert said.err.startswith("part: 3 of 4 tiles are finished")
    claim = json.loads(said.out)["studies"]["part"]["claim"]
    assert claim == {"holds": "undecided", "reason": "not finished"}


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (["one"], "two or more studies, 1 given"),
        (["cases"], "two or more studies, 1 given"),
        (["one", "one"], "one is given twice"),
        (["cases", "cases/one"], "one is given twice"),
        (["one", "."], "is not a study"),
        (["one", "nowhere"], "nowhere is not a study"),
    ],
)
def test_refusals(chaotrain: Command, made: Path, folders: list[str], words: str) -> None:
    refused(chaotrain("compare", *(made / folder for folder in folders)), words)
    assert not Path("comparison").exists()


def test_what_is_not_begun_and_an_anatomy_are_refused(chaotrain: Command, made: Path) -> None:
    shutil.copytree(made / "one", "begun")
    shutil.rmtree("begun/tiles")
    refused(chaotrain("compare", "begun", made / "two"), "begun has no finished tile yet")
    Path("dissected").mkdir()
    Path("dissected/anatomy.toml").write_text("eta = 1.0\n")
    refused(
        chaotrain("compare", made / "two", "dissected"), "dissected holds an anatomy, not a study"
    )
    Path("file").write_text("")
    refused(chaotrain("compare", made / "one", made / "two", "--out", "file"), "file")


def test_names_are_as_short_as_tells_them_apart() -> None:
    paths = [Path(path) for path in ("/x", "/y/x", "/z/y/x", "/z/b", "/z/c\nd")]
    assert comparing.names(paths) == ["/x", "/y/x", "z/y/x", "b", "c\\nd"]


def test_differences_reach_inside_and_see_missing_fields() -> None:
    settings = [
        load("mnist-quick", extra)
        for extra in ([], ["network.hidden=[3]"], ["batch_size=10", "network.hidden=[3]"])
    ]
    hidden = settings[0].network.model_dump()["hidden"]
    assert differences(settings) == {
        "batch_size": [None, None, 10],
        "network.hidden": [hidden, [3], [3]],
    }
    assert differences(settings[:1] * 2) == {}


# ---- the page and the figure


def summarised(score: str, *names: str) -> tuple[xr.Dataset, xr.Dataset]:
    """A synthetic study of these variables and this score."""
    dataset, _ = study_data.study(rates=(1.0, 5.0, 7.5), inits=3, epochs=60)
    recorded = dataset[["distance", "loss", *names]]
    derived = derive(recorded, (0.7, 0.8) if names else ())
    return derived, summarise(derived, 0.8).assign_attrs({schema.SCORE: score})


def compared(rows: list[atlas.Row], differences: dict[str, list[Any]]) -> str:
    """The page of some studies."""
    section = report.section("", rows, differences, PICTURE)
    return report.render_comparison("comparison", rows[0].case, [section])


def test_names_and_values_are_text_and_nothing_else() -> None:
    _, summary = summarised("accuracy", "test_accuracy")
    harmless, hostile = (
        Page(
            compared(
                [atlas.row(name, name, summary) for name in (text, text + "2")],
                {"task": [text, None], "targets": [[0.5, text], [0.5]]},
            )
        )
        for text in ("x", HOSTILE)
    )
    tags = [[tag for tag, _ in page.elements] for page in (harmless, hostile)]
    assert tags[0] == tags[1]
    assert "script" not in tags[0]
    assert hostile.tables["differences"][1:] == [
        ["task", HOSTILE, "-"],
        ["targets", f"0.5, {HOSTILE}", "0.5"],
    ]
    assert [row[0] for row in hostile.tables["studies"][1:]] == [HOSTILE, HOSTILE + "2"]
    (policy,) = (found["content"] for _, found in hostile.elements if "http-equiv" in found)
    assert str(policy).startswith("default-src 'none'; script-src 'none';")
    (source,) = (str(found["src"]) for _, found in hostile.elements if "src" in found)
    assert source == f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"


def test_equal_experiments_differ_in_nothing() -> None:
    _, summary = summarised("accuracy", "test_accuracy")
    rows = [atlas.row(name, name, summary) for name in ("a", "b")]
    page = Page(compared(rows, {}))
    assert "they are the same experiment" in page.words
    assert list(page.tables) == ["studies"]


def test_each_score_is_named_where_they_are_not_the_same() -> None:
    studies = [summarised(score, "test_accuracy") for score in ("accuracy", "R²")]
    rows = [atlas.row(summary.attrs["score"], "", summary) for _, summary in studies]
    cells = [str(cell) for cell in table_of_cases([rows]).columns[5].cells]
    assert cells == ["0.8\naccuracy", "0.8\nR²"]
    assert [str(cell) for cell in table_of_cases([rows[:1]]).columns[5].cells] == ["0.8"]
    figure = figures.cases("Two", [figures.Case("a", *study) for study in studies])
    titles = [title for axes in figure.axes if (title := axes.get_title(loc="left"))]
    assert titles == ["a\ntarget accuracy 0.8", "a\ntarget R² 0.8"]


def test_a_study_without_a_score_has_a_row_and_a_panel() -> None:
    studies = [summarised("accuracy"), summarised("accuracy", "test_accuracy")]
    row = atlas.row("a", "a", studies[0][1])
    assert np.isnan(row.eta_fastest.value)
    assert row.claim.holds == "undecided"
    figure = figures.cases("Two", [figures.Case("a", *study) for study in studies])
    titles = [title for axes in figure.axes if (title := axes.get_title(loc="left"))]
    assert titles == ["a\ntarget -", "a\ntarget 0.8"]


@pytest.mark.slow
def test_the_figure_is_drawn_for_any_name(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "one", tmp_path / HOSTILE)
    found = comparing.studies([tmp_path / HOSTILE, made / "two"])
    paths = comparing.write(found, tmp_path / "to")
    assert [path.name for path in paths] == [
        f"comparison.{kind}" for kind in ("pdf", "png", "html")
    ]
    page = Page(paths[2].read_text("utf-8"))
    assert page.tables["studies"][1][0] == HOSTILE
    (source,) = (str(found["src"]) for _, found in page.elements if "src" in found)
    assert base64.b64decode(source.partition(",")[2]) == paths[1].read_bytes()


# ---- in a browser


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_read_it(
    browser: Any, made: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    shutil.copytree(made / "one", tmp_path / HOSTILE)
    found = comparing.studies([tmp_path / HOSTILE, made / "two"])
    path = comparing.write(found, tmp_path / "to")[-1]
    page, wrong = opened(browser, path, width, scheme)
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("img").count() == 1
    assert page.evaluate("document.images[0].naturalWidth") > 1000
    dark = page.eval_on_selector("img", "(image) => getComputedStyle(image).filter !== 'none'")
    assert dark == (scheme == "dark")
    page.select_option("#colours", "light")
    assert page.eval_on_selector("img", "(image) => getComputedStyle(image).filter") == "none"
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_read_a_collection(
    browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    study = summarised("accuracy", "test_accuracy")
    figures.save_cases("Group", [figures.Case("a", *study)], tmp_path, "group")
    picture = (tmp_path / "group.png").read_bytes()
    sections = [
        report.section(
            f"{HOSTILE} {group}", [atlas.row(name, name, study[1]) for name in names], {}, picture
        )
        for group, names in (("first", ("a", HOSTILE)), ("second", ("b", "c", "d")))
    ]
    path = tmp_path / "report.html"
    path.write_text(report.render_comparison("collection", HOSTILE, sections), "utf-8")
    page, wrong = opened(browser, path, width, scheme)
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("img").count() == 2
    rows = page.locator(".studies tbody tr")
    assert [row.locator("th").text_content() for row in rows.all()] == ["a", HOSTILE, *"bcd"]
    assert wrong == []


@pytest.mark.slow
def test_the_page_says_what_compare_says_as_json(
    browser: Any, chaotrain: Command, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = chaotrain("compare", made / "one", made / "two", "--json")
    studies = json.loads(said.out)["studies"]
    page, wrong = opened(browser, Path("comparison/comparison.html").resolve())
    rows = page.locator(".studies tbody tr")
    assert rows.count() == 2
    for name, row in zip(studies, rows.all(), strict=True):
        cells = row.locator("th, td").all_text_contents()
        summary = studies[name]["summary"]
        attributes, variables = summary["attributes"], summary["variables"]
        assert cells[0] == name
        assert cells[1] == str(max(variables["ran"]["values"]))
        assert cells[5] == f"{attributes['target']:g}"
        found = [cell.split("\n")[0] for cell in cells[2:5]]
        wanted = [attributes[at] for at in ("eta_0", "eta_1", "eta_fastest")]
        assert found == ["-" if value is None else f"{value:.3g}" for value in wanted]
    assert wrong == []
