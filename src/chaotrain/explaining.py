"""A validation error of pydantic in one line: the field, its value, and what to give instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

REMEDIES = {
    "int_type": "give a whole number",
    "float_type": "give a number",
    "finite_number": "give a finite number",
    "string_type": "give a text",
    "list_type": "give a list, like [1, 2]",
    "dict_type": "give a table of fields",
    "model_type": "give a table of fields",
    "too_short": "give at least {min_length} value",
    "greater_than": "give a number above {gt:g}",
    "greater_than_equal": "give at least {ge:g}",
    "less_than": "give a number below {lt}",
    "less_than_equal": "give at most {le:g}",
    "literal_error": "choose {expected}",
    "value_error": "{error}",
}


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first wrong field, its value and the remedy, in one line."""
    first = _most_precise(error.errors())
    # The branch of a union that was tried is no part of the field's name.
    location = [*first["loc"][:1], *(p for p in first["loc"][1:] if not _is_branch(p))]
    remedy = REMEDIES.get(first["type"])
    text = remedy.format(**first.get("ctx", {})) if remedy else first["msg"].removeprefix("Input ")
    if not location:
        return text
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{_name(p)}" for p in location)[1:]
    if first["type"] == "extra_forbidden":
        names = _names(model, location[:-1])
        return f"unknown field {path}{near(str(location[-1]), names, 'fields are')}"
    if first["type"] == "missing":
        return f"{path} is missing: give it a value"
    return f"{path} = {short(first['input'])}: {text}"


def near(word: str, known: Iterable[str], otherwise: str) -> str:
    """A hint at the known names near a word, or at all of them.

    Example:
        >>> near("epoch", ["epochs", "seed"], "fields are")
        '; did you mean epochs?'
        >>> near("x", ["epochs", "seed"], "fields are")
        '; fields are epochs, seed'
        >>> near("adma", ["adam", "adamax", "adan"], "choose one of")
        '; did you mean adamax, adan or adam?'
    """
    names = list(known)
    found = difflib.get_close_matches(word, names, n=3)
    if not found:
        return f"; {otherwise} {', '.join(names)}"
    return f"; did you mean {' or '.join(filter(None, (', '.join(found[:-1]), found[-1])))}?"


def short(value: Any) -> str:
    """A value as it is written, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a deep nesting
        text = f"a huge {type(value).__name__}"
    text = " ".join(text.split()) if "\n" in text else text  # that of an array
    return text if len(text) <= 60 else f"{text[:57]}..."


def printable(text: str) -> str:
    r"""A text that a terminal shows and does not obey.

    Example:
        >>> print(printable("a" + chr(27) + "[2Jb"))
        a\x1b[2Jb
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _most_precise(errors: list[ErrorDetails]) -> ErrorDetails:
    """Of the first field's errors the one that got furthest into the branches of a union.

    A misspelt field comes before the one that is missing for it.
    """
    unknown = [error for error in errors if error["type"] == "extra_forbidden"]
    field = (*unknown, *errors)[0]["loc"][:1]
    return max((e for e in errors if e["loc"][:1] == field), key=_depth)


def _depth(error: ErrorDetails) -> tuple[int, bool]:
    inside = sum(not _is_branch(part) for part in error["loc"])
    return inside, not error["type"].endswith("_type")


def _is_branch(part: int | str) -> bool:
    return isinstance(part, str) and part.startswith(("list[", "constrained-"))


def _name(part: str) -> str:
    return part if part.isprintable() and len(part) <= 40 else short(part)


def _names(model: type[BaseModel], groups: list[int | str]) -> list[str]:
    for group in groups:
        inner = model.model_fields[str(group)].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        model = inner
    return list(model.model_fields)
