"""The leading Lyapunov exponents along one trajectory, and how they converge."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chaotrain.figures import layout, style

HEIGHT = 3.2
# More bands than this over each other hide the curves.
MOST_BANDS = 2


@style.house_style()
def spectrum(data: xr.Dataset) -> Figure:
    """Draw the running means of the leading exponents, and the exponents over the whole run.

    Left the mean of each over the first so many steps, with the 95% interval of the largest two;
    right each over all steps, with its 95% interval.

    Args:
        data: What `lyapunov_convergence` or `anatomy.dissect` returns.

    Returns:
        The figure, two panels with one scale of rates.

    Example:
        >>> import chaotrain as ct
        >>> figure = spectrum(ct.lyapunov_convergence(ct.maps.henon(), eta=1.4))
        >>> len(figure.axes)
        2
    """
    names = {"spectrum": "mean", "spectrum_low": "low", "spectrum_high": "high"}
    data = data.rename({name: short for name, short in names.items() if name in data})
    figure = Figure(figsize=(style.WIDTH, HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.7, 1))
    lengths = np.asarray(data["length"].values, dtype=float)
    numbers = np.asarray(data["exponent"].values, dtype=int)
    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.85, len(numbers)))
    for axes in (left, right):
        axes.axhline(0, color=style.INK, linewidth=0.6, zorder=1)
    labels = []
    for index, number in enumerate(numbers):
        one = data.isel(exponent=index)
        mean, low, high = (np.asarray(one[name].values) for name in ("mean", "low", "high"))
        left.plot(lengths, mean, color=colours[index], linewidth=1.2)
        if index < MOST_BANDS:
            left.fill_between(lengths, low, high, color=colours[index], alpha=0.15, linewidth=0)
        right.vlines(number, low[-1], high[-1], color=colours[index], linewidth=1.2)
        right.plot(number, mean[-1], "o", color=colours[index], markersize=4)
        labels.append((float(mean[-1]), str(number), colours[index]))
    _fit(left, data)
    left.set(xscale="log", xlim=(lengths[0], lengths[-1]))
    left.set(xlabel="steps averaged over", ylabel="Lyapunov exponent per step")
    right.set(xlabel="number of the exponent", xlim=(numbers[0] - 0.6, numbers[-1] + 0.6))
    right.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    layout.label_right(left, [label for label in labels if np.isfinite(label[0])])
    left.set_title(
        f"The {len(numbers)} largest of {data.attrs['dimension']:,} exponents at "
        f"η = {style.number(data.attrs['eta'])}"
    )
    return figure


def save_spectrum(data: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the files written."""
    return style.save(spectrum(data), folder, "spectrum")


def _fit(axes: Axes, data: xr.Dataset) -> None:
    """Set the heights by the means, and by the intervals over most of the run."""
    settled = data.isel(length=slice(len(data["length"]) // 2, None))
    bands = settled.isel(exponent=slice(0, MOST_BANDS))
    heights = [
        np.ravel(values)
        for values in (data["mean"].values, bands["low"].values, bands["high"].values)
    ]
    heights.append(np.ravel(settled[["low", "high"]].isel(length=-1).to_dataarray().values))
    known = np.concatenate([[0.0], *heights])
    known = known[np.isfinite(known)]
    air = 0.06 * (np.ptp(known) or 1.0)
    axes.set_ylim(known.min() - air, known.max() + air)
