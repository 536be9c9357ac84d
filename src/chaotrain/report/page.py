"""The page itself: text, tables and data filled into the templates, everything escaped.

The page runs two scripts, plotly and its own, which a content security policy names by their
hashes; it forbids every other script and every request. So nothing in a study can do anything.
"""

from __future__ import annotations

import base64
import json
import math
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from markupsafe import Markup
from rich.table import Table

from chaotrain import exports, files, schema
from chaotrain.errors import UserError
from chaotrain.experiment import Experiment
from chaotrain.figures import growths, selection
from chaotrain.provenance import Record
from chaotrain.report import balls, clocks, colours, frame, verdict
from chaotrain.store import EXPERIMENT
from chaotrain.study import Study
from chaotrain.tables.studies import tables_of

REPORT = "report.html"
# Of the page's own, one after the other.
SCRIPTS = ("plots.js", "panels.js", "report.js")
# Of a table to download: one of balls has some 400 bytes a row.
MOST_ROWS = 800
# Curves are thinned until the page has no more bytes than this, plotly's 4.8 million among them.
MOST_BYTES = 5_950_000
CAPTIONS = {
    "λ_nMLE ± std": "How chaotic training is",
    "best": "What training achieves",
    "chaotic": "The chaotic transients",
    "fastest η*": "The fastest learning rate for each target",
}


class Origin(NamedTuple):
    """Where a study comes from.

    Attributes:
        name: What the page is titled with.
        experiment: The experiment file.
        record: The provenance.
        finished: How many tiles are finished.
        tiles: Of how many.
        command: What computes it again; "" if no command can.
    """

    name: str
    experiment: str
    record: Record
    finished: int
    tiles: int
    command: str = ""


def write(study: Study) -> Path:
    """Write the page of a study into its directory, and return the file.

    Raises:
        UserError: If no tile is finished, a file in it was altered, or the page cannot be written.
    """
    record = study.store.provenance()
    if record is None:
        raise UserError(f"{study.path} has no provenance.json: run it again to resume")
    experiment = (study.path / EXPERIMENT).read_text("utf-8")
    name = study.path.resolve().name
    command = ""
    if isinstance(study.grid, Experiment):
        command = shlex.join(["chaotrain", "run", EXPERIMENT, "--out", name])
    origin = Origin(name, experiment, record, len(study.finished), len(study.tiles), command)
    path = study.path / REPORT
    files.write(path, render(study.dataset, study.summary, origin).encode())
    return path


def render(dataset: xr.Dataset, summary: xr.Dataset, origin: Origin) -> str:
    """The page as text: the same for the same study.

    Args:
        dataset: What `derive` returns.
        summary: What `summarise` makes of it.
        origin: Where it comes from.
    """
    from plotly.offline import get_plotlyjs

    dataset = dataset.sortby(schema.LEARNING_RATE)
    scripts = [get_plotlyjs(), "".join(map(frame.resource, SCRIPTS))]
    content = _content(dataset, summary, origin)
    numbers = balls.NUMBERS
    while True:
        drawn = _drawn(dataset, summary, content["answers"], numbers)
        text = frame.render("report.html", scripts, **content, **drawn)
        excess = len(text.encode()) - MOST_BYTES
        if excess <= 0 or not numbers:
            return text
        numbers = max(numbers - excess // 5 - 1000, 0)


def _content(dataset: xr.Dataset, summary: xr.Dataset, origin: Origin) -> dict[str, Any]:
    """What the template asks for but for the curves of the balls."""
    epochs = int(dataset[schema.EPOCH][-1])
    answers = verdict.recommended(dataset)
    return {
        "origin": origin,
        "recommendation": verdict.recommendation(summary, epochs),
        "onset": verdict.onset(summary),
        "regimes": verdict.regimes(summary),
        "tables": [_table(table) for table in tables_of(summary) if table.row_count],
        "answers": answers,
        "downloads": _downloads(dataset, summary),
        "most_rows": MOST_ROWS,
        "experiment": _uri("application/toml", origin.experiment),
        "growth": growths.name(dataset),
        "both": schema.DISTANCE in dataset and schema.TANGENT_GROWTH in dataset,
        "decided": schema.TRAINED in dataset,
        "followed": clocks.followed(dataset),
        "phases": colours.PHASES if "target_never" in summary and answers["target"] else None,
        "score": selection.score(summary),
        "scored": "test_accuracy" in dataset,
        "rates": [f"{rate:.6g}" for rate in selection.rates_of(summary)],
        "start": _start(summary),
        "target": f"{summary.attrs['target']:g}",
        "epochs": epochs,
    }


def _drawn(dataset: xr.Dataset, summary: xr.Dataset, answers: Any, most: int) -> dict[str, Any]:
    """What the scripts read, with so many numbers in its curves, and what that leaves out."""
    drawn = balls.curves(dataset, most)
    data = drawn | {
        "answers": answers,
        "score": selection.score(summary),
        "verdicts": colours.VERDICTS,
        "phases": colours.PHASES,
        "regimes": colours.REGIMES,
    }
    return {
        "data": _embedded(json.dumps(data, allow_nan=False, separators=(",", ":"))),
        "thinned": _thinning(drawn, int(dataset[schema.EPOCH][-1])),
    }


def _embedded(text: str) -> Markup:
    """JSON that cannot end the element it is in."""
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)


def _downloads(dataset: xr.Dataset, summary: xr.Dataset) -> list[dict[str, str]]:
    """The summary as JSON, then it and the balls as CSV, but no table of too many rows."""
    found = [("summary.json", "application/json", exports.summary_json(summary))]
    names = {"-".join(("summary", *dims)): (summary, dims) for dims in exports.axes(summary)}
    names["balls"] = dataset, (schema.LEARNING_RATE, schema.INIT)
    for name, (data, dims) in names.items():
        if math.prod(data.sizes[dim] for dim in dims) <= MOST_ROWS:
            found.append((f"{name}.csv", "text/csv", exports.table(data, dims).to_csv()))
    return [{"name": name, "uri": _uri(kind, text)} for name, kind, text in found]


def _uri(kind: str, text: str) -> str:
    """A file as a link that holds it."""
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def _table(table: Table) -> dict[str, Any]:
    """The headings and the cells of a table of `chaotrain summary`, as they are printed there."""
    headings, rows = frame.cells(table)
    caption = next(text for start, text in CAPTIONS.items() if headings[1].startswith(start))
    return {"caption": caption, "headings": headings, "rows": rows}


def _start(summary: xr.Dataset) -> int:
    """The learning rate that the page opens with: the recommended one, or nearest to the onset."""
    rates = selection.rates_of(summary)
    wanted = selection.attribute(summary, "eta_fastest")
    if wanted not in rates:
        wanted = selection.nearest(rates, selection.onset(summary))
    return int(np.flatnonzero(rates == wanted)[0])


def _thinning(drawn: dict[str, Any], epochs: int) -> str:
    """What the page leaves out of the curves; "" if nothing."""
    said = []
    if len(drawn["epochs"]) <= epochs:
        said.append(f"{len(drawn['epochs'])} of {epochs + 1} epochs, evenly spaced")
    most = max(rate["ran"] for rate in drawn["rates"])
    shown = max(len(rate["balls"]) for rate in drawn["rates"])
    if shown < most:
        said.append(f"the first {shown} of up to {most} balls at each learning rate")
    if any(len(rate["exponents"]) < rate["decided"] for rate in drawn["rates"]):
        said.append("exponents evenly spaced by rank in the histograms")
    return " and ".join(said)
