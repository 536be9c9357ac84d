"""IDX files, the format of MNIST: a magic number, the sizes as big-endian integers, the bytes."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chaotrain import files
from chaotrain.errors import UserError

UNSIGNED_BYTE = 0x08
# The training images of MNIST have 47,040,016 bytes.
LARGEST = 2**26
# What NumPy takes.
MOST_AXES = 32


def read(path: Path, sha256: str, remedy: str) -> NDArray[np.uint8]:
    """The array in a gzipped IDX file of unsigned bytes, after checking its SHA-256.

    Args:
        path: The file.
        sha256: The digest of the uncompressed file.
        remedy: What the user should do if the file is missing or damaged.

    Raises:
        UserError: In one line with the remedy, on a file that is missing, truncated or altered.
    """
    try:
        with files.regular(path, links=True) as file, gzip.open(file) as unpacked:
            content = unpacked.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise OSError("it unpacks to more than any of MNIST's files")
    except FileNotFoundError:
        raise UserError(f"data file {path} is missing: {remedy}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"data file {path} cannot be read ({error}): {remedy}") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(f"data file {path} is damaged (its SHA-256 differs): {remedy}")
    return parse(content, path)


def parse(content: bytes, path: Path | str) -> NDArray[np.uint8]:
    """The array in the bytes of an uncompressed IDX file.

    Raises:
        UserError: If the header is not that of unsigned bytes, the length does not match it, or
            the array is empty.

    Example:
        >>> from chaotrain.tasks import idx
        >>> idx.parse(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), "labels").tolist()
        [7, 9]
    """
    rank = content[3] if len(content) >= 4 else 0
    start = 4 + 4 * rank
    if (
        content[:3] != bytes([0, 0, UNSIGNED_BYTE])
        or not 0 < rank <= MOST_AXES
        or len(content) < start
    ):
        raise UserError(f"data file {path} is not an IDX file of unsigned bytes")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", count=rank, offset=4))
    expected = start + int(np.prod([*shape], dtype=object))
    if len(content) != expected:
        raise UserError(
            f"data file {path} has {len(content)} bytes, its header says {expected}: "
            "it is truncated or altered"
        )
    if not all(shape):  # NumPy would not take such an array if its other sizes are large
        raise UserError(f"data file {path} holds nothing: one of its sizes is 0")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
