"""What the user is told: one line that names the field, the value and the remedy."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake of the caller's, in one line; the command line exits with 2 on it."""


class ProvenanceWarning(UserWarning):
    """A study goes on with other versions, another device or another number of threads."""


class WorkerError(RuntimeError):
    """A worker was lost, in one line; finished tiles are kept."""


class Interrupted(BaseException):
    """A run was asked to stop by a signal; finished tiles are kept.

    It is no `KeyboardInterrupt`, which the parser of the command line would answer itself.

    Args:
        signal: The number of the signal, so that the exit code is 128 + signal.
    """

    def __init__(self, signal: int) -> None:
        super().__init__(f"interrupted by signal {signal}")
        self.signal = signal


def one_line(error: BaseException) -> str:
    """The message of an error on one line, or its type where it has none.

    Example:
        >>> one_line(UserError("no such file:" + chr(10) + "a"))
        'no such file: a'
    """
    return " ".join(str(error).split()) or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
