"""Does the onset of chaos give a good learning rate? Against range test, defaults and an oracle.

`python benchmarks/onset.py [FOLDER] [CASE]...` runs every case that FOLDER does not hold yet, then
prints the table and writes it to FOLDER/onset.md. A time is in gradient evaluations: epochs over
the whole training set.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import chaotrain as ct
from chaotrain import ensembles, files, layout, maps
from onset_cases import CASES, GRID_STEPS, Case
from onset_schedules import HOLD, SCHEDULES, compare
from range_test import RANGES, suggestion

Result = dict[str, Any]

SEEDS = 5
# The initialisations at which every suggestion is judged.
EVALUATION = 2026
# What is compared with the oracle, in the order of the table.
OURS = "onset"
METHODS = (OURS, "first growth", "full onset", *RANGES, "default")


def times(case: Case, etas: np.ndarray, key: int = EVALUATION) -> np.ndarray:
    """Mean over initialisations, those of the evaluation, of min(τ, T), at each learning rate."""
    system = case.system
    rates, inits = np.repeat(etas, SEEDS), np.tile(np.arange(SEEDS), len(etas))
    with jax.enable_x64(True):
        starts = [
            system.init(jax.random.fold_in(jax.random.key(key), init)) for init in range(SEEDS)
        ]
        cost = maps.cost(system)
        plan = layout.plan(cost, len(rates), 1, case.epochs)
        scores = []
        for tile in plan.tiles(len(rates)):
            states = ensembles.stack([starts[inits[index]] for index in tile])
            states = jax.tree.map(lambda leaf: leaf[:, None], states)
            recorded = ensembles.evolve(
                system, states, jnp.array(rates[list(tile)]), case.epochs, plan
            )
            finite = np.logical_and.accumulate(np.isfinite(recorded["loss"]), axis=-1)
            scores.append(np.where(finite, recorded["test_accuracy"], -np.inf))
    reached = np.concatenate(scores) >= case.target
    first = np.where(reached.any(axis=1), reached.argmax(axis=1), case.epochs)
    return first.reshape(len(etas), SEEDS).mean(axis=1)


def oracle(case: Case, known: Result) -> Result:
    """The dense grid, and where its best lies with other initialisations."""
    grid = np.geomspace(*case.grid, GRID_STEPS)
    rows = [times(case, grid, EVALUATION + seed) for seed in range(SEEDS)]
    rates = [float(grid[row.argmin()]) for row in rows]
    return {
        "grid": grid.tolist(),
        "grid_times": rows[0].tolist(),
        "oracle": rates[0],
        "oracle_rates": rates,
    }


def others(case: Case, known: Result) -> Result:
    """What the range tests suggest, what that costs, and the default."""
    found: Result = {}
    for method, limits in RANGES.items():
        drawn = [suggestion(case, 1000 + seed, *limits) for seed in range(SEEDS)]
        etas, costs = ([float(value) for value in column] for column in zip(*drawn, strict=True))
        found[method] = {"rates": etas, "costs": costs, "times": at(case, etas)}
    etas = [case.default] * SEEDS
    return {**found, "default": {"rates": etas, "costs": [0.0] * SEEDS, "times": at(case, etas)}}


def finder(case: Case, known: Result) -> Result:
    """What `ct.find_onset` finds from every seed."""
    found = [
        ct.find_onset(case.system, key=1000 + seed, epochs=case.epochs, target=case.target)
        for seed in range(SEEDS)
    ]
    costs = [onset.cost for onset in found]
    named = {
        OURS: [onset.eta_fastest for onset in found],
        "first growth": [onset.eta_first for onset in found],
        "full onset": [onset.eta_1 for onset in found],
    }
    return {
        "outcomes": [onset.outcome for onset in found],
        "probes": [onset.probes.sizes["probe"] for onset in found],
        **{
            method: {"rates": etas, "costs": costs, "times": at(case, etas)}
            for method, etas in named.items()
        },
    }


def scheduled(case: Case, known: Result) -> Result:
    """What schedules make of the recommendation, the geometric mean of all seeds."""
    etas = [eta for eta in known[OURS]["rates"] if math.isfinite(eta)]
    eta = math.exp(statistics.fmean(map(math.log, etas)))
    return {"schedules": compare(case, eta, SEEDS)}


def at(case: Case, etas: list[float]) -> list[float]:
    """The mean time at each suggestion; T where there is none."""
    known = np.unique([eta for eta in etas if math.isfinite(eta)])
    found = dict(zip(known, times(case, known), strict=True)) if len(known) else {}
    return [float(found.get(eta, case.epochs)) for eta in etas]


# A case is measured part by part, and what is on record is not measured again.
PARTS = {"oracle": oracle, "lr_find": others, "onset": finder, "schedules": scheduled}


def table(results: list[Result]) -> str:
    """In Markdown: time at a suggestion over that at the oracle, mean over seeds; what it costs."""
    rows = [["case", "target", "oracle's η (time)", *METHODS]]
    costs = [["case", "evaluations", "of the grid", "trainings", "spread", "oracle's spread"]]
    for result in results:
        best = min(result["grid_times"])
        dense = SEEDS * GRID_STEPS * result["epochs"]
        cost = statistics.mean(result[OURS]["costs"])
        oracle = f"{result['oracle']:.2g} ({best:.1f})"
        ratios = [ratio(result, method) for method in METHODS]
        rows.append([result["case"], f"{result['target']:g}", oracle, *ratios])
        spreads = [
            f"{spread(rates):.0%}" for rates in (result[OURS]["rates"], result["oracle_rates"])
        ]
        shares = [f"{cost / dense:.1%}", f"{cost / best:.1f}"]
        costs.append([result["case"], f"{cost:.0f}", *shares, *spreads])
    ours = [statistics.mean(r[OURS]["times"]) / min(r["grid_times"]) for r in results]
    ranged = {
        method: [statistics.mean(r[method]["times"]) / statistics.mean(r[OURS]["times"])
                 for r in results]
        for method in RANGES
    }  # fmt: skip
    faster = "; ".join(
        f"than {method} {statistics.median(values):.2f} (slowest case {min(values):.2f})"
        for method, values in ranged.items()
    )
    summary = (
        f"Ratio to the oracle: median {statistics.median(ours):.2f}, largest {max(ours):.2f}. "
        f"Times as fast, in the median: {faster}."
    )
    return f"{markdown(rows)}\n{summary}\n\n{markdown(costs)}"


def markdown(rows: list[list[str]]) -> str:
    """A table of its head and its rows."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def schedule_table(results: list[Result]) -> str:
    """What schedules make of the recommendation, in Markdown."""
    rows = [["case", "η", *SCHEDULES, "held for"]]
    for result in results:
        found = result["schedules"]
        cells = []
        for name in SCHEDULES:
            of = found[name]
            spent = statistics.mean(of["evaluations"])
            passed = statistics.mean(of["times"])
            extra = f" ({spent:.1f})" if name == HOLD else ""
            cells.append(f"{passed:.1f}{extra}, {statistics.mean(of['scores']):.3f}")
        held = statistics.mean(found[HOLD]["held"])
        rows.append([result["case"], f"{found['eta']:.2g}", *cells, f"{held:.0f}"])
    return markdown(rows)


