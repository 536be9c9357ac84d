"""The validated experiment: what is trained, on which grid, from a preset, a TOML file or both."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import tomli_w
from pydantic import Field, ValidationError, field_validator, model_validator

from chaotrain import overrides as written
from chaotrain.errors import UserError
from chaotrain.explaining import explain, near, short
from chaotrain.fields import (
    Count,
    Memory,
    Model,
    NetworkFields,
    OptimizerFields,
    Rate,
    Share,
    Steps,
    Width,
)

Fields = TypeVar("Fields", bound=Model)

# A study is read whole, so more distances than these (8 GB) would not fit most machines.
MOST_DISTANCES = 10**9
MOST_BALLS = 10**6


class Grid(Model):
    """The grid of balls, and what is asked of them; the common part of every experiment.

    Attributes:
        learning_rates: The learning rates η, from 1e-100 to 1e100, all different; kept in
            increasing order.
        inits: Initialisations a learning rate, one number for all or one for each.
        replicas: Perturbed copies of each initialisation.
        epochs: Steps T of a run.
        epsilon: Half-width ε of the uniform perturbation of each weight.
        method: How growth is measured: by "perturbation", the distance to the replicas; by the
            "tangent", which is exact and needs neither replicas nor ε; or by "both".
        horizon: Whether each initialisation is trained once more with its sums over samples in
            another order, to see from which epoch on rounding makes another training.
        stop: Whether every member is trained for all "epochs", or only until it is "decided":
            replicas until the exponent of their ball needs them no longer, then the reference
            until it has reached all targets.
        seed: Initialisation i is drawn with the JAX key fold_in(key(seed), i).
        targets: Test accuracies whose training time τ is measured, in increasing order.
        target: The main target, one of `targets`; by default the largest.
        memory: What a block of members may need while it steps, in GiB; by default 2 on a
            processor, and on a GPU half of what JAX may take of its memory.
    """

    learning_rates: list[Rate] = Field(min_length=1)
    inits: Count | list[Count] = 50
    replicas: Count = 5
    epochs: Steps = 201
    epsilon: Width = 1e-8
    method: Literal["perturbation", "tangent", "both"] = "perturbation"
    horizon: bool = False
    stop: Literal["epochs", "decided"] = "epochs"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    targets: list[Share] = Field(default=[0.9], min_length=1)
    target: Share | None = None
    memory: Memory | None = None

    @field_validator("learning_rates", "targets")
    @classmethod
    def _distinct(cls, values: list[float]) -> list[float]:
        ordered = sorted(values)
        for value, following in pairwise(ordered):
            if value == following:
                raise ValueError(f"{value:g} is given twice, give each value once")
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        rates, inits = self.learning_rates, self.inits
        if isinstance(inits, list):
            if len(inits) != len(rates):
                raise ValueError(
                    f"inits = {short(inits)}: {len(inits)} counts for {len(rates)} learning rates, "
                    "give one number, or one for each"
                )
            order = sorted(range(len(rates)), key=rates.__getitem__)
            object.__setattr__(self, "inits", [inits[i] for i in order])
        object.__setattr__(self, "learning_rates", sorted(rates))
        targets = self.targets or ([] if self.target is None else [self.target])
        object.__setattr__(self, "targets", sorted(targets))
        if self.target is None:
            object.__setattr__(self, "target", self.targets[-1] if self.targets else None)
        elif self.target not in self.targets:
            raise ValueError(
                f"target = {self.target}: choose one of targets = {short(self.targets)}"
            )
        if self.stop == "decided" and (self.follows_tangent or self.horizon):
            other = "horizon = true" if self.horizon else f"method = {self.method!r}"
            raise ValueError(
                f"stop = 'decided': {other} needs every epoch, use stop = 'epochs' with it"
            )
        balls = sum(self.inits_each)
        if balls > MOST_BALLS:
            raise ValueError(
                f"inits = {short(inits)}: that makes {balls:.2g} balls, choose fewer than "
                f"{MOST_BALLS:.0e}"
            )
        distances = balls * max(1, self.copies) * (self.epochs + 1)
        if distances > MOST_DISTANCES:
            raise ValueError(
                f"epochs = {self.epochs}: {balls} balls of {self.copies} replicas would record "
                f"{distances:.2g} distances, lower epochs, replicas or inits to stay below "
                f"{MOST_DISTANCES:.0e}"
            )
        return self

    @property
    def copies(self) -> int:
        """The perturbed copies that a ball trains: none if the tangent replaces them."""
        return 0 if self.method == "tangent" else self.replicas

    @property
    def follows_tangent(self) -> bool:
        """Whether a tangent vector follows each initialisation."""
        return self.method != "perturbation"

    @property
    def inits_each(self) -> list[int]:
        """How many initialisations each learning rate has."""
        inits = self.inits
        return inits if isinstance(inits, list) else [inits] * len(self.learning_rates)

    @property
    def balls(self) -> list[tuple[int, int]]:
        """Every ball as (index of the learning rate, initialisation), in the order computed."""
        return [(rate, init) for rate, count in enumerate(self.inits_each) for init in range(count)]

    def to_toml(self) -> str:
        """The resolved experiment, every field spelled out."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))


