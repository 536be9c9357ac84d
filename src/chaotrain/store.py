"""A study directory: finished tiles, each recorded with its SHA-256 and checked when read.

A tile is the file `tiles/00000.npz` and its record `tiles/00000.json`. It is written under a name
with `tmp` in it, flushed, renamed, and then recorded; only a recorded tile is finished, so a kill
at any moment loses at most the tile in hand. A tile file without a record is not read; the next
run computes it anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from chaotrain import experiment, files, memory, overrides, provenance, tile_files
from chaotrain.errors import UserError
from chaotrain.experiment import CustomExperiment, Experiment, Grid
from chaotrain.explaining import short
from chaotrain.provenance import Record, Run
from chaotrain.tile_files import Sizes

EXPERIMENT, PROVENANCE, LOG, TILES = "experiment.toml", "provenance.json", "log.jsonl", "tiles"
# What a directory of `chaotrain anatomy` has instead of an experiment.
ANATOMY = "anatomy.toml"
LOCK = ".lock"
# Seconds to wait for the lock: `running` holds it for an instant.
GLANCE = 0.2
# What a run that was killed before it recorded the experiment leaves behind.
BEGUN = (LOCK, TILES, EXPERIMENT + files.UNFINISHED)

Balls = tile_files.Balls


class Store:
    """A study directory.

    Args:
        root: The directory.

    Raises:
        UserError: If it is no path.
    """

    def __init__(self, root: str | Path) -> None:
        if not isinstance(root, str | os.PathLike):
            raise UserError(f"out = {short(root)}: give the path of a study directory")
        self.root = Path(root)
        self.tiles = self.root / TILES

    def grid(self) -> Grid:
        """The experiment that the directory records, with today's defaults for fields it lacks.

        Raises:
            UserError: If the directory is not a study, or its experiment was altered.
        """
        path = self.root / EXPERIMENT
        try:
            content = files.read(path)
        except OSError:
            if files.exists(self.root / ANATOMY):
                raise UserError(
                    f"{self.root} holds an anatomy, not a study: only chaotrain figures reads it"
                ) from None
            raise UserError(
                f"{self.root} is not a study: it has no readable {EXPERIMENT}"
            ) from None
        record = self.provenance()
        if record and record.experiment_sha256 != hashlib.sha256(content).hexdigest():
            raise UserError(f"{path} was altered: restore it, or run anew in another directory")
        try:
            fields = overrides.parse(content.decode(), path)
        except UnicodeDecodeError:
            raise UserError(f"{self.root} is not a study: {EXPERIMENT} is not text") from None
        model = CustomExperiment if "system" in fields else Experiment
        try:
            return experiment.validated(model, fields)
        except UserError as error:
            raise UserError(f"{path} is not of this version of chaotrain: {error}") from None

    def provenance(self) -> Record | None:
        """What is recorded of the runs so far; None before the first.

        Raises:
            UserError: If the record cannot be read.
        """
        path = self.root / PROVENANCE
        try:
            record = Record.read(files.read(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            record = None
        if record is None:
            raise UserError(f"{path} was altered: restore it, or run anew in another directory")
        return record

    def check(self, new: Grid) -> None:
        """Check, before anything is computed or written, that a run may go into the directory.

        Raises:
            UserError: If it is a file, holds something else, or a study of another experiment.
        """
        try:
            if not self.root.is_dir():
                files.check_makeable(self.root)
            elif (self.root / EXPERIMENT).exists():
                self._check_same(new)
            elif self._is_foreign():
                raise UserError(
                    f"out = {self.root}: the directory holds files but no study, choose another"
                )
        except OSError as error:
            raise UserError(
                f"out = {self.root}: it cannot be used ({error.strerror}), choose another directory"
            ) from None

    def _check_same(self, new: Grid) -> None:
        held = self.grid()
        if not new.targets:  # those of the task, which is not known yet
            new = new.model_copy(update={"targets": held.targets, "target": held.target})
        if new.memory is None:  # its tiles are cut
            new = new.model_copy(update={"memory": held.memory})
        differs = experiment.difference(held, new)
        if differs:
            raise UserError(
                f"out = {self.root}: holds a study that differs in {differs}; "
                "choose another directory, or the same fields to resume it"
            )

    def _is_foreign(self) -> bool:
        held = {entry.name for entry in self.root.iterdir()}
        return not held.issubset(BEGUN) or (TILES in held and any(self.tiles.iterdir()))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for one run; made if need be, and cleared of unfinished files.

        A directory in which no study was begun is left as it was found.

        Raises:
            UserError: If another run holds it, or it cannot be written.
        """
        made = [folder for folder in (self.root, *self.root.parents) if not folder.exists()]
        lock = FileLock(self.root / LOCK)
        try:
            files.check_folder(self.tiles)
            with files.writing(self.root):
                self.tiles.mkdir(parents=True, exist_ok=True)
                self._acquire(lock)
            for folder in (self.root, self.tiles):
                for left in folder.glob(f"*{files.UNFINISHED}"):
                    files.remove(left)
            yield
        finally:
            if not files.exists(self.root / EXPERIMENT):
                self._withdraw(made, lock.is_locked)
            lock.release()

    def running(self) -> bool:
        """Whether a run holds the directory, as far as this process may see."""
        import fcntl

        try:
            with files.regular(self.root / LOCK) as file:
                # Shared, so that two who look do not take each other for a run.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _acquire(self, lock: FileLock) -> None:
        try:
            lock.acquire(timeout=GLANCE)
        except Timeout:
            raise UserError(
                f"out = {self.root}: another run is working in it, wait for it to end"
            ) from None

    def _withdraw(self, made: list[Path], holds_lock: bool) -> None:
        """Remove what `locked` has made; a folder that holds anything else stays."""
        if holds_lock:
            (self.root / LOCK).unlink(missing_ok=True)
        for folder in (self.tiles, *made) if holds_lock else made:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def begin(self, text: str, record: Record) -> None:
        """Record the experiment and its first run, or nothing at all.

        Raises:
            UserError: If it cannot be written.
        """
        try:
            files.write(self.root / EXPERIMENT, text.encode())
            self.start(record)
        except UserError:
            for name in (PROVENANCE, LOG, EXPERIMENT):
                files.remove(self.root / name)
            raise

    def start(self, record: Record) -> None:
        """Record a further run, the last one of the record."""
        self.record(record)
        run = record.runs[-1]
        self.log("started", versions=run.versions, threads=run.threads, device=run.device)

    def record(self, record: Record) -> None:
        """Write the provenance."""
        files.write(self.root / PROVENANCE, record.to_json())

    def log(self, event: str, **details: Any) -> None:
        """Append an event with the time to the log."""
        entry = {"time": provenance.now(), "event": event, **details}
        files.append_line(self.root / LOG, json.dumps(entry))

    def seal_log(self, run: Run) -> None:
        """Note in a run how the log is now, so that `log_problem` sees a change."""
        path = self.root / LOG
        with files.writing(path):
            content = files.read(path, memory.room())
        run.log_bytes, run.log_sha256 = len(content), hashlib.sha256(content).hexdigest()

    def log_problem(self) -> str | None:
        """What is wrong with the log up to where a run last ended, or None."""
        record, path = self.provenance(), self.root / LOG
        noted = [run for run in record.runs if run.log_bytes is not None] if record else []
        if not noted:
            return None
        try:
            content = files.read(path, memory.room())[: noted[-1].log_bytes]
        except OSError as error:
            return f"{path} cannot be read ({error.strerror})"
        same = hashlib.sha256(content).hexdigest() == noted[-1].log_sha256
        return None if same else f"{path} was altered: what it says of past runs may be wrong"

    def tile(self, index: int) -> Path:
        """The path of a tile."""
        return self.tiles / f"{index:05d}.npz"

    def pair(self, index: int) -> tuple[Path, Path]:
        """The paths of a tile and of its record."""
        path = self.tile(index)
        return path, path.with_suffix(".json")

    def finished(self, index: int) -> bool:
        """Whether a tile was recorded."""
        return self.pair(index)[1].exists()

    def write_tile(self, index: int, balls: Balls, arrays: dict[str, np.ndarray]) -> None:
        """Store a tile and then record it with its digest.

        Args:
            index: Which one.
            balls: (index of the learning rate, initialisation) of every ball.
            arrays: What was recorded of them, each with a leading axis (ball).
        """
        content = tile_files.packed(arrays)
        path, beside = self.pair(index)
        files.write(path, content)
        files.write(beside, tile_files.record_of(content, balls))

    def remove_tile(self, index: int) -> None:
        """Remove a tile with its record, so that the next run computes it anew."""
        path, record = self.pair(index)
        for file in (record, path):  # without its record it is none
            files.remove(file)

    def read_tile(self, index: int, balls: Balls, sizes: Sizes) -> dict[str, np.ndarray]:
        """The arrays of a finished tile.

        Args:
            index: Which one.
            balls: (index of the learning rate, initialisation) of every ball.
            sizes: How long the axes of what is recorded of a ball are.

        Raises:
            UserError: If it is missing, was altered, or holds anything else.
        """
        try:
            return tile_files.read(*self.pair(index), balls, sizes)
        except tile_files.DamagedError as problem:
            path = self.tile(index)
            raise UserError(
                f"tile {path} {problem}: chaotrain verify {self.root} --repair removes it, and the "
                "next run computes it anew"
            ) from None

    def problem(self, index: int, balls: Balls, sizes: Sizes) -> str | None:
        """What is wrong with a finished tile, or None."""
        try:
            tile_files.read(*self.pair(index), balls, sizes)
        except tile_files.DamagedError as problem:
            return str(problem)
        return None
