"""What arrays must be to make a task; what they are not is said by array and row."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from chaotrain.errors import UserError


def numbers(name: str, array: ArrayLike) -> np.ndarray:
    """An array of numbers, as it is.

    Raises:
        UserError: If it is ragged, or holds text, objects, dates or complex numbers.
    """
    try:
        found = np.asarray(array)
    except ValueError:
        raise UserError(f"{name} is ragged: give rows of one length") from None
    if found.dtype.kind not in "biuf":
        raise UserError(f"{name} holds {found.dtype}: give real numbers")
    return found


def pairs(part: str, inputs: np.ndarray, targets: np.ndarray) -> None:
    """Refuse a set without as many inputs as targets, or without any of them or of features."""
    lengths = [len(array) if array.ndim else 0 for array in (inputs, targets)]
    if lengths[0] != lengths[1] or lengths[0] == 0:
        raise UserError(
            f"{part} set has {lengths[0]} inputs and {lengths[1]} targets: "
            "give as many of each, at least one"
        )
    if inputs.ndim < 2 or inputs[0].size == 0:
        raise UserError(
            f"{part} inputs have shape {inputs.shape}: give (samples, features), "
            "at least one feature"
        )


def finite(name: str, array: np.ndarray) -> None:
    """Refuse NaN and infinities, by the first row that holds one."""
    if array.dtype.kind != "f":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):  # one pass without a copy: it is NaN or inf if any entry is
            return
    places = np.argwhere(~np.isfinite(array))
    if len(places):
        first = places[0]
        raise UserError(
            f"{name} row {first[0]} holds {array[tuple(first)]} ({len(places)} such values in all, "
            "rows count from 0): remove or replace what is not finite"
        )


def labels(name: str, array: np.ndarray) -> np.ndarray:
    """Labels (samples,) as integers.

    Raises:
        UserError: If they are not one whole number a sample, 0 or above.
    """
    if array.ndim != 1:
        raise UserError(f"{name} have shape {array.shape}: give one label a sample, (samples,)")
    finite(name, array)
    _refuse(name, array, array != np.floor(array), "no whole number: give labels 0, 1, 2, ...")
    _refuse(name, array, array < 0, "below 0: give labels 0, 1, 2, ...")
    _refuse(name, array, array > MOST_CLASSES, "no label of a class: give labels 0, 1, 2, ...")
    return array.astype(np.int32)


def below(name: str, array: np.ndarray, classes: int) -> None:
    """Refuse labels that are none of 0 to classes - 1."""
    wrong = (array < 0) | (array >= classes)
    _refuse(name, array, wrong, f"out of range: labels are 0 to {classes - 1}")


def absent(train: np.ndarray, classes: int) -> np.ndarray:
    """The classes that no training label names."""
    return np.flatnonzero(np.bincount(train, minlength=classes) == 0)


def every_class(name: str, train: np.ndarray, test: np.ndarray, classes: int) -> None:
    """Refuse a single class, and a training set that lacks one; a small test set may lack some."""
    if classes < 2:
        raise UserError(
            f"targets of {name} hold one class: give labels of two or more, or floating targets "
            "for a regression"
        )
    missing = absent(train, classes)
    if len(missing) == 0:
        return
    lacking = f"the training set of {name} has no sample of class {missing[0]}"
    tested = int(np.sum(test == missing[0]))
    if tested:
        raise UserError(f"{lacking}, the test set has {tested}: split so that both have some")
    raise UserError(f"{lacking}, of {classes}: number the classes 0, 1, 2, ... without a gap")


# Far above any data set's, and what an array of counts can be made for.
MOST_CLASSES = 1_000_000


def _refuse(name: str, array: np.ndarray, wrong: np.ndarray, reason: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        row = int(rows[0])
        raise UserError(f"{name} row {row} holds {array[row]}, {reason} (rows count from 0)")
