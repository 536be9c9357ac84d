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
E_FOLD = 1.0


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

    It ends at the first epoch from which on ln‖v(t)‖ never again rises by more than 1 (one e-fold).
    It starts at the last epoch before that at which ln‖v(t)‖ is within 1 of its minimum so far,
    and is one only if it gains `min_growth` between the two.

    Args:
        growth: ln‖v(t)‖ - ln‖v(0)‖, shape (epoch,); what is not finite ends the run.
        min_growth: What a transient gains at least, by default ln 100.

    Returns:
        A `Transient`; its `stop` is NaN (censored) if the calm after it is shorter than the time
        in which the transient itself, at its mean rate, gains `min_growth`.

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
    highest_later = np.maximum.accumulate(curve[::-1])[::-1]
    stop = int(np.argmax(highest_later - curve <= E_FOLD))
    start = int(np.flatnonzero(curve[: stop + 1] <= curve[: stop + 1].min() + E_FOLD)[-1])
    gain = curve[stop] - curve[start]
    if gain < min_growth:
        return Transient(math.nan, math.nan)
    calm = len(curve) - 1 - stop
    is_over = calm * gain >= min_growth * (stop - start)
    return Transient(float(start), float(stop) if is_over else math.nan)


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
    measured = curvature[["sharpness", "instability"]].reindex(epoch=pair.epoch)
    data = data.assign(growth=tangent.growth, rate=tangent.rate).assign(measured.data_vars)
    attributes = {"eta": float(eta), "transient_start": found.start, "transient_stop": found.stop}
    return data.assign_attrs(attributes | {schema.SCORE: system.score_name})
