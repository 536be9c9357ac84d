"""The anatomy of one training: pair, tangent, loss, score, sharpness and separation by epoch."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import xarray as xr
from pydantic import Field

from chaotrain import experiment, parts, runs, schema, signals
from chaotrain.balls import divergence
from chaotrain.curvature import checked, sharpness_along
from chaotrain.errors import UserError
from chaotrain.experiment import Experiment
from chaotrain.fields import Count, Rate
from chaotrain.maps import Key
from chaotrain.parts import Keep, Parts
from chaotrain.spaces import separation
from chaotrain.statistics.clock import Transient, transient
from chaotrain.systems import system_of
from chaotrain.tangent import lyapunov_convergence, tangent_growth
from chaotrain.tangent.products import floating
from chaotrain.training import TrainingMap

__all__ = ["Dissection", "Transient", "dissect", "opened", "run", "run_each", "transient"]

# The parts of a dissection, and about how many steps of one network an epoch of each is worth.
WORK = {"pair": 2, "tangent": 3, "sharpness": 10, "separation": 4, "spectrum": 9}
Shown = AbstractContextManager[runs.Progress | Any]
# How many of the leading exponents.
EXPONENTS = 4
# The folder of one of several.
EACH = re.compile(r"init-\d+").fullmatch


class Dissection(Experiment):
    """What is dissected: one initialisation of an experiment, at one learning rate.

    Attributes:
        eta: The learning rate.
        init: Which initialisation.
        every: Epochs between two measurements of the sharpness.
    """

    eta: Rate
    init: Annotated[int, Field(ge=0, lt=2**32)] = 0
    every: Count = 5


def run(
    settings: Experiment,
    out: str | Path,
    eta: float,
    init: int = 0,
    every: int = 5,
    progress: runs.Progress | None = None,
    data_dir: str | Path | None = None,
) -> xr.Dataset:
    """Dissect one training of an experiment, or go on where that was stopped.

    Args:
        settings: The experiment.
        out: The directory; every finished part is stored there.
        eta: The learning rate.
        init: Which initialisation.
        every: Epochs between two measurements of the sharpness.
        progress: Called with a `runs.Tick` now and then.
        data_dir: The folder of data that is not bundled.

    Returns:
        As `dissect`.

    Raises:
        UserError: On a number out of range, a directory that holds anything else, or as `dissect`.
        Interrupted: If a signal asked for it; finished parts are kept.
    """
    asked = _asked(settings, eta, init, every)
    parts = Parts(out, "anatomy", asked)
    parts.check()  # before the data is read
    system, key = system_of(asked, data_dir), runs.key_of(asked, asked.init)
    with parts.opened(system.hashes) as keep:
        return dissect(
            system,
            eta,
            key,
            epochs=asked.epochs,
            epsilon=asked.epsilon,
            every=every,
            keep=keep,
            progress=progress,
        )


def run_each(
    settings: Experiment,
    out: str | Path,
    eta: float,
    inits: Sequence[int],
    every: int = 5,
    shown: Callable[[str], Shown] = nullcontext,
    data_dir: str | Path | None = None,
) -> Iterator[tuple[Path, xr.Dataset]]:
    """Dissect the trainings of some initialisations, one after another; see `run`.

    Args:
        settings: The experiment.
        out: The directory of one; several have a folder each in it, `init-0`, `init-1`, and so on.
        eta: The learning rate.
        inits: Which initialisations.
        every: Epochs between two measurements of the sharpness.
        shown: How each shows its progress, given its name.
        data_dir: The folder of data that is not bundled.

    Yields:
        The directory of each, and what `dissect` returns.

    Raises:
        UserError: As `run`, for any of them before the first is computed.
        Interrupted: If a signal asked for it; finished parts are kept.
    """
    root = Path(out)
    if len(set(inits)) < len(inits):
        raise UserError(f"init = {list(inits)}: give each initialisation once")
    names = [f"init-{init}" for init in inits] if len(inits) > 1 else [""]
    if len(inits) > 1 and root.is_dir() and any(not EACH(path.name) for path in root.iterdir()):
        raise UserError(f"out = {root}: the directory holds something else, choose another")
    for init, name in zip(inits, names, strict=True):
        Parts(root / name, "anatomy", _asked(settings, eta, init, every)).check()
    for init, name in zip(inits, names, strict=True):
        with shown(name) as progress:
            data = run(settings, root / name, eta, init, every, progress, data_dir)
        yield root / name, data


def _asked(settings: Experiment, eta: float, init: int, every: int) -> Dissection:
    fields = settings.model_dump(exclude_none=True) | {"eta": eta, "init": init, "every": every}
    return experiment.validated(Dissection, fields)


def dissect(
    system: TrainingMap,
    eta: float,
    key: Key = 0,
    *,
    epochs: int = 201,
    every: int = 5,
    epsilon: float = 1e-8,
    keep: Keep = lambda part, compute: compute(),
    progress: runs.Progress | None = None,
) -> xr.Dataset:
    """Measure one training in six ways over the same epochs.

    Args:
        system: The training.
        eta: The learning rate.
        key: An integer or a JAX key.
        epochs: Steps T.
        every: Epochs between two measurements of the sharpness.
        epsilon: The half-width ε of the pair's perturbation; the tangent has none.
        keep: Called with the name of each part and a function that computes it; it may return
            what it kept of an earlier call instead.
        progress: Called with a `runs.Tick` now and then; a tile is a part.

    Returns:
        Over `epoch`: `distance` of a pair; `growth` and `rate` of the tangent from the same
        perturbation; `loss`, `train_accuracy`, `test_accuracy`; `sharpness` and `instability`, its
        ratio to the threshold of the optimiser, NaN between measurements; and what `separation`
        measures of the pair, some of it over `layer` too. Over (exponent, length): `spectrum` with
        `_low` and `_high`, the running means of the leading exponents (`lyapunov_convergence`).
        Attributes `eta`, `transient_start` and `transient_stop` (see `transient`), `alignment` (see
        `separation`) and `dimension`, the number of all exponents.

    Raises:
        UserError: As `divergence`, `tangent_growth`, `sharpness_along`, `separation` and
            `lyapunov_convergence`.

    Example:
        >>> import chaotrain as ct
        >>> system = ct.TrainingMap(ct.networks.mlp([4, 8, 3]), ct.tasks.load("iris"))
        >>> data = dissect(system, eta=0.1, epochs=10)
        >>> data.attrs["transient_start"]
        nan
    """
    # Before the first part is computed.
    settings = checked(system, eta=eta, epochs=epochs, every=every)
    eta, epochs, every = settings.eta, settings.epochs, settings.every
    measures: dict[str, Callable[..., xr.Dataset]] = {
        "pair": functools.partial(divergence, replicas=1, epsilon=epsilon),
        "tangent": tangent_growth,
        "sharpness": functools.partial(sharpness_along, every=every),
        "separation": functools.partial(separation, epsilon=epsilon),
        "spectrum": _spectrum,
    }
    tick = functools.partial(_tick, progress, epochs)
    found = {}
    for index, (part, measure) in enumerate(measures.items()):
        more: dict[str, Any] = {"epochs": epochs, "progress": functools.partial(tick, index)}
        found[part] = keep(part, functools.partial(measure, system, eta, key, **more))
    tick(len(measures), 0)
    return _joined(found)


def opened(folder: str | Path) -> xr.Dataset:
    """The dissection that a directory holds, read and not computed.

    Args:
        folder: The directory that `run` wrote.

    Returns:
        As `dissect`.

    Raises:
        UserError: If a part is not finished, or was altered.
    """
    found = {}
    for part in WORK:
        path, record = parts.pair(Path(folder), part)
        if not record.exists():
            raise UserError(
                f"{folder}: the {part} of its anatomy is not computed yet, run it again to resume"
            )
        found[part], _ = parts.stored(path, record)
    return _joined(found)


def _joined(found: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The parts of a dissection as one data set."""
    data, apart = (
        found[part].isel({schema.REPLICA: 0}, drop=True) for part in ("pair", "separation")
    )
    measured = found["sharpness"][["sharpness", "instability"]].reindex(epoch=data.epoch)
    data = data.assign(found["tangent"][["growth", "rate"]].data_vars).assign(measured.data_vars)
    # The score is that of the pair already.
    data = data.assign(apart.drop_vars("test_accuracy").data_vars)
    data = data.assign(found["spectrum"].data_vars)
    shaded = transient(data.growth)
    return data.assign_attrs(
        {
            "eta": found["sharpness"].attrs["eta"],
            "transient_start": shaded.start,
            "transient_stop": shaded.stop,
            "alignment": apart.attrs["alignment"],
            "dimension": found["spectrum"].attrs["dimension"],
            schema.SCORE: apart.attrs[schema.SCORE],
        }
    )


def _spectrum(
    system: TrainingMap, eta: float, key: Key, *, epochs: int, progress: Callable[[int], None]
) -> xr.Dataset:
    """The running means of the leading exponents, from the first epoch on."""
    size = sum(leaf.size for leaf in floating(system.init(key)))
    count = min(EXPONENTS, size)
    found = lyapunov_convergence(system, eta, key, epochs, 0, count, progress=progress)
    names = {"mean": "spectrum", "low": "spectrum_low", "high": "spectrum_high"}
    return found.drop_dims("step")[list(names)].rename(names)


def _tick(progress: runs.Progress | None, epochs: int, part: int, epoch: int) -> None:
    """Report that a part has come to an epoch, and all before it to the end."""
    signals.check()
    if progress is not None:
        work = [*WORK.values(), 0]
        done = epochs * sum(work[:part]) + epoch * work[part]
        progress(runs.Tick(done, epochs * sum(work), part, len(WORK)))
