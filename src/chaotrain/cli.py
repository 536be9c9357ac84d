"""The command line: parse, call, print."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chaotrain import complaints, files, signals
from chaotrain.errors import Interrupted, UserError, WorkerError, one_line

if TYPE_CHECKING:
    from chaotrain.study import Study

app = typer.Typer(
    help="Measure the chaos in the training of a neural network, and train at its onset.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="The directory of a study or a collection.")
]
Source = Annotated[
    str, typer.Argument(metavar="PRESET_OR_FILE", help="A preset's name, or a TOML file.")
]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Override a field; the value is TOML."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Data that is not bundled; by default CHAOTRAIN_DATA, else it is downloaded.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="Show this one whole.")] = None,
) -> None:
    """List the presets, or show one as an experiment file."""
    from chaotrain import atlas, experiment

    collections = atlas.presets()
    single = {n: text for n, text in experiment.presets().items() if n not in collections}
    texts = single | collections
    if name is None:
        for known, text in texts.items():
            if known == next(iter(collections), None):
                typer.echo("\nCollections of cases, at --scale quick or full:")
            typer.echo(f"{known:14} {text.splitlines()[0].lstrip('# ')}")
        typer.echo("\nchaotrain presets NAME shows one whole, to copy into a file of your own.")
    elif name in texts:
        typer.echo(texts[name], nl=False)
    else:
        raise UserError(f"preset {name!r} is unknown: choose one of {', '.join(texts)}")


@app.command()
def run(
    source: Source,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The study directory.")],
    overrides: Override = None,
    scale: Annotated[
        str | None,
        typer.Option("--scale", metavar="quick|full", help="Of a collection; by default quick."),
    ] = None,
    data_dir: DataDir = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", help="Compute in N processes of this machine."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask", metavar="ADDRESS", help="Compute on the cluster of this scheduler, or file."
        ),
    ] = None,
) -> None:
    """Run an experiment or a collection into DIR, or go on with it; then print and draw it."""
    from chaotrain import atlas, pools, progress, runs, showing

    found: Study | atlas.Atlas
    settings = atlas.load(source, overrides or (), scale)
    showing.tell_functions(settings)
    with pools.chosen(workers, dask) as executor:
        if isinstance(settings, atlas.Collection):
            found = atlas.run(settings, out, progress.shown, data_dir, executor)
        else:
            with progress.shown() as tick:
                found = runs.run(settings, out, tick, data_dir, executor)
    showing.summary(found)
    drawn = showing.draw(found)
    for path in drawn:
        typer.echo(path)
    typer.echo(showing.report(found, drawn))


@app.command()
def noise(
    source: Source,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="For the two studies.")],
    overrides: Override = None,
    data_dir: DataDir = None,
) -> None:
    """Tell apart how sensitive training is to its initial weights and to its batches."""
    from chaotrain import experiment, progress, sensitivity, showing, tables

    settings = experiment.load(source, overrides or ())
    showing.tell_functions(settings)
    both = sensitivity.compare(settings, out, progress.shown, data_dir)
    weights, batches = (study.dataset for study in both)
    tables.show_noise(both[0].summary, sensitivity.compared(weights, batches))
    for path in showing.draw_noise(out, weights, batches):
        typer.echo(path)


@app.command()
def anatomy(
    source: Source,
    eta: Annotated[float, typer.Option("--eta", help="The learning rate.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="For figures and numbers.")],
    init: Annotated[
        list[int] | None,
        typer.Option("--init", min=0, help="Which initialisation, 0 by default; may be repeated."),
    ] = None,
    every: Annotated[int, typer.Option("--every", help="Epochs between two sharpnesses.")] = 5,
    overrides: Override = None,
    data_dir: DataDir = None,
) -> None:
    """Dissect a training into DIR, or go on with it: when is it chaotic, and what of it is."""
    from chaotrain import anatomy as dissection
    from chaotrain import experiment, progress, showing

    settings = experiment.load(source, overrides or ())
    showing.tell_functions(settings)
    each = dissection.run_each(settings, out, eta, init or [0], every, progress.shown, data_dir)
    for folder, data in each:
        typer.echo(dissection.transient(data.growth))
        for path in showing.draw_anatomy(folder, data):
            typer.echo(path)


@app.command()
def onset(
    source: Source,
    overrides: Override = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget", help="Gradients; by default 6.3 times epochs, 15 on all samples."),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", help="That probes follow; by default an eighth of them."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="For figure and numbers.")
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Find the onset of chaos of an experiment and the learning rate to train at, by few probes."""
    from chaotrain import experiment, showing, systems
    from chaotrain.onset.finder import find_onset

    # The search chooses the learning rates, so that a file need not have them.
    settings = experiment.load(source, overrides or (), {"learning_rates": [1.0]})
    showing.tell_functions(settings)
    found = find_onset(
        systems.system_of(settings, data_dir),
        budget=budget,
        key=settings.seed,
        epochs=settings.epochs,
        target=settings.target,
        samples=samples,
        told=showing.tell_search,
    )
    showing.onset(found, as_json)
    for path in [] if out is None else showing.draw_onset(out, found):
        typer.echo(path, err=as_json)


