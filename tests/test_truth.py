"""The exponents of maps that are known in closed form, through the same calls as a network."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import chaotrain as ct


@pytest.mark.parametrize("eta", [0.1, 0.5, 0.9, 1.5])
def test_stable_quadratic_contracts_at_its_closed_form_rate(eta: float) -> None:
    system = ct.maps.quadratic((1.0,))
    growth = ct.fit_growth(ct.divergence(system, eta, epochs=60, replicas=3).distance)
    assert growth.verdict == "contracting"
    assert growth.rate == pytest.approx(math.log(abs(1 - eta)), rel=1e-6)


@pytest.mark.parametrize("eta", [2.2, 2.5, 3.0])
def test_unstable_quadratic_grows_at_its_closed_form_rate(eta: float) -> None:
    system = ct.maps.quadratic((1.0,))
    growth = ct.fit_growth(ct.divergence(system, eta, epochs=60, replicas=3).distance)
    assert growth.verdict == "exponential"
    assert growth.rate == pytest.approx(math.log(abs(1 - eta)), rel=1e-6)
    assert growth.low <= math.log(abs(1 - eta)) * (1 + 1e-9)
    assert growth.high >= math.log(abs(1 - eta)) * (1 - 1e-9)


def test_the_stiffest_mode_of_a_quadratic_wins() -> None:
    system = ct.maps.quadratic((0.1, 1.0, 3.0))
    growth = ct.fit_growth(ct.divergence(system, 0.9, epochs=80, replicas=3).distance)
    assert growth.verdict == "exponential"
    assert growth.rate == pytest.approx(math.log(1.7), rel=0.01)


def test_cubic_descent_has_exponent_ln_2(tmp_path: Path) -> None:
    study = ct.sweep(
        ct.maps.cubic(), [1.0], out=tmp_path / "s", inits=400, replicas=1, epochs=60, epsilon=1e-12
    )
    d = study.recorded.distance.isel(learning_rate=0, replica=0).values
    grown = np.log(d[:, 20] / d[:, 0]) / 20
    error = grown.std(ddof=1) / math.sqrt(len(grown))
    assert grown.mean() == pytest.approx(math.log(2), abs=4 * error)
    assert error < 0.01
    assert study.summary.nmle.item() == pytest.approx(math.log(2), rel=0.05)
    assert study.summary.rho.item() > 0.9


def test_realised_distance_has_the_expected_size(mnist: ct.Task) -> None:
    system = ct.TrainingMap(ct.networks.mlp([784, 64, 10]), mnist.first(20, 20))
    d = ct.divergence(system, 1.0, epochs=2, replicas=4, epsilon=1e-8).distance[:, 0]
    # E[d(0)] = n ε/2 over n = 50,816 weights; its standard deviation is ε √(n/12).
    assert np.all(np.abs(d - 50_816 * 0.5e-8) < 5e-8 * math.sqrt(50_816 / 12))
