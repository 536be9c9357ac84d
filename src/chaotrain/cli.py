"""The command line: one line for whatever goes wrong, and the exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import typer

from chaotrain import files, signals
from chaotrain.commands import app
from chaotrain.errors import Interrupted, UserError, WorkerError, first_line, one_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the name of the program; by default those of the process.

    Returns:
        The exit code: 0 done, 2 the user's mistake, 130 or 143 interrupted, 1 anything else.
    """
    command: Callable[..., Any] = typer.main.get_command(app)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal cannot show is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with signals.raised(), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
            code = command(arguments, prog_name="chaotrain", standalone_mode=False)
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except UserError as error:
        return _complain(one_line(error), 2)
    except Interrupted as error:
        return _complain(
            "stopped; what is finished is kept, the same command goes on from there",
            128 + error.signal,
        )
    except WorkerError as error:
        return _complain(one_line(error), 1)
    except OSError as error:
        return _output_failed(error)
    except Exception as error:
        return _unforeseen(error)


def _complain(message: str, code: int) -> int:
    typer.echo(f"chaotrain: {message}", err=True)
    return code


def _output_failed(error: OSError) -> int:
    """A reader that went away is told nothing; a full disk is the user's to empty."""
    if error.errno not in (errno.EPIPE, *files.FULL):
        return _unforeseen(error)
    # What is still buffered would fail again when Python exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return 1
    return _complain(f"cannot write the output ({error.strerror}): free some space", 2)


def _unforeseen(error: Exception) -> int:
    """Usage errors as the parser words them; anything else is a bug, in one line."""
    usage = getattr(error, "format_message", None)
    if usage is not None:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "chaotrain"
        return _complain(f"{' '.join(usage().split())} (see {path} --help)", 2)
    return _complain(
        f"unforeseen {type(error).__name__}: {first_line(error)}; please report it, with the "
        "command",
        1,
    )


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    typer.echo(f"chaotrain: warning: {' '.join(str(message).split())}", err=True)
