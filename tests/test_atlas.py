from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import derived_data
from chaotrain import atlas, experiment, tables
from chaotrain.analysis import summarise
from chaotrain.atlas import Claim, Collection, Estimate
from chaotrain.atlas.collection import merged
from chaotrain.errors import UserError
from chaotrain.experiment import Experiment
from chaotrain.tables.cases import estimate

FILE = """
title = "Some cases"
task = "mnist"
learning_rates = [1.0, 2.0]
inits = 3
network = { hidden = [8] }

[full]
inits = 10
epochs = 50

[[cases]]
name = "tanh"

[[cases]]
name = "relu"
title = "ReLU"
epochs = 70
network = { activation = "relu" }
full = { inits = 12 }
quick = { network = { hidden = [4] } }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    return path


def loaded(source: str | Path, *overrides: str, scale: str | None = None) -> Collection:
    found = atlas.load(source, overrides, scale)
    assert isinstance(found, Collection)
    return found


# ---- the file


def test_what_is_closer_to_the_case_wins(file: Path) -> None:
    quick, full = loaded(file), loaded(file, scale="full")
    assert (quick.name, quick.title, quick.scale) == ("mine", "Some cases", "quick")
    assert list(quick.cases) == ["tanh", "relu"]
    found = {
        (scale, path): (
            case.title,
            case.experiment.inits,
            case.experiment.epochs,
            case.experiment.network.hidden,
            case.experiment.network.activation,
        )
        for scale, collection in (("quick", quick), ("full", full))
        for path, case in collection.cases.items()
    }
    assert found == {
        ("quick", "tanh"): ("tanh", 3, 201, [8], "tanh"),
        ("quick", "relu"): ("ReLU", 3, 70, [4], "relu"),
        ("full", "tanh"): ("tanh", 10, 50, [8], "tanh"),
        ("full", "relu"): ("ReLU", 12, 70, [8], "relu"),
    }


def test_overrides_hold_for_every_case(file: Path) -> None:
    cases = loaded(file, "inits=2", "network.activation=sigmoid", scale="full").cases.values()
    assert [case.experiment.inits for case in cases] == [2, 2]
    assert [case.experiment.network.activation for case in cases] == ["sigmoid", "sigmoid"]
    assert [case.experiment.network.hidden for case in cases] == [[8], [8]]


def test_merging_changes_neither_side() -> None:
    below: dict[str, Any] = {"network": {"hidden": [8], "init": "he"}, "optimizer": "adam"}
    above: dict[str, Any] = {"network": {"hidden": [4, 4]}, "optimizer": {"name": "sgd"}}
    result = merged(below, above)
    assert result == {"network": {"hidden": [4, 4], "init": "he"}, "optimizer": {"name": "sgd"}}
    result["network"]["hidden"].append(1)
    assert above["network"]["hidden"] == [4, 4]
    assert below["network"]["hidden"] == [8]


def test_a_collection_is_read_back_equal(file: Path) -> None:
    found = loaded(file, scale="full")
    assert Collection.from_toml(found.to_toml(), file) == found


def test_an_included_collection_has_a_folder_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text('title = "Two"\ninclude = ["figure-6", "figure-8"]\n')
    found = loaded(path, "inits=2")
    assert [group.name for group in found.groups] == ["figure-6", "figure-8"]
    one = loaded("figure-6", "inits=2")
    assert found.groups[0] == one.groups[0]
    for name, case in one.cases.items():
        assert found.cases[f"figure-6/{name}"] == case
    assert "figure-8/layers-5" in found.cases
    assert Collection.from_toml(found.to_toml(), path) == found


def test_an_experiment_is_loaded_as_ever(tmp_path: Path) -> None:
    assert atlas.load("mnist-quick", ["inits=2"]) == experiment.load("mnist-quick", ["inits=2"])
    (tmp_path / "one.toml").write_text('task = "mnist"\nlearning_rates = [1.0]\n')
    assert isinstance(atlas.load(tmp_path / "one.toml"), Experiment)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs = 70", "epoch = 70", "case relu: unknown field epoch; did you mean epochs?"),
        ("epochs = 70", "epochs = 1", "case relu: epochs = 1: give at least 2"),
        ("inits = 3", "inits = -3", "case tanh: inits = -3"),
        ("activation", "activaton", "case relu: unknown field network.activaton; did you mean"),
        ('task = "mnist"', "", "case tanh: task is missing"),
        ('title = "Some cases"', "", "title is missing"),
        ('name = "tanh"', "", "cases[0].name is missing"),
        ('name = "relu"', 'name = "tanh"', "cases: 'tanh' is given twice"),
        ('name = "relu"', 'name = "Re/lu"', "cases[1].name = 'Re/lu': use a to z, 0 to 9 and -"),
        ('name = "relu"', 'name = "figures"', "that folder is for the figures"),
        ("quick = {", "quick = 3 #", "cases[1].quick = 3: give a table of fields"),
        ('title = "Some', 'include = ["figure-6"]\ntitle = "Some', "cases, include: give just one"),
        ("[[cases]]", "[[case]]", "unknown field"),
        ("[[cases]]", "[cases]", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(file: Path, old: str, new: str, words: str) -> None:
    assert old in FILE
    file.write_text(FILE.replace(old, new))
    with pytest.raises(UserError) as caught:
        atlas.load(file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('include = ["figure-66"]', "include: 'figure-66' is no preset with cases; did you mean"),
        ('include = ["mnist-quick"]', "include: 'mnist-quick' is no preset with cases"),
        ('include = ["atlas"]', "include: 'atlas' is no preset with cases"),
        ('include = ["figure-6", "figure-6"]', "include: 'figure-6' is given twice"),
        ('include = ["figure-6"]\ninits = 3', "inits: a collection that includes others has no"),
        ('include = ["figure-6"]\nfull = {inits = 3}', "full: a collection that includes others"),
        ("include = []", "give just one of the two, with at least one entry"),
        ("cases = 3", "cases = 3: give a list"),
    ],
)
def test_a_wrong_inclusion_is_told_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'title = "Mine"\n{text}\n')
    with pytest.raises(UserError) as caught:
        atlas.load(path)
    assert words in str(caught.value)


def test_a_wrong_field_of_an_included_case_names_both(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('title = "Mine"\ninclude = ["figure-6"]\n')
    with pytest.raises(UserError, match=r"^case figure-6/tanh: epochs = 1: give at least 2$"):
        atlas.load(path, ["epochs=1"])


def test_scales(file: Path) -> None:
    with pytest.raises(UserError, match=r"^--scale huge: choose quick or full$"):
        atlas.load(file, scale="huge")
    with pytest.raises(UserError, match="--scale full: mnist-quick is one experiment"):
        atlas.load("mnist-quick", scale="full")


# ---- the presets


def test_the_figures_are_in_order() -> None:
    assert list(atlas.presets()) == [
        "atlas",
        *(f"figure-{number}" for number in range(6, 15)),
        "predecessor",
    ]


@pytest.mark.parametrize("name", atlas.presets())
def test_every_preset_resolves_at_both_scales(name: str) -> None:
    quick, full = loaded(name), loaded(name, scale="full")
    assert list(quick.cases) == list(full.cases)
    assert len(quick.cases) >= 2
    for few, many in zip(quick.cases.values(), full.cases.values(), strict=True):
        assert min(few.experiment.inits_each) >= 4
        assert min(many.experiment.inits_each) >= 10  # as the atlas must have


# ---- the claim

RATES = (0.1, 1.0, 2.0, 4.0, 8.0, 16.0)


def judged(
    verdicts: str = "b b b e e e",
    times: tuple[float, ...] = (90, 60, 30, 10, 20, 90),
    best: tuple[float, ...] = (1, 1, 1, 1, 1, 0.1),
    inits: int = 10,
    rates: tuple[float, ...] = RATES,
    spread: float = 1.0,
) -> Claim:
    """The claim on a study: a letter of verdict a learning rate, a NaN time for "not reached"."""
    words = [word if len(word) > 1 else word * inits for word in verdicts.split()]
    shifts = np.linspace(-spread, spread, len(words[0]))
    dataset = derived_data.study(
        words,
        learning_rates=rates,
        times=np.add.outer(times, shifts),
        best=np.array(best)[:, None],
        targets=(0.9,),
    )
    return atlas.claim(summarise(dataset, 0.9))


def test_the_claim_holds_where_training_is_fastest_at_the_onset() -> None:
    assert judged() == ("yes", "η* = 1 η_1")


def test_half_and_twice_the_onset_are_close() -> None:
    assert judged(times=(90, 60, 10, 20, 30, 90)) == ("yes", "η* = 0.5 η_1")
    assert judged(times=(90, 60, 30, 20, 10, 90)) == ("yes", "η* = 2 η_1")


def test_the_claim_fails_far_from_the_onset() -> None:
    # At η* = 1 the ratio is 1/4, and at most 1/2 if the onset is just above 2: not excluded.
    assert judged(times=(90, 10, 20, 30, 40, 90)).holds == "undecided"
    below = judged(times=(10, 20, 30, 40, 50, 90))
    assert below == ("no", "fastest far below the onset, η* = 0.025 η_1")
    above = judged(verdicts="b e e e e e", times=(90, 60, 50, 40, 10, 90))
    assert above == ("no", "fastest far above the onset, η* = 8 η_1")


def test_an_interval_that_reaches_outside_decides_nothing() -> None:
    times = np.broadcast_to(np.array([90.0, 60, 30, 20, 50, 90])[:, None], (6, 10)).copy()
    times[1, :5] = 1  # in some resamples η = 1 is the fastest
    times[3, :5] = 41
    dataset = derived_data.study(
        [letter * 10 for letter in "bbbeee"],
        learning_rates=RATES,
        times=times,
        best=np.array([1, 1, 1, 1, 1, 0.1])[:, None],
    )
    summary = summarise(dataset, 0.9)
    assert summary.attrs["eta_ratio_low"] < 0.5 <= summary.attrs["eta_ratio_high"]
    assert atlas.claim(summary) == ("undecided", "η* may be close to η_1 or not")


def test_training_that_is_only_regular() -> None:
    regular = "b b b b e e"
    ends = {"best": (1.0, 1, 1, 1, 0.1, 0.1), "times": (90.0, 60, 30, 20, 95, 95)}
    assert judged(regular, **ends) == ("no", "fastest while regular, no trainable η is chaotic")
    assert judged("b b b b x x", **ends).holds == "no"  # where training blows up instead
    few = judged(regular, inits=3, **ends)
    assert few == ("undecided", "too few initialisations are decided")
    open_end = judged("b b b b b b", best=(1.0,) * 6)
    assert open_end == ("undecided", "the grid stops while training is regular")
    mixed = judged("bbbbbbbbbb bbbbbbbbbb bbbbbbbbbb bbbbbbeeee x x".replace("x", "x" * 10), **ends)
    assert mixed == ("undecided", "too few initialisations are decided")


def test_no_onset_on_the_grid() -> None:
    assert judged("e e e e e e") == ("undecided", "the grid begins above the onset")
    half = "b b b bbbbeeeeee " + "x x".replace("x", "x" * 10)
    found = judged(half, best=(1.0, 1, 1, 1, 0.1, 0.1))
    assert found == ("undecided", "trainable η end before chaos is full")
    found = judged("b b b e e bbeeeeeeee", best=(1.0,) * 6)
    assert found == ("undecided", "the grid stops before chaos is full")


def test_nothing_to_judge() -> None:
    words = "no η brings half of the initialisations to the target"
    assert judged(times=(math.nan,) * 6) == ("undecided", words)
    assert judged(inits=2) == ("undecided", "too few initialisations for an interval")


def test_close_is_not_enough() -> None:
    even = judged(times=(11, 12, 12, 10, 12, 90), spread=5)
    assert even == ("undecided", "close to η_1, but not clearly faster than at η = 0.1")
    near = judged(rates=(1.8, 1.9, 2.0, 4.0, 8.0, 16.0))
    assert near == ("undecided", "close to η_1, but no small η was tested")


def test_the_rule_in_words_holds_the_numbers_of_the_rule() -> None:
    for number in ("[1/2, 2]", "η_0/10", "1/2", "95%"):
        assert number in atlas.RULE


# ---- the rows


@pytest.fixture
def summary() -> xr.Dataset:
    times = np.add.outer([math.nan, 60, 30, 10, 20, 90], np.linspace(-1, 1, 10))
    times[1, :3] = math.nan
    dataset = derived_data.study(
        [letter * 10 for letter in "bbbeee"],
        learning_rates=RATES,
        times=times,
        exponents=np.add.outer(RATES, np.linspace(-0.1, 0.1, 10)),
        best=np.array([1, 1, 1, 1, 1, 0.1])[:, None],
    )
    return summarise(dataset, 0.9)


def test_a_row_says_what_the_summary_says(summary: xr.Dataset) -> None:
    row = atlas.row("figure-6/tanh", "tanh", summary)
    assert (row.case, row.title, row.inits, row.target) == ("figure-6/tanh", "tanh", (10, 10), 0.9)
    for name in ("eta_0", "eta_1", "eta_fastest", "eta_ratio"):
        limits = (summary.attrs[f"{name}{at}"] for at in ("", "_low", "_high"))
        assert getattr(row, name) == Estimate(*limits)
    at_onset = summary.sel(learning_rate=4.0, target=0.9)
    assert row.eta_1.value == row.eta_fastest.value == 4.0
    assert row.exponent == Estimate(*(float(at_onset[f"nmle{at}"]) for at in ("", "_low", "_high")))
    assert row.exponent.value == pytest.approx(4.0)
    assert row.time.value == pytest.approx(10.0)
    assert row.time.low < 10.0 < row.time.high
    assert not row.time.bound
    # η_0 = √8, and of 0.1 and 1 the nearer one to 0.28 in the logarithm is 0.1.
    assert row.eta_0.value == pytest.approx(8**0.5)
    assert row.small_eta == 0.1
    assert row.small_time == Estimate(100.0, 100.0, 100.0, bound=True)
    assert row.claim == atlas.claim(summary)


def test_a_row_without_an_onset(summary: xr.Dataset) -> None:
    for name in ("eta_0", "eta_1", "eta_fastest", "eta_ratio"):
        summary.attrs |= {f"{name}{at}": math.nan for at in ("", "_low", "_high")}
    row = atlas.row("a", "a", summary)
    assert math.isnan(row.small_eta)
    cells = next(
        zip(*(column.cells for column in tables.table_of_cases([[row]]).columns), strict=True)
    )
    assert cells[2:5] == ("-", "-", "-")
    assert cells[6:11] == ("-", "-", "-", "-", "-")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Estimate(6.0, 4.0, 6.0), "6.0\n[4.0, 6.0]"),
        (Estimate(6.0, math.nan, math.nan), "6.0"),
        (Estimate(math.nan, math.nan, math.nan), "-"),
        (Estimate(148.5, 144.0, 150.0, True), "> 148.5\n[144.0, ∞]"),  # some did not reach it
        (Estimate(150.0, 150.0, 150.0, True), "> 150.0"),  # none did
        (Estimate(150.0, math.nan, math.nan, True), "> 150.0"),
    ],
)
def test_an_estimate_is_a_bound_where_some_did_not_reach(found: Estimate, text: str) -> None:
    assert estimate(found, 1) == text


def test_the_ratio_at_other_targets_is_told_beside_that_at_the_main_one() -> None:
    dataset = derived_data.study(
        ["bbbb", "bbbb", "eeee", "eeee"],
        learning_rates=(0.1, 1.0, 2.0, 4.0),
        times=np.add.outer((90.0, 30.0, 40.0, 50.0), np.zeros(4)),
        best=np.array([1.0, 1.0, 1.0, 1.0])[:, None],
        targets=(0.5, 0.9),
    )
    summary = summarise(dataset, 0.9)
    row = atlas.row("a", "a", summary)
    ratio = float(summary.eta_ratio.sel(target=0.5))
    assert row.other_ratios == ((0.5, ratio),)
    cells = next(
        zip(*(column.cells for column in tables.table_of_cases([[row]]).columns), strict=True)
    )
    assert cells[7] == f"{ratio:.3g} at 0.5"


def test_the_table_of_the_cases(summary: xr.Dataset) -> None:
    rows = [
        [atlas.row("figure-6/tanh", "tanh", summary), atlas.row("figure-6/a", "A|*", summary)],
        [atlas.Row("figure-7/b", "case B")],
    ]
    table = tables.table_of_cases(rows)
    assert table.row_count == 3
    lines = tables.markdown(table).splitlines()
    assert len(lines) == 2 + 3
    cells = [line.strip("| ").split(" | ") for line in (lines[0], *lines[2:])]
    assert {len(line) for line in cells} == {12}
    assert lines[1].count("---") == 12
    headings, first, second, third = cells
    assert headings[9:11] == ["⟨τ⟩ at η\\*", "⟨τ⟩ at η_0/10 (nearest tested)"]
    assert first[0] == "figure-6/tanh"
    assert first[3] == "4 \\[2, 4\\]"
    assert first[10] == "\\> 100.0 at 0.1"
    assert first[11] == "yes: η\\* = 1 η_1"
    assert second[0] == "figure-6/a A\\|\\*"
    assert third == ["figure-7/b case B", "0", *"-" * 9, "undecided: not run yet"]


def test_a_page_has_the_rule(summary: xr.Dataset) -> None:
    page = tables.report("Mine", [[atlas.row("a", "a", summary)]])
    assert page.startswith("# Mine\n\n| case | inits |")
    assert page.endswith("undecided: anything else.\n")
    page = tables.report("Mine", summary)
    assert page.count("|---|") >= 3
    assert "- η_1: 4" in page
