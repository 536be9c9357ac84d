"""`python -m chaotrain`, and the `chaotrain` command."""

from __future__ import annotations

import sys

from chaotrain.cli import main

if __name__ == "__main__":
    sys.exit(main())
