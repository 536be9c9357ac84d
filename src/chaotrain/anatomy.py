"""The anatomy of one training: pair, tangent, loss, score and sharpness over the same epochs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from chaotrain import schema
from chaotrain.balls import divergence
from chaotrain.curvature import sharpness_along
from chaotrain.maps import Key
from chaotrain.tangent import tangent_growth
from chaotrain.training import TrainingMap

# A perturbation that never grows by this factor has no chaotic transient.
MIN_GROWTH = math.log(100.0)


class Transient(NamedTuple):
    """The chaotic transient: its first and its last epoch, NaN where there is none or no end."""

    start: float
    stop: float

    @property
    def lifetime(self) -> float:
        """Epochs from start to stop."""
        return self.stop - self.start

    def __str__(self) -> str:
        """Say it in words."""
        if math.isnan(self.start):
            return "no chaotic transient"
        until = "beyond the end" if math.isnan(self.stop) else f"to epoch {self.stop:g}"
        return f"chaotic transient from epoch {self.start:g} {until}"


def transient(growth: ArrayLike, min_growth: float = MIN_GROWTH) -> Transient:
    """Find the chaotic transient in the growth of a tangent vector.

    It ends at the maximum of ln‖v(t)‖: from there on the mean local rate to any later epoch is
    below zero. It starts at the minimum before that, and is one only if it gains `min_growth`.

    Args:
        growth: ln‖v(t)‖ - ln‖v(0)‖, shape (epoch,); what is not finite ends the run.
        min_growth: What a transient gains at least, by default ln 100.

    Returns:
        A `Transient`; its `stop` is NaN (censored) if the maximum is at the end of the run.

    Example:
        >>> transient([0, 0, 3, 6, 9, 8, 7, 6])
        Transient(start=1.0, stop=4.0)
        >>> transient([0, 0, 3, 6, 9]), transient([0, 1, 0])
        (Transient(start=1.0, stop=nan), Transient(start=nan, stop=nan))
    """
    curve = np.asarray(growth, dtype=np.float64)
    broken = np.flatnonzero(~np.isfinite(curve))
    curve = curve[: broken[0]] if broken.size else curve
    if not curve.size:
        return Transient(math.nan, math.nan)
    top = int(curve.argmax())
    before = curve[: top + 1]
    # The last of equal minima: nothing has happened until then.
    start = top - int(before[::-1].argmin())
    if curve[top] - curve[start] < min_growth:
        return Transient(math.nan, math.nan)
    censored = top == len(curve) - 1
    return Transient(float(start), math.nan if censored else float(top))


def dissect(
    system: TrainingMap,
    eta: float,
    key: Key = 0,
    *,
    epochs: int = 201,
    every: int = 5,
    told: Callable[[str], None] = lambda stage: None,
) -> xr.Dataset:
    """Measure one training in four ways over the same epochs.

    Args:
        system: The training.
        eta: The learning rate.
        key: An integer or a JAX key.
        epochs: Steps T.
        every: Epochs between two measurements of the sharpness.
        told: Called with what is measured next.

    Returns:
        Over `epoch`: `distance` of a pair; `growth` and `rate` of the tangent from the same
        perturbation; `loss`, `train_accuracy`, `test_accuracy`; `sharpness` and `instability`, its
        ratio to the threshold of the optimiser, NaN between measurements. Attributes `eta`,
        `transient_start` and `transient_stop` (see `transient`).

    Raises:
        UserError: As `divergence`, `tangent_growth` and `sharpness_along`.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.TrainingMap(ct.networks.mlp([4, 8, 3]), ct.tasks.load("iris"))
        >>> data = dissect(system, eta=0.1, epochs=10)
        >>> data.attrs["transient_start"]
        nan
    """
    told("the distance of a pair")
    pair = divergence(system, eta, key, epochs=epochs, replicas=1)
    told("the tangent")
    tangent = tangent_growth(system, eta, key, epochs=epochs)
    told("the sharpness")
    curvature = sharpness_along(system, eta, key, epochs=epochs, every=every)
    found = transient(tangent.growth)
    data = pair.isel({schema.REPLICA: 0}, drop=True)
    data = data.assign(
        growth=tangent.growth,
        rate=tangent.rate,
        **{
            name: curvature[name].reindex(epoch=pair.epoch) for name in ("sharpness", "instability")
        },
    )
    attributes = {"eta": float(eta), "transient_start": found.start, "transient_stop": found.stop}
    return data.assign_attrs(attributes | {schema.SCORE: system.score_name})
