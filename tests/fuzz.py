"""Whatever a stranger's file holds, it is read or refused in one line: no traceback, no warning.

`python tests/fuzz.py 1000000` tries as many inputs, which `make fuzz` does, and `test_fuzz.py` some
thousands. A failure is printed with the smallest input that shows it.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import json
import resource
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import xarray as xr
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from chaotrain import experiment, files, overrides, parts, status, tile_files
from chaotrain.atlas.collection import Collection
from chaotrain.errors import UserError
from chaotrain.experiment import CustomExperiment, Experiment
from chaotrain.provenance import Record, Run
from chaotrain.store import LOG, Store
from chaotrain.tasks import cifar, idx, own_files

# Inputs between two lines of progress, and the address space, in bytes, that all must do with.
ROUND = 2000
SPACE = 2**33

# ---- what is read, or refused in one line


def read_or_refused(read: Callable[..., Any], *arguments: Any) -> Any:
    """What is read, or None if it is refused in one line."""
    try:
        return read(*arguments)
    except UserError as error:
        message = str(error)
        assert message
        assert message.isprintable(), message
    return None


# ---- inputs: files as they should be, with something changed

EDGES = [0, 1, 0x7F, 0x80, 0xFF]
HUGE = [b"\xff" * 4, b"\xff" * 8, b"\x7f" + b"\xff" * 3, b"\xff\xff\xff\x7f", bytes(8)]


@st.composite
def mutated(draw: Any, originals: list[bytes]) -> bytes:
    """Bytes with some of them changed, cut out, put in, doubled or left off."""
    content = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content)))
        match draw(st.integers(0, 5)):
            case 0:
                content[place : place + 1] = [draw(st.integers(0, 255))]
            case 1 if place < len(content):
                content[place] ^= 1 << draw(st.integers(0, 7))
            case 2:
                del content[place : place + draw(st.integers(1, 64))]
            case 3:
                put = draw(st.sampled_from(HUGE) | st.binary(max_size=16))
                content[place : place + draw(st.sampled_from([0, len(put)]))] = put
            case 4:
                content[place:place] = content[place : place + draw(st.integers(1, 200))]
            case _:
                del content[place:]
    return bytes(content)


TEXTS = [
    'task = "mnist"\nlearning_rates = [0.5, 2.0]\ninits = [2, 3]\nnetwork = { hidden = [4] }\n',
    'task = "a:b"\nlearning_rates = [1e-3]\noptimizer = { name = "adam", options = { b1 = 1 } }\n',
    'task = "x"\nlearning_rates = [1]\n[optimizer.schedule]\nname = "cosine"\n[network]\nscale = 2',
    "task = 'x'\nlearning_rates = [inf, nan, 0x10, 1_0]\nepochs = 1979-05-27T07:32:00Z\n",
]
FIELDS = sorted({*Experiment.model_fields, *CustomExperiment.model_fields, "hidden", "options"})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["tangent", "own", "cnn", "adam", 1, 2, 10**6, 0.5, [0.5], [1, 2]])
)
VALUES = st.recursive(
    SCALARS,
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), inside, max_size=4)
    ),
    max_leaves=4,
)
TABLES = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), VALUES, max_size=4)

BALLS = [(0, 0), (0, 1)]
SIZES = {"replica": 2, "epoch": 4}


def _npz(save: Callable[..., None] = np.savez, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


TILE = {"distance": np.ones((2, 2, 4)), "loss": np.zeros((2, 4))}
TILES = [_npz(**TILE), _npz(np.savez_compressed, **TILE)]
X = np.arange(12.0).reshape(6, 2)
OWN = {"inputs": X, "targets": np.arange(6) % 2, "test_inputs": X, "test_targets": [0, 1] * 3}
ARCHIVES = [_npz(**OWN), _npz(np.savez_compressed, **OWN)]
# What NumPy may be told of an array, and the bytes that follow.
LENGTHS = st.sampled_from([0, 1, 2, 4, 6, -1, 2**31, 2**40, 2**62, 2**63, 2**64, 10**30])
TYPES = [
    "<f8",
    ">f8",
    "<f4",
    "|u1",
    "<i8",
    "|b1",
    "<U2",
    "<U0",
    "|S3",
    "|V8",
    "|O",
    "<c16",
    "<M8[s]",
]
HEADER = st.builds(
    "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format,
    st.sampled_from([repr(kind) for kind in TYPES] + ["[('a', '<f8')]", "('<f8', (2,))", "3"]),
    st.sampled_from(["True", "False", "0"]),
    st.lists(LENGTHS, max_size=4).map(tuple) | st.text(max_size=6),
)


@st.composite
def arrays(draw: Any, names: list[str]) -> bytes:
    """An archive of arrays whose headers say what they like."""
    buffer = io.BytesIO()
    kinds = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    with zipfile.ZipFile(buffer, "w", draw(kinds)) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is given twice
        for name in draw(st.lists(st.sampled_from(names), max_size=4)):
            text = draw(HEADER).encode()
            version = draw(st.sampled_from([(1, 2), (2, 4), (3, 4)]))
            length = len(text).to_bytes(version[1], "little")
            start = b"\x93NUMPY" + bytes([version[0], 0]) + length + text
            archive.writestr(name, start + bytes(draw(st.sampled_from([0, 8, 64, 128]))))
    return buffer.getvalue()


def _record() -> bytes:
    run = Run(started="2026", versions={"jax": "1"}, device="cpu", threads=2, data_sha256={})
    cut = {"balls_per_tile": 1, "members_per_block": 2, "epochs_per_call": 3}
    return Record(experiment_sha256="0", layout=cut, runs=[run]).to_json()


def _collection() -> bytes:
    fields = {"task": "mnist", "learning_rates": [1.0]}
    case = {"name": "a", "title": "A", "experiment": experiment.validated(Experiment, fields)}
    group = {"name": "g", "title": "G", "cases": [case]}
    whole = {"name": "c", "title": "C", "scale": "quick", "nested": False, "groups": [group]}
    return Collection.model_validate(whole).to_toml().encode()


def _part() -> bytes:
    values = {"distance": (("replica", "epoch"), np.ones((1, 3)))}
    return bytes(xr.Dataset(values, {"epoch": np.arange(3)}).to_netcdf(engine="scipy"))


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in cifar.FILES:
            member = tarfile.TarInfo(f"{cifar.INSIDE}/{name}")
            member.size = 5
            archive.addfile(member, io.BytesIO(b"12345"))
    return buffer.getvalue()


IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1]) + bytes(4)
RECORDS = bytes([7]) + bytes(3072)
CSVS = [
    b"a,b,target\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n",
    b"a,b\n0,1.5\n1,2.5\n2,3.5\n",
    b'"a",b\n1,0\n1,1\n',
]
EVENT = (
    b'{"time": "2026-01-01T12:00:00+0000", "event": "tile", "balls": [[0, 0]], "seconds": 1.0}\n'
)


@functools.cache
def folder() -> Path:
    """A folder in memory, if there is one, for those that are read from files."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))


