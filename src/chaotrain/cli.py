"""The command line: parse, call, print."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from chaotrain import files, signals
from chaotrain.errors import Interrupted, UserError, first_line, one_line

if TYPE_CHECKING:
    from chaotrain.study import Study

app = typer.Typer(
    help="Measure the chaos in the training of a neural network, and train at its onset.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A study directory.")]
Source = Annotated[
    str, typer.Argument(metavar="PRESET_OR_FILE", help="A preset's name or an experiment file.")
]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Override a field; the value is TOML."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="Show this one whole.")] = None,
) -> None:
    """List the presets, or show one as an experiment file."""
    from chaotrain import experiment

    texts = experiment.presets()
    if name is None:
        for known, text in texts.items():
            typer.echo(f"{known:14} {text.splitlines()[0].lstrip('# ')}")
        typer.echo(
            "\nchaotrain presets NAME shows one whole, to be copied into a file of your own."
        )
    elif name in texts:
        typer.echo(texts[name], nl=False)
    else:
        raise UserError(f"preset {name!r} is unknown: choose one of {', '.join(texts)}")


@app.command()
def run(
    source: Source,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The study directory.")],
    overrides: Override = None,
) -> None:
    """Run an experiment into DIR, or go on with it there; then print and draw the result."""
    from chaotrain import experiment, progress, runs

    settings = experiment.load(source, overrides or ())
    with progress.shown() as tick:
        study = runs.run(settings, out, tick)
    _print_summary(study)
    for path in _draw(study):
        typer.echo(path)


@app.command()
def summary(folder: Directory, as_json: Json = False) -> None:
    """Print the statistics of a study, a learning rate a row."""
    from chaotrain.exports import summary_json
    from chaotrain.study import Study

    study = Study(folder)
    if as_json:
        text = summary_json(study.summary)
        _tell_unfinished(study)
        typer.echo(text, nl=False)
    else:
        _print_summary(study)


@app.command()
def figures(folder: Directory) -> None:
    """Draw figures 1 to 5 of a study into DIR/figures, as PDF and PNG."""
    from chaotrain.study import Study

    study = Study(folder)
    paths = _draw(study)
    _tell_unfinished(study)
    for path in paths:
        typer.echo(path)


@app.command()
def verify(folder: Directory) -> None:
    """Check every finished tile of a study against its SHA-256."""
    from chaotrain.study import Study

    study = Study(folder)
    problems = study.verify()
    for problem in problems:
        typer.echo(problem, err=True)
    for path in study.unrecorded():
        typer.echo(f"{path} is no finished tile: it is not read", err=True)
    finished, tiles = len(study.finished), len(study.tiles)
    if problems:
        typer.echo(
            f"{len(problems)} of {finished} finished tiles are not as recorded: delete them with "
            "their records and run again to compute them anew",
            err=True,
        )
        raise typer.Exit(1)
    typer.echo(f"{finished} of {tiles} tiles finished, all as recorded")


@app.command()
def export(
    folder: Directory,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A name ending in .zarr or .csv.")],
    only_summary: Annotated[
        bool, typer.Option("--summary", help="The statistics instead of all balls and epochs.")
    ] = False,
) -> None:
    """Write the data set of a study as a Zarr store, or as a CSV table for each set of axes."""
    from chaotrain import exports
    from chaotrain.study import Study

    study = Study(folder)
    for written in exports.export(study.summary if only_summary else study.dataset, path):
        typer.echo(written)


def _print_summary(study: Study) -> None:
    from chaotrain import tables

    statistics = study.summary
    _tell_unfinished(study)
    tables.show(statistics)


def _tell_unfinished(study: Study) -> None:
    done, total = len(study.finished), len(study.tiles)
    if done < total:
        typer.echo(f"{done} of {total} tiles are finished; run it again to resume.", err=True)


def _draw(study: Study) -> list[Path]:
    from chaotrain import figures as drawing

    folder = study.path / "figures"
    unfinished = folder.with_name(folder.name + files.UNFINISHED)
    files.remove(unfinished)
    try:
        with files.writing(folder):
            drawn = drawing.save_all(study.dataset, study.summary, unfinished)
            folder.mkdir(exist_ok=True)
            return [path.replace(folder / path.name) for path in drawn]
    finally:
        files.remove(unfinished)


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
