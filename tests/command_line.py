"""The command line called in this process: what it says, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from chaotrain.cli import main


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]


def in_process(capfd: pytest.CaptureFixture[str]) -> Command:
    """A function of the arguments, to the exit code and what was printed."""

    def command(*arguments: object) -> Said:
        capfd.readouterr()
        return Said(main([str(argument) for argument in arguments]), *capfd.readouterr())

    return command


def refused(said: Said, *words: str) -> None:
    """One line on stderr that names what is wrong, and exit code 2."""
    assert said.code == 2
    assert said.out == ""
    # What is imported is said before it is, whatever comes of it.
    lines = [line for line in said.err.splitlines() if not line.startswith("imports and runs ")]
    (line,) = lines
    assert line.startswith("chaotrain: ")
    for word in words:
        assert word in line
