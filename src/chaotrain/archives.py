"""Archives of arrays (.npz) that anyone may have made: every size is checked before it is taken."""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from typing import IO

import numpy as np
from numpy.lib.npyio import NpzFile

# What a damaged archive may raise.
MALFORMED = (
    *(OSError, EOFError, ValueError, OverflowError, RuntimeError, MemoryError, KeyError),
    *(UserWarning, zipfile.BadZipFile, zlib.error),
)
# Others may need gigabytes to unpack a kilobyte.
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def opened(file: IO[bytes], most: int, *, compressed: bool = True) -> NpzFile:
    """An archive whose arrays can be read: none of them is larger than it may be, or a pickle.

    Args:
        file: The archive, which stays open.
        most: Bytes of all arrays together.
        compressed: Whether they may be compressed.

    Raises:
        ValueError: If they are too large, an array is not as large as its header says, or holds
            objects; or another of `MALFORMED`.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> np.savez(file, loss=np.zeros(1000))
        >>> opened(file, 8000 + 128)["loss"].shape
        (1000,)
        >>> opened(file, 8000)
        Traceback (most recent call last):
        ValueError: its arrays take 8128 bytes, more than there is room for
    """
    with zipfile.ZipFile(file) as archive, warnings.catch_warnings():
        warnings.simplefilter("error")  # of headers that only an old Python could have written
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        if size > most:
            raise ValueError(f"its arrays take {size} bytes, more than there is room for")
        packed = sum(member.compress_size for member in members)
        if packed > file.seek(0, 2) or not (compressed or packed == size):
            raise ValueError("its arrays overlap")
        for member in members:
            _check(archive, member)
    file.seek(0)
    found: NpzFile = np.load(file, allow_pickle=False)
    return found


def _check(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Check that an array is what its header says."""
    name = member.filename.removesuffix(".npy")
    if member.compress_type not in COMPRESSIONS:
        raise ValueError(f"{name} is compressed in an unusual way")
    with archive.open(member) as stream:
        header = HEADERS.get(np.lib.format.read_magic(stream))
        if header is None:
            raise ValueError(f"{name} has an unknown format")
        try:
            shape, _, dtype = header(stream)
        except Exception:  # NumPy reads it as Python and raises whatever it stumbles over
            raise ValueError(f"{name} has a header that cannot be read") from None
        start = stream.tell()
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which are not read")
    if dtype.itemsize == 0 or any(not 0 <= length < 2**62 for length in shape):
        raise ValueError(f"{name} has an impossible shape")
    if start + math.prod(shape) * dtype.itemsize != member.file_size:
        raise ValueError(f"{name} is not as large as its header says")
