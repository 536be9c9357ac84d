"""The report in a browser: what it draws and says, that it asks for nothing, for all to use."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chaotrain as ct
import study_data
import tiny
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
    assert wrong == []


@pytest.mark.slow
def test_downloads_hold_the_right_numbers(browser: Any, tmp_path: Path) -> None:
    dataset, summary = drawn(*BOTH)
    path = tmp_path / "report.html"
    path.write_text(report.render(dataset, summary, origin()), "utf-8")
    page, wrong = opened(browser, path)
    found = {}
    for link in page.query_selector_all("a[download$='.csv'], a[download='summary.json']"):
        with page.expect_download() as download:
            link.click()
        name = download.value.suggested_filename
        found[name] = Path(download.value.path()).read_text("utf-8")
    assert found["summary.json"] == exports.summary_json(summary)
    ball = ("learning_rate", "init")
    tables = {"-".join(("summary", *dims)): (summary, dims) for dims in exports.axes(summary)}
    tables["balls"] = dataset, ball
    for name, (data, dims) in tables.items():
        assert found[f"{name}.csv"] == exports.table(data, dims).to_csv()
    assert set(found) == {"summary.json", "curves.csv", *(f"{name}.csv" for name in tables)}
    head, *rows = (line.split(",") for line in found["curves.csv"].splitlines())
    assert head[:4] == ["learning_rate", "init", "verdict", "epoch"]
    assert head[4:] == ["distance", "distance_by_tangent", "loss", "test_accuracy"]
    assert len(rows) == dataset["loss"].size
    for rate, init, verdict_, epoch, *values in rows[:: len(rows) // 50]:
        one = dataset.sel(learning_rate=float(rate), init=int(init))
        here = one.sel(epoch=int(epoch))
        assert verdict_ == str(one["verdict"].values)
        mean = float(np.exp(np.log(here["distance"]).mean()))
        first = float(one["distance"][0, 0])
        # Beyond what distances can reach the tangent is not drawn.
        tangent = first * math.exp(float(here["tangent_growth"])) if values[1] else math.nan
        expected = [mean, tangent, float(here["loss"]), float(here["test_accuracy"])]
        found_here = [float(value or "nan") for value in values]
        np.testing.assert_allclose(found_here, expected, rtol=1e-3)
    assert sum(not row[5] for row in rows) < 0.2 * len(rows)
    assert wrong == []


def limits_of(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"[{low:.1f}, {high:.1f}]"


@pytest.mark.slow
def test_all_tables_have_the_numbers_of_the_summary(
    browser: Any, chaotrain: Command, tmp_path: Path
) -> None:
    """Of a study with scores, targets and transients; from `summary --json`, written anew here."""
    (tmp_path / "tiny.toml").write_text(tiny.FILE + 'method = "both"\n')
    assert chaotrain("run", "tiny.toml", "--out", "<img src=x onerror=alert(1)>").code == 0
    study = "<img src=x onerror=alert(1)>"
    found = json.loads(chaotrain("summary", study, "--json").out)
    at = {name: row["values"] for name, row in found["variables"].items()}
    main = at["target"].index(found["attributes"]["target"])
    page, wrong = opened(browser, tmp_path / study / "report.html")
    assert page.text_content("h1") == study
    tables = {
        table.locator("caption").text_content(): [
            row.locator("th, td").all_text_contents() for row in table.locator("tbody tr").all()
        ]
        for table in page.locator("table").all()
    }
    achieved = tables.pop("What training achieves")
    for index, (eta, best, mean, limits, reached, rises, path) in enumerate(achieved):
        assert float(eta) == pytest.approx(at["learning_rate"][index])
        assert float(best) == pytest.approx(at["best_accuracy"][index], abs=5e-4)
        assert float(mean) == pytest.approx(at["mean_training_time"][index][main], abs=0.05)
        lows = (at[f"mean_training_time_{end}"][index][main] for end in ("low", "high"))
        assert limits == limits_of(*lows)
        assert float(reached) == pytest.approx(at["reached"][index][main], abs=5e-3)
        assert float(rises) == pytest.approx(at["loss_rise_share"][index], abs=5e-3)
        assert float(path) == pytest.approx(at["path_ratio"][index], abs=5e-3)
    fastest = tables.pop("The fastest learning rate for each target")
    assert [float(row[0]) for row in fastest] == at["target"]
    for index, (_, eta, *_) in enumerate(fastest):
        value = at["eta_fastest"][index]
        assert eta == ("-" if value is None else f"{value:g}")
    chaos = tables.pop("How chaotic training is")
    for index, (_, exponent, _, tangent, *_) in enumerate(chaos):
        assert exponent == f"{at['nmle'][index]:.3f} ± {at['nmle_std'][index]:.3f}"
        assert tangent.startswith(f"{at['tangent_nmle'][index]:.3f}")
    transients = tables.pop("The chaotic transients")
    assert [float(row[1]) for row in transients] == pytest.approx(at["transient_share"], abs=5e-3)
    assert tables == {}
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


@pytest.mark.slow
def test_the_page_of_the_papers_study_opens(browser: Any, tmp_path: Path) -> None:
    """`-rP` tells in what time it was drawn: under 2 s is wanted, which is of the machine too."""
    dataset, _ = study_data.study(study_data.PAPER_RATES, inits=50, replicas=5, epochs=201)
    path = tmp_path / "report.html"
    path.write_text(report.render(*summarised(dataset[list(WHOLE)]), origin()), "utf-8")
    took = []
    for _ in range(3):
        began = time.monotonic()
        page, wrong = opened(browser, path)
        assert page.locator("#clocks .trace").count() > 0
        took.append(time.monotonic() - began)
        assert wrong == []
        page.close()
    print(f"opened and drawn in {', '.join(f'{seconds:.2f}' for seconds in sorted(took))} s")
