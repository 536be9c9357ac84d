from __future__ import annotations

import io
import math
import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rich.cells import cell_len

import study_data
from chaotrain import tables
from chaotrain.analysis import derive
from chaotrain.analysis.summary import summarise
from chaotrain.tables import studies

# Heading of a column: its variable and decimals; an interval follows under the heading [95%].
BY_LEARNING_RATE = (
    ("ρ", "rho", 2),
    ("best acc.", "best_accuracy", 3),
    ("reached", "reached", 2),
    ("loss rises", "loss_rise_share", 2),
    ("path ratio", "path_ratio", 2),
)


def printed(summary: xr.Dataset, capsys: pytest.CaptureFixture[str]) -> str:
    tables.show(summary)
    return capsys.readouterr().out


def cells(table: Any) -> tuple[list[str], list[list[str]]]:
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    return [str(column.header) for column in table.columns], [
        list(row) for row in zip(*columns, strict=True)
    ]


@pytest.fixture(scope="module")
def paper() -> xr.Dataset:
    recorded = study_data.study(study_data.PAPER_RATES)[0][["distance", "loss", "test_accuracy"]]
    dataset = derive(recorded, study_data.TARGETS)
    dataset["path_ratio"][...] = 1 + dataset["loss"].values[..., 0]
    return summarise(dataset, 0.85)


@pytest.fixture
def summary(paper: xr.Dataset) -> xr.Dataset:
    return paper.copy(deep=True)


def said(text: str, value: float, decimals: int) -> None:
    """The text is this number, rounded to its decimals, or a dash if there is none."""
    if math.isnan(value):
        assert text == "-"
    else:
        assert float(text) == pytest.approx(value, abs=0.5000001 * 10**-decimals)
        assert len(text.partition(".")[2]) == decimals


def test_every_number_of_the_table_is_that_of_the_summary(summary: xr.Dataset) -> None:
    target = summary.attrs["target"]
    headings, chaos = cells(studies.chaos(summary))
    more, learning = cells(studies.learning(summary))
    assert more[0] == headings[0] == "η"
    headings += more[1:]
    rows = [one + other[1:] for one, other in zip(chaos, learning, strict=True)]
    assert [row[0] for row in chaos] == [row[0] for row in learning]
    for row, eta in zip(rows, summary.learning_rate.values, strict=True):
        one = summary.sel(learning_rate=eta, target=target)
        assert float(row[headings.index("η")]) == eta
        for heading, name, decimals in BY_LEARNING_RATE:
            said(row[headings.index(heading)], one[name].item(), decimals)
        mean, _, std = row[headings.index("λ_nMLE ± std")].partition(" ± ")
        said(mean, one.nmle.item(), 3)
        said(std, one.nmle_std.item(), 3)
        time = headings.index(f"⟨τ⟩ to {target:g}")
        said(row[time], one.mean_training_time.item(), 1)
        for place, name, decimals in (
            (headings.index("λ_nMLE ± std"), "nmle", 3),
            (headings.index("ρ"), "rho", 2),
            (time, "mean_training_time", 1),
        ):
            assert headings[place + 1] == "[95%]"
            low, _, high = row[place + 1].strip("[]").partition(", ")
            if row[place + 1] == "-":
                low = high = "-"
            said(low, one[f"{name}_low"].item(), decimals)
            said(high, one[f"{name}_high"].item(), decimals)
        assert row[headings.index("decided")] == f"{one.decided.item():g}/{one.ran.item():g}"
        assert row[headings.index("regime")] == one.regime.item()


def test_every_target_has_its_fastest_learning_rate(summary: xr.Dataset) -> None:
    _, rows = cells(studies.by_target(summary))
    for row, target in zip(rows, summary.target.values, strict=True):
        one = summary.sel(target=target)
        assert float(row[0]) == target
        for text, name in ((row[1], "eta_fastest"), (row[3], "eta_ratio")):
            value = one[name].item()
            assert text == ("-" if math.isnan(value) else f"{value:.3g}")


def test_what_is_printed_is_the_tables_and_fits(
    summary: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(summary, capsys)
    assert max(map(cell_len, out.splitlines())) <= 100
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for make in (studies.chaos, studies.learning, studies.by_target):
        table = make(summary)
        headings, rows = cells(table)
        for row in (headings, *rows):
            assert " ".join(row) in lines
    for line in studies.onset_lines(summary):
        assert line in out.splitlines()


def test_the_onset_keeps_its_digits_at_any_magnitude() -> None:
    attributes = {"eta_0": 0.00071, "eta_0_low": 0.0005, "eta_0_high": np.inf}
    attributes |= {"eta_1": np.nan, "eta_1_low": np.nan, "eta_1_high": np.nan}
    lines = studies.onset_lines(xr.Dataset(attrs=attributes))
    assert lines[0].startswith("η_0: 0.00071 [0.0005, ∞]  (")
    assert lines[1].startswith("η_1: -  (")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0])
def test_any_number_is_shown_whole(
    summary: xr.Dataset, value: float, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in summary.data_vars.values():
        if variable.dtype.kind == "f":
            variable[...] = value
    summary["regime"][...] = ""
    out = printed(summary, capsys)
    assert "…" not in out
    assert len(out.splitlines()) > summary.sizes["learning_rate"]
    if math.isinf(value):
        assert f"{'-' if value < 0 else ''}∞" in out


def test_a_summary_without_targets(capsys: pytest.CaptureFixture[str]) -> None:
    recorded = study_data.study(inits=1)[0][["distance"]]
    out = printed(summarise(derive(recorded, []), 0.9), capsys)
    assert "λ_nMLE" in out
    headings, rows = cells(studies.learning(summarise(derive(recorded, []), 0.9)))
    assert headings[2] == "⟨τ⟩ to 0.9"
    assert {row[2] for row in rows} == {"-"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_an_output_that_cannot_show_the_symbols_spells_them(
    summary: xr.Dataset, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding, errors="strict"))
    summary.attrs["eta_0_high"] = np.inf
    tables.show(summary)
    sys.stdout.flush()
    out = buffer.getvalue().decode("ascii")
    for word in ("lambda_nMLE +- std", "rho", "<tau> to", "eta*/eta_1", "eta_0: ", "inf]"):
        assert word in out
    _, rows = cells(studies.chaos(summary))
    for row in rows:
        assert row[0] in out
