"""Two reasons why two trainings differ, told apart: their initial weights, and their batches.

One study has balls whose replicas start ε apart and see the noise of their reference, the other
has replicas that start equal and see the same samples in an order of their own. Where there are no
mini-batches it is dropout masks and augmentations that are their own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chaotrain import runs, schema
from chaotrain.errors import UserError
from chaotrain.experiment import Experiment
from chaotrain.statistics import averages
from chaotrain.store import EXPERIMENT
from chaotrain.study import Study

# The two studies, by the names of their directories.
WEIGHTS, BATCHES = "weights", "batches"

Shown = Callable[[str], AbstractContextManager[runs.Progress]]


def compare(
    settings: Experiment, out: str | Path, shown: Shown, data_dir: str | Path | None = None
) -> tuple[Study, Study]:
    """Run both studies into `out`/weights and `out`/batches, or go on with them.

    Args:
        settings: The experiment; its ε is that of the first study, its noise is not used.
        out: The directory.
        shown: A context that shows the progress of the study of a name.
        data_dir: The folder of data that is not bundled.

    Returns:
        The study of other weights with common noise, and that of equal weights with own noise.

    Raises:
        UserError: If nothing in the experiment is random, or as `runs.run`; nothing is computed or
            written then.
    """
    more = settings.network.dropout or settings.network.function or settings.augment
    if settings.batch_size is None and not more:
        raise UserError(
            "batch_size: nothing is random in full-batch training, give it or network.dropout"
        )
    if settings.epsilon == 0:
        raise UserError("epsilon = 0.0: the study of other weights needs them apart, raise it")
    if settings.stop != "epochs":
        raise UserError("stop = 'decided': the distances at the end are compared, use 'epochs'")
    root = Path(out)
    if (root / EXPERIMENT).exists():
        raise UserError(f"out = {root}: it holds a study of its own, choose another directory")
    both = {
        WEIGHTS: settings.model_copy(update={"noise": "common"}),
        BATCHES: settings.model_copy(update={"noise": "own", "epsilon": 0.0}),
    }
    for name, one in both.items():
        runs.check(one, root / name, data_dir)
    studies = []
    for name, one in both.items():
        with shown(f"other {name}") as tick:
            studies.append(runs.run(one, root / name, tick, data_dir))
    return studies[0], studies[1]


def compared(weights: xr.Dataset, batches: xr.Dataset) -> xr.Dataset:
    """How far apart networks end up for either reason.

    Args:
        weights: Data set of the study of other weights: `distance`.
        batches: Data set of the study of other batches.

    Returns:
        Over `learning_rate`: `weights` and `batches`, the geometric mean over initialisations of
        d(T), itself the geometric mean over replicas; and `share`, their ratio; each with `_low`
        and `_high`, the 95% bootstrap limits over initialisations (NaN below three of them). Only
        initialisations that stayed finite in both studies count.

    Example:
        >>> dims = ("learning_rate", "init", "replica", "epoch")
        >>> far, near = (
        ...     xr.Dataset({"distance": (dims, np.full((1, 4, 2, 3), d))}, {"learning_rate": [1.0]})
        ...     for d in (1.0, 0.25)
        ... )
        >>> compared(near, far).share.values.tolist()
        [0.25]
    """
    logs = [_log_final(study) for study in (weights, batches)]
    both = np.isfinite(logs[0]) & np.isfinite(logs[1])
    values = {WEIGHTS: logs[0], BATCHES: logs[1], "share": logs[0] - logs[1]}
    once, samples = averages.count_once(both), averages.resample(both)
    variables: dict[str, Any] = {}
    for name, value in values.items():
        finite = np.where(both, value, np.nan)
        mean = averages.weighted_mean(finite, once)[0]
        replicates = averages.weighted_mean(finite, samples)
        limits = averages.bootstrap_interval(replicates, both.sum(axis=1))
        for suffix, part in zip(("", "_low", "_high"), (mean, *limits), strict=True):
            variables[name + suffix] = (schema.LEARNING_RATE, np.exp(part))
    return xr.Dataset(variables, {schema.LEARNING_RATE: weights[schema.LEARNING_RATE]})


def _log_final(study: xr.Dataset) -> np.ndarray:
    """The mean over replicas of ln d(T), (R, I); not finite where it is 0 or a member blew up."""
    order = (schema.LEARNING_RATE, schema.INIT, schema.REPLICA, schema.EPOCH)
    final = study["distance"].transpose(*order).values[..., -1]
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(final).mean(axis=-1))
