"""The table of a scan of ε: λ_nMLE and ρ at every learning rate and ε, and the plateaus."""

from __future__ import annotations

import math

import xarray as xr
from rich.table import Table

from chaotrain import schema
from chaotrain.analysis.scan import EPSILON
from chaotrain.tables.cells import interval, new_table, number

HEADINGS = ("η", "ε", "λ_nMLE", "[95%]", "ρ", "[95%]", "decided", "plateau")
MARK = "yes"


def table_of_scan(scan: xr.Dataset) -> Table:
    """One row a learning rate and ε; the last column marks the plateau."""
    table = new_table(HEADINGS)
    for rate in range(scan.sizes[schema.LEARNING_RATE]):
        for epsilon in range(scan.sizes[EPSILON]):
            here = scan.isel({schema.LEARNING_RATE: rate, EPSILON: epsilon}).drop_dims("size")
            row = {str(name): value.values.item() for name, value in here.variables.items()}
            inside = row["plateau_first"] <= row[EPSILON] <= row["plateau_last"]
            table.add_row(
                f"{row[schema.LEARNING_RATE]:.6g}",
                f"{row[EPSILON]:.3g}",
                number(row["nmle"], 3),
                interval(row, "nmle", 3),
                number(row["rho"], 2),
                interval(row, "rho", 2),
                f"{row['decided']:g}/{row['ran']:g}",
                MARK if inside else "",
            )
        table.add_section()
    return table


def plateau_lines(scan: xr.Dataset) -> list[str]:
    """The plateaus in words."""
    lines = []
    for rate in range(scan.sizes[schema.LEARNING_RATE]):
        here = scan[[name for name in scan if str(name).startswith("plateau")]]
        row = {
            str(name): value.values.item()
            for name, value in here.isel({schema.LEARNING_RATE: rate}).variables.items()
            if value.ndim == 0
        }
        start = f"η = {row[schema.LEARNING_RATE]:.6g}: "
        if math.isnan(row["plateau"]):
            lines.append(f"{start}no two neighbouring ε have the same λ_nMLE within its error")
            continue
        lines.append(
            f"{start}plateau from ε = {row['plateau_first']:.3g} to {row['plateau_last']:.3g}, "
            f"λ_nMLE = {number(row['plateau'], 3)} {interval(row, 'plateau', 3)}"
            f"  (equal means over {row['plateau_inits']:g} initialisations: "
            f"p = {number(row['plateau_p'], 2)})"
        )
    return lines
