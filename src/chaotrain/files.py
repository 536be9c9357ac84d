"""Files written whole or not at all, and what goes wrong with them in one line."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaotrain.errors import UserError

# Part of the name of whatever is being written.
UNFINISHED = ".tmp"
FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def writing(where: Path) -> Iterator[None]:
    """Turn a failure to write into one line with the remedy.

    Raises:
        UserError: Instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        remedy = "free some space" if error.errno in FULL else "make it writable"
        reason = error.strerror or type(error).__name__
        raise UserError(
            f"cannot write to {where} ({reason}): {remedy} and run again; what is finished is kept"
        ) from None


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and flush it to the disk.

    Raises:
        UserError: If it cannot be written; nothing is left of it.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file or a folder at, that takes its place when all went well.

    Raises:
        UserError: If it cannot be written; nothing is left of it.
    """
    temporary = path.with_name(f"{path.name}{UNFINISHED}")
    with writing(path.parent):
        if not path.parent.is_dir():  # which Zarr would make
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        try:
            yield temporary
            temporary.replace(path)
            flush_folder(path.parent)
        except BaseException:
            remove(temporary)
            raise


def append_line(path: Path, line: str) -> None:
    """Append a line whole or not at all, after cutting off what a kill left of another.

    Raises:
        UserError: If it cannot be written.
    """
    content = f"{line}\n".encode()
    with writing(path.parent), path.open("a+b", buffering=0) as file:
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        try:
            if file.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            file.truncate(whole)
            raise


def check_makeable(folder: Path) -> None:
    """Check that a folder that is not there yet can be made.

    Raises:
        UserError: If not.
    """
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(
            f"out = {folder}: {existing} is not a directory that can be written, choose another"
        )


def exists(path: Path) -> bool:
    """Whether there is something at a path, be it ever so long."""
    try:
        return path.exists()
    except OSError:
        return False


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """The content of a JSON file, or None if it holds anything else.

    Raises:
        OSError: If it cannot be read.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None


def flush_folder(folder: Path) -> None:
    """Make a rename durable; not every system lets a folder be opened."""
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
