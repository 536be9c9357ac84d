"""A collection: named cases of one experiment side by side, from a preset, a TOML file or both.

A file that holds `[[cases]]` is a collection:

    title = "Activations"
    task = "mnist"                   # fields of an experiment, common to all cases
    learning_rates = [1.0, 2.5, 5.0]
    [full]                           # more of them, for --scale full; [quick] for --scale quick
    inits = 10
    [[cases]]
    name = "relu"                    # a folder's name: a to z, 0 to 9 and -
    title = "ReLU"                   # what a person reads; by default the name
    network = { activation = "relu" }
    quick = { epochs = 100 }         # of this case alone

What is closer to the case wins: common fields, then those of the scale, of the case, of the case at
that scale, and at last `--set`. Tables are merged field by field, everything else is replaced. A
file that holds `include = ["figure-6", ...]` instead has the cases of those presets.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from chaotrain import experiment
from chaotrain import overrides as written
from chaotrain.errors import UserError
from chaotrain.experiment import Experiment, validated
from chaotrain.explaining import near
from chaotrain.fields import Model

SCALES = ("quick", "full")
# Folders of a collection directory that are no case.
RESERVED = ("figures",)


def _is_case(value: str) -> str:
    if not re.fullmatch("[a-z0-9][a-z0-9-]*", value):
        raise ValueError("use a to z, 0 to 9 and - only")
    if value in RESERVED:
        raise ValueError("that folder is for the figures, choose another name")
    return value


def _is_file(value: str) -> str:
    if value in ("", ".", "..") or Path(value).name != value or not value.isprintable():
        raise ValueError("use a name that a file can have")
    return value


def _is_title(value: str) -> str:
    if not value.isprintable():
        raise ValueError("use what can be printed on one line")
    return value


CaseName = Annotated[str, AfterValidator(_is_case)]
FileName = Annotated[str, AfterValidator(_is_file)]
Title = Annotated[str, AfterValidator(_is_title)]


class _Open(Model):
    """Further fields are those of the experiment, and checked with the case that has them."""

    model_config = ConfigDict(extra="allow")

    quick: dict[str, Any] = Field(default={})
    full: dict[str, Any] = Field(default={})

    @property
    def overrides(self) -> dict[str, Any]:
        return self.model_extra or {}


class _CaseFields(_Open):
    name: CaseName
    title: Title | None = None


class _CollectionFields(_Open):
    title: Title
    cases: list[_CaseFields] = Field(default=[])
    include: list[str] = Field(default=[])

    @model_validator(mode="after")
    def _consistent(self) -> _CollectionFields:
        if bool(self.cases) == bool(self.include):
            raise ValueError("cases, include: give just one of the two, with at least one entry")
        if self.include:
            for name in (*self.overrides, *(s for s in SCALES if getattr(self, s))):
                raise ValueError(f"{name}: a collection that includes others has no such field")
        for what, names in (("cases", [c.name for c in self.cases]), ("include", self.include)):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{what}: {name!r} is given twice, give each name once")
        return self


class Case(Model):
    """One case: a validated experiment, the name of its folder, and what a person reads."""

    name: CaseName
    title: Title
    experiment: Experiment


class Group(Model):
    """The cases of one figure."""

    name: FileName
    title: Title
    cases: list[Case]


class Collection(Model):
    """A resolved collection.

    Attributes:
        name: Of the preset, or of the file without its ending.
        title: What a person reads.
        scale: "quick" or "full".
        nested: Whether it includes others, each of which then has a folder of its own.
        groups: The included collections, or the only one.
    """

    name: FileName
    title: Title
    scale: str
    nested: bool
    groups: list[Group]

    @property
    def cases(self) -> dict[str, Case]:
        """Every case under its folder relative to that of the collection."""
        return {path: case for group in self.groups for path, case in self.within(group)}

    def within(self, group: Group) -> Iterator[tuple[str, Case]]:
        """The cases of a group with their folders."""
        for case in group.cases:
            yield f"{group.name}/{case.name}" if self.nested else case.name, case

    def to_toml(self) -> str:
        """The resolved collection, every field of every case spelled out."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    @classmethod
    def from_toml(cls, text: str, origin: Path) -> Collection:
        """The collection that `to_toml` wrote.

        Raises:
            UserError: If it is anything else.
        """
        fields = written.parse(text, origin)
        try:
            return cls.model_validate(fields)
        except ValidationError:
            raise UserError(
                f"{origin} was altered, or is not of this version of chaotrain: restore it, or "
                "run anew in another directory"
            ) from None


