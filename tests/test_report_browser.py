"""The report in a browser: what it draws and says, that it asks for nothing, for all to use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chaotrain as ct
import study_data
from browsing import SCHEMES, WIDTHS, findings, opened
from chaotrain import exports, report, schema
from chaotrain.report import balls, verdict
from chaotrain.report.colours import PALETTE, PHASES
from command_line import Command
from report_data import BOTH, HOSTILE, TANGENT, WHOLE, drawn, origin, summarised


def shown(page: Any, plot: str) -> list[list[float]]:
    """What a plot draws, without fitted slopes and tangents."""
    found: list[list[float]] = page.evaluate(
        "(id) => document.getElementById(id).data"
        ".filter((trace) => !['fitted slope', 'tangent'].includes(trace.name))"
        ".map((trace) => trace.y)",
        plot,
    )
    return found


KINDS = {"whole": WHOLE, "tangent": TANGENT, "both": BOTH, "no score": ("distance", "loss")}


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_choosing_a_learning_rate_shows_its_balls(
    browser: Any, tmp_path: Path, kind: str, width: int
) -> None:
    dataset, summary = drawn(*KINDS[kind])
    path = tmp_path / "report.html"
    path.write_text(report.render(dataset, summary, origin()), "utf-8")
    page, wrong = opened(browser, path, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    data = balls.curves(dataset)["rates"]
    page.focus("#eta")
    page.keyboard.press("Home")
    for index, rate in enumerate(data):
        assert (
            page.text_content(".chooser .at-eta") == f"{summary['learning_rate'].values[index]:g}"
        )
        assert shown(page, "growth") == [ball["curve"] for ball in rate["balls"]]
        assert shown(page, "loss") == [ball["loss"] for ball in rate["balls"]]
        scores = [ball["test_accuracy"] for ball in rate["balls"] if "test_accuracy" in ball]
        assert shown(page, "score") == scores
        assert page.evaluate("document.getElementById('histogram').data[0].x") == rate["exponents"]
        said = page.text_content("#said")
        assert f"ρ = {float(summary['rho'][index]):.3g}" in said.replace("\xa0", " ")
        page.keyboard.press("ArrowRight")
    curves = shown(page, "rates")
    assert curves[:2] == [summary[name].values.tolist() for name in ("nmle", "rho")]
    if "test_accuracy" in dataset:
        assert curves[2] == summary["mean_training_time"].sel(target=0.8).values.tolist()
        page.select_option("#target", label="0.7")
        times = summary["mean_training_time"].sel(target=0.7).values.tolist()
        assert shown(page, "rates")[2] == times
    assert wrong == []


@pytest.mark.slow
def test_learning_rates_with_nothing_to_show(browser: Any, tmp_path: Path) -> None:
    dataset, _ = study_data.study(rates=(1.0, 7.5, 20.0), inits=(2, 0, 2), epochs=80)
    recorded = dataset[list(WHOLE)].copy(deep=True)
    for name in recorded:
        recorded[name][2] = np.nan
        recorded[name][2, ..., 0] = 1.0
    path = tmp_path / "report.html"
    path.write_text(report.render(*summarised(recorded), origin(finished=2)), "utf-8")
    page, wrong = opened(browser, path)
    page.focus("#eta")
    page.keyboard.press("Home")
    assert len(shown(page, "loss")) == 2
    page.keyboard.press("ArrowRight")
    assert page.text_content("#said").startswith("0 balls ran, 0 were decided. λnMLE = –")
    assert [shown(page, plot) for plot in ("growth", "histogram", "loss", "score")] == [[]] * 4
    page.keyboard.press("ArrowRight")
    assert page.text_content("#verdicts") == "2 blow-up"
    assert shown(page, "histogram") == []
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_use_it(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(report.render(*drawn(*BOTH), origin(finished=3)), "utf-8")
    page, wrong = opened(browser, path, width, scheme)
    assert findings(page) == []
    for plot in page.query_selector_all("[role=img]"):
        assert len(plot.get_attribute("aria-label")) > 20
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("system", SCHEMES)
def test_light_and_dark_by_system_and_by_keyboard(
    browser: Any, tmp_path: Path, system: str
) -> None:
    path = tmp_path / "report.html"
    path.write_text(report.render(*drawn(*BOTH), origin()), "utf-8")
    page, wrong = opened(browser, path, scheme=system)

    def assert_looks(scheme: str) -> None:
        which = SCHEMES.index(scheme)
        for selector, what, name in (
            ("body", "backgroundColor", "ground"),
            ("body", "color", "ink"),
            ("#rates .xtick text", "fill", "ink"),
            ("#rates .trace path.js-line >> nth=1", "stroke", "blue"),
            ("#loss .xtitle", "fill", "ink"),
        ):
            found = page.locator(selector).first.evaluate(
                "(e, name) => getComputedStyle(e)[name]", what
            )
            assert found == rgb(PALETTE[name][which]), (selector, what)

    assert_looks(system)
    page.focus("#colours")
    for key, scheme in (("l", "light"), ("d", "dark"), ("a", system), ("d", "dark")):
        page.keyboard.press(key)
        assert_looks(scheme)
        page.wait_for_timeout(1100)  # until the next letter is not part of a word
    page.select_option("#colours", "system")
    page.emulate_media(color_scheme=SCHEMES[1 - SCHEMES.index(system)])
    assert_looks(SCHEMES[1 - SCHEMES.index(system)])
    assert wrong == []


def rgb(colour: str) -> str:
    """A colour as browsers write it."""
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.mark.slow
def test_the_anatomy_of_the_transient(browser: Any, tmp_path: Path) -> None:
    dataset, summary = drawn(*BOTH)
    path = tmp_path / "report.html"
    path.write_text(report.render(dataset, summary, origin()), "utf-8")
    page, wrong = opened(browser, path)
    page.focus("#eta")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    here = dataset.isel(learning_rate=2)
    *spans, times = page.evaluate(
        "document.getElementById('clocks').data.map((trace) => [trace.name, trace.x, trace.y])"
    )
    for name, (start, stop), (row, _) in spans:
        one = here.isel(init=row)
        assert name == f"initialisation {row}"
        assert (start, stop) == (one["transient_start"], one["transient_stop"].fillna(80))
    assert len(spans) == (here["transient_lifetime"] > 0).sum()
    assert times[1:] == [nulls(here["training_time"].sel(target=0.8).values), [0, 1, 2]]
    phases = page.evaluate(
        "document.getElementById('phases').data.map((trace) => [trace.name, trace.y])"
    )
    assert [name for name, _ in phases] == list(PHASES)
    for name, shares in phases:
        share = summary[f"target_{name.replace(' ', '_')}"].sel(target=0.8)
        np.testing.assert_array_equal(np.array(shares, dtype=float), share.values)
    assert "1 of 3 balls: initialisation 1." in page.text_content("#said")
    tangents = page.evaluate(
        "document.getElementById('growth').data.filter((t) => t.name === 'tangent')"
        ".map((t) => [t.y, t.line.color])"
    )
    drawn_balls = balls.curves(dataset)["rates"][2]["balls"]
    assert [y for y, _ in tangents] == [ball["tangent"] for ball in drawn_balls]
    assert [tint == rgb(PALETTE["ink"][0]) for _, tint in tangents] == [False, True, False]
    assert wrong == []


def nulls(values: Any) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def is_of_rate(row: dict[str, Any]) -> bool:
    return bool(row["dims"] == [schema.LEARNING_RATE])


@pytest.mark.slow
def test_the_numbers_on_the_page_are_those_of_the_summary(
    browser: Any, chaotrain: Command, tmp_path: Path
) -> None:
    grid = {"learning_rates": [0.5, 2.5, 3.0], "inits": 3, "epochs": 50}
    ct.sweep(ct.maps.quadratic((1.0,)), out=tmp_path / "study", **grid)
    said = chaotrain("report", "study")
    variables = json.loads(chaotrain("summary", "study", "--json").out)["variables"]
    page, wrong = opened(browser, tmp_path / said.out.strip())
    rows = page.locator("table").first.locator("tbody tr")
    assert rows.count() == 3
    for index in range(3):
        at = {name: row["values"][index] for name, row in variables.items() if is_of_rate(row)}
        cells = rows.nth(index).locator("th, td").all_text_contents()
        assert cells[0] == f"{at['learning_rate']:g}"
        assert cells[1] == f"{at['nmle']:.3f} ± {at['nmle_std']:.3f}"
        assert cells[2] == f"[{at['nmle_low']:.3f}, {at['nmle_high']:.3f}]"
        assert cells[3:6] == [
            f"{at['rho']:.2f}",
            f"[{at['rho_low']:.2f}, {at['rho_high']:.2f}]",
            f"{at['decided']}/{at['ran']}",
        ]
        page.locator("#eta").fill(str(index))
        assert f"= {at['nmle']:.3g} ± " in page.text_content("#said")
    assert wrong == []


@pytest.mark.slow
def test_a_click_chooses_and_the_sliders_answer(browser: Any, tmp_path: Path) -> None:
    dataset, summary = drawn()
    path = tmp_path / "report.html"
    path.write_text(report.render(dataset, summary, origin()), "utf-8")
    page, wrong = opened(browser, path)
    page.locator("#rates .scatterlayer .point").first.scroll_into_view_if_needed()
    box = page.locator("#rates .scatterlayer .point").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.text_content(".chooser .at-eta") == "1"
    page.focus("#ask-target")
    page.keyboard.press("Home")
    first = verdict.recommended(dataset)["target"][0]
    assert page.text_content("#say-target") == first["words"]
    marks = page.evaluate("document.getElementById('rates').layout.shapes.map((s) => s.x0)")
    assert first["learning_rate"] in marks
    with page.expect_download() as download:
        page.click("a[download='summary.json']")
    assert Path(download.value.path()).read_text("utf-8") == exports.summary_json(summary)
    assert wrong == []


@pytest.mark.slow
def test_a_hostile_study_does_nothing(browser: Any, tmp_path: Path) -> None:
    dataset, _ = drawn()
    path = tmp_path / "report.html"
    found = summarised(dataset[list(WHOLE)], HOSTILE)
    path.write_text(report.render(*found, origin(HOSTILE)), "utf-8")
    page, wrong = opened(browser, path)
    assert page.text_content("h1") == HOSTILE
    assert page.locator("img").count() == 0
    assert wrong == []
