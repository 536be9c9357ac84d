"""What the user is told: one line that names the field, the value and the remedy."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake of the caller's, in one line; the command line exits with 2 on it."""


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop by a signal; finished tiles are kept.

    Args:
        signal: The number of the signal, so that the exit code is 128 + signal.
    """

    def __init__(self, signal: int) -> None:
        super().__init__(f"interrupted by signal {signal}")
        self.signal = signal


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
