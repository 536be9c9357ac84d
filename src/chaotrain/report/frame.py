"""What the pages have in common: templates, style, and a policy that forbids every request."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape
from rich.table import Table

from chaotrain.report.colours import PALETTE


def render(template: str, scripts: Sequence[str], **content: Any) -> str:
    """A template filled in, everything escaped.

    Args:
        template: Its name.
        scripts: The only ones that may run.
        content: What the template asks for.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("chaotrain"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["symbols"] = _symbols
    return environment.get_template(template).render(
        policy=_policy(scripts),
        scripts=[Markup(script) for script in scripts],
        colours=PALETTE,
        **content,
    )


def resource(name: str) -> str:
    """The text of a file beside the templates."""
    return resources.files("chaotrain").joinpath("templates", name).read_text("utf-8")


def cells(table: Table) -> tuple[list[str], list[tuple[str, ...]]]:
    """The headings and the rows of a table, as they are printed."""
    rows = zip(*(map(str, column.cells) for column in table.columns), strict=True)
    return [str(column.header) for column in table.columns], list(rows)


def _policy(scripts: Sequence[str]) -> str:
    """No request at all, and no script but these; plotly sets styles of its own."""
    digests = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"
    )


def _symbols(text: str) -> Markup:
    """Text with the index of a symbol lowered, and no break at an equals sign."""
    escaped = re.sub(r"([ηλ])_(\w+)", r"\1<sub>\2</sub>", str(escape(text)))
    return Markup(escaped.replace(" = ", "\u00a0=\u00a0"))