def presets() -> dict[str, str]:
    """The presets that are collections: their names and texts, figure 9 before figure 10."""
    texts = experiment.presets()
    names = [name for name, text in texts.items() if _is_collection(written.parse(text, name))]
    return {name: texts[name] for name in sorted(names, key=_in_order)}


def load(
    source: str | Path, overrides: Sequence[str] = (), scale: str | None = None
) -> Experiment | Collection:
    """The experiment or the collection of a preset or a TOML file, with fields overridden.

    Args:
        source: The name of a preset, or the path of a file.
        overrides: "field=value" each, as for an experiment; they hold for every case.
        scale: "quick" (the default) or "full"; None for an experiment.

    Raises:
        UserError: In one line, that names the case, if it does not exist or a field is wrong.

    Example:
        >>> found = load("figure-6", ["inits=2"])
        >>> found.scale, list(found.cases), found.cases["relu"].experiment.inits
        ('quick', ['tanh', 'relu', 'sigmoid'], 2)
    """
    fields = _fields(source)
    if not _is_collection(fields):
        settings = experiment.load(source, overrides)
        if scale is not None:
            raise UserError(f"--scale {scale}: {source} is one experiment, leave out --scale")
        return settings
    scale = SCALES[0] if scale is None else scale
    if scale not in SCALES:
        raise UserError(f"--scale {scale}: choose {' or '.join(SCALES)}")
    top = validated(_CollectionFields, fields)
    name = Path(source).stem
    if top.cases:
        groups = [_group(name, top, scale, overrides, "case ")]
    else:
        groups = [
            _group(other, _included(other), scale, overrides, f"case {other}/")
            for other in top.include
        ]
    nested = bool(top.include)
    return Collection(name=name, title=top.title, scale=scale, nested=nested, groups=groups)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with others laid over them: tables field by field, everything else replaced.

    Example:
        >>> merged({"inits": 4, "network": {"hidden": [8]}}, {"network": {"init": "he"}})
        {'inits': 4, 'network': {'hidden': [8], 'init': 'he'}}
    """
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[name] = merged(old, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]
    return result


def _group(
    name: str, fields: _CollectionFields, scale: str, overrides: Sequence[str], label: str
) -> Group:
    cases = [
        Case(
            name=case.name,
            title=case.title or case.name,
            experiment=_experiment(fields, case, scale, overrides, f"{label}{case.name}"),
        )
        for case in fields.cases
    ]
    return Group(name=name, title=fields.title, cases=cases)


def _experiment(
    common: _CollectionFields,
    case: _CaseFields,
    scale: str,
    overrides: Sequence[str],
    label: str,
) -> Experiment:
    fields: dict[str, Any] = {}
    for layer in (common.overrides, getattr(common, scale), case.overrides, getattr(case, scale)):
        fields = merged(fields, layer)
    for override in overrides:
        written.apply(fields, override)
    try:
        return validated(Experiment, fields)
    except UserError as error:
        raise UserError(f"{label}: {error}") from None


def _included(name: str) -> _CollectionFields:
    known = presets()
    fields = written.parse(known[name], name) if name in known else {}
    if "cases" not in fields:
        simple = [other for other, text in known.items() if "cases" in written.parse(text, other)]
        hint = near(name, simple, "presets with cases are")
        raise UserError(f"include: {name!r} is no preset with cases{hint}")
    return validated(_CollectionFields, fields)


def _fields(source: str | Path) -> dict[str, Any]:
    """The fields of a preset or a file; none if there is nothing to read."""
    text = experiment.presets().get(str(source))
    if text is None:
        try:
            text = written.read(Path(source))
        except (OSError, ValueError):  # which `experiment.load` words
            return {}
    return written.parse(text, source)


def _is_collection(fields: Mapping[str, Any]) -> bool:
    return not fields.keys().isdisjoint(("cases", "include"))


def _in_order(name: str) -> tuple[str, int]:
    stem, _, number = name.rpartition("-")
    return (stem, int(number)) if number.isdecimal() else (name, 0)