@app.command()
def summary(
    folder: Directory,
    as_json: Json = False,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Write the tables into a file instead."),
    ] = None,
) -> None:
    """Print the statistics: a learning rate a row, or of a collection a case a row."""
    from chaotrain import showing

    found = showing.opened(folder)
    if markdown is not None:
        files.write(markdown, showing.as_markdown(found).encode())
        showing.tell_unfinished(found)
        typer.echo(markdown)
    elif as_json:
        text = showing.as_json(found)
        showing.tell_unfinished(found)
        typer.echo(text, nl=False)
    else:
        showing.summary(found)


@app.command()
def figures(folder: Directory) -> None:
    """Draw the figures again, as PDF and PNG: 1 to 5, those of the cases, or an anatomy's."""
    from chaotrain import showing

    for path in showing.redraw(folder):
        typer.echo(path)


@app.command()
def report(
    folder: Directory,
    shown: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write a study or a collection as one HTML page, DIR/report.html, that needs no network."""
    from chaotrain import showing

    found = showing.opened(folder)
    typer.echo(showing.report(found, shown=shown))
    showing.tell_unfinished(found)


@app.command()
def compare(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Studies, or collections of cases.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="For the figure and the page.")
    ] = Path("comparison"),
    as_json: Json = False,
) -> None:
    """Compare studies: a row each, and their curves in panels side by side on one HTML page."""
    from chaotrain import comparing

    studies = comparing.studies(folders)
    paths = comparing.write(studies, out)
    comparing.show(studies, as_json)
    for path in paths:
        typer.echo(path, err=as_json)


@app.command()
def verify(
    folder: Directory,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Remove damaged tiles; the next run computes them anew."),
    ] = False,
) -> None:
    """Check all that is stored in DIR against its SHA-256."""
    from chaotrain import showing

    if not showing.verify(showing.opened(folder), repair):
        raise typer.Exit(1)


@app.command()
def status(folder: Directory, as_json: Json = False) -> None:
    """Tell how a study or a collection does that runs elsewhere, or how it ended."""
    from chaotrain import showing

    showing.status(folder, as_json)


@app.command()
def export(
    folder: Directory,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A name ending in .zarr or .csv.")],
    only_summary: Annotated[
        bool, typer.Option("--summary", help="The statistics instead of all balls and epochs.")
    ] = False,
) -> None:
    """Write the data set of a study as a Zarr store, or as a CSV table for each set of axes."""
    from chaotrain import exports, showing

    study = showing.single(folder)
    for written in exports.export(study.summary if only_summary else study.dataset, path):
        typer.echo(written)


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
            warnings.showwarning = complaints.show_warning
            arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
            code = command(arguments, prog_name="chaotrain", standalone_mode=False)
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (UserError, WorkerError) as error:
        return complaints.complain(one_line(error), 2 if isinstance(error, UserError) else 1)
    except Interrupted as error:
        return complaints.complain(
            "stopped; what is finished is kept, the same command goes on from there",
            128 + error.signal,
        )
    except OSError as error:
        return complaints.output_failed(error)
    except Exception as error:
        return complaints.unforeseen(error)
