"""Where a result comes from: versions, commit, device, threads and data."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("chaotrain", "jax", "jaxlib", "numpy", "optax", "scipy", "xarray")


def describe(hashes: Mapping[str, str]) -> dict[str, Any]:
    """What this process computes with, and the SHA-256 of the data it was given."""
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "git_commit": _commit(Path(__file__).parent),
        "device": f"{jax.devices()[0].device_kind} ({platform.machine()}, {platform.system()})",
        "threads": threads(),
        "data_sha256": dict(hashes),
    }


def threads() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def now() -> str:
    """The local time with its offset."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _commit(folder: Path) -> str | None:
    """The commit of the source tree that this file lies in, with + where it was changed."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if not git("ls-files", "__init__.py"):
            return None
        return git("rev-parse", "HEAD") + (
            "+" if git("status", "--porcelain", "-uno", "--", ".") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None
