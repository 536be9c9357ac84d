"""What the command line prints and draws of a directory: one study, or a collection of them."""

from __future__ import annotations

import json
import webbrowser
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer
import xarray as xr

from chaotrain import atlas, exports, files, schema, tables
from chaotrain.atlas import Atlas
from chaotrain.errors import UserError
from chaotrain.experiment import Experiment
from chaotrain.explaining import printable, short
from chaotrain.onset import Onset
from chaotrain.onset.probes import Judged
from chaotrain.onset.race import Lane
from chaotrain.store import ANATOMY
from chaotrain.study import Study


def opened(folder: Path) -> Study | Atlas:
    """The study or the collection in a directory.

    Raises:
        UserError: If it holds neither.
    """
    return Atlas(folder) if atlas.is_atlas(folder) else Study(folder)


def single(folder: Path) -> Study:
    """The study in a directory.

    Raises:
        UserError: If it holds none, with the cases to choose from if it holds a collection.
    """
    found = opened(folder)
    if isinstance(found, Atlas):
        first, *more = (str(folder / path) for path in found.collection.cases)
        others = f" or {len(more)} more" if more else ""
        raise UserError(f"{folder} is a collection: name one of its cases, {first}{others}")
    return found


def summary(found: Study | Atlas) -> None:
    """Print the tables of a study, or of a collection the row of every case, and scans of ε."""
    if isinstance(found, Study):
        statistics = found.summary
        tell_unfinished(found)
        tables.show(statistics)
    else:
        rows, scans = _judged(found), _scans(found)
        tell_unfinished(found)
        if rows:
            tables.show_cases(rows)
        for scan in scans.values():
            tables.show_scan(scan)


def as_json(found: Study | Atlas) -> str:
    """The summary as JSON; of a collection that of each case, with its claim (null: not run)."""
    if isinstance(found, Study):
        return exports.summary_json(found.summary)
    cases = {}
    for row in (row for group in found.rows() for row in group):
        study = found.studies.get(row.case)
        cases[row.case] = {
            "title": row.title,
            "claim": row.claim._asdict(),
            "summary": json.loads(exports.summary_json(study.summary)) if study else None,
        }
    content = {"title": found.collection.title, "scale": found.collection.scale, "cases": cases}
    scans = {name: json.loads(exports.summary_json(scan)) for name, scan in _scans(found).items()}
    content |= {"scans": scans} if scans else {}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def as_markdown(found: Study | Atlas) -> str:
    """The tables of `summary` as a page in Markdown."""
    if isinstance(found, Study):
        return tables.report(found.path.resolve().name, found.summary)
    rows, title = _judged(found), found.collection.title
    pages = [tables.report(title, rows)] if rows else []
    return "\n".join(pages + [tables.report(title, scan) for scan in _scans(found).values()])


def _judged(found: Atlas) -> list[list[atlas.Row]]:
    """The rows of the groups that are no scan of ε, which says nothing about the claim."""
    groups = zip(found.collection.groups, found.rows(), strict=True)
    return [rows for group, rows in groups if not atlas.is_scan(group)]


def _scans(found: Atlas) -> dict[str, xr.Dataset]:
    """The scans of ε among the groups, by the names of these, as far as they ran."""
    groups = [group for group in found.collection.groups if atlas.is_scan(group)]
    scans = {group.name: atlas.scan_of(found, group) for group in groups}
    return {name: scan for name, scan in scans.items() if scan is not None}


def tell_functions(settings: Experiment | atlas.Collection) -> None:
    """Say on stderr which functions a run is about to import, wherever the file came from."""
    if isinstance(settings, atlas.Collection):
        grids = [case.experiment for case in settings.cases.values()]
    else:
        grids = [settings]
    named = dict.fromkeys(
        f"{short(name)} ({field})" for grid in grids for field, name in grid.functions.items()
    )
    if named:
        typer.echo(f"imports and runs {', '.join(named)}", err=True)