def ratio(result: Result, method: str) -> str:
    """The mean time at a method's suggestions over the oracle's, and the suggestions' mean."""
    mean = statistics.mean(result[method]["times"]) / min(result["grid_times"])
    known = [eta for eta in result[method]["rates"] if math.isfinite(eta)]
    at = f"{math.exp(statistics.fmean(map(math.log, known))):.2g}" if known else "none"
    return f"{mean:.2f} (η\u00a0{at})"


def spread(rates: list[float]) -> float:
    """Relative standard deviation of a suggestion over the seeds."""
    known = [eta for eta in rates if math.isfinite(eta)]
    return statistics.stdev(map(math.log, known)) if len(known) > 1 else math.nan


def main(folder: Path, wanted: list[str]) -> None:
    """Run what is missing, and write the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for number, case in enumerate(CASES):
        path = folder / f"{number:02d}.json"
        result: Result = json.loads(path.read_text()) if path.exists() else {}
        result |= {"case": case.name, "target": case.target, "epochs": case.epochs}
        for name, measure in PARTS.items():
            if name in result or (wanted and case.name not in wanted):
                continue
            began = time.monotonic()
            try:
                result |= measure(case, result)
            except ct.UserError as missing:
                print(f"{case.name} is left out: {missing}", flush=True)
                break
            seconds = time.monotonic() - began
            result["seconds"] = result.get("seconds", {}) | {name: seconds}
            files.write(path, (json.dumps(result, indent=1) + "\n").encode())
            print(f"{case.name}: {name} in {seconds:.0f} s", flush=True)
        if all(name in result for name in PARTS):
            results.append(result)
    if results:
        text = table(results) + "\n" + schedule_table(results)
        files.write(folder / "onset.md", text.encode())
        print(text)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "study/bench-onset"), sys.argv[2:])
