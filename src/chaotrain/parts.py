"""A computation in a few parts, each stored when it is finished, so that a stopped one goes on.

The directory holds what was asked in one TOML file, and in `tiles` for every finished part a NetCDF
file and its record: the SHA-256 and what it was computed with. Only a recorded part is finished.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from chaotrain import experiment, files, memory, overrides, provenance
from chaotrain.errors import ProvenanceWarning, UserError
from chaotrain.experiment import Grid
from chaotrain.provenance import Run
from chaotrain.store import BEGUN, Store


class Parts:
    """The parts of one computation in a directory.

    Args:
        root: The directory.
        name: What is computed: `anatomy` is recorded in `anatomy.toml`.
        asked: Everything that the parts depend on.
    """

    def __init__(self, root: str | Path, name: str, asked: Grid) -> None:
        self.root, self.name, self.asked = Path(root), name, asked
        self.store = Store(root)
        self.record = self.root / f"{name}.toml"

    def check(self) -> None:
        """Check, before anything is computed or written, that it may go into the directory.

        Raises:
            UserError: If it is a file, holds something else, or the same of other fields.
        """
        try:
            if not self.root.is_dir():
                files.check_makeable(self.root)
            elif self.record.exists():
                self._check_same()
            elif {entry.name for entry in self.root.iterdir()} - {*BEGUN, self._unfinished}:
                raise UserError(
                    f"out = {self.root}: the directory holds files but no {self.name}, choose "
                    "another"
                )
        except OSError as error:
            raise UserError(
                f"out = {self.root}: it cannot be used ({error.strerror}), choose another directory"
            ) from None

    def _check_same(self) -> None:
        try:
            fields = overrides.parse(files.read(self.record).decode(), self.record)
            held = experiment.validated(type(self.asked), fields)
        except (UserError, UnicodeDecodeError, OSError):
            raise UserError(
                f"{self.record} was altered: restore it, or run anew in another directory"
            ) from None
        differs = experiment.difference(held, self.asked)
        if differs:
            raise UserError(
                f"out = {self.root}: holds an {self.name} that differs in {differs}; choose "
                "another directory, or the same fields to resume it"
            )

    @property
    def _unfinished(self) -> str:
        return f"{self.record.name}{files.UNFINISHED}"

    @contextlib.contextmanager
    def opened(self, hashes: Mapping[str, str]) -> Iterator[Keep]:
        """Hold the directory, and go on with what it holds.

        Args:
            hashes: The SHA-256 of the data.

        Yields:
            A function of a part's name and how to compute it, to what it is: as it was stored, or
            computed now and stored.

        Raises:
            UserError: If another run holds the directory, it cannot be written, or a part of it
                was altered or is of other data.

        Warns:
            ProvenanceWarning: If a part was computed with other versions, device or threads.
        """
        run = provenance.describe(hashes)

        def keep(name: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
            path, record = pair(self.root, name)
            if record.exists():
                return read(path, record, run)
            started = time.perf_counter()
            found = compute()
            content = bytes(found.to_netcdf(engine="scipy"))
            files.write(path, content)
            names = list(map(str, found.data_vars))  # which NetCDF puts in another order
            seconds = round(time.perf_counter() - started, 3)
            files.write(record, record_of(content, names, seconds, run))
            return found

        with self.store.locked():
            self.check()  # another run may have begun since
            files.write(self.record, self.asked.to_toml().encode())
            try:
                yield keep
            finally:
                if not any(self.store.tiles.glob("*.json")):
                    # Nothing is lost if the directory is as it was found.
                    for left in (*self.store.tiles.iterdir(), self.record):
                        files.remove(left)


Keep = Callable[[str, Callable[[], xr.Dataset]], xr.Dataset]


def pair(root: Path, name: str) -> tuple[Path, Path]:
    """The files of a part of a directory and of its record."""
    path = Store(root).tiles / f"{name}.nc"
    return path, path.with_suffix(".json")


def record_of(content: bytes, names: Sequence[str], seconds: float, run: Run) -> bytes:
    """The record of a part.

    Args:
        content: The part as it is stored.
        names: Its variables, in order.
        seconds: What it took.
        run: What it was computed with.
    """
    digest, made = hashlib.sha256(content).hexdigest(), run.model_dump(exclude_unset=True)
    fields = {"sha256": digest, "variables": names, "seconds": seconds, "run": made}
    return files.sealed(fields)


def read(path: Path, record: Path, now: Run) -> xr.Dataset:
    """A finished part, as it was before it was stored.

    Args:
        path: The part.
        record: Its record.
        now: What it would be computed with today.

    Raises:
        UserError: If it was altered, or is of other data.

    Warns:
        ProvenanceWarning: If it was computed with other versions, device or threads.
    """
    found, then = stored(path, record)
    if then.data_sha256 != now.data_sha256:
        raise UserError(
            f"{path} is of other data (their SHA-256 differs): choose another directory"
        )
    changed = provenance.changes(then, now)
    if changed:
        warnings.warn(
            f"a part was computed with {changed}; what is computed now may belong to a training "
            "that differs in its last bits",
            ProvenanceWarning,
            stacklevel=4,
        )
    return found


def stored(path: Path, record: Path) -> tuple[xr.Dataset, Run]:
    """A finished part as it was before it was stored, and what it was computed with.

    Args:
        path: The part.
        record: Its record.

    Raises:
        UserError: If it was altered.
    """
    try:
        held = files.unsealed(files.read(record)) or {}
        then, content = Run.model_validate(held["run"]), files.read(path, memory.room())
        if hashlib.sha256(content).hexdigest() != held["sha256"]:
            raise ValueError("another SHA-256")
        found = _dataset(content)[held["variables"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path} or its record was altered: delete it and {record.name}, and run again to "
            "compute it anew"
        ) from None
    # NetCDF 3 has no 64-bit integers.
    whole = {n: v.astype(np.int64) for n, v in found.coords.items() if v.dtype.kind == "i"}
    as_stored: xr.Dataset = found.assign_coords(whole)
    return as_stored, then


def _dataset(content: bytes) -> xr.Dataset:
    """The data set in a NetCDF file.

    Raises:
        ValueError: If there is none.
    """
    try:
        return xr.load_dataset(io.BytesIO(content), engine="scipy")
    except Exception:  # SciPy raises whatever it stumbles over
        raise ValueError("no NetCDF") from None