def _file(name: str, content: bytes) -> Path:
    path = folder() / name
    path.write_bytes(content)
    return path


# ---- properties: of an input, that it is read or refused

PROPERTIES: dict[str, tuple[Callable[..., Any], Callable[..., None]]] = {}


def inputs(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], None]:
    """Make a function a property, of inputs like these."""

    def add(check: Callable[..., None]) -> None:
        PROPERTIES[check.__name__] = given(*strategies), check

    return add


def _grid(text: str) -> None:
    fields = read_or_refused(overrides.parse, text, "mine.toml")
    for model in (Experiment, CustomExperiment):
        grid = read_or_refused(experiment.validated, model, fields or {})
        if grid is not None:  # what is accepted can be recorded, and is read back equal
            again = experiment.validated(model, overrides.parse(grid.to_toml(), "again"))
            assert experiment.difference(grid, again) == "" or "nan" in grid.to_toml()


@inputs(mutated([text.encode() for text in TEXTS]))
def experiment_text(content: bytes) -> None:
    _grid(content.decode("utf-8", "replace"))


@inputs(TABLES)
def experiment_table(fields: dict[str, Any]) -> None:
    base = {"task": "mnist", "learning_rates": [1.0]}
    try:
        text = tomli_w.dumps(_without_none(base | fields))
    except (ValueError, TypeError):  # surrogates, endless integers
        return
    _grid(text)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(v) for v in value if v is not None] if isinstance(value, list) else value


@inputs(
    st.text() | st.builds("{}={}".format, st.sampled_from(FIELDS), st.text() | VALUES.map(repr))
)
def override(text: str) -> None:
    fields: dict[str, Any] = {"task": "mnist", "learning_rates": [1.0]}
    read_or_refused(overrides.apply, fields, text)
    read_or_refused(experiment.validated, Experiment, fields)


@inputs(mutated([_collection()]))
def collection(content: bytes) -> None:
    found = read_or_refused(Collection.from_toml, content.decode("utf-8", "replace"), Path("c"))
    for path in found.cases if found is not None else ():
        assert (Path("/a") / path).resolve().parts[:2] == ("/", "a")


