"""Studies side by side: a row and a panel each, and what differs between their experiments."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer

from chaotrain import atlas, exports, figures, files, report, showing, tables
from chaotrain.atlas import Atlas
from chaotrain.errors import UserError
from chaotrain.experiment import differences
from chaotrain.explaining import printable
from chaotrain.study import Study

NAME = "comparison"


def studies(folders: Sequence[Path]) -> dict[str, Study]:
    """The studies in some directories, under names that tell them apart.

    Args:
        folders: Directories of studies, or of collections, whose cases join in as far as they ran.

    Raises:
        UserError: If one holds neither or nothing finished, or there are fewer than two studies.
    """
    opened = {folder: showing.opened(folder) for folder in folders}
    found = [study for folder in folders for study in _within(opened[folder])]
    paths = [study.path.resolve() for study in found]
    for study, path in zip(found, paths, strict=True):
        if paths.count(path) > 1:
            raise UserError(f"{study.path} is given twice: name each study once")
    if len(found) < 2:
        raise UserError(
            f"compare takes two or more studies, {len(found)} given: name another directory"
        )
    for folder, one in opened.items():
        showing.tell_unfinished(one, f"{folder}: ")
    return dict(zip(names(paths), found, strict=True))


def names(paths: Sequence[Path]) -> list[str]:
    """The last parts of different paths, each with as many before as tell it from the others.

    Example:
        >>> names([Path("/a/relu"), Path("/b/relu"), Path("/b/tanh")])
        ['a/relu', 'b/relu', 'tanh']
    """
    ends = [[str(Path(*path.parts[-n:])) for n in range(1, len(path.parts) + 1)] for path in paths]
    often = Counter(end for some in ends for end in set(some))
    chosen = (next(end for end in some if often[end] == 1) for some in ends)
    # A name may hold what neither a terminal nor a page can show.
    return [printable(name) for name in chosen]


def show(found: dict[str, Study], as_json: bool) -> None:
    """Print a row a study, or as JSON the summary of each and the fields that differ."""
    rows = _rows(found)
    if not as_json:
        tables.show_cases([rows])
        return
    content = {
        "studies": {
            row.case: {
                "claim": row.claim._asdict(),
                "summary": json.loads(exports.summary_json(found[row.case].summary)),
            }
            for row in rows
        },
        "differences": _differences(found),
    }
    typer.echo(json.dumps(content, indent=1, allow_nan=False))


def write(found: dict[str, Study], folder: Path) -> list[Path]:
    """Write the figure, as PDF and PNG, and the page of some studies into a folder."""
    # A dollar sign would begin a formula.
    panels = [
        figures.Case(name.replace("$", r"\$"), study.dataset, study.summary)
        for name, study in found.items()
    ]
    title = f"{len(found)} studies compared"
    with files.writing(folder):
        paths = figures.save_cases(title, panels, folder, NAME)
        picture = next(path for path in paths if path.suffix == ".png").read_bytes()
        page = folder / f"{NAME}.html"
        section = report.section("", _rows(found), _differences(found), picture)
        text = report.render_comparison("comparison", title, [section])
        files.write(page, text.encode())
    return [*paths, page]


def _within(opened: Study | Atlas) -> list[Study]:
    found = list(opened.studies.values()) if isinstance(opened, Atlas) else [opened]
    if not any(study.finished for study in found):
        raise UserError(f"{opened.path} has no finished tile yet: run it again to resume")
    return found


def _rows(found: dict[str, Study]) -> list[atlas.Row]:
    return [atlas.row_of(name, name, study) for name, study in found.items()]


def _differences(found: dict[str, Study]) -> dict[str, list[object]]:
    return differences([study.grid for study in found.values()])
