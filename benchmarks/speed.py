"""Speed as ratios in one run: the engine against bare matrix products, and against PyTorch.

Run it with `make bench` on an idle machine. Useful work is counted as the matrix products of a
training step: forwards, the gradients of the weights, and those of the hidden activations.
"""

from __future__ import annotations

import argparse
import resource

from threadpoolctl import threadpool_info

from convolution import Convolution
from dense import Dense
from tangent import Tangent


def main() -> None:
    """Print every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    with_torch = not parser.parse_args().no_torch
    for pool in threadpool_info():
        kernel = f"{pool['internal_api']} {pool.get('architecture')}"
        print(f"BLAS: {kernel}, {pool['num_threads']} threads")
    Dense((784, 64, 10), 10_000, balls=2, replicas=5, epochs=3).report(with_torch)
    Dense((784, 64, 64, 64, 10), 10_000, balls=2, replicas=5, epochs=3).report(with_torch)
    Dense((4, 10, 3), 120, balls=100, replicas=5, epochs=100).report(with_torch, False)
    for dtype in ("float32", "float64"):
        for kernel in (3, 5):
            Convolution(kernel, dtype).report(with_torch)
    for balls in (1, 4):
        Tangent(balls=balls).report()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
