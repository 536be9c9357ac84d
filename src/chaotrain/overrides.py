"""Fields as a person writes them: a TOML text, and `field=value` on the command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chaotrain import files
from chaotrain.errors import UserError, one_line

# More levels than any experiment has.
DEEPEST = 32


def parse(text: str, origin: str | Path) -> dict[str, Any]:
    """The fields in a TOML text.

    Raises:
        UserError: If it is not valid TOML; `origin` says where it came from.
    """
    try:
        found = tomllib.loads(text)
        _check(found)
    except RecursionError:
        raise UserError(f"{origin} is not valid TOML: it is nested too deeply") from None
    except ValueError as error:  # also an integer with more digits than Python reads
        raise UserError(f"{origin} is not valid TOML: {one_line(error)}") from None
    return found


def read(path: Path) -> str:
    """The text of a file that a user names.

    Raises:
        UserError: If it is no text.
        OSError: If it cannot be read, or is no file or too large for an experiment's.
    """
    try:
        return files.read(path, links=True).decode()
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file in UTF-8: write it in TOML") from None


def apply(fields: dict[str, Any], override: str) -> None:
    """Set one field, in place.

    Args:
        fields: The fields so far.
        override: "field=value"; the value is TOML, or a bare word, which is taken as text.
            "network.hidden=[100]" reaches inside.

    Raises:
        UserError: If there is no "=", the value is not TOML, or a field has no fields inside.

    Example:
        >>> fields = {"task": "mnist"}
        >>> apply(fields, "network.activation=relu")
        >>> apply(fields, "inits=[1, 2]")
        >>> fields
        {'task': 'mnist', 'network': {'activation': 'relu'}, 'inits': [1, 2]}
    """
    name, separator, text = override.partition("=")
    *groups, field = name.strip().split(".")
    if not separator or not all((*groups, field)):
        raise UserError(f"--set {override!r}: write field=value, with the value in TOML")
    for group in groups:
        fields = fields.setdefault(group, {})
        if not isinstance(fields, dict):
            raise UserError(f"--set {override!r}: {group} has no fields of its own")
    fields[field] = _value(override, text.strip())


def _check(value: Any) -> None:
    """Check that values lie within values to some depth only.

    Raises:
        ValueError: If they lie deeper.
    """
    level = [value]
    for _ in range(DEEPEST):
        level = [inside for entry in level for inside in _within(entry)]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _value(override: str, text: str) -> Any:
    try:
        found = tomllib.loads(f"value = {text}")
        _check(found)
    except (ValueError, RecursionError):
        found = {}
    if found.keys() == {"value"}:  # a line break could smuggle in more
        return found["value"]
    if re.fullmatch(r"[A-Za-z][\w-]*", text):
        return text
    raise UserError(f'--set {override!r}: the value is not TOML, like 3, 0.5, [1, 2] or "text"')
