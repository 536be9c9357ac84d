"""The processors that this process may use."""

from __future__ import annotations

import os


def usable() -> list[int]:
    """Their numbers, where the system tells; else those from 0 on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def count() -> int:
    """How many they are."""
    return len(usable())