def tell_unfinished(found: Study | Atlas, which: str = "") -> None:
    """Say on stderr how much is finished, after the words for which, unless it is all."""
    if isinstance(found, Study):
        done, total, what = len(found.finished), len(found.tiles), "tiles"
    else:
        done, total, what = len(found.finished), len(found.collection.cases), "cases"
    if done < total:
        typer.echo(
            f"{which}{done} of {total} {what} are finished; run it again to resume.", err=True
        )


def verify(found: Study | Atlas, repair: bool = False) -> bool:
    """Check all that is stored against its SHA-256, say what is wrong, and whether all is well."""
    studies = [found] if isinstance(found, Study) else list(found.studies.values())
    if repair:
        removed = [problem for study in studies for problem in study.repair()]
        for problem in removed:
            typer.echo(f"{problem}: removed", err=True)
        if removed:
            typer.echo(f"{len(removed)} tiles removed; run it again to compute them anew", err=True)
    damaged = [problem for study in studies for problem in study.damaged().values()]
    logs = [study.store.log_problem() for study in studies]
    problems = [*damaged, *(log for log in logs if log is not None)]
    for problem in problems:
        typer.echo(problem, err=True)
    for path in (path for study in studies for path in study.unrecorded()):
        typer.echo(f"{path} is no finished tile: it is not read", err=True)
    finished = sum(len(study.finished) for study in studies)
    if damaged:
        typer.echo(
            f"{len(damaged)} of {finished} finished tiles are not as recorded: --repair removes "
            "them, and the next run computes them anew",
            err=True,
        )
    if problems:
        return False
    total = sum(len(study.tiles) for study in studies)
    cases = ""
    if isinstance(found, Atlas):
        cases = f" in {len(studies)} of {len(found.collection.cases)} cases"
    typer.echo(f"{finished} of {total} tiles finished{cases}, all as recorded")
    return True


def status(folder: Path, as_json: bool) -> None:
    """Print how a study does, or every case of a collection, as a line each or as JSON."""
    from chaotrain import status

    found: Any
    if not atlas.is_atlas(folder):
        one = status.of_study(folder)
        text, found = printable(str(one)), one.to_dict()
    else:
        cases = status.of_collection(folder)
        done = sum(case is not None and case.tiles_done == case.tiles for case in cases.values())
        lines = [printable(f"{path}: {case or 'not begun'}") for path, case in cases.items()]
        text = "\n".join([*lines, f"{done} of {len(cases)} cases are finished"])
        found = {"cases": {path: case and case.to_dict() for path, case in cases.items()}}
    typer.echo(json.dumps(found, indent=1, allow_nan=False) if as_json else text)


def redraw(folder: Path) -> list[Path]:
    """Draw what a directory holds: a study or a collection, or an anatomy with its numbers."""
    held = [folder / ANATOMY, *sorted(folder.glob(f"init-*/{ANATOMY}"))]
    if dissected := [path.parent for path in held if files.exists(path)]:
        from chaotrain import anatomy

        return [path for one in dissected for path in draw_anatomy(one, anatomy.opened(one))]
    found = opened(folder)
    paths = draw(found)
    tell_unfinished(found)
    return paths


def draw(found: Study | Atlas) -> list[Path]:
    """Draw figures 1 to 5 of a study, or the figures of a collection, into its folder `figures`."""
    from chaotrain import figures

    if isinstance(found, Study):
        dataset, statistics = found.dataset, found.summary
        return _written(found.path, lambda to: figures.save_all(dataset, statistics, to))
    if not found.studies:
        raise UserError(f"{found.path} has no finished tile yet: run it again to resume")

    scans = _scans(found)

    def save(folder: Path) -> list[Path]:
        paths: list[Path] = []
        for group in found.collection.groups:
            if group.name in scans:
                name = group.name if found.collection.nested else "epsilon-scan"
                paths += figures.save_epsilon_scan(
                    _plain(group.title), scans[group.name], folder, name
                )
                continue
            panels = [
                figures.Case(
                    _plain(title),
                    study.dataset if study else None,
                    study.summary if study else None,
                )
                for title, study in found.cases(group)
            ]
            if any(panel.summary is not None for panel in panels):
                paths += figures.save_cases(_plain(group.title), panels, folder, group.name)
        return paths

    return _written(found.path, save)


