"""Summaries as tables: for a terminal, and in Markdown."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Sequence

import xarray as xr
from rich.console import Console
from rich.table import Table

from chaotrain.analysis.scan import EPSILON
from chaotrain.atlas import RULE, Row
from chaotrain.onset import Onset
from chaotrain.tables.cases import table_of_cases
from chaotrain.tables.cells import ESCAPED, SPELLING, WIDTH, holds, markdown, spelled
from chaotrain.tables.scans import plateau_lines, table_of_scan
from chaotrain.tables.search import learning_rates, raced
from chaotrain.tables.studies import noise, onset_lines, tables_of


def show(summary: xr.Dataset) -> None:
    """Print the statistics of every learning rate, the onsets and the fastest learning rates."""
    _print(tables_of(summary), onset_lines(summary))


def show_cases(groups: Sequence[Sequence[Row]]) -> None:
    """Print a row a case, and the rule by which the claim is judged."""
    _print([table_of_cases(groups)], ["", *textwrap.wrap(RULE, WIDTH)])


def show_scan(scan: xr.Dataset) -> None:
    """Print a row a learning rate and ε, and the plateau of every learning rate."""
    _print([table_of_scan(scan)], plateau_lines(scan))


def show_noise(weights: xr.Dataset, compared: xr.Dataset) -> None:
    """Print how far networks end up for other weights and for other noise."""
    _print(
        [noise(weights, compared)],
        [
            "d(T): distance to the reference after the last epoch, geometric mean.",
            "share: near 0 the noise alone tells networks apart, near 1 weights by ε do too.",
        ],
    )


def show_onset(found: Onset) -> None:
    """Print the learning rates that a search found, the race, and what it comes to."""
    cost = f"{found.cost:.0f} gradient evaluations, {found.seconds:.0f} s"
    _print(
        [learning_rates(found.probes.attrs), raced(found.race)],
        [*textwrap.wrap(str(found), WIDTH), "", cost],
    )


def report(title: str, summary: xr.Dataset | Sequence[Sequence[Row]]) -> str:
    """The tables of a study, a scan of ε or the cases of a collection, as a page in Markdown."""
    if isinstance(summary, xr.Dataset) and EPSILON in summary.dims:
        found, lines = [table_of_scan(summary)], [f"- {line}" for line in plateau_lines(summary)]
    elif isinstance(summary, xr.Dataset):
        found, lines = tables_of(summary), [f"- {line}" for line in onset_lines(summary)]
    else:
        found, lines = [table_of_cases(summary)], [RULE]
    text = "\n".join(lines).translate(ESCAPED)
    return "\n\n".join([f"# {title}", *map(markdown, found), text]) + "\n"


def _print(found: Iterable[Table], lines: Iterable[str]) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for table in found:
        if not holds(encoding):
            table = spelled(table)
        # A table that is too wide for the terminal wraps there; a number is never cut.
        console.width = 10 * WIDTH
        console.width = max(WIDTH, console.measure(table).maximum)
        console.print(table)
    for line in lines:
        console.print(line if holds(encoding) else line.translate(SPELLING), soft_wrap=True)