@inputs(mutated(TILES) | arrays(["loss.npy", "distance.npy", "epoch.npy", "../a.npy", "loss"]))
def tile(content: bytes) -> None:
    _tile(content, tile_files.record_of(content, BALLS))


@inputs(mutated([tile_files.record_of(TILES[0], BALLS)]))
def tile_record(record: bytes) -> None:
    found = _tile(TILES[0], record)
    assert (found is not None) == (record == tile_files.record_of(TILES[0], BALLS))


def _tile(content: bytes, record: bytes) -> Any:
    paths = _file("0.npz", content), _file("0.json", record)
    try:
        found = tile_files.read(*paths, BALLS, SIZES)
    except tile_files.DamagedError:
        return None
    assert all(array.shape[1:] in ((), (2,), (4,), (2, 4)) for array in found.values())
    return found


@inputs(mutated([_record()]), st.booleans())
def provenance_record(content: bytes, resealed: bool) -> None:
    if resealed:  # by a stranger
        with contextlib.suppress(ValueError, AttributeError):
            content = files.sealed({k: v for k, v in json.loads(content).items() if k != "seal"})
    elif content != _record():
        assert Record.read(content) is None or b"seal" not in content
    found = Record.read(content)
    if found is not None:
        assert sum(map(len, found.plan.tiles(5))) == 5
        assert Record.read(found.to_json()) == found


@inputs(mutated([EVENT * 2]))
def log(content: bytes) -> None:
    _file(LOG, content)
    for event in status._events(Store(folder())):
        json.dumps(event.to_dict())
    files.append_line(folder() / LOG, "{}")
    assert (folder() / LOG).read_bytes() == content[: content.rfind(b"\n") + 1] + b"{}\n"


@inputs(mutated([_part()]))
def part(content: bytes) -> None:
    run = Run(started="", versions={}, device="", threads=1, data_sha256={})
    path = _file("part.nc", content)
    record = _file("part.json", parts.record_of(content, ["distance"], 1.0, run))
    read_or_refused(parts.read, path, record, run)


@inputs(mutated([IMAGES]) | st.binary(max_size=400).map(lambda rest: b"\0\0\x08" + rest))
def idx_file(content: bytes) -> None:
    found = read_or_refused(idx.parse, content, "images")
    assert found is None or found.nbytes <= len(content)


@inputs(mutated([gzip.compress(IMAGES, mtime=0)]))
def idx_archive(content: bytes) -> None:
    read_or_refused(idx.read, _file("images.gz", content), "", "put the original there")


@inputs(mutated([RECORDS, RECORDS * 2]))
def cifar_file(content: bytes) -> None:
    read_or_refused(cifar.parse, content)


@inputs(mutated([_tar()]))
def cifar_archive(content: bytes) -> None:
    read_or_refused(cifar._unpack, _file("cifar.tar.gz", gzip.compress(content, 1)))


@inputs(mutated(ARCHIVES) | arrays([f"{name}.npy" for name in OWN]))
def own_npz(content: bytes) -> None:
    read_or_refused(own_files.from_npz, _file("own.npz", content))


@inputs(mutated(CSVS) | st.text(alphabet='ab019.,"\n\r\t eE+-inf\0', max_size=60).map(str.encode))
def own_csv(content: bytes) -> None:
    read_or_refused(own_files.from_csv, _file("own.csv", content))


def tried(name: str, count: int, number: int | None = None) -> None:
    """Try a property on inputs, the same ones every time unless there is a number to seed them."""
    quiet = settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=number is None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    varied, check = PROPERTIES[name]
    run = quiet(varied(check))
    (run if number is None else seed(number)(run))()


def main(total: int, first: int = 0) -> int:
    """Try all properties on so many inputs in all, with progress; return the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))
    warnings.simplefilter("error")
    failed: list[str] = []
    each = min(ROUND, -(-total // len(PROPERTIES)))
    done, number = 0, first
    while done < total and len(failed) < len(PROPERTIES):
        for name in [name for name in PROPERTIES if name not in failed]:
            try:
                tried(name, each, number)
            except Exception as error:
                failed.append(name)
                print(f"{name}: {type(error).__name__}: {error}")
                print("\n".join(getattr(error, "__notes__", [])), flush=True)
            done += each
            rate = done / time.process_time()
            print(f"{done:>9} of {total}, {rate:.0f} a second of the processor: {name}", flush=True)
        number += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
