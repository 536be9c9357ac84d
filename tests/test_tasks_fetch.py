"""Data that is not bundled: found in a folder, downloaded from this machine, or asked for."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chaotrain as ct
import small_files
from chaotrain import tasks
from chaotrain.tasks import cifar, fashion_mnist, fetch
from small_files import put


@pytest.fixture
def fashion(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    return small_files.fashion(monkeypatch)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    return small_files.batches(monkeypatch)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No folder of data and an empty cache, whatever the machine has."""
    monkeypatch.delenv(fetch.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    return tmp_path / "cache" / "chaotrain"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server on this machine, and the folder it serves."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", folder
        serving.shutdown()
        thread.join()


def archive(contents: dict[str, bytes], level: int = 9) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=level) as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"{cifar.INSIDE}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def refused(message: str, name: str, data_dir: Path | None = None) -> None:
    with pytest.raises(ct.UserError, match=message) as caught:
        tasks.load(name, data_dir=data_dir)
    assert "\n" not in str(caught.value)


def test_fashion_mnist_is_read_from_a_folder(tmp_path: Path, fashion: dict[str, bytes]) -> None:
    put(tmp_path / "fashion-mnist", fashion)
    task = tasks.load("fashion-mnist", train_size=15, data_dir=tmp_path)
    assert task.inputs.shape == (15, 784)
    assert task.shape == (28, 28, 1)
    assert task.test_targets.tolist() == list(range(10))
    pixels = gzip.decompress(fashion["t10k-images-idx3-ubyte.gz"])[16:]
    expected = np.frombuffer(pixels, np.uint8).reshape(10, 784) / 255
    np.testing.assert_array_equal(task.test_inputs, expected)
    assert task.hashes == {name: shas.content for name, shas in fashion_mnist.FILES.items()}


def test_the_folder_is_that_of_the_environment_unless_one_is_given(
    tmp_path: Path, fashion: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "here" / "fashion-mnist", fashion)
    monkeypatch.setenv(fetch.VARIABLE, str(tmp_path / "here"))
    assert len(tasks.load("fashion-mnist").inputs) == 20
    (tmp_path / "there").mkdir()
    refused("there/fashion-mnist/.*is missing: put it there", "fashion-mnist", tmp_path / "there")


def test_a_folder_that_does_not_exist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(r"^data_dir = '.*nowhere': there is no such folder", "cifar-10", tmp_path / "nowhere")
    monkeypatch.setenv(fetch.VARIABLE, str(tmp_path / "nowhere"))
    refused(r"^CHAOTRAIN_DATA = '.*nowhere': there is no such folder", "fashion-mnist")


def test_recompressed_files_are_the_same_data(tmp_path: Path, fashion: dict[str, bytes]) -> None:
    again = {name: gzip.compress(gzip.decompress(file), 1) for name, file in fashion.items()}
    assert again != fashion
    put(tmp_path / "fashion-mnist", again)
    assert len(tasks.load("fashion-mnist", data_dir=tmp_path).inputs) == 20


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, fashion: dict[str, bytes]) -> None:
    name = "t10k-labels-idx1-ubyte.gz"
    put(tmp_path / "fashion-mnist", {**fashion, name: gzip.compress(b"other")})
    refused(f"{name} is damaged.*--data-dir or CHAOTRAIN_DATA$", "fashion-mnist", tmp_path)


