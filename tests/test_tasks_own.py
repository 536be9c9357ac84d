"""Tasks from one's own files and functions, and what is said of those that cannot be used."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chaotrain as ct
from chaotrain import tasks
from chaotrain.tasks import splitting

RANDOM = np.random.default_rng(5)
X, Y = RANDOM.normal(size=(20, 3)), np.arange(20) % 2
ARRAYS = {"inputs": X, "targets": Y, "test_inputs": X[:4], "test_targets": Y[:4]}


def npz(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def csv(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def refused(name: str, message: str) -> None:
    with pytest.raises(ct.UserError, match=message) as caught:
        tasks.load(name)
    assert "\n" not in str(caught.value)


def test_npz_is_taken_as_it_is(tmp_path: Path) -> None:
    task = tasks.load(npz(tmp_path / "mine.npz", **ARRAYS), train_size=10)
    assert task.name == "mine.npz"
    np.testing.assert_array_equal(task.inputs, X[:10])
    np.testing.assert_array_equal(task.test_targets, Y[:4])
    assert task.hashes.keys() == {"mine.npz"}
    other = tasks.load(npz(tmp_path / "mine.npz", **{**ARRAYS, "inputs": 2 * X}))
    assert other.hashes != task.hashes


def test_npz_of_pictures_keeps_their_shape(tmp_path: Path) -> None:
    pictures = RANDOM.normal(size=(20, 4, 4, 2))
    arrays = {**ARRAYS, "inputs": pictures, "test_inputs": pictures[:4]}
    task = tasks.load(npz(tmp_path / "a.npz", **arrays))
    assert task.shape == (4, 4, 2)
    np.testing.assert_array_equal(task.inputs.reshape(-1, 4, 4, 2), pictures)


def test_npz_of_real_targets_is_a_regression(tmp_path: Path) -> None:
    arrays = {**ARRAYS, "targets": X[:, :2], "test_targets": X[:4, :2]}
    assert tasks.load(npz(tmp_path / "a.npz", **arrays)).score_name == "R²"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": None}, "has no array 'inputs', it has targets, test_inputs, test_targets"),
        ({"targets": np.array([{}] * 20)}, "targets holds Python objects, which are not read"),
        ({"targets": Y.astype(str)}, "targets holds <U21: give real numbers"),
        ({"inputs": np.where(np.arange(3) == 1, np.nan, X)}, "inputs row 0 holds nan"),
        ({"test_inputs": X[:4, :2]}, "samples of shapes"),
        ({"inputs": X.reshape(20, 3, 1)}, r"shapes \(3, 1\) and \(3,\)"),
        ({"targets": Y * 2}, "no sample of class 1, the test set has 2"),
        ({"targets": Y * 0, "test_targets": Y[:4] * 0}, "targets of mine.npz hold one class"),
    ],
)
def test_npz_that_makes_no_task_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    arrays = {name: array for name, array in {**ARRAYS, **change}.items() if array is not None}
    refused(npz(tmp_path / "mine.npz", **arrays), rf"mine\.npz.*{message}")


class Trap:
    """Would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "unpickled"
    trap = np.array([Trap(mark)] * 20, dtype=object)
    refused(npz(tmp_path / "a.npz", **{**ARRAYS, "inputs": trap}), "inputs holds Python objects")
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap(mark)))
    refused(str(tmp_path / "b.npz"), "b.npz is no .npz file")
    assert not mark.exists()


def _truncate(path: Path) -> None:
    np.savez(path, **ARRAYS)
    path.write_bytes(path.read_bytes()[:500])


def _flip(path: Path) -> None:
    np.savez(path, **ARRAYS)
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)


def _bare(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, X)


def _text_inside(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ARRAYS:
            archive.writestr(f"{name}.npy", "no array")


@pytest.mark.parametrize(
    "harm",
    [
        _truncate,
        _flip,
        _bare,
        _text_inside,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("inputs, targets"),
        lambda path: path.mkdir(),
    ],
)
def test_a_harmed_npz_is_refused(tmp_path: Path, harm: Callable[[Path], Any]) -> None:
    path = tmp_path / "mine.npz"
    harm(path)
    refused(str(path), r"mine\.npz")


@pytest.mark.parametrize("name", ["nothing.npz", "nothing.csv", "no/where.CSV"])
def test_a_missing_file_is_refused(name: str) -> None:
    refused(name, f"task = '{name}': there is no such file")


ROWS = [f"{a:.6f},{b:.6f},{c}" for (a, b, _), c in zip(X, Y, strict=True)]


def table(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows]) + "\n"


def test_csv_is_split_and_standardised_like_every_table(tmp_path: Path) -> None:
    task = tasks.load(csv(tmp_path / "mine.csv", table("a,b,kind", ROWS)))
    same = splitting.task_of("mine.csv", X[:, :2].round(6), Y.astype(np.int32))
    np.testing.assert_array_equal(task.inputs, same.inputs)
    np.testing.assert_array_equal(task.test_targets, same.test_targets)
    assert task.hashes == same.hashes
    assert (len(task.inputs), len(task.test_inputs)) == (14, 6)


def test_csv_takes_the_column_target_or_else_the_last(tmp_path: Path) -> None:
    rows = [",".join(reversed(row.split(","))) for row in ROWS]
    first = tasks.load(csv(tmp_path / "first.csv", table("target,b,a", rows)))
    last = tasks.load(
        csv(
            tmp_path / "last.csv",
            table("b,a,kind", [f"{b},{a},{c}" for a, b, c in (row.split(",") for row in ROWS)]),
        )
    )
    np.testing.assert_array_equal(first.inputs, last.inputs)
    np.testing.assert_array_equal(first.targets, last.targets)


