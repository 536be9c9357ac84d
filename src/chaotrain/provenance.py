"""Where a result comes from: configuration, versions, commit, device, threads, data and times."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from chaotrain import files, processors
from chaotrain.layout import Layout

PACKAGES = ("chaotrain", "jax", "jaxlib", "numpy", "optax", "scipy", "xarray")
TIME = "%Y-%m-%dT%H:%M:%S%z"
# Outcomes of a run; one that was killed has none.
COMPLETE, INTERRUPTED, FAILED = "complete", "interrupted", "failed"


class Run(BaseModel):
    """What one run computed with; further fields are kept as they are.

    Attributes:
        started: The local time with its offset.
        versions: Of Python and of the packages that the numbers depend on.
        git_commit: The commit of the source tree, with + where it was changed.
        device: The device that computed.
        threads: The processors that the process might use.
        data_sha256: The digests of the data files.
        ended: When it ended.
        outcome: How.
        log_bytes: How long the log was then.
        log_sha256: The digest of the log as it was then.
    """

    model_config = ConfigDict(extra="allow", strict=True)

    started: str
    versions: dict[str, str]
    git_commit: str | None = None
    device: str
    threads: int
    data_sha256: dict[str, str]
    ended: str | None = None
    outcome: str | None = None
    log_bytes: Annotated[int, Field(ge=0)] | None = None
    log_sha256: str | None = None


class Record(BaseModel):
    """The provenance of a study: what was computed, how it was cut into tiles, by which runs.

    Attributes:
        experiment_sha256: The digest of the experiment file.
        layout: How the balls were cut into tiles and blocks.
        runs: Every run so far.
        score: What the task calls its score.
    """

    model_config = ConfigDict(extra="allow", strict=True)

    experiment_sha256: str
    layout: dict[str, Annotated[int, Field(ge=1, le=2**31)]]
    runs: list[Run]
    score: str = "accuracy"

    @field_validator("layout")
    @classmethod
    def _is_layout(cls, value: dict[str, int]) -> dict[str, int]:
        # Without lanes, as the first studies are.
        if {*value, "balls_per_lane"} != {field.name for field in dataclasses.fields(Layout)}:
            raise ValueError("no layout")
        return value

    @classmethod
    def read(cls, content: bytes) -> Record | None:
        """The record in a JSON file, or None if it is none, or not as it was written."""
        fields = files.unsealed(content)
        try:
            if fields is not None:
                return cls.model_validate(fields)
            # The first studies have no seal; what is unknown there may be one that was altered.
            record = cls.model_validate_json(content)
        except ValidationError:
            return None
        return None if record.model_extra else record

    @property
    def plan(self) -> Layout:
        """How the balls were cut into tiles."""
        return Layout(**self.layout)

    def to_json(self) -> bytes:
        """The record as it is written."""
        return files.sealed(self.model_dump(exclude_unset=True))


def changes(then: Run, now: Run) -> str:
    """What may make the same tile differ in its last bits between two runs; "" if nothing does.

    The commit is recorded but not compared: it changes with every word of the documentation.

    Example:
        >>> fields = {"started": "", "versions": {"jax": "0.8"}, "device": "cpu"}
        >>> fields |= {"threads": 2, "data_sha256": {}}
        >>> changes(Run(**fields), Run(**fields | {"threads": 4, "versions": {"jax": "0.9"}}))
        'jax 0.8 then, 0.9 now; threads 2 then, 4 now'
    """
    old = {**then.versions, "device": then.device, "threads": then.threads}
    new = {**now.versions, "device": now.device, "threads": now.threads}
    return "; ".join(
        f"{name} {old[name]} then, {new[name]} now"
        for name in old
        if name in new and old[name] != new[name]
    )


def describe(hashes: Mapping[str, str]) -> Run:
    """What this process computes with, and the SHA-256 of the data it was given."""
    import jax

    return Run(
        started=now(),
        versions={"python": platform.python_version(), **_versions()},
        git_commit=_commit(Path(__file__).parent),
        device=f"{jax.devices()[0].device_kind} ({platform.machine()}, {platform.system()})",
        threads=processors.count(),
        data_sha256=dict(hashes),
    )


def now() -> str:
    """The local time with its offset."""
    return time.strftime(TIME)


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
        # Without optional locks it cannot get in the way of someone at work in the tree.
        command = ["git", "--no-optional-locks", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if not git("ls-files", "__init__.py"):
            return None
        return git("rev-parse", "HEAD") + (
            "+" if git("status", "--porcelain", "-uno", "--", ".") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None
