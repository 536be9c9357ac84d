"""What a user names as package.module:object, imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaotrain.errors import UserError, one_line
from chaotrain.explaining import near, short


def load_object(path: str, field: str) -> Any:
    """The object that a path names; the current directory is searched first, as by `python -m`.

    Args:
        path: "package.module:name".
        field: The field that holds the path, for messages.

    Raises:
        UserError: If the path is written otherwise, there is no such module, importing it fails,
            or it has no such name.

    Example:
        >>> load_object("math:sqrt", "network.function")(9)
        3.0
    """
    module_name, colon, name = path.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), name]):
        raise UserError(f"{field} = {path!r}: write package.module:name")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            where = f"there is no module {error.name} on the path or in {here}"
            raise UserError(f"{field} = {path!r}: {where}") from error
        raise _failed(path, field, error) from error
    except Exception as error:
        raise _failed(path, field, error) from error
    if not hasattr(module, name):
        own = [known for known in vars(module) if not known.startswith("_")]
        hint = near(name, own, "it has")
        raise UserError(f"{field} = {path!r}: {module_name} has no {name}{hint}")
    return getattr(module, name)


def load_function(path: str, field: str) -> Callable[..., Any]:
    """The function that a path names, found as by `load_object`.

    Args:
        path: "package.module:function".
        field: The field that holds the path, for messages.

    Raises:
        UserError: As `load_object`, or if it is no function.

    Example:
        >>> load_function("math:sqrt", "network.function")(9)
        3.0
    """
    found: Callable[..., Any] = load_object(path, field)
    if not callable(found):
        raise UserError(f"{field} = {path!r}: it is no function but {short(found)}")
    return found


def _failed(path: str, field: str, error: Exception) -> UserError:
    what = f"{type(error).__name__}: {one_line(error)}"
    return UserError(f"{field} = {path!r}: importing it raised {what}")
