"""Every figure of a study, to files that are the same whenever they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import xarray as xr
from matplotlib.axes import Axes

from chaotrain import schema
from chaotrain.figures import selection, style
from chaotrain.figures.rates import exponents, training_times, transition
from chaotrain.figures.separation import ball, balls
from chaotrain.figures.trajectories import loss_trajectories
from chaotrain.figures.transients import lifetimes

Draw = Callable[[xr.Dataset, xr.Dataset], Axes]

GROWTH = f"{schema.DISTANCE} or {schema.TANGENT_GROWTH}"
# Name of the file, what draws it, and the variables it cannot do without.
FIGURES: tuple[tuple[str, Draw, tuple[str, ...]], ...] = (
    ("figure-1", loss_trajectories, ("loss",)),
    ("figure-2", ball, (GROWTH, "verdict", "exponent")),
    ("figure-3", balls, (GROWTH, "verdict", "exponent", "nmle")),
    ("figure-4", exponents, ("verdict", "exponent", "nmle")),
    ("figure-5", transition, ("rho", "mean_training_time")),
    ("figure-5-targets", training_times, ("mean_training_time",)),
    ("lifetimes", lifetimes, ("transient_share",)),
)


@style.house_style()
def save_all(dataset: xr.Dataset, summary: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write figures 1 to 5, the companion of figure 5 and the lifetimes, each as PDF and PNG.

    A figure whose data the study does not have is left out: without accuracies there are no
    training times, without a tangent no lifetimes, without a loss no loss trajectories. The
    files hold no dates, so that drawing them again from the same data gives the same bytes.

    Args:
        dataset: The study, as `chaotrain.schema` names it.
        summary: Its summary over the learning rates.
        folder: Where to write; made if it is not there.

    Returns:
        The files written, in the order of the figures.

    Example:
        >>> paths = save_all(study.dataset, study.summary, folder)
        >>> paths[0].name, len(paths)
        ('figure-1.pdf', 12)
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, draw in drawable(dataset, summary):
        figure = style.root(draw(dataset, summary))
        paths += style.save(figure, folder, name)
    return paths


def drawable(dataset: xr.Dataset, summary: xr.Dataset) -> list[tuple[str, Draw]]:
    """Return the name and the function of every figure whose data the study has."""
    if not selection.ran(dataset).any():
        return []
    return [
        (name, draw)
        for name, draw, needed in FIGURES
        if all(_known(dataset, summary, variable) for variable in needed)
    ]


def _known(dataset: xr.Dataset, summary: xr.Dataset, variable: str) -> bool:
    """Return whether the study has a value of the variable, or of one of two."""

    def is_known(name: str) -> bool:
        home = dataset if name in dataset else summary
        return name in home and bool(home[name].notnull().any())

    return any(map(is_known, variable.split(" or ")))
