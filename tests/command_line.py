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
    assert said.err.startswith("chaotrain: ")
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err