def _plain(title: str) -> str:
    """A title for a figure, where a dollar sign would begin a formula."""
    return title.replace("$", r"\$")


def report(found: Study | Atlas, drawn: Iterable[Path] | None = None, shown: bool = False) -> Path:
    """Write the page of a study or a collection, open it in the browser if wanted, and return it.

    Args:
        found: What the page is of.
        drawn: The figures of a collection; drawn first if None.
        shown: Whether to open it.
    """
    from chaotrain import report as page

    if isinstance(found, Study):
        path = page.write(found)
    else:
        drawn = draw(found) if drawn is None else drawn
        pictures = {picture.stem: picture for picture in drawn if picture.suffix == ".png"}
        path = page.write_collection(found, pictures)
    if shown:
        webbrowser.open(path.resolve().as_uri())
    return path


def draw_noise(root: Path, weights: xr.Dataset, batches: xr.Dataset) -> list[Path]:
    """Draw the two studies of `chaotrain noise` into its folder `figures`."""
    from chaotrain import figures

    return _written(root, lambda to: figures.save_sensitivities(weights, batches, to))


def draw_anatomy(folder: Path, data: xr.Dataset) -> list[Path]:
    """Write the numbers and the figures of `chaotrain anatomy` into a folder."""
    from chaotrain import figures

    def over(dimension: str) -> xr.Dataset:
        return data[[name for name, array in data.data_vars.items() if dimension in array.dims]]

    tables = {
        "anatomy.csv": data.drop_dims([schema.LAYER, "exponent", "length"]),
        "anatomy-layers.csv": over(schema.LAYER),
        "anatomy-spectrum.csv": over("exponent"),
    }
    with files.writing(folder):
        for name, table in tables.items():
            files.write(folder / name, table.to_dataframe().to_csv().encode())
        drawn = (figures.save_anatomy, figures.save_weights_and_function, figures.save_spectrum)
        return [
            *(folder / name for name in tables),
            *(path for save in drawn for path in save(data, folder)),
        ]


def tell_search(event: Judged | Lane) -> None:
    """Say on stderr what a probe showed, or how far a learning rate has come in the race."""
    if isinstance(event, Judged):
        text = f"probe  η = {event.probe.eta:<9.4g} {event.verdict}, Λ = {event.exponent:.3f}, "
        text += f"growth up to {event.peak:.1f} e-folds"
    else:
        text = f"race   η = {event.eta:<9.4g} epoch {event.epochs}, best {event.score:.4g}, "
        text += f"loss {event.loss:.4g}"
    typer.echo(text, err=True)


def onset(found: Onset, as_json: bool) -> None:
    """Print what a search for the onset found, as tables or as JSON."""
    if as_json:
        typer.echo(_json(found), nl=False)
    else:
        tables.show_onset(found)


def draw_onset(folder: Path, found: Onset) -> list[Path]:
    """Write the numbers and the figure of `chaotrain onset` into a folder."""
    from chaotrain import figures

    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / "onset.json", _json(found).encode())
        files.write(folder / "probes.csv", found.probes.to_dataframe().to_csv().encode())
        written = [folder / "onset.json", folder / "probes.csv"]
        return [*written, *figures.save_onset(found.probes, found.race, folder)]


def _json(found: Onset) -> str:
    return json.dumps(found.to_dict(), indent=1, allow_nan=False) + "\n"


def _written(root: Path, save: Callable[[Path], Iterable[Path]]) -> list[Path]:
    """Save figures beside the folder of the old ones, and move them there when all are drawn."""
    folder = root / "figures"
    files.check_folder(folder)
    unfinished = folder.with_name(folder.name + files.UNFINISHED)
    files.remove(unfinished)
    try:
        with files.writing(folder):
            drawn = save(unfinished)
            folder.mkdir(exist_ok=True)
            return [path.replace(folder / path.name) for path in drawn]
    finally:
        files.remove(unfinished)
