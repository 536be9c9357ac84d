"""Studies side by side on one page: their figure, their table, and what differs between them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from chaotrain.atlas import RULE, Row
from chaotrain.report import frame
from chaotrain.tables.cases import table_of_cases


def render_comparison(
    rows: Sequence[Row], differences: Mapping[str, Sequence[Any]], picture: bytes
) -> str:
    """The page as text: the same for the same studies.

    Args:
        rows: A row a study.
        differences: The fields in which their experiments differ, with the value in each.
        picture: The figure as PNG.
    """
    headings, cells = frame.cells(table_of_cases([rows]))
    return frame.render(
        "comparison.html",
        [],
        names=[row.case for row in rows],
        headings=["study", *headings[1:]],
        rows=cells,
        rule=RULE,
        differences={name: list(map(_text, values)) for name, values in differences.items()},
        picture=f"data:image/png;base64,{base64.b64encode(picture).decode()}",
    )


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
