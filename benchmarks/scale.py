"""Whether work spreads, and what it costs: workers, Dask, members, memory, resumption, start-up.

Run it with `make bench-scale` on an idle machine; names of parts choose some of them. Every line
tells what was measured, what is wanted, and whether that holds.
"""

from __future__ import annotations

import argparse
import time

from scale_lines import Line
from scale_members import members, memory
from scale_studies import resumption, startup, storing
from scale_workers import dask, messages, workers

PARTS = {
    part.__name__: part
    for part in (workers, dask, messages, members, memory, storing, resumption, startup)
}


def main() -> None:
    """Print a line for each thing that was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="by default all of them")
    chosen = parser.parse_args().parts or PARTS
    print(Line.HEADER, flush=True)
    for name in chosen:
        began = time.perf_counter()
        for line in PARTS[name]():
            print(line, flush=True)
        print(f"  ({name}: {time.perf_counter() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
