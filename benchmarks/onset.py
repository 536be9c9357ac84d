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
from range_test import RANGES, suggestion

SEEDS = 5
# What is compared with the oracle, in the order of the table.
OURS = "onset"
METHODS = (OURS, "first growth", "full onset", *RANGES, "default")


def times(case: Case, etas: np.ndarray) -> np.ndarray:
    """Mean over the evaluation's initialisations of min(τ, T), at each learning rate."""
    system = case.system
    rates, inits = np.repeat(etas, SEEDS), np.tile(np.arange(SEEDS), len(etas))
    with jax.enable_x64(True):
        starts = [
            system.init(jax.random.fold_in(jax.random.key(2026), init)) for init in range(SEEDS)
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


def run(case: Case) -> dict[str, Any]:
    """Every suggestion, what it costs and how it does, for every seed; and the oracle."""
    began = time.monotonic()
    grid = np.geomspace(*case.grid, GRID_STEPS)
    on_grid = times(case, grid)
    rates: dict[str, list[float]] = {method: [] for method in METHODS}
    costs: dict[str, list[float]] = {method: [] for method in METHODS}
    outcomes = []
    for seed in range(SEEDS):
        onset = ct.find_onset(case.system, key=1000 + seed, epochs=case.epochs, target=case.target)
        outcomes.append(onset.outcome)
        for method, eta in (
            (OURS, onset.eta_fastest),
            ("first growth", onset.eta_first),
            ("full onset", onset.eta_1),
        ):
            rates[method].append(eta)
            costs[method].append(onset.cost if method == OURS else math.nan)
        for method, limits in RANGES.items():
            eta, cost = suggestion(case, 1000 + seed, *limits)
            rates[method].append(eta)
            costs[method].append(cost)
        rates["default"].append(case.default)
        costs["default"].append(0.0)
    suggested = np.array([rates[method] for method in METHODS])
    known = np.unique(suggested[np.isfinite(suggested)])
    found = dict(zip(known, times(case, known), strict=True))
    return {
        "case": case.name,
        "target": case.target,
        "epochs": case.epochs,
        "grid": grid.tolist(),
        "grid_times": on_grid.tolist(),
        "oracle": float(grid[on_grid.argmin()]),
        "outcomes": outcomes,
        "rates": rates,
        "costs": costs,
        # Where a method suggests nothing the target is not reached.
        "times": {
            method: [float(found.get(eta, case.epochs)) for eta in rates[method]]
            for method in METHODS
        },
        "seconds": time.monotonic() - began,
    }


def table(results: list[dict[str, Any]]) -> str:
    """The results in Markdown: time at a suggestion over that at the oracle, mean over seeds."""
    head = ["case", "target", "oracle's η (time)", *METHODS, "cost of onset", "its spread"]
    lines = [head, ["---"] * len(head)]
    for result in results:
        best = min(result["grid_times"])
        dense = SEEDS * GRID_STEPS * result["epochs"]
        cost = statistics.mean(result["costs"][OURS])
        lines.append(
            [
                result["case"],
                f"{result['target']:g}",
                f"{result['oracle']:.2g} ({best:.1f})",
                *(ratio(result, method) for method in METHODS),
                f"{cost:.0f} ({cost / dense:.0%} of the grid, {cost / best:.1f} runs)",
                f"{spread(result['rates'][OURS]):.0%}",
            ]
        )
    ours = [statistics.mean(r["times"][OURS]) / min(r["grid_times"]) for r in results]
    ranged = {
        method: [statistics.mean(r["times"][method]) / statistics.mean(r["times"][OURS])
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
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{summary}\n"


def ratio(result: dict[str, Any], method: str) -> str:
    """The mean time at a method's suggestions over the oracle's, and the suggestions' mean."""
    mean = statistics.mean(result["times"][method]) / min(result["grid_times"])
    known = [eta for eta in result["rates"][method] if math.isfinite(eta)]
    at = f"{math.exp(statistics.fmean(map(math.log, known))):.2g}" if known else "none"
    return f"{mean:.2f} (η {at})"


def spread(rates: list[float]) -> float:
    """Relative standard deviation of a suggestion over the seeds."""
    known = [eta for eta in rates if math.isfinite(eta)]
    return statistics.stdev(map(math.log, known)) if len(known) > 1 else math.nan


def main(folder: Path, wanted: list[str]) -> None:
    """Run what is missing, and write the table."""
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for number, case in enumerate(CASES):
        path = folder / f"{number:02d}.json"
        if not path.exists() and (not wanted or case.name in wanted):
            print(f"{case.name} ...", flush=True)
            try:
                result = run(case)
            except ct.UserError as missing:
                print(f"  left out: {missing}")
                continue
            files.write(path, (json.dumps(result, indent=1) + "\n").encode())
            print(f"  {result['seconds']:.0f} s; {ratio(result, OURS)} against the oracle")
        if path.exists():
            results.append(json.loads(path.read_text()))
    if results:
        text = table(results)
        files.write(folder / "onset.md", text.encode())
        print(text)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "study/bench-onset"), sys.argv[2:])
