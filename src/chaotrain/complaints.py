"""What went wrong, in one line on stderr, and the exit code for it."""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO

import typer

from chaotrain import files
from chaotrain.errors import first_line


def complain(message: str, code: int) -> int:
    """Say in one line on stderr what is wrong, and return the exit code."""
    typer.echo(f"chaotrain: {message}", err=True)
    return code


def output_failed(error: OSError) -> int:
    """A reader that went away is told nothing; a full disk is the user's to empty."""
    if error.errno not in (errno.EPIPE, *files.FULL):
        return unforeseen(error)
    # What is still buffered would fail again when Python exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return 1
    return complain(f"cannot write the output ({error.strerror}): free some space", 2)


def unforeseen(error: Exception) -> int:
    """Usage errors as the parser words them; anything else is a bug, in one line."""
    usage = getattr(error, "format_message", None)
    if usage is not None:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "chaotrain"
        return complain(f"{' '.join(usage().split())} (see {path} --help)", 2)
    return complain(
        f"unforeseen {type(error).__name__}: {first_line(error)}; please report it, with the "
        "command",
        1,
    )


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say a warning in one line on stderr, as `warnings.showwarning`."""
    typer.echo(f"chaotrain: warning: {' '.join(str(message).split())}", err=True)
