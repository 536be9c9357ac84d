"""Durable tiles on disk: written whole, recorded with their SHA-256, checked when read.

A tile is the file `tiles/00000.npz` and its record `tiles/00000.json`. It is written under a name
with `tmp` in it, flushed, renamed, and then recorded; only a recorded tile is finished, so a kill
at any moment loses at most the tile in hand.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from chaotrain import experiment
from chaotrain.errors import UserError
from chaotrain.experiment import CustomExperiment, Experiment, Grid

EXPERIMENT, PROVENANCE, LOG, TILES = "experiment.toml", "provenance.json", "log.jsonl", "tiles"
LOCK = ".lock"


class Store:
    """A study directory.

    Args:
        root: The directory.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.tiles = self.root / TILES

    def fields(self) -> dict[str, Any]:
        """The fields of the experiment that the directory records.

        Raises:
            UserError: If the directory is not a study.
        """
        path = self.root / EXPERIMENT
        try:
            content = path.read_bytes()
            fields = experiment.parse(content.decode(), path)
        except (OSError, UnicodeDecodeError):
            raise UserError(
                f"{self.root} is not a study: it has no readable {EXPERIMENT}"
            ) from None
        recorded = self.provenance().get("experiment_sha256")
        if recorded not in (None, hashlib.sha256(content).hexdigest()):
            raise UserError(f"{path} was altered: restore it, or run anew in another directory")
        return fields

    def grid(self) -> Grid:
        """The experiment that the directory records, with today's defaults for fields it lacks."""
        fields = self.fields()
        return experiment.validated(CustomExperiment if "system" in fields else Experiment, fields)

    def check(self, new: Grid) -> None:
        """Check, before anything is computed or written, that a run may go into the directory.

        Raises:
            UserError: If it is a file, holds something else, or a study of another experiment.
        """
        # A run killed before it wrote the experiment leaves these.
        begun = (LOCK, TILES, f"{EXPERIMENT}.tmp")
        if self.root.is_dir() and any(entry.name not in begun for entry in self.root.iterdir()):
            if not (self.root / EXPERIMENT).exists():
                raise UserError(
                    f"out = {self.root}: the directory holds files but no study, choose another"
                )
            differs = experiment.difference(self.grid(), new)
            if differs:
                raise UserError(
                    f"out = {self.root}: holds a study that differs in {differs}; "
                    "choose another directory, or the same fields to resume it"
                )
            return
        existing = self.root
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise UserError(f"out = {self.root}: {existing} is not a directory that can be written")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for one run; made if need be, and cleared of unfinished files.

        Raises:
            UserError: If another run holds it, or it cannot be written.
        """
        with self.writing():
            self.tiles.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(self.root / LOCK)
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"out = {self.root}: another run is working in it, wait for it"
            ) from None
        try:
            for left in [*self.root.glob("*.tmp"), *self.tiles.glob("*.tmp")]:
                left.unlink(missing_ok=True)
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turn a failure to write into one line with the remedy."""
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "free some space" if full else "make it writable"
            raise UserError(
                f"cannot write to {self.root} ({error.strerror}): {remedy} and run again; "
                "finished tiles are kept"
            ) from None

    def write(self, path: Path, content: bytes) -> None:
        """Write a file whole or not at all."""
        temporary = path.with_name(f"{path.name}.tmp")
        with self.writing():
            try:
                with temporary.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
                _flush_folder(path.parent)
            finally:
                temporary.unlink(missing_ok=True)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file of the directory's whole or not at all."""
        self.write(self.root / name, (json.dumps(content, indent=2) + "\n").encode())

    def provenance(self) -> dict[str, Any]:
        """What is recorded of the runs so far; empty before the first.

        Raises:
            UserError: If the record cannot be read.
        """
        path = self.root / PROVENANCE
        try:
            content = json.loads(path.read_bytes())
            return {name: content[name] for name in ("experiment_sha256", "layout", "runs")}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(f"{path} cannot be read: restore it, or run anew elsewhere") from None

    def log(self, event: str, **details: Any) -> None:
        """Append an event with the time to the log."""
        entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **details}
        with self.writing(), (self.root / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def tile(self, index: int) -> Path:
        """The path of a tile."""
        return self.tiles / f"{index:05d}.npz"

    def finished(self, index: int) -> bool:
        """Whether a tile was recorded."""
        return self.tile(index).with_suffix(".json").exists()

    def write_tile(self, index: int, balls: list[tuple[int, int]], arrays: Any) -> None:
        """Store a tile and then record it with its digest."""
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        content = buffer.getvalue()
        path = self.tile(index)
        self.write(path, content)
        record = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "balls": balls,
        }
        self.write(path.with_suffix(".json"), (json.dumps(record) + "\n").encode())

    def read_tile(self, index: int) -> dict[str, np.ndarray]:
        """The arrays of a finished tile.

        Raises:
            UserError: If it is missing or was altered.
        """
        path = self.tile(index)
        problem = self.problem(index)
        if problem:
            raise UserError(
                f"tile {path} {problem}: delete it and {path.stem}.json, and run again to "
                "compute it anew"
            )
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in sorted(arrays.files)}

    def problem(self, index: int) -> str | None:
        """What is wrong with a finished tile, or None."""
        path = self.tile(index)
        try:
            record = json.loads(path.with_suffix(".json").read_bytes())
            digest = str(record["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            return "has a record that cannot be read"
        try:
            content = path.read_bytes()
        except OSError:
            return "is missing"
        return None if hashlib.sha256(content).hexdigest() == digest else "was altered"


def _flush_folder(folder: Path) -> None:
    """Make a rename durable; not every system lets a folder be opened."""
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
