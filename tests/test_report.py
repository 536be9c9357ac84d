from __future__ import annotations

import base64
import csv
import html.parser
import io
import json
import os
import shlex
import shutil
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import chaotrain as ct
import study_data
import tiny
from chaotrain import experiment, exports, figures, report, runs, schema
from chaotrain.analysis import best_for_epochs, best_for_target, derive, summarise
from chaotrain.report import balls, verdict
from command_line import Command, refused
from report_data import BOTH, HOSTILE, TANGENT, WHOLE, drawn, origin, summarised

LIMIT = 6_000_000


class Page(html.parser.HTMLParser):
    """What a browser would find: elements with attributes, the text of scripts, the visible text.

    Args:
        text: The page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_data(self, data: str) -> None:
        if self.open == "script":
            self.scripts[-1] += data
        else:
            self.words.append(data)

    def json(self, which: int) -> Any:
        return json.loads(self.scripts[which])

    @property
    def data(self) -> Any:
        return self.json(0)

    @property
    def summary(self) -> Any:
        return json.loads(self.downloads["summary.json"])

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    @property
    def downloads(self) -> dict[str, str]:
        links = (found for tag, found in self.elements if tag == "a" and "download" in found)
        found = (link for link in links if str(link["href"]).startswith("data:"))
        return {
            str(link["download"]): base64.b64decode(str(link["href"]).split(",")[1]).decode()
            for link in found
        }


# ---- the numbers


def test_the_page_holds_the_summary_and_the_curves() -> None:
    dataset, summary = drawn()
    page = Page(report.render(dataset, summary, origin()))
    assert page.summary == json.loads(exports.summary_json(summary))
    assert page.data["epochs"] == list(range(81))
    for row, rate in enumerate(page.data["rates"]):
        here = dataset.isel(learning_rate=row)
        assert rate["ran"] == 3
        decided = here["verdict"].isin(schema.DECIDED).values
        np.testing.assert_allclose(rate["exponents"], here["exponent"].values[decided], rtol=1e-3)
        for init, ball in enumerate(rate["balls"]):
            one = here.isel(init=init)
            assert (ball["init"], ball["verdict"]) == (init, str(one["verdict"].values))
            for name, values in (
                ("curve", one["distance"].values[0]),
                ("loss", one["loss"].values),
                ("test_accuracy", one["test_accuracy"].values),
            ):
                np.testing.assert_allclose(ball[name], values, rtol=1e-3)


def test_a_curve_is_the_geometric_mean_over_replicas_and_its_fit_has_the_slope() -> None:
    epochs = np.arange(61)
    growth = np.exp(np.minimum(0.5 * epochs, 15.0))
    distance = 1e-8 * np.array([growth, 4.0 * growth])[None, None]
    recorded = xr.Dataset(
        {"distance": (schema.RECORDED["distance"].dims, distance)},
        {"learning_rate": [2.0], "init": [0], "replica": [0, 1], "epoch": epochs},
    )
    (ball,) = balls.curves(derive(recorded, ()))["rates"][0]["balls"]
    np.testing.assert_allclose(ball["curve"], 2e-8 * growth, rtol=1e-3)
    rise = np.diff(np.log(ball["fit"]["y"])) / np.diff(ball["fit"]["x"])
    np.testing.assert_allclose(rise, 0.5, rtol=1e-3)
    assert ball["fit"]["y"][0] == pytest.approx(2e-8 * np.exp(0.5 * ball["fit"]["x"][0]), rel=1e-2)


def test_the_tables_are_those_of_the_summary() -> None:
    dataset, summary = drawn()
    page = Page(report.render(dataset, summary, origin()))
    nmle, deviation = (float(summary[name][2]) for name in ("nmle", "nmle_std"))
    assert f"{nmle:.3f} ± {deviation:.3f}" in page.text
    for caption in ("How chaotic training is", "What training achieves", "for each target"):
        assert caption in page.text


def test_the_downloads_have_all_digits() -> None:
    dataset, summary = drawn()
    files = Page(report.render(dataset, summary, origin())).downloads
    assert files["summary.json"] == exports.summary_json(summary)
    rows = column(files["summary-learning_rate.csv"], "regime")
    assert rows == summary["regime"].values.tolist()
    for file, name, values in (
        ("summary-learning_rate.csv", "nmle", summary["nmle"]),
        ("summary-learning_rate-target.csv", "mean_training_time", summary["mean_training_time"]),
        ("summary-target.csv", "eta_fastest", summary["eta_fastest"]),
        ("balls.csv", "exponent", dataset["exponent"]),
    ):
        numbers = [float(cell or "nan") for cell in column(files[file], name)]
        np.testing.assert_array_equal(numbers, values.values.ravel())


def column(table: str, name: str) -> list[str]:
    return [row[name] for row in csv.DictReader(io.StringIO(table))]


def test_the_sliders_say_what_best_says() -> None:
    dataset, _ = drawn()
    answers = verdict.recommended(dataset)
    assert {0.7, 0.8} <= {answer["at"] for answer in answers["target"]}
    assert answers["epochs"][-1]["at"] == 80
    for answer in answers["target"][::6]:
        best = best_for_target(dataset, answer["at"])
        assert answer["words"] == str(best)
        assert answer["learning_rate"] == (
            best.learning_rate if best.learning_rate == best.learning_rate else None
        )
    for answer in answers["epochs"][::6]:
        assert answer["words"] == str(best_for_epochs(dataset, answer["at"]))


def test_the_page_is_the_same_for_the_same_study() -> None:
    assert report.render(*drawn(), origin()) == report.render(*drawn(), origin())


# ---- the verdict


def test_the_verdict_recommends_and_places_the_onset() -> None:
    _, summary = drawn()
    rate = summary.attrs["eta_fastest"]
    time = float(summary["mean_training_time"].sel(learning_rate=rate, target=0.8))
    words = verdict.recommendation(summary, 80)
    assert words.startswith(f"Train at η = {rate:g} (95% interval [")
    assert f"a test accuracy of 0.8 first, after {time:.1f} of 80 epochs" in words
    assert verdict.onset(summary).startswith(f"From η_1 = {summary.attrs['eta_1']:g} ")


@pytest.mark.parametrize(
    ("attributes", "rho", "words"),
    [
        ({}, [0.0, 0.25], "No onset of chaos was found: at every η fewer than half are chaotic."),
        ({}, [1.0, 1.0], "The onset of chaos is not within the tested learning rates."),
        ({}, [np.nan, np.nan], "Whether training is chaotic is not decided at any learning rate."),
        ({"eta_0": 3.0}, [0.0, 0.75], "Half of the initialisations are chaotic at η_0 = 3;"),
        ({"eta_1": 5.0, "eta_0": 3.0}, [0.0, 1.0], "From η_1 = 5 on, training is chaotic in all"),
    ],
)
def test_the_onset_in_words(attributes: dict[str, float], rho: list[float], words: str) -> None:
    known = dict.fromkeys(schema.SUMMARY_ATTRIBUTES, np.nan) | attributes
    summary = xr.Dataset({"rho": ("learning_rate", rho)}, attrs=known)
    assert verdict.onset(summary).startswith(words)


def test_no_learning_rate_reaches_the_target() -> None:
    dataset, _ = drawn()
    dataset = dataset[list(WHOLE)].drop_vars("target", errors="ignore")
    derived = derive(dataset, (0.99,))
    summary = summarise(derived, 0.99)
    words = "No tested learning rate reaches a test accuracy of 0.99 within 80 epochs"
    assert verdict.recommendation(summary, 80).startswith(words)
    assert words in Page(report.render(derived, summary, origin())).text


def test_regimes_are_bands_of_neighbours() -> None:
    names = [schema.EXPLOITATION, schema.EXPLOITATION, schema.NO_LEARNING]
    summary = xr.Dataset({"regime": ("learning_rate", names)}, {"learning_rate": [1.0, 2.5, 20.0]})
    assert [(band["name"], band["rates"]) for band in verdict.regimes(summary)] == [
        ("exploitation", "1 to 2.5"),
        ("no learning", "20"),
    ]


# ---- studies that lack something


def test_without_a_test_score() -> None:
    dataset, summary = drawn("distance", "loss")
    page = Page(report.render(dataset, summary, origin()))
    assert "No learning rate is recommended, since no test score" in page.text
    assert page.data["answers"] == {"target": [], "epochs": []}
    ids = {found.get("id") for _, found in page.elements}
    assert "rates" in ids
    assert ids.isdisjoint({"target", "ask-target", "ask-epochs"})


def test_a_study_by_the_tangent() -> None:
    dataset, summary = drawn(*TANGENT)
    page = Page(report.render(dataset, summary, origin()))
    assert page.data["growth"] == "tangent"
    assert "Growth of a tangent vector" in page.text
    ball = page.data["rates"][2]["balls"][0]
    values = dataset[schema.TANGENT_GROWTH].values[2, 0]
    np.testing.assert_allclose(ball["curve"], values, rtol=1e-3, atol=1e-12)
    rise = np.diff(ball["fit"]["y"]) / np.diff(ball["fit"]["x"])
    np.testing.assert_allclose(rise, dataset["exponent"].values[2, 0], rtol=1e-2)


def test_a_study_by_both_shows_the_tangent_and_where_it_disagrees() -> None:
    dataset, summary = drawn(*BOTH)
    page = Page(report.render(dataset, summary, origin()))
    assert [rate["disagree"] for rate in page.data["rates"]] == [[], [], [1], []]
    assert summary["disagreeing"].values.tolist() == [0, 0, 1, 0]
    assert "Dotted: what the tangent predicts" in page.text
    for init, ball in enumerate(page.data["rates"][2]["balls"]):
        one = dataset.isel(learning_rate=2, init=init)
        distance, growth = one["distance"].values[0], one[schema.TANGENT_GROWTH].values
        predicted = distance[0] * np.exp(growth)
        shown = predicted <= 30 * distance.max()
        assert (init == 1) == (not shown.all())
        found = np.array(ball["tangent"], dtype=float)
        np.testing.assert_allclose(found, np.where(shown, predicted, np.nan), rtol=1e-3)
    assert "tangent" not in Page(report.render(*drawn(), origin())).data["rates"][2]["balls"][0]


def test_the_clock_is_that_of_the_tangent_or_else_of_the_distances() -> None:
    for kind, word, start, stop in (
        (BOTH, "while a tangent vector grows", "transient_start", "transient_stop"),
        (WHOLE, "until it saturates", "growth_start", "growth_stop"),
    ):
        dataset, summary = drawn(*kind)
        page = Page(report.render(dataset, summary, origin()))
        assert word in page.text
        for row, rate in enumerate(page.data["rates"]):
            for init, ball in enumerate(rate["balls"]):
                one = dataset.isel(learning_rate=row, init=init)
                np.testing.assert_array_equal(
                    np.array(ball["times"], dtype=float), one["training_time"].values
                )
                if ball["chaotic"] is None:
                    assert np.isnan(one[start]) or one["verdict"] != schema.EXPONENTIAL
                    continue
                span = (ball["chaotic"]["start"], ball["chaotic"]["stop"])
                assert span == (float(one[start]), float(one[stop]))
    assert page.data["rates"][2]["balls"][0]["chaotic"] is not None
    assert {rate["lifetimes"] for rate in page.data["rates"]} == {None}


def test_a_line_ends_where_its_ball_was_decided() -> None:
    recorded, _ = study_data.study(rates=(1.0, 7.5), inits=3, epochs=80)
    recorded = recorded[list(WHOLE)]
    whole = xr.zeros_like(recorded["loss"].isel(epoch=0, drop=True), dtype=int) + 80
    recorded[schema.TRAINED] = whole.copy()
    recorded[schema.TRAINED][1, 0] = 60
    recorded[schema.FOLLOWED] = whole.expand_dims(replica=recorded.sizes["replica"], axis=-1).copy()
    recorded[schema.FOLLOWED][1, 0] = 40
    for name in WHOLE:
        last = recorded[schema.FOLLOWED if name == "distance" else schema.TRAINED]
        recorded[name] = recorded[name].where(recorded["epoch"] <= last)
    page = Page(report.render(*summarised(recorded), origin()))
    left, stayed, *_ = page.data["rates"][1]["balls"]
    for name, last in (("curve", 40), ("loss", 60), ("test_accuracy", 60)):
        assert [value is None for value in left[name]] == [epoch > last for epoch in range(81)]
        assert None not in stayed[name]
    assert "A line ends where its ball was decided" in page.text
    assert "A line ends" not in Page(report.render(*drawn(), origin())).text


def test_a_transient_without_an_end_is_open() -> None:
    growth = np.array([np.interp(np.arange(61), [10, 20, 60], ends) for ends in ENDS])
    dims = schema.RECORDED[schema.TANGENT_GROWTH].dims
    recorded = xr.Dataset(
        {schema.TANGENT_GROWTH: (dims, growth[None])},
        {"learning_rate": [2.0], "init": range(4), "epoch": range(61)},
    )
    (rate,) = balls.curves(derive(recorded, ()))["rates"]
    spans = [ball["chaotic"] for ball in rate["balls"]]
    assert spans == [
        {"start": 11.0, "stop": 20.0},
        {"start": 11.0, "stop": 20.0},
        {"start": 12.0, "stop": None},
        None,
    ]
    lasting = rate["lifetimes"]
    assert lasting["x"] == [0.0, 9.0, 32.0]
    np.testing.assert_allclose(lasting["y"], [1, 1 / 3, 1 / 3], rtol=1e-3)
    assert (lasting["censored"], lasting["level"]) == ([32.0], [0.3333])


# What tangents have grown by at epochs 10, 20 and 60: two transients, one without end, none.
ENDS = ([0.0, 8.0, 7.0], [0.0, 8.0, 7.0], [0.0, 5.0, 25.0], [0.0, 0.5, 0.4])


@pytest.mark.slow
def test_the_command_computes_it_again(chaotrain: Command, tmp_path: Path) -> None:
    study = swept(tmp_path / "own")
    text = report.write(study).read_text("utf-8")
    assert "computed in Python, by chaotrain.sweep" in Page(text).text
    assert "chaotrain run" not in Page(text).text
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    first = runs.run(experiment.load(tmp_path / "tiny.toml"), tmp_path / "a b")
    page = Page(report.write(first).read_text("utf-8"))
    command = "chaotrain run experiment.toml --out 'a b'"
    assert f"it resumes, and computes nothing twice: {command} " in page.text
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "experiment.toml").write_text(page.downloads["experiment.toml"])
    os.chdir(tmp_path / "elsewhere")
    assert chaotrain(*shlex.split(command)[1:]).code == 0
    again = ct.Study("a b").dataset
    xr.testing.assert_identical(again, first.dataset)


def test_what_is_not_finite_is_null() -> None:
    dataset, _ = study_data.study(rates=(1.0, 7.5), inits=2, epochs=80)
    recorded = dataset[list(WHOLE)].copy(deep=True)
    for name in recorded:
        recorded[name][1, :, ..., 40:] = np.nan
    recorded["loss"][1, 0, ..., 40:] = np.inf
    page = Page(report.render(*summarised(recorded), origin()))
    ball = page.data["rates"][1]["balls"][0]
    assert ball["verdict"] == schema.BLOW_UP
    assert ball["fit"] is None
    assert ball["exponent"] == [None, None, None]
    for name in ("curve", "loss", "test_accuracy"):
        assert None not in ball[name][:40]
        assert set(ball[name][40:]) == {None}


def test_balls_that_did_not_run_are_left_out() -> None:
    dataset, _ = study_data.study(rates=(1.0, 7.5), inits=(1, 3), epochs=80)
    recorded = dataset[list(WHOLE)]
    page = Page(report.render(*summarised(recorded), origin(finished=3)))
    assert [rate["ran"] for rate in page.data["rates"]] == [1, 3]
    assert [len(rate["balls"]) for rate in page.data["rates"]] == [1, 3]
    assert "Not finished: 3 of 4 tiles." in page.text


# ---- hostile studies, and big ones


def test_what_a_study_says_is_text_and_nothing_else() -> None:
    dataset, _ = drawn()
    recorded = dataset[list(WHOLE)]
    harmless, hostile = (
        Page(report.render(*summarised(recorded, text), origin(text))) for text in ("x", HOSTILE)
    )
    tags = [[tag for tag, _ in page.elements] for page in (harmless, hostile)]
    assert tags[0] == tags[1]
    assert hostile.data["score"] == HOSTILE
    assert hostile.summary["attributes"]["score"] == HOSTILE
    assert hostile.text.count(HOSTILE) >= 10
    assert hostile.scripts[1:] == harmless.scripts[1:]


def test_only_two_scripts_may_run_and_nothing_is_requested() -> None:
    page = Page(report.render(*drawn(), origin()))
    policies = [found for _, found in page.elements if "http-equiv" in found]
    assert len(policies) == 1
    policy = str(policies[0]["content"])
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert policy.count("sha256-") == 2
    assert "unsafe-inline" not in policy.split(";")[1]
    assert len(page.scripts) == 3
    for _, found in page.elements:
        assert not {"src", "srcset", "onclick", "onerror"} & found.keys()
        assert str(found.get("href", "data:")).startswith(("data:", "#"))


@pytest.mark.slow
def test_the_paper_fits_and_says_what_it_leaves_out() -> None:
    dataset, _ = study_data.study(study_data.PAPER_RATES, inits=50, replicas=5, epochs=201)
    recorded = dataset[list(WHOLE)]
    text = report.render(*summarised(recorded), origin())
    assert len(text.encode()) < LIMIT
    page = Page(text)
    assert {len(rate["balls"]) for rate in page.data["rates"]} == {balls.MOST_BALLS}
    assert {len(rate["exponents"]) for rate in page.data["rates"]} == {50}
    epochs = page.data["epochs"]
    assert (epochs[0], epochs[-1]) == (0, 201)
    assert set(np.diff(epochs)) <= {2, 3}
    assert f"{len(epochs)} of 202 epochs, evenly spaced and the first 20 of up to 50" in page.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rates", "inits", "epochs", "names"),
    [(16, 50, 201, BOTH), (100, 8, 100, BOTH), (400, 2, 60, WHOLE)],
)
def test_a_page_of_any_shape_is_below_six_megabytes(
    rates: int, inits: int, epochs: int, names: tuple[str, ...]
) -> None:
    dataset, _ = study_data.study(np.geomspace(0.01, 20, rates).tolist(), inits, 1, epochs)
    dataset[schema.TANGENT_GROWTH] = np.log(dataset["distance"] / dataset["distance"][..., 0])[
        :, :, 0
    ]
    found = summarised(dataset[list(names)])
    text = report.render(*found, origin())
    assert len(text.encode()) < LIMIT
    page = Page(text)
    assert all(len(rate["balls"]) >= 1 for rate in page.data["rates"])
    assert page.summary == json.loads(exports.summary_json(found[1]))
    few = rates * inits <= 800
    assert ("balls.csv" in page.downloads) == few
    assert ("Tables of more than 800 rows" in page.text) != few


def test_exponents_of_many_balls_are_thinned_to_the_same_distribution() -> None:
    dataset, _ = study_data.study(rates=(7.5,), inits=300, epochs=40)
    derived, _ = summarised(dataset[["distance"]])
    (rate,) = balls.curves(derived, 1200)["rates"]
    whole = np.sort(derived["exponent"].values[0])
    whole = whole[np.isfinite(whole)]
    assert rate["ran"] == 300
    assert rate["decided"] == len(rate["exponents"]) == len(whole)
    (rate,) = balls.curves(derived, 400)["rates"]
    thinned = np.array(rate["exponents"])
    assert (rate["decided"], len(thinned)) == (len(whole), 100)
    np.testing.assert_allclose(thinned[[0, -1]], whole[[0, -1]], rtol=1e-3)
    shares = (0.25, 0.5, 0.75)
    np.testing.assert_allclose(np.quantile(thinned, shares), np.quantile(whole, shares), rtol=0.01)


# ---- the command line


def swept(folder: Path) -> ct.study.Study:
    return ct.sweep(ct.maps.quadratic((1.0,)), [0.5, 2.5], out=folder, inits=3, epochs=50)


def test_report_writes_one_file_and_opens_it(
    chaotrain: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    study = swept(tmp_path / "study")
    said = chaotrain("report", "study")
    assert (said.code, said.out, opened) == (0, "study/report.html\n", [])
    page = tmp_path / "study" / "report.html"
    assert len(page.read_bytes()) < LIMIT
    found = Page(page.read_text("utf-8"))
    assert json.dumps(found.summary) == json.dumps(json.loads(exports.summary_json(study.summary)))
    assert json.loads(chaotrain("summary", "study", "--json").out) == found.summary
    assert (tmp_path / "study" / "experiment.toml").read_text() in "".join(found.words)
    assert chaotrain("report", "study", "--open").code == 0
    assert opened == [page.as_uri()]
    assert tiny.unfinished(tmp_path) == []


def test_a_run_ends_with_the_page_of_a_study_in_it(
    chaotrain: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "save_all", lambda dataset, summary, folder: folder.mkdir() or [])
    (tmp_path / "tiny.toml").write_text(tiny.FILE)
    said = chaotrain("run", "tiny.toml", "--out", "study")
    assert said.code == 0
    assert said.out.splitlines()[-1] == "study/report.html"
    page = Page((tmp_path / "study" / "report.html").read_text("utf-8"))
    assert page.summary == json.loads(chaotrain("summary", "study", "--json").out)


def test_report_refuses_what_is_no_study(chaotrain: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(chaotrain("report", "empty"), "empty is not a study")


def test_report_refuses_a_study_with_nothing_finished(chaotrain: Command, tmp_path: Path) -> None:
    swept(tmp_path / "study")
    shutil.rmtree(tmp_path / "study" / "tiles")
    refused(chaotrain("report", "study"), "has no finished tile yet")
    assert not (tmp_path / "study" / "report.html").exists()
