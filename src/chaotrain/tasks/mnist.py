"""MNIST (LeCun, Cortes, Burges), bundled as its four original IDX files; CC BY-SA 3.0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from chaotrain.tasks import idx
from chaotrain.tasks.task import Task

FOLDER = Path(__file__).resolve().parent.parent / "data" / "mnist"
REMEDY = "reinstall chaotrain"

# SHA-256 of the uncompressed files.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def load(folder: Path = FOLDER) -> Task:
    """All of MNIST: images as 784 pixels in [0, 1], labels 0 to 9."""
    return in_bytes(folder).in_unit_interval()


def in_bytes(folder: Path = FOLDER) -> Task:
    """As `load`, with pixels from 0 to 255, a byte each."""
    files = {name: folder / f"{name}.gz" for name in FILES}
    return from_files("mnist", files, FILES, REMEDY, target=0.9)


def from_files(
    name: str, files: Mapping[str, Path], hashes: Mapping[str, str], remedy: str, target: float
) -> Task:
    """A task from four files in MNIST's format, by their original names, with pixels as bytes.

    Args:
        name: How the task is called.
        files: Where each of the four is, gzipped.
        hashes: SHA-256 of each, uncompressed.
        remedy: What the user should do about a file that is missing or damaged.
        target: The default target.

    Raises:
        UserError: If a file is missing or damaged.
    """
    arrays = {file: idx.read(path, hashes[file], remedy) for file, path in files.items()}

    def images(name: str) -> np.ndarray:
        return arrays[name].reshape(len(arrays[name]), -1)

    return Task(
        name=name,
        inputs=images("train-images-idx3-ubyte"),
        targets=arrays["train-labels-idx1-ubyte"].astype(np.int32),
        test_inputs=images("t10k-images-idx3-ubyte"),
        test_targets=arrays["t10k-labels-idx1-ubyte"].astype(np.int32),
        outputs=10,
        hashes=hashes,
        shape=(*arrays["train-images-idx3-ubyte"].shape[1:], 1),
        target=target,
        split="the authors' 60,000 training and 10,000 test pictures",
    )
