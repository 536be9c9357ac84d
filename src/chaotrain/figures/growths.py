"""The growth that a study recorded: the distances of replicas, or what a tangent grew by."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from chaotrain import schema
from chaotrain.figures import scales, style
from chaotrain.figures.style import Floats
from chaotrain.statistics.continuing import continued

# Of the largest distance; beyond it a tangent would flatten everything else.
TANGENT_ROOM = 30.0

VERDICT_COLOURS = {
    schema.EXPONENTIAL: style.BLUE,
    schema.BOUNDED: style.ORANGE,
    schema.SUBEXPONENTIAL: style.PINK,
    schema.CONTRACTING: style.GREEN,
    schema.UNDECIDED: style.GREY,
    schema.BLOW_UP: style.RED,
}


def curves(balls: xr.Dataset) -> Floats:
    """Return d(t) of every replica, or ‖v(t)‖/‖v(0)‖ of the tangent, (..., replica, epoch)."""
    if schema.DISTANCE in balls:
        distance = balls[schema.DISTANCE]
        return np.asarray(distance.transpose(..., schema.REPLICA, schema.EPOCH).values, dtype=float)
    growth = balls[schema.TANGENT_GROWTH].transpose(..., schema.EPOCH).values
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(growth)[..., None, :], dtype=float)


def mean_curve(one: xr.Dataset) -> Floats:
    """Return the geometric mean of the curves of one ball, up to where the last copy left."""
    distances = curves(one)
    return geometric_mean(continued(distances, lasts(one, len(distances))))


def lasts(one: xr.Dataset, copies: int) -> NDArray[np.int64]:
    """Return the place of the last epoch of each copy of one ball, shape (replica,)."""
    ends = np.full(copies, one.sizes[schema.EPOCH] - 1)
    if schema.FOLLOWED not in one:
        return ends
    return np.asarray(np.fmin(one[schema.FOLLOWED].values, ends), dtype=np.int64)


def label(dataset: xr.Dataset) -> str:
    """Return what the curves are, for an axis."""
    if schema.DISTANCE in dataset:
        return r"L1 distance to the reference $d(t)$"
    return r"growth of a tangent $\Vert v(t)\Vert / \Vert v(0)\Vert$"


def name(dataset: xr.Dataset) -> str:
    """Return what a single curve is, for a legend."""
    return "distance" if schema.DISTANCE in dataset else "tangent"


def tangent_over(distances: Floats, growth: Floats) -> Floats:
    """Return d(0)‖v(t)‖/‖v(0)‖, NaN where it is far above all distances.

    Args:
        distances: d(t), shape (epoch,).
        growth: ln‖v(t)‖ - ln‖v(0)‖, shape (epoch,).
    """
    finite = distances[np.isfinite(scales.drawable(distances))]
    if not finite.size:
        return np.full(growth.shape, np.nan)
    with np.errstate(over="ignore"):
        scaled = distances[0] * np.exp(growth)
    return np.where(scaled <= TANGENT_ROOM * finite.max(), scaled, np.nan)


def geometric_mean(distances: Floats) -> Floats:
    """Return exp of the mean of ln d over the copies, NaN where one of those that ran blew up."""
    there = distances[np.isfinite(distances).any(axis=1)]
    if not len(there):
        return np.full(distances.shape[1], np.nan)
    with np.errstate(divide="ignore"):
        mean: Floats = np.exp(np.log(np.where(np.isfinite(there), there, np.nan)).mean(axis=0))
    return mean