class Experiment(Grid):
    """A named task and network on a grid: what an experiment file holds.

    Attributes:
        task: The name of a task, a file ending in .npz or .csv, or "package.module:function".
        train_size: How many training samples, the first ones; by default all.
        test_size: How many test samples, the first ones; by default all.
        loss: One of `tasks.LOSSES`; by default the task's.
        network: The network.
        optimizer: The optimiser.
        batch_size: Samples of a mini-batch; by default the full batch.
        augment: "package.module:function" of (key, inputs) → inputs, on every training batch.
        noise: Whether replicas see "common" batches, dropout masks and augmentations, or each its
            "own" order of the batches (without `batch_size`: its own masks and augmentations).
        l1: Strength α of the penalty α Σ|w| on the weights.
        l2: Strength α of the penalty α/2 Σw² on the weights.
        weight_decay: Strength α of decoupled decay, w → w - η α w.
        measured: Distances are over all "parameters", or the whole "state" with the buffers.
        dtype: The floating-point type.
        targets: Test scores whose training time is measured; by default the task's.
    """

    task: str
    train_size: Count | None = None
    test_size: Count | None = None
    loss: str | None = None
    network: NetworkFields = NetworkFields()
    optimizer: OptimizerFields = OptimizerFields()
    batch_size: Count | None = None
    augment: str | None = None
    noise: Literal["common", "own"] = "common"
    l1: Width = 0.0
    l2: Width = 0.0
    weight_decay: Width = 0.0
    measured: Literal["parameters", "state"] = "parameters"
    dtype: Literal["float64", "float32"] = "float64"
    targets: list[Share] = Field(default=[])

    @property
    def functions(self) -> dict[str, str]:
        """The functions of one's own that a run imports, by the fields that name them."""
        is_file = self.task.lower().endswith((".npz", ".csv"))
        named = {
            "network.function": self.network.function,
            "task": self.task if ":" in self.task and not is_file else None,
            "augment": self.augment,
        }
        return {field: name for field, name in named.items() if name is not None}

    def with_targets(self, target: float) -> Experiment:
        """The experiment with the task's target where it has none of its own."""
        if self.targets:
            return self
        return self.model_copy(update={"targets": [target], "target": target})


class CustomExperiment(Grid):
    """A grid over a system that was passed in from Python, known by its description."""

    system: str


def presets() -> dict[str, str]:
    """The presets: their names and texts."""
    folder = importlib.resources.files("chaotrain") / "presets"
    files = sorted((e for e in folder.iterdir() if e.name.endswith(".toml")), key=lambda e: e.name)
    return {file.name.removesuffix(".toml"): file.read_text("utf-8") for file in files}


def load(
    source: str | Path, overrides: Sequence[str] = (), defaults: Mapping[str, Any] | None = None
) -> Experiment:
    """The experiment of a preset or a TOML file, with fields overridden.

    Args:
        source: The name of a preset, or the path of an experiment file.
        overrides: "field=value" each, values in TOML; "network.hidden=[100]" reaches inside.
        defaults: Fields that the source need not have.

    Raises:
        UserError: In one line, if the source does not exist or a field is unknown or out of range.

    Example:
        >>> from chaotrain import experiment
        >>> experiment.load("mnist-paper", ["train_size=2000"]).train_size
        2000
    """
    known = presets()
    if str(source) in known:
        fields = written.parse(known[str(source)], source)
    else:
        fields = _read(Path(source), known)
    if not fields.keys().isdisjoint(("cases", "include")):
        raise UserError(f"{source} is a collection of cases: run it with chaotrain run")
    for override in overrides:
        written.apply(fields, override)
    return validated(Experiment, {**(defaults or {}), **fields})


def validated(model: type[Fields], fields: Mapping[str, Any]) -> Fields:
    """The model with these fields.

    Raises:
        UserError: In one line that names the first wrong field, its value and the remedy.
    """
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise UserError(explain(error, model)) from None


def plain(value: Any) -> Any:
    """A value as TOML knows it: NumPy's numbers as Python's, any sequence as a list.

    Example:
        >>> import numpy as np
        >>> plain((np.int64(3), np.linspace(0.0, 1.0, 3), "text"))
        [3, [0.0, 0.5, 1.0], 'text']
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    return [plain(entry) for entry in value] if isinstance(value, list | tuple | range) else value


def difference(there: Grid, here: Grid) -> str:
    """The fields in which two experiments differ, for a person to read."""
    return ", ".join(
        f"{name} ({short(old)} there, {short(new)} here)"
        for name, (old, new) in differences([there, here]).items()
    )


def differences(grids: Sequence[Grid]) -> dict[str, list[Any]]:
    """The fields that are not the same in all experiments, with the value in each; None if none.

    Example:
        >>> from chaotrain import experiment
        >>> few, many = (experiment.load("mnist-quick", [f"inits={n}"]) for n in (5, 50))
        >>> experiment.differences([few, many])
        {'inits': [5, 50]}
    """
    flat = [_flat(grid.model_dump()) for grid in grids]
    names = sorted({name for fields in flat for name in fields})
    values = {name: [fields.get(name) for fields in flat] for name in names}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}


def _flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Fields inside fields under their dotted names, as `--set` takes them."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        inside = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{name}.") if inside else {f"{prefix}{name}": value}
    return flat


def _read(path: Path, known: Mapping[str, str]) -> dict[str, Any]:
    try:
        text = written.read(path)
    except UserError:
        raise
    except (OSError, ValueError):  # also a path with a null in it
        hint = near(str(path), known, "presets are")
        raise UserError(f"{path} is neither a preset nor a readable file{hint}") from None
    return written.parse(text, path)
