"""A task: training and test arrays with a loss and a score, both means over samples."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from chaotrain import arguments
from chaotrain.errors import UserError
from chaotrain.explaining import short
from chaotrain.tasks import checks
from chaotrain.tasks.losses import (
    OF_LABELS,
    PerSample,
    RSquared,
    accuracy,
    cross_entropy,
    mean_squared_error,
    name_of,
    named,
)


@dataclass(frozen=True, eq=False)
class Task:
    """Arrays with a loss and a score, checked when they are put together.

    Integer targets (samples,) are labels 0 to `outputs` - 1, two classes or more, of which the
    training set has every one; a test set, which may be small, need not, but has no other. Floating
    targets (samples, outputs) are those of a regression.

    Args:
        name: How the task is called in a study's record.
        inputs, targets: The training set; the first axis is over samples.
        test_inputs, test_targets: The test set.
        outputs: The number of outputs that a network for this task has.
        loss: (outputs, targets) → loss of each sample; the training loss is its mean.
        score: (outputs, targets) → score of each sample; the score of the test set is its mean.
        hashes: SHA-256 of the files that the arrays were read from, or of the arrays.
        shape: The natural shape of a sample, as (28, 28, 1) of a picture: rows, columns, channels.
            By default that of the inputs.
        target: The score at which the task counts as learnt, unless an experiment says otherwise.
        score_name: What the score is: "accuracy" or "R²".
        train_score: The score on the training set where it is another, as for R².
        split: How training and test set were split, in words.

    Raises:
        UserError: On NaN or an infinity, labels out of range, a single class, a class without a
            training sample, arrays that do not belong together, or a loss that does not fit the
            targets.
    """

    name: str
    inputs: np.ndarray
    targets: np.ndarray
    test_inputs: np.ndarray
    test_targets: np.ndarray
    outputs: int
    loss: PerSample = cross_entropy
    score: PerSample = accuracy
    hashes: Mapping[str, str] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    target: float = 0.9
    score_name: str = "accuracy"
    train_score: PerSample | None = None
    split: str = ""

    def __post_init__(self) -> None:
        checks.pairs("train", self.inputs, self.targets)
        checks.pairs("test", self.test_inputs, self.test_targets)
        for name in ("inputs", "targets", "test_inputs", "test_targets"):
            checks.finite(name, getattr(self, name))
        for train, test in (("inputs", "test_inputs"), ("targets", "test_targets")):
            sizes = getattr(self, train).shape[1:], getattr(self, test).shape[1:]
            if sizes[0] != sizes[1]:
                raise UserError(
                    f"{train} and {test} have samples of shapes {sizes[0]} and {sizes[1]}: "
                    "give samples of one shape"
                )
        if self.shape is not None:
            numbers = self.inputs[0].size
            remedy = f"a sample has {numbers} numbers, give a shape of as many"
            if math.prod(arguments.wholes("shape", self.shape, remedy)) != numbers:
                raise UserError(f"shape = {self.shape}: {remedy}")
        if not (arguments.is_number(self.target) and 0 < self.target <= 1):
            raise UserError(f"target = {short(self.target)}: give a score above 0 and of at most 1")
        for name, function in (("loss", self.loss), ("score", self.score)):
            if not callable(function):
                raise UserError(
                    f"{name} = {short(function)}: give a function of outputs and targets, to one "
                    "number a sample"
                )
        if self.labelled:
            checks.below("targets", self.targets, self.outputs)
            checks.below("test_targets", self.test_targets, self.outputs)
            checks.every_class(self.name, self.targets, self.test_targets, self.outputs)
        elif self.targets.dtype.kind == "f":
            if self.loss in OF_LABELS:
                raise UserError(
                    f"loss = {name_of(self.loss)!r} is one of labels, and the targets of "
                    f"{self.name} are real numbers: choose 'mean-squared-error'"
                )
            if self.score is accuracy:
                raise UserError(
                    f"score = accuracy is one of labels, and the targets of {self.name} are "
                    "real numbers: choose RSquared.of(test_targets)"
                )

    @property
    def labelled(self) -> bool:
        """Whether the targets are labels of classes."""
        return self.targets.dtype.kind in "iu" and self.targets.ndim == 1

    @classmethod
    def from_arrays(
        cls,
        inputs: ArrayLike,
        targets: ArrayLike,
        test_inputs: ArrayLike,
        test_targets: ArrayLike,
        name: str = "arrays",
        *,
        classification: bool | None = None,
        loss: str | PerSample | None = None,
        target: float | None = None,
        shape: tuple[int, ...] | None = None,
        split: str = "",
        hashes: Mapping[str, str] | None = None,
    ) -> Task:
        """A task from arrays: a classification with accuracy, or a regression with R².

        Args:
            inputs: Training inputs (samples, ...).
            targets: Labels (samples,), or real numbers (samples,) or (samples, outputs).
            test_inputs: Test inputs.
            test_targets: Test targets.
            name: How the task is called in a study's record.
            classification: Whether the targets are labels; by default if they are integers.
            loss: A name in `LOSSES` or a function; by default the softmax cross-entropy of labels,
                and the mean squared error of real numbers.
            target: The score at which it counts as learnt; by default 0.9 for labels, 0.5 else.
            shape: The natural shape of one sample.
            split: How the split was made, in words.
            hashes: By default the SHA-256 of the arrays.

        Raises:
            UserError: As `Task`, on an unknown loss, or on targets without variance, where R² is
                not defined.

        Example:
            >>> import numpy as np
            >>> import chaotrain as ct
            >>> x, y = np.eye(4), np.array([0, 1, 0, 1])
            >>> ct.Task.from_arrays(x, y, x, y).outputs
            2
            >>> ct.Task.from_arrays(x, x[:, :3], x, x[:, :3]).score_name
            'R²'
        """
        given = {
            "inputs": inputs,
            "targets": targets,
            "test_inputs": test_inputs,
            "test_targets": test_targets,
        }
        x, y, test_x, test_y = (checks.numbers(name, array) for name, array in given.items())
        checks.pairs("train", x, y)
        checks.pairs("test", test_x, test_y)
        if hashes is None:
            hashes = {name: digest(x, y, test_x, test_y)}
        if classification is None:
            classification = y.dtype.kind != "f" and test_y.dtype.kind != "f"
        score: PerSample = accuracy
        train_score = None
        if classification:
            y, test_y = checks.labels("targets", y), checks.labels("test_targets", test_y)
            outputs = int(max(y.max(), test_y.max())) + 1
        else:
            y, test_y = _columns("targets", y), _columns("test_targets", test_y)
            outputs = y.shape[1]
            score = RSquared.of(test_y, "test_targets")
            train_score = RSquared.of(y)
        if loss is None:
            loss = cross_entropy if classification else mean_squared_error
        return cls(
            name=name,
            inputs=np.asarray(x, np.float64),
            targets=y,
            test_inputs=np.asarray(test_x, np.float64),
            test_targets=test_y,
            outputs=outputs,
            loss=named(loss) if isinstance(loss, str) else loss,
            score=score,
            hashes=hashes,
            shape=shape,
            target=target if target is not None else 0.9 if classification else 0.5,
            score_name="accuracy" if classification else "R²",
            train_score=train_score,
            split=split,
        )

    def first(self, train_size: int | None = None, test_size: int | None = None) -> Task:
        """The task restricted to its first training and test samples.

        R² is then that of the restricted sets.

        Raises:
            UserError: If a size is below 1 or above the data's, or leaves a class without a
                training sample, or targets without variance to R².
        """
        for what, size, held in (
            ("train_size", train_size, len(self.inputs)),
            ("test_size", test_size, len(self.test_inputs)),
        ):
            if size is not None:
                remedy = f"{self.name} has {held} samples, choose 1 to {held}"
                arguments.whole(what, size, remedy, most=held)
        if train_size is None and test_size is None:
            return self
        targets, test_targets = self.targets[:train_size], self.test_targets[:test_size]
        missing = checks.absent(targets, self.outputs) if self.labelled else np.array([])
        if missing.size:
            enough = 1 + max(int(np.argmax(self.targets == k)) for k in range(self.outputs))
            raise UserError(
                f"train_size = {train_size}: the first samples of {self.name} have none of class "
                f"{missing[0]}, choose at least {enough}"
            )
        score, train_score = self.score, self.train_score
        if isinstance(score, RSquared):
            score = RSquared.of(test_targets, f"the first test targets of {self.name}")
        if isinstance(train_score, RSquared):
            train_score = RSquared.of(targets, f"the first targets of {self.name}")
        return replace(
            self,
            inputs=self.inputs[:train_size],
            targets=targets,
            test_inputs=self.test_inputs[:test_size],
            test_targets=test_targets,
            score=score,
            train_score=train_score,
        )

    def in_unit_interval(self) -> Task:
        """The task with its inputs, which are bytes, from 0 to 255, as numbers in [0, 1]."""
        return replace(self, inputs=self.inputs / 255.0, test_inputs=self.test_inputs / 255.0)

    def with_loss(self, loss: str) -> Task:
        """The task with another loss, a name in `LOSSES`.

        Raises:
            UserError: If it is unknown, or does not fit the targets.
        """
        return replace(self, loss=named(loss))


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 of arrays with their types and shapes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _columns(name: str, array: np.ndarray) -> np.ndarray:
    """Targets as (samples, outputs)."""
    if array.ndim > 2 or array[0].size == 0:
        raise UserError(f"{name} have shape {array.shape}: give (samples,) or (samples, outputs)")
    # R² is a variance, which NaN would make NaN.
    checks.finite(name, array)
    return np.asarray(array, np.float64).reshape(len(array), -1)
