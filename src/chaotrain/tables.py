"""The summary of a study as a table for a terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xarray as xr
from rich import box
from rich.console import Console
from rich.table import Table

from chaotrain import schema

WIDTH = 100
# How the symbols are spelled where the output cannot hold them.
SPELLING = str.maketrans(
    {"η": "eta", "λ": "lambda", "ρ": "rho", "τ": "tau", "⟨": "<", "⟩": ">", "±": "+-", "∞": "inf"}
)


def show(summary: xr.Dataset) -> None:
    """Print the statistics of every learning rate, the onsets and the fastest learning rates."""
    encoding = sys.stdout.encoding or "utf-8"
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for table in (chaos(summary), learning(summary), by_target(summary)):
        if not _holds(encoding):
            table = spelled(table)
        # A table that is too wide for the terminal wraps there; a number is never cut.
        console.width = 10 * WIDTH
        console.width = max(WIDTH, console.measure(table).maximum)
        console.print(table)
    for line in onset_lines(summary):
        console.print(line if _holds(encoding) else line.translate(SPELLING), soft_wrap=True)


def chaos(summary: xr.Dataset) -> Table:
    """One row a learning rate: how chaotic training is there; intervals are 95%."""
    headings = ("η", "λ_nMLE ± std", "[95%]", "ρ", "[95%]", "decided", "regime")
    table = _table(headings)
    for row in _rows(summary):
        table.add_row(
            f"{row['learning_rate']:.6g}",
            f"{number(row['nmle'], 3)} ± {number(row['nmle_std'], 3)}",
            interval(row, "nmle", 3),
            number(row["rho"], 2),
            interval(row, "rho", 2),
            f"{row['decided']:g}/{row['ran']:g}",
            str(row["regime"]) or "-",
        )
    return table


def learning(summary: xr.Dataset) -> Table:
    """One row a learning rate: what training achieves there; intervals are 95%."""
    time = f"⟨τ⟩ to {summary.attrs['target']:g}"
    table = _table(("η", "best acc.", time, "[95%]", "reached", "loss rises", "path ratio"))
    for row in _rows(summary):
        table.add_row(
            f"{row['learning_rate']:.6g}",
            number(row["best_accuracy"], 3),
            number(row["mean_training_time"], 1),
            interval(row, "mean_training_time", 1),
            number(row["reached"], 2),
            number(row["loss_rise_share"], 2),
            number(row["path_ratio"], 2),
        )
    return table


def by_target(summary: xr.Dataset) -> Table:
    """One row a target: the fastest learning rate, and its ratio to the onset."""
    table = _table(("target", "fastest η*", "[95%]", "η*/η_1", "[95%]"))
    fastest = summary.drop_dims(schema.LEARNING_RATE)
    for target in summary[schema.TARGET].values:
        row = _scalars(fastest.sel({schema.TARGET: target}))
        table.add_row(
            f"{target:g}",
            significant(row["eta_fastest"]),
            interval(row, "eta_fastest"),
            significant(row["eta_ratio"]),
            interval(row, "eta_ratio"),
        )
    return table


def onset_lines(summary: xr.Dataset) -> list[str]:
    """The onset of chaos in words."""
    attributes = summary.attrs
    meaning = {
        "eta_0": "half of the initialisations are chaotic",
        "eta_1": "all are, here and at every larger trainable η",
    }
    lines = []
    for name, words in meaning.items():
        limits = interval(attributes, name)
        known = significant(attributes[name]) + ("" if limits == "-" else f" {limits}")
        lines.append(f"{name.replace('eta', 'η')}: {known}  ({words})")
    return lines


def number(value: float, digits: int) -> str:
    """A number with its decimals, or a dash where there is none.

    Example:
        >>> from chaotrain.tables import number
        >>> number(0.12345, 3), number(float("nan"), 3), number(float("inf"), 3)
        ('0.123', '-', '∞')
    """
    if not math.isfinite(value):
        return _no_number(value)
    return f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"


def significant(value: float) -> str:
    """A learning rate, which may have any magnitude, with three significant digits.

    Example:
        >>> from chaotrain.tables import significant
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


def spelled(table: Table) -> Table:
    """The same table in ASCII."""
    copy = _table([str(column.header).translate(SPELLING) for column in table.columns])
    copy.box = box.ASCII
    for row in zip(*(column.cells for column in table.columns), strict=True):
        copy.add_row(*(str(cell).translate(SPELLING) for cell in row))
    return copy


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "regime" else "right", no_wrap=True)
    return table


def _holds(encoding: str) -> bool:
    """Whether an output in this encoding can show the symbols and the lines of a table."""
    try:
        "".join(map(chr, SPELLING)).encode(encoding)
        "─".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _no_number(value: float) -> str:
    return "-" if math.isnan(value) else "∞" if value > 0 else "-∞"


def _rows(summary: xr.Dataset) -> Iterator[dict[str, Any]]:
    """The values at every learning rate, for the main target if there are targets."""
    if summary[schema.TARGET].size:
        summary = summary.sel({schema.TARGET: summary.attrs["target"]})
    else:
        summary = summary.drop_dims(schema.TARGET)
    for index in range(summary.sizes[schema.LEARNING_RATE]):
        yield _scalars(summary.isel({schema.LEARNING_RATE: index}))


def _scalars(summary: xr.Dataset) -> dict[str, Any]:
    """The values of a row; NaN for what it does not have."""
    values = {str(name): variable.values.item() for name, variable in summary.variables.items()}
    return dict.fromkeys(schema.SUMMARY, math.nan) | values
