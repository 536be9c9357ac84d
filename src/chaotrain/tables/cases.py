"""The table of a collection: one row a case."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from rich.table import Table

from chaotrain.atlas import Estimate, Row
from chaotrain.tables.cells import interval, new_table, number, significant


def table_of_cases(groups: Sequence[Sequence[Row]]) -> Table:
    """One row a case: its onset, its fastest learning rate, and whether the claim holds there."""
    table = new_table(
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
    mixed = len({row.score for group in groups for row in group}) > 1
    for group in groups:
        for row in group:
            few, most = row.inits
            small = "" if math.isnan(row.small_eta) else f"\nat {significant(row.small_eta)}"
            table.add_row(
                row.case
                if row.title == row.case
                or row.title.lower() == row.case.rpartition("/")[2].replace("-", " ")
                else f"{row.case}\n{row.title}",
                f"{few}" if few == most else f"{few} to {most}",
                *(estimate(found) for found in (row.eta_0, row.eta_1, row.eta_fastest)),
                significant(row.target) + (f"\n{row.score}" if mixed else ""),
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
