"""A tile on disk: a file of arrays, and a record beside it; it is read if the two agree."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from chaotrain import archives, files, memory, schema

Balls = Sequence[tuple[int, int]]
Sizes = Mapping[str, int]


class DamagedError(Exception):
    """What is wrong with a tile."""


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays of a tile as they are stored."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def record_of(content: bytes, balls: Balls) -> bytes:
    """The record of a tile, byte for byte.

    Args:
        content: The tile as it is stored.
        balls: (index of the learning rate, initialisation) of every ball.
    """
    digest = hashlib.sha256(content).hexdigest()
    record = {"sha256": digest, "bytes": len(content), "balls": balls}
    return f"{json.dumps(record)}\n".encode()


def read(path: Path, beside: Path, balls: Balls, sizes: Sizes) -> dict[str, np.ndarray]:
    """The arrays of a tile.

    Args:
        path: The tile.
        beside: Its record.
        balls: (index of the learning rate, initialisation) of every ball.
        sizes: How long the axes of what is recorded of a ball are.

    Raises:
        DamagedError: If it is missing, was altered, or holds anything else.
    """
    try:
        written = files.read(beside)
        record = json.loads(written)
        digest, held = record["sha256"], record["balls"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise DamagedError("has a record that cannot be read") from None
    try:
        content = files.read(path, memory.room())
    except FileNotFoundError:
        raise DamagedError("is missing") from None
    except OSError as error:
        raise DamagedError(f"cannot be read ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedError("was altered")
    if held != [list(ball) for ball in balls]:
        raise DamagedError("holds other balls than provenance.json says")
    if written != record_of(content, balls):
        raise DamagedError("has a record that was altered")
    try:
        with archives.opened(io.BytesIO(content), len(content), compressed=False) as arrays:
            found = {name: arrays[name] for name in sorted(arrays.files)}
    except archives.MALFORMED:
        raise DamagedError("was altered together with its record") from None
    if not found or not all(_fits(name, array, len(balls)) for name, array in found.items()):
        raise DamagedError("was altered together with its record")
    for name, array in found.items():
        dims, _ = schema.recorded(name, array.ndim - 1)
        if array.shape[1:] != tuple(sizes[dim] for dim in dims):
            raise DamagedError(f"holds {name} of another experiment")
    return found


def _fits(name: str, array: np.ndarray, balls: int) -> bool:
    """Whether an array can be a variable of the data set, and no path when that is exported."""
    named = name.isprintable() and not {*name} & {*"/."} and name not in ("", *schema.COORDINATES)
    return named and array.dtype.kind in "biuf" and array.shape[:1] == (balls,)
