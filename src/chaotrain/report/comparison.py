"""Studies side by side on one page: their figures, their tables, and what differs between them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from chaotrain import files
from chaotrain.atlas import RULE, Atlas, Row, is_scan, scan_of
from chaotrain.experiment import differences
from chaotrain.report import frame
from chaotrain.tables.cases import table_of_cases
from chaotrain.tables.scans import plateau_lines, table_of_scan

PAGE = "report.html"


class Section(NamedTuple):
    """Studies that are read together.

    Attributes:
        title: What they have in common; "" if they are all that is on the page.
        names: What tells them apart.
        table: Their numbers.
        lines: What is to be known of the table.
        differences: The fields in which their experiments differ, with the value in each.
        picture: The figure as PNG.
    """

    title: str
    names: Sequence[str]
    table: Table
    lines: Sequence[str]
    differences: Mapping[str, Sequence[Any]]
    picture: bytes


def section(
    title: str, rows: Sequence[Row], differences: Mapping[str, Sequence[Any]], picture: bytes
) -> Section:
    """The section of studies with a row each."""
    return Section(
        title, [row.case for row in rows], table_of_cases([rows]), [RULE], differences, picture
    )


def render_comparison(kind: str, title: str, sections: Sequence[Section]) -> str:
    """The page as text: the same for the same studies.

    Args:
        kind: What the page is, "comparison" or "collection".
        title: Its title.
        sections: What is on it.
    """
    return frame.render(
        "comparison.html", [], kind=kind, title=title, sections=list(map(_content, sections))
    )


def write_collection(found: Atlas, pictures: Mapping[str, Path]) -> Path:
    """Write the page of a collection into its directory, and return the file.

    Args:
        found: The collection, finished or not.
        pictures: The PNG of each of its figures by name; a group without one is left out.
    """
    sections = []
    for group, rows in zip(found.collection.groups, found.rows(), strict=True):
        path = pictures.get(group.name, pictures.get("epsilon-scan"))
        scan = scan_of(found, group) if is_scan(group) else None
        if path is None:
            continue
        differ = differences([case.experiment for case in group.cases])
        figure = f"{group.name.replace('-', ' ').capitalize()}: " if found.collection.nested else ""
        one = section(figure + group.title, rows, differ, path.read_bytes())
        if scan is not None:
            one = one._replace(table=table_of_scan(scan), lines=plateau_lines(scan))
        sections.append(one)
    page = found.path / PAGE
    text = render_comparison("collection", found.collection.title, sections)
    files.write(page, text.encode())
    return page


def _content(found: Section) -> dict[str, Any]:
    headings, rows = frame.cells(found.table)
    if not found.title:
        headings[0] = "study"
    return {
        "title": found.title,
        "names": found.names,
        "headings": headings,
        "rows": rows,
        "lines": found.lines,
        "differences": {name: list(map(_text, row)) for name, row in found.differences.items()},
        "picture": f"data:image/png;base64,{base64.b64encode(found.picture).decode()}",
    }


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
