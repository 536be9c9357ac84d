"""A network of the user's own, named in an experiment file as package.module:function."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from chaotrain.errors import UserError, one_line
from chaotrain.explaining import short
from chaotrain.importing import load_function
from chaotrain.networks.network import Network

FIELD = "network.function"


def from_function(
    path: str, shape: Sequence[int], outputs: int, options: Mapping[str, Any] | None = None
) -> Network:
    """The network that a function of the user's makes.

    Args:
        path: "package.module:function"; the current directory is searched first.
        shape: The natural shape of one sample, (28, 28, 1) for an image. It is given to the
            function, while inputs come as the task has them, (samples, features) as a rule.
        outputs: How many outputs the task asks for; given to the function.
        options: More keyword arguments of the function.

    Returns:
        What function(shape=shape, outputs=outputs, **options) returns: a `Network`, or a pair of
        pure functions (init, apply) as in `Network`. If it has no name of its own, it gets the
        path and the options.

    Raises:
        UserError: If there is no such function, it does not take these arguments, it fails, or it
            returns something else.

    Example:
        >>> import chaotrain as ct
        >>> options = {"channels": [4], "kernel": 5}
        >>> ct.networks.from_function("chaotrain.networks:cnn", (8, 8, 1), 10, options).name
        'cnn 8x8x1 channels 4 kernel 5 max dense 10 tanh normal'
    """
    function = load_function(path, FIELD)
    start = f"{FIELD} = {path!r}:"
    arguments = {"shape": tuple(shape), "outputs": outputs, **(options or {})}
    _check_arguments(function, arguments, start)
    try:
        made = function(**arguments)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{start} it raised {type(error).__name__}: {one_line(error)}") from error
    if isinstance(made, tuple) and len(made) == 2 and all(map(callable, made)):
        made = Network(*made)
    if not isinstance(made, Network):
        raise UserError(f"{start} it returned {short(made)}, return a Network or (init, apply)")
    if made.name != "network":
        return made
    chosen = "".join(f" {name}={value!r}" for name, value in (options or {}).items())
    return dataclasses.replace(made, name=path + chosen)


def _check_arguments(function: Any, arguments: Mapping[str, Any], start: str) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # a builtin that tells nothing; the call will
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        names = ", ".join(arguments)
        raise UserError(f"{start} {error}; it is called with {names}") from error
