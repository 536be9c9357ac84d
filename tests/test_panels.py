"""The figure of many cases shows their summaries, legibly, whatever the cases look like."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

import study_data
import test_figures as seen
from chaotrain import figures
from chaotrain.figures import Case, overlays, panels, scales, style

pytestmark = pytest.mark.filterwarnings("error")


def case(title: str, study: seen.Study) -> Case:
    return Case(title, *study)


@cache
def activations(count: int) -> tuple[Case, ...]:
    onsets = (6.1, 3.0, 9.0, 5.0, 6.0, 4.0, 7.0, 8.0, 5.5)
    names = ("tanh", "ReLU, He initialisation", "sigmoid", "GELU", "softplus", "sin", "x", "y", "z")
    return tuple(
        case(name, study_data.study(inits=4, onset=onset, seed=seed))
        for seed, (name, onset) in enumerate(zip(names[:count], onsets, strict=False))
    )


def huge() -> seen.Study:
    """Exponents far beyond those of the other cases, up and down."""
    dataset, _ = study_data.study(inits=4)
    sign = (dataset["learning_rate"] < 18) * 2.0 - 1
    dataset["exponent"] = (dataset["exponent"] * 20 * sign).transpose(*dataset["exponent"].dims)
    return dataset, study_data.summarise(dataset, 0.85)


def nothing_trained() -> seen.Study:
    return study_data.study((1e-4, 1e-3, 5e-3), inits=4)


def other_target() -> seen.Study:
    return study_data.study(inits=4, target=0.7, epochs=150)


LISTS: dict[str, Callable[[], tuple[Case, ...]]] = {
    "one": lambda: activations(1),
    "two": lambda: activations(2),
    "four": lambda: activations(4),
    "five": lambda: activations(5),
    "nine": lambda: activations(9),
    "odd": lambda: (
        case("undecided", seen.undecided()),
        case("huge exponents", huge()),
        case("nothing trained", nothing_trained()),
        case("one initialisation", seen.one_init()),
        case("one learning rate", seen.one_rate()),
        case("regular", seen.no_chaos()),
        case("chaotic", seen.all_chaos()),
    ),
    "blown": lambda: (case("blow-ups", seen.blow_ups()), case("unfinished", seen.unfinished())),
    "undecided": lambda: (case("undecided", seen.undecided()),),
    "one rate": lambda: (case("one learning rate", seen.one_rate()),),
    "none": lambda: (Case("first", None, None), Case("second", None, None)),
    "mixed": lambda: (
        *activations(2),
        case("a long title that has to go on over more than one line", other_target()),
        Case("not there yet", None, None),
    ),
    "wide": lambda: (case("wide", seen.wide_grid()), case("dense", seen.dense_onset())),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTS)
def test_the_figure_is_legible_in_every_case(name: str) -> None:
    shown = LISTS[name]()
    figure = figures.cases("Some cases of one experiment, on 1,000 images of MNIST", shown)
    assert seen.faults(figure) == []
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= box.y0
    for text, extent in seen.drawn_texts(figure):
        assert not seen.overlaps(extent, box), f"the legend covers {text!r}"
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    assert min(float(text.get_fontsize()) for text in texts) >= 8
    for axes in figure.axes:
        low, high = axes.get_xlim()
        if axes.lines:
            assert [tick for tick in axes.get_xticks() if low <= tick <= high]


def halves(figure: Figure, index: int, count: int) -> tuple[Axes, Axes, Axes]:
    """The axes of λ_nMLE, ρ and ⟨τ⟩ of a case; all have run."""
    assert len(figure.axes) == 3 * count
    top, lower, right = figure.axes[3 * index : 3 * index + 3]
    return top, lower, right


@pytest.mark.parametrize("index", range(3))
def test_the_panels_are_those_of_the_summaries(index: int) -> None:
    shown = activations(3)
    top, lower, right = halves(figures.cases("Title", shown), index, 3)
    dataset, summary = shown[index].dataset, shown[index].summary
    assert dataset is not None
    assert summary is not None
    here, rates = summary.sel(target=summary.attrs["target"]), summary["learning_rate"].values
    assert top.get_title(loc="left").replace("\n", " ") == shown[index].title
    mean = seen.marker_line(top, "o")
    np.testing.assert_array_equal(mean.get_xdata(), rates)
    np.testing.assert_array_equal(mean.get_ydata(), summary["nmle"].values)
    limits = np.stack([summary["nmle_low"], summary["nmle_high"]], 1)
    np.testing.assert_array_equal(seen.interval_ends(top.collections[0]), limits)
    single = np.sort(np.asarray(seen.marker_line(top, ".").get_ydata()))
    np.testing.assert_array_equal(single, np.sort(dataset["exponent"].values.ravel()))
    np.testing.assert_array_equal(seen.marker_line(lower, "D").get_ydata(), here["rho"].values)
    reached = here["reached"].values >= 0.5
    for filled, chosen in ((True, reached), (False, ~reached)):
        dots = seen.marker_line(right, "o", filled)
        np.testing.assert_array_equal(dots.get_xdata(), rates[chosen])
        np.testing.assert_array_equal(dots.get_ydata(), here["mean_training_time"].values[chosen])
    places = {summary.attrs[name] for name in ("eta_0", "eta_1", "eta_fastest")}
    for axes in (top, lower):
        upright = [line for line in axes.lines if np.ptp(np.asarray(line.get_ydata())) == 1]
        found = {float(np.asarray(line.get_xdata())[0]) for line in upright if is_mark(line)}
        assert found == places
    assert len(top.texts) == len(places)


def is_mark(line: Line2D) -> bool:
    xs = np.asarray(line.get_xdata())
    return len(xs) == 2 and xs[0] == xs[1]


def test_the_eye_compares_on_common_axes() -> None:
    figure = figures.cases("Title", activations(5))
    tops, lowers, rights = (figure.axes[start::3] for start in range(3))
    for axes in (tops, lowers, rights):
        assert len({one.get_ylim() for one in axes}) == 1
        assert len({one.get_xlim() for one in axes}) == 1
    assert [bool(one.get_ylabel()) for one in tops] == [True, False, False, True, False]
    assert [bool(one.get_ylabel()) for one in rights] == [False, False, True, False, True]
    assert [bool(one.get_xlabel()) for one in lowers] == [False, False, True, True, True]


def test_learning_rates_that_share_little_have_axes_of_their_own() -> None:
    near, far = study_data.study(inits=3), study_data.study((1e-4, 3e-4, 1e-3), inits=3)
    figure = figures.cases("Title", [case("near", near), case("far", far)])
    first, second = (figure.axes[start].get_xlim() for start in (0, 3))
    assert first[0] > 0.1
    assert second[1] < 0.01


def test_an_exceptional_case_does_not_flatten_the_others() -> None:
    shown = [*activations(2), case("huge", huge())]
    figure = figures.cases("Title", shown)
    top = figure.axes[6]
    usual = max(float(one.summary["nmle_high"].max()) for one in activations(2))  # type: ignore[index]
    summary = shown[2].summary
    assert summary is not None
    mean = summary["nmle"].values
    low, high = top.get_ylim()
    assert usual < high < 6 * usual
    for marker, beyond in (("^", mean > high), ("v", mean < low)):
        places = np.asarray(seen.marker_line(top, marker).get_xdata())
        np.testing.assert_array_equal(places, summary["learning_rate"].values[beyond])
        assert len(places)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    most = max(float(summary["nmle_high"].max()), float(mean.max()))
    assert f"beyond the axis, to {style.number(most)}" in legend
    calm = figures.cases("Title", activations(2))
    assert not any("beyond" in text.get_text() for text in calm.legends[0].get_texts())


def test_targets_and_epochs_that_differ_are_told_in_each_panel() -> None:
    figure = figures.cases("Title", [*activations(1), case("other", other_target())])
    assert [axes.get_title(loc="left") for axes in figure.axes[::3]] == [
        "tanh\ntarget 0.85",
        "other\ntarget 0.7",
    ]
    rights = figure.axes[2::3]
    assert [axes.get_ylim()[1] for axes in rights] == pytest.approx([1.24 * 201, 1.24 * 150])
    figure.draw_without_rendering()
    for axes in rights:
        assert any(label.get_visible() for label in axes.get_yticklabels())


def test_marks_have_three_symbols() -> None:
    assert [symbol for symbol, _, _ in overlays.marks()] == [r"$\eta_0$", r"$\eta_1$", r"$\eta$*"]


@pytest.mark.parametrize(
    ("first", "last"), [(1.0, 1.0), (2.0, 3.0), (0.5, 20.0), (1e-5, 100.0), (7.1, 7.9)]
)
def test_log_rates_have_few_round_ticks_inside(first: float, last: float) -> None:
    axes = style.new_axes()
    scales.log_rates(axes, first, last)
    low, high = axes.get_xlim()
    assert low < first <= last < high
    ticks = axes.get_xticks()
    assert 1 <= len(ticks) <= 4
    assert all(low <= tick <= high for tick in ticks)


def test_the_limits_of_no_exponent_at_all() -> None:
    assert panels._exponent_limits([case("undecided", seen.undecided())])[0] == (-1, 1)


def test_files_are_the_same_bytes_whenever_they_are_written(tmp_path: Path) -> None:
    shown = activations(2)
    first = figures.save_cases("Title", shown, tmp_path / "one", "figure-6")
    second = figures.save_cases("Title", shown, tmp_path / "deeper" / "two", "figure-6")
    assert [path.name for path in first] == ["figure-6.pdf", "figure-6.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert b"CreationDate" not in first[0].read_bytes()
