"""The anatomy of one training: pair, tangent, loss, score and sharpness over the same epochs."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from chaotrain import schema
from chaotrain.balls import divergence
from chaotrain.curvature import sharpness_along
from chaotrain.maps import Key
from chaotrain.statistics.clock import Transient, transient
from chaotrain.tangent import tangent_growth
from chaotrain.training import TrainingMap

__all__ = ["Transient", "dissect", "transient"]


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
