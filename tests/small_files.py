"""Small files in the formats of the data that is downloaded, with digests as if they were it."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from chaotrain.tasks import cifar, fashion_mnist

CLASSES = 10


def idx_file(array: np.ndarray) -> bytes:
    """An array of bytes in the IDX format."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def fashion(patcher: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four files in the place of Fashion-MNIST's: 20 training images and 10 test images."""
    random = np.random.default_rng(4)
    contents = {}
    for part, count in (("train", 20), ("t10k", 10)):
        pictures = random.integers(256, size=(count, 28, 28)).astype(np.uint8)
        labels = np.arange(count, dtype=np.uint8) % CLASSES
        contents[f"{part}-images-idx3-ubyte"] = idx_file(pictures)
        contents[f"{part}-labels-idx1-ubyte"] = idx_file(labels)
    files = {}
    for name, content in contents.items():
        files[f"{name}.gz"] = gzip.compress(content, mtime=0)
        shas = (hashlib.sha256(data).hexdigest() for data in (content, files[f"{name}.gz"]))
        patcher.setitem(fashion_mnist.FILES, name, fashion_mnist.Digests(*shas))
    return files


def batches(patcher: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Six files of 10 pictures in the place of CIFAR-10's."""
    random = np.random.default_rng(5)
    contents = {}
    for name in cifar.FILES:
        records = random.integers(256, size=(CLASSES, cifar.RECORD)).astype(np.uint8)
        records[:, 0] = random.permutation(CLASSES)
        contents[name] = records.tobytes()
        digest = hashlib.md5(contents[name], usedforsecurity=False).hexdigest()
        patcher.setitem(cifar.FILES, name, digest)
    return contents


DOWNLOADED = {"fashion-mnist": fashion, "cifar-10": batches}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files into a folder, made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
