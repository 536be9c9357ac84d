"""What a call in Python was given, looked at before anything is made of it.

An experiment file is validated by `fields`; this is for the arguments of functions. A refusal is
one line with the name, the value and the remedy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

from chaotrain.errors import UserError
from chaotrain.explaining import near, short

Entry = TypeVar("Entry")


def entry(field: str, name: Any, known: Mapping[str, Entry]) -> Entry:
    """What a name stands for.

    Raises:
        UserError: On another name, with those that are near.

    Example:
        >>> entry("loss", "square", {"square": 2})
        2
    """
    if not isinstance(name, str) or name not in known:
        hint = near(str(name), known, "choose one of")
        raise UserError(f"{field} = {short(name)} is unknown{hint}")
    return known[name]


def is_number(value: Any) -> bool:
    """Whether a value is one number; a text is none, nor is a truth value."""
    plain = value.item() if getattr(value, "ndim", None) == 0 else value
    return isinstance(plain, Real) and not isinstance(plain, bool)


def is_whole(value: Any, most: float = math.inf) -> bool:
    """Whether a value is a whole number from 1 on, of Python's or NumPy's.

    Example:
        >>> import numpy as np
        >>> [is_whole(value) for value in (1, np.int64(2), 0, 2.0, True)]
        [True, True, False, False, False]
    """
    return isinstance(value, Integral) and is_number(value) and 1 <= int(value) <= most


def whole(field: str, value: Any, remedy: str, most: float = math.inf) -> int:
    """A whole number of at least 1.

    Raises:
        UserError: On anything else, with the remedy.
    """
    if not is_whole(value, most=most):
        raise UserError(f"{field} = {short(value)}: {remedy}")
    return int(value)


def wholes(field: str, values: Any, remedy: str, least: int = 0) -> list[int]:
    """At least so many whole numbers of at least 1.

    Raises:
        UserError: On anything else, with the remedy.

    Example:
        >>> wholes("layers", (784, 10), "give widths")
        [784, 10]
    """
    given = list(values) if isinstance(values, Iterable) else None
    if given is None or len(given) < least or not all(map(is_whole, given)):
        raise UserError(f"{field} = {short(values if given is None else given)}: {remedy}")
    return [int(value) for value in given]


def strength(field: str, value: Any) -> None:
    """Check that a strength is a number from 0 on.

    Raises:
        UserError: If it is negative, not finite or no number.
    """
    if not (is_number(value) and 0 <= value < math.inf):
        raise UserError(f"{field} = {short(value)}: give a finite number, 0 or more")


def instance(field: str, value: Any, kind: type, remedy: str) -> None:
    """Check that a value is of a class.

    Raises:
        UserError: If it is not, with the remedy.
    """
    if not isinstance(value, kind):
        raise UserError(f"{field} = {short(value)}: {remedy}")
