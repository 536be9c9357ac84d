"""Summaries as tables: for a terminal, and in Markdown."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import xarray as xr
from rich import box
from rich.console import Console
from rich.table import Table

from chaotrain import schema
from chaotrain.atlas import RULE, Estimate, Row

WIDTH = 100
# Headings of the columns that hold words.
WORDS = ("regime", "case", "does the claim hold?")
# How the symbols are spelled where the output cannot hold them.
SPELLING = str.maketrans(
    {"η": "eta", "λ": "lambda", "ρ": "rho", "τ": "tau", "⟨": "<", "⟩": ">", "±": "+-", "∞": "inf"}
)
# What means something else in Markdown.
ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in "|*<>[]"})


def show(summary: xr.Dataset) -> None:
    """Print the statistics of every learning rate, the onsets and the fastest learning rates."""
    _print(tables_of(summary), onset_lines(summary))


def show_cases(groups: Sequence[Sequence[Row]]) -> None:
    """Print a row a case, and the rule by which the claim is judged."""
    _print([cases(groups)], ["", *textwrap.wrap(RULE, WIDTH)])


def show_noise(weights: xr.Dataset, compared: xr.Dataset) -> None:
    """Print how far networks end up for other weights and for other noise."""
    _print(
        [noise(weights, compared)],
        [
            "d(T): distance to the reference after the last epoch, geometric mean.",
            "share: near 0 the noise alone tells networks apart, near 1 weights by ε do too.",
        ],
    )


def tables_of(summary: xr.Dataset) -> list[Table]:
    """The tables of a study."""
    return [chaos(summary), learning(summary), by_target(summary)]


def _print(found: Iterable[Table], lines: Iterable[str]) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for table in found:
        if not _holds(encoding):
            table = spelled(table)
        # A table that is too wide for the terminal wraps there; a number is never cut.
        console.width = 10 * WIDTH
        console.width = max(WIDTH, console.measure(table).maximum)
        console.print(table)
    for line in lines:
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
    score = {"accuracy": "acc."}.get(name := summary.attrs.get(schema.SCORE, "accuracy"), name)
    time = f"⟨τ⟩ to {summary.attrs['target']:g}"
    table = _table(("η", f"best {score}", time, "[95%]", "reached", "loss rises", "path ratio"))
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


def noise(weights: xr.Dataset, compared: xr.Dataset) -> Table:
    """One row a learning rate: d(T) for other weights and for other noise; intervals are 95%.

    Args:
        weights: Summary of the study of other weights.
        compared: What `sensitivity.compared` returns.
    """
    measured = ("λ_nMLE", "d(T), other weights", "d(T), other noise", "share")
    table = _table(("η", *(heading for name in measured for heading in (name, "[95%]"))))
    for index, chaotic in enumerate(_rows(weights)):
        row = _scalars(compared.isel({schema.LEARNING_RATE: index}))
        cells = [number(chaotic["nmle"], 3), interval(chaotic, "nmle", 3)]
        for name in ("weights", "batches", "share"):
            cells += [significant(row[name]), interval(row, name)]
        table.add_row(f"{chaotic['learning_rate']:.6g}", *cells)
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


def cases(groups: Sequence[Sequence[Row]]) -> Table:
    """One row a case: its onset, its fastest learning rate, and whether the claim holds there."""
    table = _table(
        (
            "case",
            "inits",
            "η_0",
            "η_1",
            "η*",
            "target",
            "η*/η_1",
            "η*/η_1 at\nother targets",
            "λ_nMLE\nat η_1",
            "⟨τ⟩ at η*",
            "⟨τ⟩ at η_0/10\n(nearest tested)",
            "does the claim hold?",
        )
    )
    for group in groups:
        for row in group:
            few, most = row.inits
            small = "" if math.isnan(row.small_eta) else f"\nat {significant(row.small_eta)}"
            table.add_row(
                row.case
                if row.title.lower() == row.case.rpartition("/")[2].replace("-", " ")
                else f"{row.case}\n{row.title}",
                f"{few}" if few == most else f"{few} to {most}",
                *(estimate(found) for found in (row.eta_0, row.eta_1, row.eta_fastest)),
                significant(row.target),
                estimate(row.eta_ratio),
                ";\n".join(
                    f"{significant(ratio)} at {target:g}" for target, ratio in row.other_ratios
                )
                or "-",
                estimate(row.exponent, 3),
                estimate(row.time, 1),
                estimate(row.small_time, 1) + small,
                "\n".join(textwrap.wrap(str(row.claim), 26)),
            )
        table.add_section()
    return table


def estimate(found: Estimate, digits: int | None = None) -> str:
    r"""A number over its interval; "> 150" where it is a bound, which its upper limit then lacks.

    Example:
        >>> from chaotrain.atlas import Estimate
        >>> estimate(Estimate(6.0, 4.0, 6.0)), estimate(Estimate(148.5, 144.0, 150.0, True), 1)
        ('6\n[4, 6]', '> 148.5\n[144.0, ∞]')
    """
    high = math.inf if found.bound and not math.isnan(found.high) else found.high
    limits = interval({"x_low": found.low, "x_high": high}, "x", digits)
    text = significant(found.value) if digits is None else number(found.value, digits)
    # All are censored: the lower limit says the same.
    bare = limits == "-" or (found.bound and found.low == found.value)
    return f"{'> ' if found.bound else ''}{text}" + ("" if bare else f"\n{limits}")


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


def report(title: str, summary: xr.Dataset | Sequence[Sequence[Row]]) -> str:
    """The tables of a study, or that of the cases of a collection, as a page in Markdown."""
    if isinstance(summary, xr.Dataset):
        found, lines = tables_of(summary), [f"- {line}" for line in onset_lines(summary)]
    else:
        found, lines = [cases(summary)], [RULE]
    text = "\n".join(lines).translate(ESCAPED)
    return "\n\n".join([f"# {title}", *map(markdown, found), text]) + "\n"


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
        table.add_column(heading, justify="left" if heading in WORDS else "right", no_wrap=True)
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
