"""`python -m chaotrain`, and the `chaotrain` command."""

from __future__ import annotations

import sys

from chaotrain import cli, compiled


def main() -> int:
    """Run the command line, with what JAX compiles kept for the next time."""
    compiled.keep()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
