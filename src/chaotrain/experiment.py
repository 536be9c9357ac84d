"""The validated experiment: what is trained, on which grid, from a preset, a TOML file or both."""

from __future__ import annotations

import difflib
import importlib.resources
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from chaotrain.errors import UserError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Fields = TypeVar("Fields", bound="Model")


class Model(BaseModel):
    """Strict, immutable, and closed to unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Grid(Model):
    """The grid of balls, and what is asked of them; the common part of every experiment.

    Attributes:
        learning_rates: The learning rates η, all different; kept in increasing order.
        inits: Initialisations a learning rate, one number for all or one for each.
        replicas: Perturbed copies of each initialisation.
        epochs: Steps T of a run.
        epsilon: Half-width ε of the uniform perturbation of each weight.
        seed: Initialisation i is drawn with the JAX key fold_in(key(seed), i).
        targets: Test accuracies whose training time τ is measured, in increasing order.
        target: The main target, one of `targets`; by default the largest.
        memory: What a block of members may need while it steps, in GiB.
    """

    learning_rates: list[Positive] = Field(min_length=1)
    inits: Count | list[Count] = 50
    replicas: Count = 5
    epochs: Annotated[int, Field(ge=2)] = 201
    epsilon: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-8
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    targets: list[Share] = Field(default=[0.9], min_length=1)
    target: Share | None = None
    memory: Positive = 2.0

    @field_validator("learning_rates", "targets")
    @classmethod
    def _distinct(cls, values: list[float]) -> list[float]:
        repeated = sorted({value for value in values if values.count(value) > 1})
        if repeated:
            raise ValueError(f"{repeated[0]} is given twice, give each value once")
        return [float(value) for value in values]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        rates, inits = self.learning_rates, self.inits
        if isinstance(inits, list):
            if len(inits) != len(rates):
                raise ValueError(
                    f"inits = {inits}: {len(inits)} counts for {len(rates)} learning rates, "
                    "give one number, or one for each"
                )
            order = sorted(range(len(rates)), key=rates.__getitem__)
            object.__setattr__(self, "inits", [inits[i] for i in order])
        object.__setattr__(self, "learning_rates", sorted(rates))
        object.__setattr__(self, "targets", sorted(self.targets))
        if self.target is None:
            object.__setattr__(self, "target", self.targets[-1])
        elif self.target not in self.targets:
            raise ValueError(f"target = {self.target}: choose one of targets = {self.targets}")
        return self

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


class NetworkFields(Model):
    """A multilayer perceptron; its inputs and outputs are the task's."""

    hidden: list[Count] = [64]
    activation: str = "tanh"
    init: str = "normal"


class Experiment(Grid):
    """A named task and network on a grid: what an experiment file holds.

    Attributes:
        task: The name of the task.
        train_size: How many training samples, the first ones; by default all.
        test_size: How many test samples, the first ones; by default all.
        network: The network.
        optimizer: The optimiser.
        dtype: The floating-point type.
    """

    task: str
    train_size: Count | None = None
    test_size: Count | None = None
    network: NetworkFields = NetworkFields()
    optimizer: Literal["sgd"] = "sgd"
    dtype: Literal["float64", "float32"] = "float64"


class CustomExperiment(Grid):
    """A grid over a system that was passed in from Python, known by its description."""

    system: str


def presets() -> dict[str, str]:
    """The presets: their names and texts."""
    folder = importlib.resources.files("chaotrain") / "presets"
    found = {Path(entry.name).stem: entry.read_text("utf-8") for entry in folder.iterdir()}
    return dict(sorted(found.items()))


def load(source: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment of a preset or a TOML file, with fields overridden.

    Args:
        source: The name of a preset, or the path of an experiment file.
        overrides: "field=value" each, values in TOML; "network.hidden=[100]" reaches inside.

    Raises:
        UserError: In one line, if the source does not exist or a field is unknown or out of range.

    Example:
        >>> from chaotrain import experiment
        >>> experiment.load("mnist-paper", ["train_size=2000"]).train_size
        2000
    """
    known = presets()
    if str(source) in known:
        fields = tomllib.loads(known[str(source)])
    else:
        fields = _read(Path(source), known)
    for override in overrides:
        _set(fields, override)
    return validated(Experiment, fields)


def validated(model: type[Fields], fields: Mapping[str, Any]) -> Fields:
    """The model with these fields.

    Raises:
        UserError: In one line that names the first wrong field, its value and the remedy.
    """
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise UserError(_explain(error, model)) from None


def difference(there: Grid, here: Grid) -> str:
    """The fields in which two experiments differ, for a person to read."""
    old, new = there.model_dump(), here.model_dump()
    return ", ".join(
        f"{name} ({_short(old.get(name))} there, {_short(new.get(name))} here)"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    )


def parse(text: str, origin: str | Path) -> dict[str, Any]:
    """The fields in a TOML text."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{origin} is not valid TOML: {error}") from None


def _read(path: Path, known: Mapping[str, str]) -> dict[str, Any]:
    try:
        return parse(path.read_text("utf-8"), path)
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file in UTF-8") from None
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        near = _near(str(path), known)
        hint = near or f"; presets are {', '.join(known)}"
        raise UserError(f"{path} is neither a preset nor a readable file{hint}") from None


def _set(fields: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    if not separator or not name.strip():
        raise UserError(f"--set {override!r}: write field=value, with the value in TOML")
    bare = re.fullmatch(r"\s*[A-Za-z][\w-]*\s*", text) and text.strip() not in ("true", "false")
    value = text.strip() if bare else _toml_value(override, text)
    *groups, field = name.strip().split(".")
    for group in groups:
        fields = fields.setdefault(group, {})
        if not isinstance(fields, dict):
            raise UserError(f"--set {override!r}: {group} has no fields of its own")
    fields[field] = value


def _toml_value(override: str, text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        raise UserError(f"--set {override!r}: the value is not TOML, e.g. 3, 0.5, [1, 2]") from None


def _near(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors()[0]
    location = [part for part in first["loc"] if not str(part).startswith(("list[", "int", "cons"))]
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not location:
        return message
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location).lstrip(".")
    if first["type"] == "extra_forbidden":
        names = NetworkFields.model_fields if location[0] == "network" else model.model_fields
        near = _near(str(location[-1]), names) or f"; fields are {', '.join(names)}"
        return f"unknown field {path}{near}"
    if first["type"] == "missing":
        return f"{path} is missing: give it a value"
    return f"{path} = {_short(first['input'])}: {message}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
