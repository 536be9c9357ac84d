"""Tasks from one's own files: arrays in a .npz file, or a table in a .csv file; no pickles."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from chaotrain import archives, files, memory
from chaotrain.errors import UserError, first_line
from chaotrain.explaining import short
from chaotrain.tasks import splitting
from chaotrain.tasks.task import Task, digest

if TYPE_CHECKING:
    import pandas as pd

ARRAYS = ("inputs", "targets", "test_inputs", "test_targets")
TARGET = "target"
# A digit and a comma become eight bytes; a column takes a kilobyte, however short its name.
GROWTH, LONGEST = 4, 2**20


def from_npz(file: str | Path) -> Task:
    """A task from the arrays `inputs`, `targets`, `test_inputs` and `test_targets` of a file.

    They are taken as by `Task.from_arrays`, and not standardised. Inputs with more than two axes
    are flattened; the shape of a sample is kept as the task's.

    Raises:
        UserError: If the file is missing or no such file, lacks an array, or holds objects; or as
            `Task.from_arrays`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> x, y = np.zeros((4, 2, 2)), np.array([0, 1, 0, 1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = f"{folder}/mine.npz"
        ...     np.savez(file, inputs=x, targets=y, test_inputs=x, test_targets=y)
        ...     task = from_npz(file)
        >>> task.inputs.shape, task.shape
        ((4, 4), (2, 2))
    """
    path = Path(file)
    arrays = _arrays(path)
    given = digest(*arrays.values())
    shape = None
    if arrays["inputs"].ndim > 2:
        shape = arrays["inputs"].shape[1:]
        for name in ("inputs", "test_inputs"):
            array = arrays[name]
            if array.shape[1:] != shape:
                raise UserError(
                    f"{path}: inputs and test_inputs have samples of shapes {shape} and "
                    f"{array.shape[1:]}: give samples of one shape"
                )
            arrays[name] = array.reshape(len(array), -1)
    x, y, test_x, test_y = arrays.values()
    try:
        return Task.from_arrays(
            x,
            y,
            test_x,
            test_y,
            path.name,
            shape=shape,
            split=f"as in {path.name}",
            hashes={path.name: given},
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def from_csv(file: str | Path) -> Task:
    """A task from a table whose first line names the columns.

    The column `target`, or else the last, holds the target; the others hold numbers. Text and
    whole numbers are two or more classes, in sorted order; numbers with a decimal point are a
    regression. It is split and standardised by `splitting.task_of`.

    Raises:
        UserError: If the file is missing, no such table, or holds text or gaps in a feature; or as
            `splitting.task_of`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> rows = [(number, number % 2) for number in range(10)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = f"{folder}/mine.csv"
        ...     np.savetxt(file, rows, "%d", ",", header="number,parity", comments="")
        ...     task = from_csv(file)
        >>> task.inputs.shape, task.outputs
        ((7, 1), 2)
    """
    path = Path(file)
    table = _table(path)
    column = TARGET if TARGET in table.columns else table.columns[-1]
    features = [_feature(path, table[name]) for name in table.columns if name != column]
    targets = _target(path, table[column])
    return splitting.task_of(path.name, np.column_stack(features), targets)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The four arrays of a file, in the order of `ARRAYS`."""
    try:
        with (
            files.regular(path, links=True) as file,
            archives.opened(file, memory.room()) as held,
        ):
            found = {name: _array(path, held, name) for name in ARRAYS}
    except FileNotFoundError:
        raise UserError(f"task = {str(path)!r}: there is no such file") from None
    except UserError:
        raise
    except archives.MALFORMED as error:
        raise UserError(
            f"{path} is no .npz file of arrays ({_reason(error)}): write it with numpy.savez"
        ) from None
    size = 8.0 * sum(array.size for array in found.values())
    memory.check(size, f"{path}: what it holds, in float64,", "keep fewer samples")
    return found


def _array(path: Path, held: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    if name not in held:
        raise UserError(
            f"{path} has no array {name!r}, it has {', '.join(held) or 'none'}: give "
            f"{', '.join(ARRAYS)}"
        )
    return np.asarray(held[name])


def _table(path: Path) -> pd.DataFrame:
    """The table in a file whose first line names the columns."""
    import pandas as pd

    try:
        with files.regular(path, links=True) as file, warnings.catch_warnings():
            _check_sizes(file)
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # As they are written: pandas makes "1.4.1" of a second column named "1.4".
            written = pd.read_csv(
                file, header=None, nrows=1, dtype=str, skipinitialspace=True, keep_default_na=False
            )
            file.seek(0)
            # Without index_col pandas takes the first column for labels if lines are too long.
            table = pd.read_csv(file, low_memory=False, skipinitialspace=True, index_col=False)
    except FileNotFoundError:
        raise UserError(f"task = {str(path)!r}: there is no such file") from None
    except pd.errors.ParserWarning:
        raise UserError(f"{path} has lines with more values than its first line names") from None
    except (OSError, ValueError) as error:  # pandas's own errors of parsing are among these
        raise UserError(
            f"{path} is no table of comma-separated values ({_reason(error)}): give a line of "
            "column names, then a line for each sample"
        ) from None
    if len(table.columns) < 2 or len(table) == 0:
        raise UserError(
            f"{path} has {len(table.columns)} columns and {len(table)} samples: give at least one "
            "feature and a target, and a line for each sample"
        )
    for number, name in enumerate(map(str, table.columns), 1):
        if name.startswith("Unnamed: "):  # pandas's word for an empty name: often row numbers
            raise UserError(f"{path}: column {number} has no name, give it one or leave it out")
    *features, last = written.iloc[0]
    if all(map(_is_number, features)) and last != TARGET:
        raise UserError(f"{path} has numbers in its first line: name the columns there")
    return table


def _check_sizes(file: IO[bytes]) -> None:
    """Check that a table is no larger than what can be made of it.

    Raises:
        ValueError: If it is.
    """
    if GROWTH * os.fstat(file.fileno()).st_size > memory.room():
        raise ValueError("it is larger than there is memory for")
    if len(file.readline(LONGEST + 1)) > LONGEST:
        raise ValueError(f"its first line has more than {LONGEST} bytes")
    file.seek(0)


def _feature(path: Path, column: pd.Series[Any]) -> np.ndarray:
    """A column of numbers."""
    if column.dtype.kind in "biuf":
        return _finite(path, column)
    texts = ((row, value) for row, value in enumerate(column, 1) if not _is_number(value))
    row, value = next(texts, (1, column.iloc[0]))
    raise UserError(
        f"{path}: row {row} of column {column.name!r} holds {short(value)}: give numbers, or name "
        "the column of the classes 'target'"
    )


def _finite(path: Path, column: pd.Series[Any]) -> np.ndarray:
    numbers = np.asarray(column, np.float64)
    rows = np.flatnonzero(~np.isfinite(numbers))
    if len(rows):
        raise UserError(
            f"{path}: row {rows[0] + 1} of column {column.name!r} is empty or not finite: give a "
            "number, or leave the row out"
        )
    return numbers


def _target(path: Path, column: pd.Series[Any]) -> np.ndarray:
    """Labels in the sorted order of the classes, or real numbers."""
    if column.dtype.kind == "f":
        return _finite(path, column)
    gaps = np.flatnonzero(column.isna())
    if len(gaps):
        raise UserError(
            f"{path}: row {gaps[0] + 1} of column {column.name!r} is empty: give a class, or leave "
            "the row out"
        )
    classes, labels, counts = np.unique(column.to_numpy(), return_inverse=True, return_counts=True)
    if len(classes) == 1:
        raise UserError(
            f"{path}: column {column.name!r} holds one class, {short(classes.tolist()[0])}: give "
            "two or more, or write targets with a decimal point for a regression"
        )
    if counts.min() == 1:
        rare = short(classes.tolist()[counts.argmin()])
        raise UserError(
            f"{path}: class {rare} of column {column.name!r} has one sample: give two or more of "
            "each, or write targets with a decimal point for a regression"
        )
    return np.asarray(labels, np.int32)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or first_line(error)
