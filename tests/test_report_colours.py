"""The colours of the pages: enough contrast, and told apart with any colour vision."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from chaotrain.report import frame
from chaotrain.report.colours import PALETTE, PHASES, REGIMES, VERDICTS

SCHEMES = {"light": 0, "dark": 1}
# What protanopes, deuteranopes and tritanopes see of linear RGB: G. M. Machado and others, IEEE
# Trans. Vis. Comput. Graph. 15, 1291 (2009), severity 1.
VISION = {
    "normal": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


OPACITY = re.compile(r'faint = .*", ([0-9.]+)\)"')


def encoded(name: str, scheme: int) -> np.ndarray:
    """A colour in sRGB, from 0 to 1: browsers blend in it."""
    text = PALETTE[name][scheme]
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def decoded(share: np.ndarray) -> np.ndarray:
    """sRGB as linear RGB."""
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def linear(name: str, scheme: int) -> np.ndarray:
    return decoded(encoded(name, scheme))


def contrast(one: str, other: str, scheme: int) -> float:
    """The ratio of WCAG 2.2."""
    low, high = sorted(float(XYZ[1] @ linear(name, scheme)) for name in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB."""
    ratio = XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def test_the_ratio_of_black_and_white_is_21() -> None:
    assert pytest.approx(21) == (1 + 0.05) / 0.05
    np.testing.assert_allclose(lab(np.ones(3)), [100, 0, 0], atol=0.02)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_text_and_lines_stand_out_from_their_ground(scheme: int) -> None:
    for text in ("ink", "grey"):
        for ground in ("ground", "raised", "chosen", "noted"):
            assert contrast(text, ground, scheme) >= 4.5, (text, ground)
    assert contrast("blue", "ground", scheme) >= 4.5  # links
    lines = {*VERDICTS.values(), *REGIMES.values(), *PHASES.values(), "red", "sky"} - {
        "pale",
        "ground",
    }
    for line in lines:
        assert contrast(line, "ground", scheme) >= 3, line


def distances(colours: dict[str, np.ndarray], vision: str) -> dict[tuple[str, str], float]:
    """How far apart each two colours, of linear RGB, are for a vision."""
    seen = {name: lab(VISION[vision] @ colour) for name, colour in colours.items()}
    pairs = itertools.combinations(seen, 2)
    return {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in pairs}


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("meanings", [VERDICTS, PHASES], ids=["verdicts", "phases"])
def test_colours_are_told_apart_with_any_colour_vision(
    meanings: dict[str, str], vision: str, scheme: int
) -> None:
    colours = {name: linear(name, scheme) for name in meanings.values()}
    # Okabe and Ito's come as close as 13 in this measure.
    assert min(distances(colours, vision).values()) > 19


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("vision", VISION)
def test_bands_of_regimes_are_told_apart_with_any_colour_vision(vision: str, scheme: int) -> None:
    opacity = float(OPACITY.search(frame.resource("plots.js"))[1])  # type: ignore[index]
    ground = encoded("ground", scheme)
    bands = {
        name: decoded(opacity * encoded(name, scheme) + (1 - opacity) * ground)
        for name in REGIMES.values()
    }
    assert min(distances(bands, vision).values()) > 12
