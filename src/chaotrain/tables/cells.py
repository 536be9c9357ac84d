"""What tables are made of: numbers, intervals and cells, for a terminal and in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

WIDTH = 100
# Headings of the columns that hold words.
WORDS = ("regime", "case", "does the claim hold?", "learning rate", "where")
# How the symbols are spelled where the output cannot hold them.
SPELLING = str.maketrans(
    {"η": "eta", "λ": "lambda", "ρ": "rho", "τ": "tau", "⟨": "<", "⟩": ">", "±": "+-", "∞": "inf"}
)
# What means something else in Markdown.
ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in "|*<>[]"})


def number(value: float, digits: int) -> str:
    """A number with its decimals, or a dash where there is none.

    Example:
        >>> from chaotrain.tables.cells import number
        >>> number(0.12345, 3), number(float("nan"), 3), number(float("inf"), 3)
        ('0.123', '-', '∞')
    """
    if not math.isfinite(value):
        return _no_number(value)
    return f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"


def significant(value: float) -> str:
    """A learning rate, which may have any magnitude, with three significant digits.

    Example:
        >>> from chaotrain.tables.cells import significant
        >>> significant(0.0005), significant(12.5), significant(float("inf"))
        ('0.0005', '12.5', '∞')
    """
    return f"{value:.3g}" if math.isfinite(value) else _no_number(value)


def interval(values: Mapping[str, float], name: str, digits: int | None = None) -> str:
    """The interval that belongs to a variable, or a dash where it has none.

    Args:
        values: A row of the summary.
        name: The variable; its limits are named after it.
        digits: Decimals; by default three significant digits.
    """
    limits = values[f"{name}_low"], values[f"{name}_high"]
    if any(map(math.isnan, limits)):
        return "-"
    return f"[{', '.join(significant(x) if digits is None else number(x, digits) for x in limits)}]"


def markdown(table: Table) -> str:
    r"""The same table in Markdown, with a line of text in each cell.

    Example:
        >>> table = Table("η*", "share")
        >>> table.add_row("7.5\n[5, 7.5]", "1")
        >>> print(markdown(table))
        | η\* | share |
        |---|---|
        | 7.5 \[5, 7.5\] | 1 |
    """
    heading = [str(column.header) for column in table.columns]
    rows = zip(*(map(str, column.cells) for column in table.columns), strict=True)
    lines = [heading, *rows]
    cells = [[" ".join(cell.split()).translate(ESCAPED) for cell in line] for line in lines]
    first, *rest = (f"| {' | '.join(line)} |" for line in cells)
    return "\n".join([first, "|---" * len(heading) + "|", *rest])


def spelled(table: Table) -> Table:
    """The same table in ASCII."""
    copy = new_table([str(column.header).translate(SPELLING) for column in table.columns])
    copy.box = box.ASCII
    for row in zip(*(column.cells for column in table.columns), strict=True):
        copy.add_row(*(str(cell).translate(SPELLING) for cell in row))
    return copy


def new_table(headings: Sequence[str]) -> Table:
    """A table with these headings and no rows."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in WORDS else "right", no_wrap=True)
    return table


def holds(encoding: str) -> bool:
    """Whether an output in this encoding can show the symbols and the lines of a table."""
    try:
        "".join(map(chr, SPELLING)).encode(encoding)
        "─".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _no_number(value: float) -> str:
    return "-" if math.isnan(value) else "∞" if value > 0 else "-∞"
