"""Is the onset of chaos on a part of the training samples that on all of them?

`python benchmarks/onset_part.py [CASE]...` prints the first growth, η_0 and η_1 of the cases of the
onset benchmark, by probes that follow an eighth of the samples and by some that follow all.
"""

from __future__ import annotations

import sys

import chaotrain as ct
from chaotrain.onset.crossing import Crossing
from chaotrain.onset.engine import part
from chaotrain.onset.reasons import spoken
from onset_cases import CASES

# Gradient evaluations, in epochs, for probes of all samples and of a part.
ALL, A_PART = 30, 7.5


def main(wanted: list[str]) -> None:
    """Print a row for each case and number of samples."""
    print("| case | samples | first growth | η_0 | η_1 |\n| --- | --- | --- | --- | --- |")
    for case in CASES:
        if case.batch_size is not None or (wanted and case.name not in wanted):
            continue
        every = case.system.samples
        for samples in (part(case.system, case.epochs), every):
            onset = ct.find_onset(
                case.system,
                key=1,
                epochs=case.epochs,
                target=case.target,
                samples=samples,
                budget=case.epochs * (ALL if samples == every else A_PART),
            )
            found = (
                spoken(Crossing(getattr(onset, name), *getattr(onset, f"{name}_interval")))
                for name in ("eta_first", "eta_0", "eta_1")
            )
            print(f"| {case.name} | {samples} of {every} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
