"""Chaotic transients over a whole study: what each ball says, and what all of them say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from chaotrain import figures, schema
from chaotrain.analysis import derive, summarise
from chaotrain.analysis.transients import phase_of, saturation_epoch
from chaotrain.figures import saving, style
from chaotrain.growth import Growth, fit_growth
from chaotrain.statistics.averages import wilson_interval
from chaotrain.statistics.clock import Transient
from chaotrain.statistics.survival import median_lifetime, survival
from chaotrain.tables.cells import WIDTH
from chaotrain.tables.studies import lifetimes, tables_of
from test_figures import faults

NAN = np.nan
LAST = 90


def growth(kind: str, start: int = 10, lifetime: int = 20) -> np.ndarray:
    """The growth of a tangent: none, a transient that ends, one that does not, or a blow-up."""
    epochs = np.arange(LAST + 1.0)
    rise = np.maximum(epochs - start, 0)
    if kind == "ended":
        return np.minimum(rise, lifetime + 1)  # the clock starts when an e-fold has grown
    if kind == "censored":
        return rise
    if kind == "blow-up":
        return np.where(epochs < 5, 0.1 * epochs, NAN)
    return np.full(LAST + 1, {"none": 0.0, "absent": NAN}[kind])


def recorded(kinds: list[list[Any]], times: list[list[float]]) -> xr.Dataset:
    """A study with a tangent of each kind (or (kind, lifetime)), and the epoch at the target."""
    rows = [[growth(*(k if isinstance(k, tuple) else (k,))) for k in row] for row in kinds]
    tangent = np.array(rows)
    epochs = np.arange(LAST + 1)
    accuracy = np.where(epochs >= np.array(times)[..., None], 0.95, 0.1)
    # A ball that blew up or is absent has nothing from there on.
    loss = np.where(np.isnan(tangent), NAN, 1.0)
    arrays = {
        schema.TANGENT_GROWTH: tangent,
        "loss": loss,
        "test_accuracy": np.where(np.isnan(loss), NAN, accuracy),
    }
    return xr.Dataset(
        {name: (schema.RECORDED[name].dims, values) for name, values in arrays.items()},
        {
            schema.LEARNING_RATE: np.arange(1.0, 1 + len(kinds)),
            schema.INIT: np.arange(len(kinds[0])),
            schema.EPOCH: epochs,
        },
    )


KINDS: list[list[Any]] = [
    ["none", "none", "none", "absent"],
    ["none", ("ended", 10, 12), ("ended", 10, 20), ("ended", 10, 30)],
    [("ended", 10, 40), "censored", "censored", "blow-up"],
]
TIMES = [[5, 60, NAN, NAN], [20, 4, 16, 45], [52, 40, NAN, NAN]]


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return derive(recorded(KINDS, TIMES), targets=[0.9, 0.99])


def test_what_each_ball_says(dataset: xr.Dataset) -> None:
    assert dataset.transient.values.tolist() == [
        ["none", "none", "none", ""],
        ["none", "ended", "ended", "ended"],
        ["ended", "censored", "censored", ""],
    ]
    start, stop = dataset.transient_start, dataset.transient_stop
    np.testing.assert_array_equal(start[1:], [[NAN, 11, 11, 11], [11, 11, 11, NAN]])
    np.testing.assert_array_equal(stop[1:], [[NAN, 23, 31, 41], [51, NAN, NAN, NAN]])
    bound = (LAST - 11) / 1.5
    np.testing.assert_allclose(
        dataset.transient_lifetime[1:], [[NAN, 12, 20, 30], [40, bound, bound, NAN]]
    )
    assert dataset.target_phase[..., 0].values.tolist() == [
        ["no transient", "no transient", "never", ""],
        ["no transient", "before", "inside", "after"],
        ["at the end", "inside", "never", ""],
    ]
    assert set(dataset.target_phase[..., 1].values.ravel()) == {"never", ""}


def test_epochs_that_do_not_begin_at_0() -> None:
    later = recorded([["none", "ended"]], [[NAN, 120]])
    found = derive(later.assign_coords(epoch=later.epoch + 100), targets=[0.9])
    assert found.transient_start.values.tolist()[0][1] == 111
    assert found.transient_stop.values.tolist()[0][1] == 131


@pytest.mark.parametrize(
    ("time", "chaotic", "phase"),
    [
        (9, (10, 50, 40), "before"),
        (10, (10, 50, 40), "inside"),
        (45, (10, 50, 40), "inside"),
        (46, (10, 50, 40), "at the end"),
        (54, (10, 50, 40), "at the end"),
        (55, (10, 50, 40), "after"),
        (16, (10, 15, 5), "at the end"),  # at least one epoch
        (17, (10, 15, 5), "after"),
        (80, (10, NAN, 50), "inside"),
        (NAN, (10, 50, 40), "never"),
        (NAN, (NAN, NAN, NAN), "never"),
        (5, (NAN, NAN, NAN), "no transient"),
    ],
)
def test_the_phase_of_a_target(time: float, chaotic: tuple, phase: str) -> None:
    assert phase_of(time, Transient(*chaotic)) == phase


def test_the_summary_by_hand(dataset: xr.Dataset) -> None:
    summary = summarise(dataset, target=0.9)
    np.testing.assert_allclose(summary.transient_share, [0, 0.75, 1])
    low, high = wilson_interval([0, 3, 3], [3, 4, 3])
    np.testing.assert_allclose(summary.transient_share_low, low)
    np.testing.assert_allclose(summary.transient_share_high, high)
    np.testing.assert_allclose(summary.transient_ended, [NAN, 1, 1 / 3])
    np.testing.assert_array_equal(summary.transient_lifetime, [NAN, 20, np.inf])
    bound = (LAST - 11) / 1.5
    limits = median_lifetime(survival([40, bound, bound], [True, False, False]))[1:]
    assert (summary.transient_lifetime_low[2], summary.transient_lifetime_high[2]) == limits
    shares = {
        "before": [0, 0.25, 0],
        "inside": [0, 0.25, 1 / 3],
        "at_the_end": [0, 0, 1 / 3],
        "after": [0, 0.25, 0],
        "never": [1 / 3, 0, 1 / 3],
        "no_transient": [2 / 3, 0.25, 0],
    }
    for name, expected in shares.items():
        np.testing.assert_allclose(summary[f"target_{name}"][:, 0], expected)
    total = sum(summary[f"target_{phase.replace(' ', '_')}"] for phase in schema.PHASES)
    np.testing.assert_allclose(total, 1)


def test_without_a_tangent_nothing_is_known(dataset: xr.Dataset) -> None:
    distance = np.exp(np.minimum(np.arange(LAST + 1.0), 9))[None, None, None]
    plain = xr.Dataset(
        {"distance": (schema.RECORDED["distance"].dims, distance)},
        {"learning_rate": [1.0], "init": [0], "replica": [0], "epoch": np.arange(LAST + 1)},
    )
    found = derive(plain, targets=[0.9])
    assert found.transient.item() == found.target_phase.item() == schema.UNKNOWN
    summary = summarise(found, target=0.9)
    for name in schema.SUMMARY:
        if name.startswith(("transient_", "target_")):
            assert summary[name].isnull().all()
    names = [name for name, _ in saving.drawable(found, summary)]
    assert "lifetimes" not in names
    assert len(tables_of(summary)) == len(tables_of(summarise(dataset, 0.9))) - 1


def test_the_table_is_the_summary(dataset: xr.Dataset) -> None:
    table = lifetimes(summarise(dataset, target=0.9))
    assert Console(width=1000).measure(table).maximum <= WIDTH
    headings = [str(column.header) for column in table.columns]
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    shown = [dict(zip(headings, row, strict=True)) for row in rows]
    assert [row["chaotic"] for row in shown] == ["0.00", "0.75", "1.00"]
    assert [row["over"] for row in shown] == ["-", "1.00", "0.33"]
    assert [row["lifetime"] for row in shown] == ["-", "20", "∞"]
    assert [row["τ before"] for row in shown] == ["0.00", "0.25", "0.00"]
    assert [row["at the end"] for row in shown] == ["0.00", "0.00", "0.33"]


def test_the_figure_shows_the_survival_and_the_phases(dataset: xr.Dataset) -> None:
    summary = summarise(dataset, target=0.9)
    upper = figures.lifetimes(dataset, summary)
    curves = [line for line in upper.lines if line.get_marker() == "None"]
    labels = [str(line.get_label()) for line in curves]
    assert labels == ["η = 2 (3 of 4)", "η = 3 (3 of 3)"]
    np.testing.assert_array_equal(curves[0].get_xdata(), [0, 12, 20, 30])
    np.testing.assert_allclose(curves[0].get_ydata(), [1, 2 / 3, 1 / 3, 0], atol=1e-12)
    ticks = [line for line in upper.lines if line.get_marker() == "|"]
    bound = (LAST - 11) / 1.5
    assert [np.asarray(tick.get_xdata()).tolist() for tick in ticks] == [[], [bound]]
    assert float(np.asarray(ticks[1].get_ydata())[0]) == pytest.approx(2 / 3)
    assert len(upper.collections) == 2  # the bands of two curves
    assert faults(style.root(upper)) == []
    lower = style.root(upper).axes[-1]
    heights = {
        str(bars.get_label()): [bar.get_height() for bar in bars] for bars in lower.containers
    }
    assert set(heights) == set(schema.PHASES)
    for phase, shown in heights.items():
        np.testing.assert_allclose(shown, summary[f"target_{phase.replace(' ', '_')}"][:, 0])
    tops = [bar.get_y() + bar.get_height() for bar in lower.containers[-1]]
    np.testing.assert_allclose(tops, 1)
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in lower.containers[0]]
    np.testing.assert_allclose(edges, [(lower.get_xlim()[0], 1.5), (1.5, 2.5), (2.5, edges[2][1])])


def test_many_learning_rates_are_drawn_as_six_curves() -> None:
    kinds = [[("ended", 10, 6 + rate), "censored"] for rate in range(15)]
    dataset = derive(recorded(kinds, [[30, NAN]] * 15), targets=[0.9])
    upper = figures.lifetimes(dataset, summarise(dataset, target=0.9))
    labels = [str(line.get_label()) for line in upper.lines if line.get_marker() == "None"]
    assert len(labels) == 6
    assert labels[0].startswith("η = 1 ")
    assert labels[-1].startswith("η = 15 ")
    assert faults(style.root(upper)) == []
    assert not upper.collections


def test_a_study_without_targets_or_transients_has_one_panel_that_says_so() -> None:
    dataset = derive(recorded([["none", "none"]], [[NAN, NAN]]), targets=[])
    upper = figures.lifetimes(dataset, summarise(dataset, target=0.9))
    assert len(style.root(upper).axes) == 1
    assert [text.get_text() for text in upper.texts] == ["no chaotic transient"]
    assert faults(style.root(upper)) == []


@pytest.mark.parametrize(("lag", "rate"), [(0, 0.5), (10, 0.5), (10, 0.25)])
def test_a_ball_saturates_where_its_ramp_meets_its_plateau_less_half_an_e_fold(
    lag: int, rate: float
) -> None:
    epochs = np.arange(121.0)
    curve = np.clip(rate * (epochs - lag), 0, 15)
    replicas = 1e-8 * np.exp(curve + np.array([[-0.2], [0.0], [0.2]]))
    replicas[1] = 0  # one that vanished is not in the fit, and not in this
    fit = fit_growth(replicas)
    assert saturation_epoch(replicas, fit) == lag + 14.5 / rate
    assert fit.stop < lag + 14.5 / rate


def test_a_plateau_before_the_ramp_is_none_of_its_own() -> None:
    """It falls from the height of the plateau, and comes back."""
    curve = np.interp(np.arange(121.0), [0, 5, 20, 50], [15, 0, 0, 15])
    ball = 1e-8 * np.exp(curve)[None]
    level = float(ball[0, -1])
    fit = Growth(0.5, 0.4, 0.6, schema.EXPONENTIAL, start=22, stop=44, saturation=level)
    assert saturation_epoch(ball, fit) == 49


def test_only_a_pair_that_saturates_has_an_epoch_of_it() -> None:
    epochs = np.arange(LAST + 1)
    grows = [np.minimum(0.5 * epochs, 15.0), 0.2 * epochs, 0.0 * epochs]
    dims = schema.RECORDED["distance"].dims
    axes = {"learning_rate": [1.0, 2.0, 3.0], "init": [0], "replica": [0], "epoch": epochs}
    pairs = xr.Dataset({"distance": (dims, 1e-8 * np.exp(grows)[:, None, None])}, axes)
    found = derive(pairs, [])
    np.testing.assert_equal(found.saturation_epoch.values, [[29.0], [NAN], [NAN]])
    assert (found.growth_stop[0] < 29).all()
    tangents = derive(recorded([["ended"]], [[30]]), [0.9])
    assert np.isnan(tangents.saturation_epoch).all()
    assert "saturation_epoch" not in summarise(tangents, 0.9)
