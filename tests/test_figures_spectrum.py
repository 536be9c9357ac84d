"""The figure of the leading Lyapunov exponents."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import chaotrain as ct
from chaotrain.figures import save_spectrum, spectrum


def test_the_exponents_and_their_convergence_are_drawn(tmp_path: Path) -> None:
    data = ct.lyapunov_convergence(ct.maps.henon(), eta=1.4, steps=300, transient=50)
    left, right = spectrum(data).axes
    zero, *curves = left.lines
    assert (np.asarray(zero.get_ydata()) == 0).all()
    for index, line in enumerate(curves):
        np.testing.assert_array_equal(line.get_ydata(), data["mean"].isel(exponent=index))
    dots = [line.get_ydata()[0] for line in right.lines[1:]]
    np.testing.assert_array_equal(dots, data["mean"].isel(length=-1))
    assert left.get_title(loc="left") == "The 2 largest of 2 exponents at η = 1.4"
    low, high = left.get_ylim()
    assert low < min(dots) < 0 < max(dots) < high
    assert [path.name for path in save_spectrum(data, tmp_path)] == ["spectrum.pdf", "spectrum.png"]


def test_a_trajectory_that_is_not_finite_is_drawn_as_far_as_it_goes() -> None:
    data = ct.lyapunov_convergence(ct.maps.henon(), eta=3.0, steps=60, transient=0)
    assert np.isfinite(data.attrs["blow_up_step"])
    left, _ = spectrum(data).axes
    assert np.isfinite(left.get_ylim()).all()
