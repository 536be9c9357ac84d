"""The figures show the data set's values, legibly, whatever the study looks like."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from chaotrain import figures, schema
from chaotrain.figures import layout, overlays, saving, scales, selection, separation, style
from study_data import (
    PAPER_RATES,
    QUICK_RATES,
    RAGGED_INITS,
    RAGGED_RATES,
    study,
    summarise,
)

pytestmark = pytest.mark.filterwarnings("error")

Study = tuple[xr.Dataset, xr.Dataset]
Draw = Callable[[xr.Dataset, xr.Dataset], Axes]
DRAW: dict[str, Draw] = {
    draw.__name__: draw
    for draw in (
        figures.loss_trajectories,
        figures.ball,
        figures.balls,
        figures.exponents,
        figures.transition,
        figures.training_times,
    )
}


@cache
def paper() -> Study:
    return study(PAPER_RATES, inits=50, replicas=5, target=0.90)


@cache
def quick() -> Study:
    return study(QUICK_RATES, inits=4, replicas=1)


@cache
def ragged() -> Study:
    return study(RAGGED_RATES, inits=RAGGED_INITS, replicas=1, target=0.90)


def no_chaos() -> Study:
    return study((0.01, 0.1, 0.5, 1.0, 2.5), inits=4, onset=1e3)


def all_chaos() -> Study:
    return study((10.0, 15.0, 20.0), inits=4, onset=0.1)


def one_rate() -> Study:
    return study((7.5,), inits=5, replicas=3)


def one_init() -> Study:
    return study(QUICK_RATES, inits=1, replicas=2)


def one_target() -> Study:
    return study(QUICK_RATES, inits=3, targets=(0.85,))


def many_targets() -> Study:
    return study(QUICK_RATES, inits=3, targets=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95))


def wide_grid() -> Study:
    return study(np.geomspace(1e-5, 100, 22).tolist(), inits=3)


def dense_onset() -> Study:
    return study((5.0, 5.5, 5.8, 6.0, 6.2, 6.5, 7.0, 7.5), inits=6)


def marks_coincide() -> Study:
    dataset, summary = quick()
    summary = summary.copy()
    summary.attrs |= {"eta_0": 7.4, "eta_1": 7.5, "eta_fastest": 7.5}
    return dataset, summary


def marks_at_the_edge() -> Study:
    dataset, summary = quick()
    summary = summary.copy()
    summary.attrs |= {"eta_0": 19.0, "eta_1": 20.0, "eta_fastest": 0.5}
    summary.attrs |= {"eta_fastest_low": 0.0, "eta_1_high": np.inf, "eta_0_low": np.nan}
    return dataset, summary


def no_onset() -> Study:
    dataset, summary = quick()
    summary = summary.copy()
    summary.attrs = dict.fromkeys(schema.SUMMARY_ATTRIBUTES, np.nan) | {"target": 0.85}
    summary["eta_fastest"] = summary["eta_fastest"] * np.nan
    return dataset, summary


def undecided() -> Study:
    """Nothing is decided, so that nothing is known of the exponents."""
    dataset, _ = study(QUICK_RATES, inits=3)
    dataset["verdict"] = xr.full_like(dataset["verdict"], schema.UNDECIDED)
    dataset["exponent"] = dataset["exponent"] * np.nan
    return dataset, summarise(dataset, 0.85)


def blow_ups() -> Study:
    """Every ball above 7.5 blows up, one copy of another does, and its loss with it."""
    dataset, _ = study(QUICK_RATES, inits=4, replicas=2)
    late = dataset["epoch"] > 30
    large = (dataset["learning_rate"] > 7.5) | (
        (dataset["learning_rate"] == 7.5) & (dataset["init"] == 0)
    )
    dataset["distance"] = (
        dataset["distance"]
        .where(~(large & late), np.inf)
        .transpose(*schema.RECORDED["distance"].dims)
    )
    for name in ("loss", "test_accuracy"):
        dataset[name] = dataset[name].where(~(large & late))
    for name in ("verdict", "status"):
        dataset[name] = dataset[name].where(~large, schema.BLOW_UP)
    for name in ("exponent", "exponent_low", "growth_start", "growth_stop", "saturation"):
        dataset[name] = dataset[name].where(~large)
    return dataset, summarise(dataset, 0.85)


def unfinished() -> Study:
    """An interrupted study: some learning rates have no ball yet, and '' for what is not known."""
    dataset, _ = study(QUICK_RATES, inits=(3, 3, 3, 0, 3, 3, 0, 0, 3))
    dataset["verdict"] = dataset["verdict"].where(dataset["status"] != schema.ABSENT, "")
    summary = summarise(dataset, 0.85)
    summary["regime"] = summary["regime"].where(summary["ran"] > 0, "")
    return dataset, summary


def unperturbed() -> Study:
    """With ε = 0 every distance is 0."""
    dataset, summary = study(QUICK_RATES, inits=2)
    dataset["distance"] = dataset["distance"] * 0
    return dataset, summary


def noise_alone() -> Study:
    """With ε = 0 and noise of their own replicas start equal, and only then come apart."""
    dataset, _ = study(QUICK_RATES, inits=2)
    dataset["distance"] = dataset["distance"].where(dataset["epoch"] > 0, 0.0)
    return dataset, summarise(dataset, 0.85)


def late_growth() -> Study:
    """Growth that rises only near the end, and flat balls low where the inset would go."""
    dataset, _ = study((2.5, 7.5), inits=6, replicas=2, onset=1.0)
    shifted = dataset["distance"].shift(epoch=150, fill_value=2.54e-4)
    dataset["distance"] = shifted.where(dataset["init"] != 1, 2.54e-4)
    dataset["verdict"][:, 1] = schema.SUBEXPONENTIAL
    for name in ("growth_start", "growth_stop"):
        dataset[name] = dataset[name] + 150
    return dataset, summarise(dataset, 0.85)


def negative_loss() -> Study:
    dataset, summary = quick()
    return dataset.assign(loss=dataset["loss"] - 5), summary


def no_accuracy() -> Study:
    dataset, summary = quick()
    summary = summary.drop_vars(["regime", "best_accuracy"])
    times = [name for name in summary if "training_time" in str(name)]
    summary = summary.assign({name: summary[name] * np.nan for name in times})
    return dataset.drop_vars("test_accuracy"), summary


EPOCHS = ("loss_trajectories", "ball", "balls")
RATES = ("exponents", "transition", "training_times")
# Each case with the figures that it can upset.
UPSETS: dict[Callable[[], Study], tuple[str, ...]] = {
    paper: EPOCHS + RATES,
    quick: EPOCHS + RATES,
    ragged: EPOCHS + RATES,
    no_chaos: EPOCHS + RATES,
    all_chaos: ("loss_trajectories", *RATES),
    one_rate: EPOCHS + RATES,
    one_init: ("ball", "balls", "exponents", "transition"),
    one_target: ("transition", "training_times"),
    many_targets: ("training_times",),
    wide_grid: ("loss_trajectories", *RATES),
    dense_onset: RATES,
    marks_coincide: ("transition",),
    marks_at_the_edge: ("transition",),
    no_onset: ("loss_trajectories", *RATES),
    undecided: EPOCHS + RATES,
    blow_ups: EPOCHS + RATES,
    unfinished: EPOCHS + RATES,
    unperturbed: ("ball", "balls"),
    noise_alone: ("ball", "balls"),
    late_growth: ("ball", "balls"),
    negative_loss: ("loss_trajectories",),
    no_accuracy: (*EPOCHS, "exponents"),
}
CASES = {case.__name__: cache(case) for case in UPSETS}


# What a reader sees, measured on the drawn figure.


def all_axes(figure: Figure) -> list[Axes]:
    insets = [inset for axes in figure.axes for inset in axes.child_axes]
    return figure.axes + [inset for inset in insets if isinstance(inset, Axes)]


def drawn_texts(figure: Figure) -> Iterator[tuple[str, Bbox]]:
    """Every visible text with its box in pixels; ticks only where the axes show them."""
    yield from ((text.get_text(), Text.get_window_extent(text)) for text in figure.texts)
    for axes in all_axes(figure):
        texts = [axes.title, axes._left_title, *axes.texts]  # type: ignore[attr-defined]
        texts += [axes.xaxis.label, axes.yaxis.label, axes.xaxis.offsetText, axes.yaxis.offsetText]
        legend = axes.get_legend()
        texts += legend.get_texts() if legend else []
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            shown = [t for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            labels = [label for tick in shown for label in (tick.label1, tick.label2)]
            texts += labels if axis.get_visible() else []
        for text in texts:
            if text.get_visible() and text.get_text():
                yield text.get_text(), Text.get_window_extent(text)


def overlaps(first: Bbox, second: Bbox, slack: float = 0.5) -> bool:
    across = min(first.x1, second.x1) - max(first.x0, second.x0)
    up = min(first.y1, second.y1) - max(first.y0, second.y0)
    return bool(across > slack and up > slack)


def faults(figure: Figure) -> list[str]:
    """Say what a reader would trip over: text on text or data, and what leaves the page."""
    figure.draw_without_rendering()
    found = []
    texts = list(drawn_texts(figure))
    for (name, box), (other, other_box) in itertools.combinations(texts, 2):
        if overlaps(box, other_box):
            found.append(f"{name!r} overlaps {other!r}")
    page = figure.bbox
    found += [
        f"{name!r} leaves the page"
        for name, box in texts
        if min(box.x0, box.y0) < -0.5 or box.x1 > page.x1 + 0.5 or box.y1 > page.y1 + 0.5
    ]
    for axes in figure.axes:
        places = np.concatenate([np.empty((0, 2)), *map(curve_pixels, axes.lines)])
        (left, bottom), (right, top) = axes.bbox.get_points()
        places = places[((places >= (left, bottom)) & (places <= (right, top))).all(axis=1)]
        covers = [(text.get_text(), Text.get_window_extent(text)) for text in axes.texts]
        tight = [inset.get_tightbbox() for inset in axes.child_axes]
        covers += [("inset", box) for box in tight if box is not None]
        for name, box in covers:
            if box.count_contains(places):
                found.append(f"{name!r} covers data")
        legend = axes.get_legend()
        if isinstance(legend, Legend) and overlaps(legend.get_window_extent(), axes.bbox):
            found.append("the legend lies on the axes")
    return found


def curve_pixels(line: Line2D) -> np.ndarray:
    """The points of a data line in pixels, with some between them; none for a reference line."""
    axes = line.axes
    assert axes is not None
    if line.get_transform().contains_branch_seperately(axes.transData) != (True, True):
        return np.empty((0, 2))
    points = line.get_transform().transform(line.get_xydata())
    if len(points) < 2 or line.get_linestyle() == "None":
        return points
    steps = np.linspace(0, 1, 3 if len(points) > 50 else 40)[:, None, None]
    return (points[:-1] * (1 - steps) + points[1:] * steps).reshape(-1, 2)


@pytest.mark.parametrize(
    ("case", "name"), [(case.__name__, name) for case, names in UPSETS.items() for name in names]
)
def test_every_figure_is_legible_in_every_case(case: str, name: str) -> None:
    dataset, summary = CASES[case]()
    axes = DRAW[name](dataset, summary)
    figure = style.root(axes)
    assert faults(figure) == []
    for shown in all_axes(figure):
        assert shown.get_ylabel()
    assert axes.get_xlabel()
    assert axes.get_title(loc="left")
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    assert min(float(text.get_fontsize()) for text in texts) >= 8
    ticks = [tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    assert len(ticks) >= (1 if case == "one_rate" else 2)


def test_the_checker_sees_faults() -> None:
    axes = style.new_axes()
    axes.plot([0, 1], [0, 1])
    axes.annotate("on the curve", (0.5, 0.5))
    axes.annotate("on the label", (0.5, 0.5))
    style.root(axes).text(0.9, 0.5, "beyond the right edge of the page")
    axes.legend(["curve"])
    text = " ".join(faults(style.root(axes)))
    for fault in ("overlaps", "covers data", "leaves the page", "legend"):
        assert fault in text


def marker_line(axes: Axes, marker: str, filled: bool = True) -> Line2D:
    """The one line of the axes that is drawn with this marker."""
    (line,) = [
        line
        for line in axes.lines
        if line.get_marker() == marker and (line.get_markerfacecolor() != "white") is filled
    ]
    return line


def test_loss_trajectories_are_those_of_the_data() -> None:
    dataset, summary = quick()
    axes = figures.loss_trajectories(dataset, summary)
    chosen = selection.telling_rates(dataset, summary)
    assert chosen == [1.0, 7.5, 20.0]
    expected = dataset["loss"].sel(learning_rate=chosen).values.reshape(12, -1)
    np.testing.assert_array_equal([line.get_ydata() for line in axes.lines], expected)
    labels = " ".join(text.get_text() for text in axes.texts)
    for words in ("η = 1\nexploitation", "η = 7.5\nexploration-", "η = 20\nno learning"):
        assert words in labels


def test_loss_trajectories_of_given_rates() -> None:
    axes = figures.loss_trajectories(*quick(), learning_rates=[2.5, 10.0])
    assert [text.get_text().split("\n")[0] for text in axes.texts] == ["η = 2.5", "η = 10"]
    with pytest.raises(ValueError, match=r"learning_rate: 3 was not tested.*7\.5"):
        figures.loss_trajectories(*quick(), learning_rates=[3.0])


def test_a_loss_near_the_largest_float_ends_with_a_cross_on_axes_that_can_be_drawn() -> None:
    dataset, summary = quick()
    loss = dataset["loss"].copy()
    loss[{"epoch": 5}], loss[{"epoch": slice(6, None)}] = 1e289, np.inf
    axes = figures.loss_trajectories(dataset.assign(loss=loss), summary)
    assert faults(style.root(axes)) == []
    curves = [line for line in axes.lines if line.get_marker() == "None"]
    crosses = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "x"]
    np.testing.assert_array_equal(crosses, [line.get_xydata()[4] for line in curves])
    assert all(np.isnan(line.get_ydata()[5:]).all() for line in curves)
    low, high = axes.get_ylim()
    assert 0 < low < high < 1e150


def test_minor_ticks_of_many_decades_do_not_run_together() -> None:
    for decades, some in ((20, True), (76, False)):
        axes = style.new_axes()
        axes.plot([0, 1], [1, 10.0**decades])
        scales.log_axis(axes)
        style.root(axes).draw_without_rendering()
        assert bool(axes.yaxis.get_minorticklocs().size) is some


def test_ball_shows_copies_mean_slope_and_saturation() -> None:
    dataset, summary = paper()
    axes = figures.ball(dataset, summary, learning_rate=10.0, init=3)
    one = dataset.sel(learning_rate=10.0, init=3)
    copies, mean, level, slope = axes.lines[:5], axes.lines[5], axes.lines[6], axes.lines[7]
    np.testing.assert_array_equal([line.get_ydata() for line in copies], one["distance"].values)
    log_distance = np.log(one["distance"].values).mean(axis=0)
    np.testing.assert_allclose(np.log(np.asarray(mean.get_ydata())), log_distance)
    assert set(np.asarray(level.get_ydata())) == {float(one["saturation"])}
    epochs, ends = np.asarray(slope.get_xdata()), np.log(np.asarray(slope.get_ydata()))
    assert epochs.tolist() == [float(one["growth_start"]), float(one["growth_stop"])]
    np.testing.assert_allclose(np.diff(ends) / np.diff(epochs), float(one["exponent"]))
    written = " ".join(text.get_text() for text in axes.texts)
    assert f"= {float(one['exponent']):.2f} per epoch" in written
    limits = f"{float(one['exponent_low']):.2f} to {float(one['exponent_high']):.2f}"
    assert f"95% interval {limits}" in written


def test_ball_that_is_typical_is_at_the_onset_and_has_the_median_exponent() -> None:
    dataset, summary = paper()
    rate = selection.chaotic_rate(dataset, summary)
    assert rate == summary.attrs["eta_1"]
    balls = dataset.sel(learning_rate=rate)
    exponents = np.sort(balls["exponent"].values)
    typical = float(balls["exponent"].sel(init=selection.typical_init(balls)))
    assert typical == exponents[24]


def test_bounded_ball_has_no_fitted_line() -> None:
    axes = figures.ball(*no_chaos())
    assert "bounded growth" in axes.get_title(loc="left")
    assert "fitted slope" not in [line.get_label() for line in axes.lines]


@pytest.mark.parametrize("seed", range(12))
def test_the_histogram_leaves_out_no_exponent(seed: int) -> None:
    exponents = np.random.default_rng(seed).uniform(0.2, 0.8, size=4)
    axes = style.new_axes()
    separation._exponent_counts(axes, exponents, float(exponents.mean()), np.nan)
    assert sum(patch.get_height() for patch in axes.patches) == 4  # type: ignore[attr-defined]


def test_balls_shows_each_mean_and_counts_each_exponent() -> None:
    dataset, summary = paper()
    axes = figures.balls(dataset, summary, learning_rate=7.5)
    balls = dataset.sel(learning_rate=7.5)
    expected = np.log(balls["distance"].values).mean(axis=1)
    shown = np.log([np.asarray(line.get_ydata()) for line in axes.lines])
    np.testing.assert_allclose(shown, expected)
    (inset,) = axes.child_axes
    heights = [patch.get_height() for patch in inset.patches if patch.get_height() >= 1]  # type: ignore[attr-defined]
    exponents = balls["exponent"].values
    assert sum(heights) >= np.isfinite(exponents).sum() == 50
    marked = float(np.asarray(inset.lines[0].get_xdata())[0])
    assert marked == float(summary["nmle"].sel(learning_rate=7.5))
    legend = axes.get_legend()
    assert legend is not None
    verdicts = [text.get_text() for text in legend.get_texts()]
    count = int((balls["verdict"] == schema.EXPONENTIAL).sum())
    assert verdicts == [f"{count} exponential", f"{50 - count} bounded"]


@pytest.mark.parametrize("case", ["paper", "quick", "ragged", "undecided"])
def test_exponents_are_those_of_the_summary(case: str) -> None:
    dataset, summary = CASES[case]()
    axes = figures.exponents(dataset, summary)
    mean = marker_line(axes, "o")
    rates = summary["learning_rate"].values
    np.testing.assert_array_equal(mean.get_xdata(), rates)
    np.testing.assert_array_equal(mean.get_ydata(), summary["nmle"].values)
    single = marker_line(axes, ".")
    shown = np.sort(np.asarray(single.get_ydata()))
    known = dataset["exponent"].where(selection.decided(dataset)).values
    np.testing.assert_array_equal(shown, np.sort(known[np.isfinite(known)]))
    bars = [interval_ends(collection) for collection in axes.collections]
    for shown_bars, low, high in (
        (bars[0], summary["nmle"] - summary["nmle_std"], summary["nmle"] + summary["nmle_std"]),
        (bars[1], summary["nmle_low"], summary["nmle_high"]),
    ):
        finite = np.isfinite(low.values + high.values)
        np.testing.assert_array_equal(shown_bars, np.stack([low, high], 1)[finite])
    bottom, top = axes.get_ylim()
    assert bottom < min(0.0, *shown, 0.0)
    assert top > max(0.0, *shown, 0.0)


def interval_ends(collection: object) -> np.ndarray:
    """Low and high ends of the vertical bars, one row each."""
    segments = collection.get_segments()  # type: ignore[attr-defined]
    return np.array([segment[:, 1] for segment in segments]).reshape(-1, 2)


@pytest.mark.parametrize("case", ["paper", "quick", "ragged", "blow_ups", "unfinished"])
def test_transition_is_that_of_the_summary(case: str) -> None:
    dataset, summary = CASES[case]()
    axes = figures.transition(dataset, summary)
    right = style.root(axes).axes[-1]
    here = summary.sel(target=summary.attrs["target"])
    diamonds = marker_line(axes, "D")
    assert diamonds.get_color() == style.BLUE
    np.testing.assert_array_equal(diamonds.get_ydata(), here["rho"].values)
    np.testing.assert_array_equal(diamonds.get_xdata(), here["learning_rate"].values)
    wilson = np.stack([here["rho_low"], here["rho_high"]], 1)
    known = np.isfinite(wilson).all(axis=1)
    np.testing.assert_array_equal(interval_ends(axes.collections[0]), wilson[known])
    reached = here["reached"].values >= 0.5
    ran = here["ran"].values > 0
    for filled, chosen in ((True, reached), (False, ~reached & ran)):
        dots = marker_line(right, "o", filled)
        assert dots.get_color() == style.RED
        np.testing.assert_array_equal(dots.get_xdata(), here["learning_rate"].values[chosen])
        np.testing.assert_array_equal(dots.get_ydata(), here["mean_training_time"].values[chosen])
    for name in ("eta_0", "eta_1", "eta_fastest"):
        (bar,) = [line for line in axes.lines if line.get_label() == name]
        limits = [summary.attrs[f"{name}{at}"] for at in ("_low", "", "_high")]
        assert list(bar.get_xdata()) == np.clip(limits, *axes.get_xlim()).tolist()  # type: ignore[arg-type]
    noted = "fewer than half" in axes.get_xlabel()
    assert noted == bool((~reached & ran).any())


def test_transition_marks_the_onsets_once_each() -> None:
    for case, expected in (
        (quick, 3),
        (marks_coincide, 2),
        (no_onset, 0),
    ):
        dataset, summary = case()
        axes = figures.transition(dataset, summary)
        upright = [line for line in axes.lines if np.ptp(np.asarray(line.get_ydata())) == 1]
        marks = [line for line in upright if len(np.asarray(line.get_xdata())) == 2]
        assert len(marks) == len(axes.texts) == expected
    together = [text.get_text() for text in figures.transition(*marks_coincide()).texts]
    assert together == [r"$\eta_0$ = 7.4", r"$\eta_1$ = $\eta$* = 7.5"]


def test_training_times_are_those_of_every_target() -> None:
    dataset, summary = paper()
    axes = figures.training_times(dataset, summary)
    curves = [
        line
        for line in axes.lines
        if line.get_marker() == "None" and len(line.get_xdata()) > 2  # type: ignore[arg-type]
    ]
    times = summary["mean_training_time"]
    np.testing.assert_array_equal([line.get_ydata() for line in curves], times.T.values)
    stars = [line for line in axes.lines if line.get_marker() == "*"]
    fastest = [float(np.asarray(line.get_xdata())[0]) for line in stars]
    assert fastest == summary["eta_fastest"].values.tolist()
    names = {" ".join(text.get_text().split("\n")) for text in axes.texts}
    assert names == set(summary["regime"].values.tolist())


def test_bands_change_halfway_between_learning_rates() -> None:
    axes = style.new_axes()
    rates = np.array([1.0, 2.0, 4.0])
    scales.rate_axis(axes, rates, float("nan"))
    regimes = [schema.EXPLOITATION, schema.EXPLOITATION, schema.NO_LEARNING]
    overlays.regime_bands(axes, rates, regimes)
    edges = sorted({edge for patch in axes.patches for edge in patch.get_extents().intervalx})
    to_data = axes.transData.inverted()
    shown = [to_data.transform((edge, 0))[0] for edge in edges]
    np.testing.assert_allclose(shown[1], 3.0)


@pytest.mark.parametrize("rates", [PAPER_RATES, QUICK_RATES, (1e-5, 1e-3, 1.0), (1e-100, 1e100)])
def test_rate_axis_keeps_order_and_shows_every_rate(rates: tuple[float, ...]) -> None:
    axes = style.new_axes()
    values = np.array(rates)
    scales.rate_axis(axes, values, 6.0)
    scale = axes.xaxis.get_transform()
    places = scale.transform(values)
    assert (np.diff(places) > 0).all()
    np.testing.assert_allclose(scale.inverted().transform(places), values)
    low, high = axes.get_xlim()
    assert low < values.min() < values.max() < high


def test_rate_axis_gives_the_onset_most_of_the_room() -> None:
    axes = style.new_axes()
    scales.rate_axis(axes, np.array(PAPER_RATES), 7.5)
    low, switch, high = axes.xaxis.get_transform().transform(np.array([0.0005, 2.5, 20.0]))
    assert (high - switch) / (high - low) == pytest.approx(0.6)
    assert "linear above 2.5" in axes.get_xlabel()


def test_spread_separates_labels_and_keeps_them_inside() -> None:
    generator = np.random.default_rng(0)
    for count in range(1, 8):
        wanted = generator.uniform(-1, 11, count)
        sizes = generator.uniform(0.2, 1.2, count)
        centres = layout.spread(wanted.tolist(), sizes.tolist(), 0, 10)
        order = np.argsort(wanted)
        gaps = np.diff(centres[order]) - (sizes[order][1:] + sizes[order][:-1]) / 2
        assert (gaps > -1e-9).all()
        assert (centres - sizes / 2 > -1e-9).all()
        assert (centres + sizes / 2 < 10 + 1e-9).all()
    free = layout.spread([2.0, 8.0], [1.0, 1.0], 0, 10)
    assert free.tolist() == [2.0, 8.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0005, "0.0005"), (7.5, "7.5"), (6.1237, "6.12"), (1034.2, "1030"), (-0.25, "−0.25")],
)
def test_numbers_read_as_a_person_writes_them(value: float, text: str) -> None:
    assert style.number(value) == text
    assert style.number(2.54e-8) == r"$2.5\cdot10^{-8}$"
    assert style.number(1e-5) == "$10^{-5}$"


def test_figures_draw_on_given_axes() -> None:
    figure = Figure(figsize=(12, 8), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    for draw, panel in zip(DRAW.values(), panels, strict=True):
        returned = draw(*quick(), axes=panel)  # type: ignore[call-arg]
        assert returned is panel
    figure.draw_without_rendering()


@pytest.mark.slow
def test_save_all_writes_the_same_bytes_whatever_the_caller_set(tmp_path: Path) -> None:
    first = figures.save_all(*quick(), tmp_path / "first")
    stems = [f"figure-{number}" for number in (1, 2, 3, 4, 5)] + ["figure-5-targets"]
    expected = [f"{stem}.{kind}" for stem in stems for kind in ("pdf", "png")]
    assert [path.name for path in first] == expected
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == sorted(expected)
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9, "axes.grid": True}):
        before = dict(matplotlib.rcParams)
        second = figures.save_all(*quick(), tmp_path / "deeper" / "second")
        assert dict(matplotlib.rcParams) == before
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert b"CreationDate" not in first[0].read_bytes()


def test_figures_that_the_study_lacks_the_data_for_are_left_out(tmp_path: Path) -> None:
    dataset, summary = no_accuracy()

    def names(dataset: xr.Dataset) -> list[str]:
        return [name for name, _ in saving.drawable(dataset, summary)]

    assert names(dataset) == ["figure-1", "figure-2", "figure-3", "figure-4"]
    assert names(dataset.drop_vars("loss")) == ["figure-2", "figure-3", "figure-4"]
    assert names(dataset.assign(loss=dataset["loss"] * np.nan))[0] == "figure-2"
    dataset = dataset.assign(status=xr.full_like(dataset["status"], schema.ABSENT))
    assert names(dataset) == []
    assert figures.save_all(dataset, summary, tmp_path) == []
