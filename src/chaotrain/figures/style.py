"""House style: sizes, colours, numbers and files.

Nothing here touches matplotlib's global state for longer than a call, and nothing uses pyplot.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

# Okabe and Ito's palette, told apart by readers with any colour vision.
BLUE, RED, GREEN = "#0072B2", "#D55E00", "#009E73"
SKY, ORANGE, PINK, YELLOW = "#56B4E9", "#E69F00", "#CC79A7", "#F0E442"
INK, GREY, PALE = "#262626", "#6e6e6e", "#c8c8c8"

# Printed sizes in inches: one and a half columns wide, so that text keeps its 8 points on paper.
WIDTH, HEIGHT = 5.0, 3.1

KINDS = ("pdf", "png")

RC: dict[Any, Any] = {
    # The one family that ships with matplotlib and has every symbol: the same file everywhere.
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlepad": 6,
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    **{f"{axis}tick.major.width": 0.6 for axis in "xy"},
    **{f"{axis}tick.minor.width": 0.4 for axis in "xy"},
    **{f"{axis}tick.major.size": 3 for axis in "xy"},
    **{f"{axis}tick.minor.size": 1.8 for axis in "xy"},
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.06,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the house style, whatever the caller's rcParams are, and give those back after."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def new_axes(height: float = HEIGHT) -> Axes:
    """Return the axes of a new figure that no pyplot state knows of."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def root(axes: Axes) -> Figure:
    """Return the figure that the axes are part of, however deeply nested."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("axes: they belong to no figure")
    return figure


def write(figure: Figure, path: Path) -> None:
    """Write a figure in one piece and free of dates, so that writing it again changes nothing."""
    kind = path.suffix[1:]
    unset = {"pdf": ("CreationDate", "Creator", "Producer"), "png": ("Software",)}[kind]
    page = BytesIO()
    figure.savefig(page, format=kind, dpi=300, metadata=dict.fromkeys(unset))
    path.unlink(missing_ok=True)  # it may be a link to anywhere
    path.write_bytes(page.getvalue())


@house_style()
def save(figure: Figure, folder: str | Path, name: str) -> list[Path]:
    """Write a figure as PDF and PNG into a folder, made if need be, and return the files."""
    paths = [Path(folder) / f"{name}.{kind}" for kind in KINDS]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(figure, path)
    return paths


def number(value: float) -> str:
    """Format a value to three digits for running text: 0.0005, 7.5, 2.5·10⁻⁸."""
    if value == 0 or 1e-4 <= abs(value) < 1e4:
        return f"{float(f'{value:.3g}'):g}".replace("-", "−")
    mantissa, power = f"{value:.1e}".split("e")
    factor = "" if mantissa == "1.0" else rf"{mantissa.removesuffix('.0')}\cdot"
    return rf"${factor}10^{{{int(power)}}}$"