def test_csv_classes_are_sorted_texts_or_whole_numbers(tmp_path: Path) -> None:
    names = tasks.load(
        csv(
            tmp_path / "a.csv",
            table("a,b,kind", [row[:-1] + ("no" if row[-1] == "0" else "yes") for row in ROWS]),
        )
    )
    numbers = tasks.load(
        csv(
            tmp_path / "a.csv",
            table("a,b,kind", [row[:-1] + ("3" if row[-1] == "0" else "17") for row in ROWS]),
        )
    )
    plain = tasks.load(csv(tmp_path / "a.csv", table("a,b,kind", ROWS)))
    np.testing.assert_array_equal(names.targets, plain.targets)
    np.testing.assert_array_equal(numbers.targets, plain.targets)


def test_csv_may_have_numbers_and_repeated_names_in_its_first_line(tmp_path: Path) -> None:
    named = tasks.load(csv(tmp_path / "a.csv", table("a,b,kind", ROWS)))
    for number, header in enumerate(("1,2,target", "1,b,kind", "a,a,kind")):
        same = tasks.load(csv(tmp_path / f"{number}.csv", table(header, ROWS)))
        np.testing.assert_array_equal(same.inputs, named.inputs)


def test_csv_of_real_targets_is_a_regression(tmp_path: Path) -> None:
    task = tasks.load(csv(tmp_path / "a.csv", table("a,y", [f"{a},{b}" for a, b, _ in X])))
    assert task.score_name == "R²"
    np.testing.assert_allclose(task.targets.std(), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no table"),
        ("a\n1\n2\n", "has 1 columns and 2 samples"),
        ("a,b\n", "has 2 columns and 0 samples"),
        ("1.5,2.5,0\n2,3,1\n", "has numbers in its first line: name the columns"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "has numbers in its first line"),
        ("1.4,1.4,0.2,0.2,a\n1.3,1.5,0.1,0.3,b\n", "has numbers in its first line"),
        ('"1", 1 ,1\n2,3,1\n', "has numbers in its first line"),
        (table("a,b,kind", [row[:-1] + "3" for row in ROWS]), "column 'kind' holds one class, 3"),
        (table("a,b,kind", [row[:-1] + "x" for row in ROWS]), "column 'kind' holds one class, 'x'"),
        (table(",b,kind", ROWS), "column 1 has no name"),
        (table("a,kind", ROWS), "lines with more values than its first line names"),
        (table("a,b,kind", [*ROWS, "1,,0"]), "row 21 of column 'b' is empty or not finite"),
        (table("a,b,kind", [*ROWS, "1,inf,0"]), "row 21 of column 'b' is empty or not finite"),
        (table("a,b,kind", [*ROWS, "1,2"]), "row 21 of column 'kind' is empty"),
        (table("a,b,kind", [*ROWS, "Paris,2,0"]), "row 21 of column 'a' holds 'Paris': give num"),
        (table("a,b,kind", [*ROWS, "1,2,7"]), "class 7 of column 'kind' has one sample"),
        (table("a,b,kind", [row[:-1] + "x" for row in ROWS] + ["1,2,"]), "row 21 of column 'kind'"),
        (table("a,b,kind", ['1,"2,3', *ROWS]), "is no table|holds"),
    ],
)
def test_csv_that_makes_no_task_is_refused(tmp_path: Path, text: str, message: str) -> None:
    refused(csv(tmp_path / "mine.csv", text), rf"mine\.csv.*({message})")


def test_csv_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(bytes(range(128, 256)) * 10)
    refused(str(path), "mine.csv is no table")
    path.unlink()
    path.mkdir()
    refused(str(path), "mine.csv is no table")


MODULE = """
import numpy as np
import chaotrain as ct

x, y = np.eye(4), np.array([0, 1, 0, 1])
value = 3

def task():
    return ct.Task.from_arrays(x, y, x, y, name="own")

def bare():
    return ct.Task("bare", x, y, x, y, 2)

def arrays():
    return x, y

def broken():
    return 1 / 0

def bad():
    return ct.Task.from_arrays(x, y - 1, x, y)

def demanding(size):
    return task()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_task_module.py").write_text(MODULE)
    (tmp_path / "own_broken_module.py").write_text("import nothing_of_the_kind\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # and takes it off again
    return "own_task_module"


def test_a_function_of_the_current_directory_makes_a_task(module: str) -> None:
    task = tasks.load(f"{module}:task", train_size=2)
    assert (task.name, len(task.inputs)) == ("own", 2)
    assert len(tasks.load(f"{module}:bare").hashes["bare"]) == 64


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_task_module:tesk", "own_task_module has no tesk; did you mean task"),
        ("own_task_module:value", "it is no function but"),
        ("own_task_module:", "write package.module:name"),
        (":task", "write package.module:name"),
        ("own_missing_module:task", "there is no module own_missing_module"),
        ("own_broken_module:task", "importing it raised.*nothing_of_the_kind"),
        ("own_task_module:arrays", "returns tuple: return a chaotrain.tasks.Task"),
        ("own_task_module:broken", r"fails \(ZeroDivisionError: division by zero\)"),
        ("own_task_module:bad", "targets row 0 holds -1, below 0"),
        ("own_task_module:demanding", "fails.*missing 1 required positional argument"),
    ],
)
@pytest.mark.usefixtures("module")
def test_a_function_that_makes_no_task_is_refused(name: str, message: str) -> None:
    refused(name, f"task = '{name}'.*{message}")
