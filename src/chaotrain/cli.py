"""The command line: parse, call, print."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from chaotrain.errors import Interrupted, UserError, first_line

if TYPE_CHECKING:
    from chaotrain.study import Study

app = typer.Typer(
    help="Measure the chaos in the training of a neural network, and train at its onset.",
    no_args_is_help=True,
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
    from chaotrain.study import Study, summary_json

    study = Study(folder)
    if as_json:
        typer.echo(summary_json(study.summary), nl=False)
    else:
        _print_summary(study)


@app.command()
def figures(folder: Directory) -> None:
    """Draw figures 1 to 5 of a study into DIR/figures, as PDF and PNG."""
    from chaotrain.study import Study

    for path in _draw(Study(folder)):
        typer.echo(path)


@app.command()
def verify(folder: Directory) -> None:
    """Check every finished tile of a study against its SHA-256."""
    from chaotrain.study import Study

    study = Study(folder)
    problems = study.verify()
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{len(study.finished)} of {len(study.tiles)} tiles finished, all as recorded")


@app.command()
def export(
    folder: Directory,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A name ending in .zarr or .csv.")],
    only_summary: Annotated[
        bool, typer.Option("--summary", help="The statistics instead of all balls and epochs.")
    ] = False,
) -> None:
    """Write the data set of a study as a Zarr store or a CSV table."""
    from chaotrain.study import Study
    from chaotrain.study import export as write

    study = Study(folder)
    write(study.summary if only_summary else study.dataset, path)
    typer.echo(path)


def _print_summary(study: Study) -> None:
    from chaotrain import tables

    done, total = len(study.finished), len(study.tiles)
    if done < total:
        typer.echo(f"{done} of {total} tiles are finished; run it again to resume.", err=True)
    tables.show(study.summary)


def _draw(study: Study) -> list[Path]:
    from chaotrain import figures as drawing

    with study.store.writing():
        return drawing.save_all(study.dataset, study.summary, study.path / "figures")


@contextmanager
def _signals() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Interrupted`, so that a run can close what it holds."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise Interrupted(number)

    old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def main() -> int:
    """Run the command line; returns the exit code."""
    command: Callable[..., Any] = typer.main.get_command(app)
    try:
        with _signals():
            code = command(standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.Exit as error:
        return error.exit_code
    except UserError as error:
        typer.echo(f"chaotrain: {first_line(error)}", err=True)
        return 2
    except Interrupted as error:
        typer.echo(
            "chaotrain: stopped; finished tiles are kept, the same command goes on from there",
            err=True,
        )
        return 128 + error.signal
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        return _unforeseen(error)


def _unforeseen(error: Exception) -> int:
    """Usage errors of the parser as it words them; anything else is a bug, in one line."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return int(getattr(error, "exit_code", 2))
    typer.echo(
        f"chaotrain: unforeseen {type(error).__name__}: {first_line(error)}; "
        "please report it with the command",
        err=True,
    )
    return 1
