"""CIFAR-10 in its binary version: 60,000 colour pictures of 32 by 32 pixels in 10 classes.

Not bundled: see `chaotrain.tasks.fetch`. A. Krizhevsky, "Learning multiple layers of features from
tiny images", technical report, University of Toronto, 2009.

The authors publish the MD5 of the archive, c32a1d4ab5d03f1284b67883e8d87530. Its SHA-256 below is
the one that TensorFlow Datasets, MLDatasets.jl and TorchVision for Ruby record, for an archive of
170,052,171 bytes. No SHA-256 of the single files is published; the MD5 below are those that two
independent projects (pytorch-cpp and dldataset) check after unpacking that archive.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from chaotrain import files
from chaotrain.errors import UserError, first_line
from chaotrain.tasks import fetch
from chaotrain.tasks.task import Task

FOLDER = "cifar-10"
ARCHIVE = fetch.Remote(
    FOLDER,
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
INSIDE = "cifar-10-batches-bin"
TEST = "test_batch.bin"
# MD5 of the files in the archive.
FILES = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    TEST: "803d5f7f4d78ea53de84dbe85f74fb6d",
}
SHAPE = (32, 32, 3)
CLASSES = 10
# A label and the red, the green and the blue pixels, row by row, a byte each.
RECORD = 1 + 32 * 32 * 3
BATCH = 10_000 * RECORD
# Of the archive when it is unpacked: six batches, and some text and headers.
LARGEST = 7 * BATCH


def load(data_dir: str | Path | None = None) -> Task:
    """All of CIFAR-10: pictures as 3072 numbers in [0, 1], labels 0 to 9.

    Inputs reshaped to (32, 32, 3) are pictures: rows, columns, and red, green and blue. They take
    1.5 GB in float64. The default target, 0.4, was chosen without measuring.

    Args:
        data_dir: A folder that holds `cifar-10/data_batch_1.bin` and its siblings, or
            `cifar-10/cifar-10-binary.tar.gz`; by default the one that `CHAOTRAIN_DATA` names, or
            else the cache.

    Raises:
        UserError: If a file is missing and cannot be downloaded, or is damaged.
    """
    return in_bytes(data_dir).in_unit_interval()


def in_bytes(data_dir: str | Path | None = None) -> Task:
    """As `load`, with pixels from 0 to 255, a byte each."""
    batches = read(data_dir)
    inputs, targets = parse(b"".join(batches[name] for name in FILES if name != TEST))
    test_inputs, test_targets = parse(batches[TEST])
    return Task(
        name="cifar-10",
        inputs=inputs,
        targets=targets,
        test_inputs=test_inputs,
        test_targets=test_targets,
        outputs=CLASSES,
        hashes={name: hashlib.sha256(content).hexdigest() for name, content in batches.items()},
        shape=SHAPE,
        target=0.4,
        split="the authors' 50,000 training and 10,000 test pictures",
    )


def parse(content: bytes, file: str = "cifar-10") -> tuple[np.ndarray, np.ndarray]:
    """Inputs (samples, 3072) as bytes and labels (samples,) from records of 3073 bytes.

    Raises:
        UserError: If the length is no multiple of a record's, or a label is above 9.

    Example:
        >>> inputs, labels = parse(bytes([7]) + bytes([255]) * 1024 + bytes(2048))
        >>> labels.tolist(), inputs.reshape(-1, 32, 32, 3)[0, 0, 0].tolist()  # red
        ([7], [255, 0, 0])
    """
    if not content or len(content) % RECORD:
        raise UserError(
            f"data file {file} has {len(content)} bytes, no multiple of {RECORD}: it is truncated "
            f"or not in CIFAR-10's binary format, {fetch.remedy(FOLDER)}"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    labels = records[:, 0].astype(np.int32)
    if labels.max() >= CLASSES:
        raise UserError(
            f"data file {file} has a label {labels.max()}, of 0 to {CLASSES - 1}: it is not in "
            f"CIFAR-10's binary format, {fetch.remedy(FOLDER)}"
        )
    pictures = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return pictures.reshape(len(records), -1), labels


def read(data_dir: str | Path | None = None) -> Mapping[str, bytes]:
    """The content of the six files, each checked.

    Raises:
        UserError: If one is missing, cannot be read, or is damaged.
    """
    unpacked = {name: fetch.held(FOLDER, name, data_dir) for name in FILES}
    if any(unpacked.values()):
        where = {name: str(path) for name, path in unpacked.items()}
        batches = {name: _content(name, path) for name, path in unpacked.items()}
    else:
        archive = fetch.path(ARCHIVE, data_dir)
        where = {name: f"{name} in {archive}" for name in FILES}
        batches = _unpack(archive)
    for name, content in batches.items():
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != FILES[name]:
            raise UserError(
                f"data file {where[name]} is damaged (its MD5 differs): {fetch.remedy(FOLDER)}"
            )
    return batches


def _content(name: str, path: Path | None) -> bytes:
    if path is None:
        raise UserError(
            f"data file {FOLDER}/{name} is missing beside the others of its data set: put it there"
        )
    try:
        return files.read(path, BATCH, links=True)
    except OSError as error:
        raise UserError(
            f"data file {path} cannot be read ({error.strerror}): {fetch.remedy(FOLDER)}"
        ) from None


def _unpack(archive: Path) -> dict[str, bytes]:
    """The files in an archive, read without writing anything."""
    found = {}
    try:
        with files.regular(archive, links=True) as file, gzip.open(file) as unpacked:
            content = unpacked.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise OSError("it unpacks to more than CIFAR-10")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for name in FILES:
                inside = tar.extractfile(f"{INSIDE}/{name}")
                if inside is None:
                    raise KeyError(name)
                found[name] = inside.read()
    except KeyError:
        raise UserError(
            f"data file {archive} lacks {INSIDE}/{name}: {fetch.remedy(FOLDER)}"
        ) from None
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise UserError(
            f"data file {archive} cannot be read ({first_line(error)}): {fetch.remedy(FOLDER)}"
        ) from None
    return found