def test_files_are_downloaded_once_with_progress(
    server: tuple[str, Path],
    fashion: dict[str, bytes],
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address, folder = server
    put(folder, fashion)
    monkeypatch.setattr(fashion_mnist, "SOURCE", address)
    assert len(tasks.load("fashion-mnist").inputs) == 20
    shown = capsys.readouterr()
    assert shown.out == ""
    assert all(name in shown.err for name in fashion)
    cached = {path.name: path.read_bytes() for path in (elsewhere / "fashion-mnist").iterdir()}
    assert cached == fashion
    for name in fashion:
        (folder / name).unlink()
    assert len(tasks.load("fashion-mnist").inputs) == 20
    assert capsys.readouterr().err.strip() == ""


def test_a_download_of_something_else_is_refused_and_not_kept(
    server: tuple[str, Path],
    fashion: dict[str, bytes],
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, folder = server
    put(folder, dict.fromkeys(fashion, b"a page that asks for a password"))
    monkeypatch.setattr(fashion_mnist, "SOURCE", address)
    refused("what came is damaged, its SHA-256 differs.*put the original into", "fashion-mnist")
    assert not any(path.is_file() for path in elsewhere.rglob("*"))


@pytest.mark.parametrize("offline", [True, False])
def test_without_the_network_one_line_says_what_to_put_where(
    server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    address = "http://127.0.0.1:9" if offline else server[0]  # the second has no such file
    monkeypatch.setattr(fashion_mnist, "SOURCE", address)
    error = "ConnectionError" if offline else "HTTPError"
    refused(
        rf"^data file train-images-idx3-ubyte\.gz cannot be downloaded from {address}.*\({error}\)"
        ": put the original into a folder fashion-mnist and name the folder that holds "
        "fashion-mnist by --data-dir or CHAOTRAIN_DATA$",
        "fashion-mnist",
    )


def test_cifar_reshapes_to_pictures(tmp_path: Path, batches: dict[str, bytes]) -> None:
    put(tmp_path / "cifar-10", batches)
    task = tasks.load("cifar-10", data_dir=tmp_path)
    assert (task.inputs.shape, task.shape, task.outputs) == ((50, 3072), (32, 32, 3), 10)
    assert task.inputs.dtype == np.float64
    pictures = task.inputs.reshape(-1, *cifar.SHAPE)
    for sample, row, column, channel in ((0, 0, 0, 0), (13, 31, 2, 1), (49, 5, 30, 2)):
        batch = batches[f"data_batch_{sample // 10 + 1}.bin"]
        start = (sample % 10) * 3073
        byte = batch[start + 1 + 1024 * channel + 32 * row + column]
        assert pictures[sample, row, column, channel] == byte / 255
        assert task.targets[sample] == batch[start]
    assert task.test_targets[3] == batches[cifar.TEST][3 * 3073]
    assert task.hashes == {
        name: hashlib.sha256(content).hexdigest() for name, content in batches.items()
    }


@pytest.mark.parametrize("level", [9, 0])
def test_cifar_is_read_from_its_archive_however_it_is_compressed(
    tmp_path: Path, batches: dict[str, bytes], level: int
) -> None:
    put(tmp_path / "bin" / "cifar-10", batches)
    packed = {cifar.ARCHIVE.name: archive(batches, level)}
    put(tmp_path / "tar" / "cifar-10", packed)
    unpacked, same = (tasks.load("cifar-10", data_dir=tmp_path / kind) for kind in ("bin", "tar"))
    np.testing.assert_array_equal(unpacked.inputs, same.inputs)
    assert unpacked.hashes == same.hashes


def test_cifar_is_downloaded(
    server: tuple[str, Path], batches: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = server
    packed = archive(batches)
    put(folder, {cifar.ARCHIVE.name: packed})
    remote = cifar.ARCHIVE._replace(
        url=f"{address}/{cifar.ARCHIVE.name}", sha256=hashlib.sha256(packed).hexdigest()
    )
    monkeypatch.setattr(cifar, "ARCHIVE", remote)
    assert len(tasks.load("cifar-10").inputs) == 50


def _lacking(batches: dict[str, bytes]) -> bytes:
    return archive({name: batches[name] for name in list(batches)[:3]})


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda b: {**b, "data_batch_2.bin": b["data_batch_1.bin"]}, "data_batch_2.bin is damaged"),
        (lambda b: {cifar.TEST: b[cifar.TEST]}, "cifar-10/data_batch_1.bin is missing beside"),
        (lambda b: {}, r"cifar-10-binary\.tar\.gz is missing: put it there"),
        (lambda b: {cifar.ARCHIVE.name: archive(b)[:2000]}, "cannot be read.*put the original"),
        (lambda b: {cifar.ARCHIVE.name: b"no archive"}, "cannot be read.*put the original"),
        (lambda b: {cifar.ARCHIVE.name: _lacking(b)}, "lacks cifar-10-batches-bin/data_batch_4"),
        (
            lambda b: {cifar.ARCHIVE.name: archive({**b, cifar.TEST: b["data_batch_1.bin"]})},
            r"test_batch.bin in .*cifar-10-binary\.tar\.gz is damaged",
        ),
    ],
)
def test_harmed_cifar_is_named_with_the_remedy(
    tmp_path: Path,
    batches: dict[str, bytes],
    harm: Callable[[dict[str, bytes]], dict[str, bytes]],
    message: str,
) -> None:
    put(tmp_path / "cifar-10", harm(batches))
    refused(message, "cifar-10", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes"),
        (bytes(3072), "has 3072 bytes, no multiple of 3073"),
        (bytes([10]) + bytes(3072), "has a label 10, of 0 to 9"),
    ],
)
def test_malformed_records_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(ct.UserError, match=f"data file x {message}"):
        cifar.parse(content, "x")


DATA = os.environ.get(fetch.VARIABLE, "")


@pytest.mark.skipif(
    not Path(DATA, "fashion-mnist").is_dir() or not DATA, reason="CHAOTRAIN_DATA lacks it"
)
def test_fashion_mnist_is_the_original() -> None:
    task = tasks.load("fashion-mnist", data_dir=DATA)
    assert task.inputs.shape == (60_000, 784)
    assert task.test_inputs.shape == (10_000, 784)
    assert (task.inputs.min(), task.inputs.max()) == (0.0, 1.0)
    # The first labels, as published (an ankle boot), and the balanced classes.
    assert task.targets[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert np.bincount(task.targets).tolist() == [6000] * 10
    assert np.bincount(task.test_targets).tolist() == [1000] * 10
