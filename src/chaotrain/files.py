"""Files written whole or not at all, and what goes wrong with them in one line."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from chaotrain.errors import UserError

# Part of the name of whatever is being written.
UNFINISHED = ".tmp"
FULL = (errno.ENOSPC, errno.EDQUOT)
# Bytes of a text or a record: more than the list of a million balls takes.
MOST_TEXT = 2**24
# The field of a record that holds the SHA-256 of the others.
SEAL = "seal"
# How much is read at a time from the end of a log.
BLOCK = 2**16


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
    with replacing(path) as temporary, temporary.open("xb") as file:
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
        remove(temporary)  # it may be a link to anywhere
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
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    with writing(path.parent), regular(path, flags, "r+b", buffering=0) as file:
        whole = _end_of_lines(file)
        file.truncate(whole)
        try:
            if file.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            file.truncate(whole)
            raise


def _end_of_lines(file: IO[bytes]) -> int:
    """Where the last whole line of a file ends; only its end is read."""
    stop = file.seek(0, os.SEEK_END)
    while stop:
        start = max(0, stop - BLOCK)
        file.seek(start)
        found = file.read(stop - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        stop = start
    return 0


@contextlib.contextmanager
def regular(
    path: Path, flags: int = os.O_RDONLY, mode: str = "rb", *, links: bool = False, **more: Any
) -> Iterator[IO[bytes]]:
    """A file opened, unless it is a pipe, a device or, if `links` does not allow it, a link.

    Raises:
        OSError: If it is, or cannot be opened.
    """
    flags |= os.O_NONBLOCK | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW)
    with open(os.open(path, flags, 0o666), mode, **more) as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        yield file


def read(path: Path, most: int = MOST_TEXT, *, links: bool = False) -> bytes:
    """The content of a regular file, of which nothing is read if it is larger than it may be.

    Args:
        path: The file.
        most: Bytes that it may have.
        links: Whether it may be a symbolic link: what a user names may, what lies in a study not,
            since that may come from a stranger.

    Raises:
        OSError: If it cannot be read, or should not.
    """
    with regular(path, links=links) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return file.read(size)


def check_folder(folder: Path) -> None:
    """Check that a folder inside of a study leads nowhere else.

    Raises:
        UserError: If it is a symbolic link.
    """
    if folder.is_symlink():
        raise UserError(f"{folder} is a symbolic link: put the folder itself there")


def check_makeable(folder: Path) -> None:
    """Check that a folder that is not there yet can be made.

    Raises:
        UserError: If not.
    """
    existing = folder
    while not (existing.exists() or existing.is_symlink()) and existing != existing.parent:
        existing = existing.parent
    if not existing.exists():
        raise UserError(
            f"out = {folder}: {existing} is a symbolic link that leads nowhere, remove it or "
            "choose another directory"
        )
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
    elif os.path.lexists(path):  # a read-only disk refuses to remove even what is not there
        path.unlink()


def read_json(path: Path) -> Any:
    """The content of a JSON file, or None if it holds anything else.

    Raises:
        OSError: If it cannot be read.
    """
    return _parsed(read(path))


def sealed(fields: Mapping[str, Any]) -> bytes:
    """Fields as JSON, with the SHA-256 of the rest among them, so that any change shows.

    Example:
        >>> unsealed(sealed({"inits": 4})), unsealed(sealed({"inits": 4}).replace(b"4", b"5"))
        ({'inits': 4}, None)
    """
    digest = hashlib.sha256(json.dumps(fields).encode()).hexdigest()
    return f"{json.dumps({SEAL: digest, **fields}, indent=2)}\n".encode()


def unsealed(content: bytes) -> dict[str, Any] | None:
    """The fields that were `sealed`, or None if that is not how they were written."""
    found = _parsed(content)
    if not isinstance(found, dict):
        return None
    fields = {name: value for name, value in found.items() if name != SEAL}
    try:
        return fields if sealed(fields) == content else None
    except (ValueError, RecursionError):
        return None


def _parsed(content: bytes) -> Any:
    """The value that JSON holds, or None if it is none."""
    try:
        return json.loads(content)
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
