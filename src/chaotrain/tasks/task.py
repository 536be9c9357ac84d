"""A task: training and test arrays with a loss and a score, both means over samples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from chaotrain.errors import UserError

PerSample = Callable[[Array, Array], Array]


def cross_entropy(outputs: Array, targets: Array) -> Array:
    """Softmax cross-entropy of logits (samples, classes) with labels (samples,), per sample."""
    losses: Array = optax.losses.softmax_cross_entropy_with_integer_labels(outputs, targets)
    return losses


def accuracy(outputs: Array, targets: Array) -> Array:
    """1 where the largest logit is that of the label, else 0, per sample."""
    return (jnp.argmax(outputs, axis=-1) == targets).astype(outputs.dtype)


@dataclass(frozen=True, eq=False)
class Task:
    """Arrays with a loss and a score.

    Args:
        name: How the task is called in a study's record.
        inputs, targets: The training set; the first axis is over samples.
        test_inputs, test_targets: The test set.
        outputs: The number of outputs that a network for this task has.
        loss: (outputs, targets) → loss of each sample; the training loss is its mean.
        score: (outputs, targets) → score of each sample; the accuracy is its mean.
        hashes: SHA-256 of the files that the arrays were read from.
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

    @classmethod
    def from_arrays(
        cls,
        inputs: np.ndarray,
        targets: np.ndarray,
        test_inputs: np.ndarray,
        test_targets: np.ndarray,
        name: str = "arrays",
    ) -> Task:
        """A classification task from arrays of inputs (samples, ...) and labels (samples,).

        Raises:
            UserError: If inputs and targets differ in length, or a set is empty.

        Example:
            >>> import numpy as np
            >>> import chaotrain as ct
            >>> x, y = np.eye(4), np.array([0, 1, 0, 1])
            >>> ct.Task.from_arrays(x, y, x, y).outputs
            2
        """
        for part, x, y in (("train", inputs, targets), ("test", test_inputs, test_targets)):
            if len(x) != len(y) or len(x) == 0:
                raise UserError(
                    f"{part} set has {len(x)} inputs and {len(y)} targets: "
                    "give as many of each, at least one"
                )
        digest = hashlib.sha256()
        for array in (inputs, targets, test_inputs, test_targets):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return cls(
            name=name,
            inputs=inputs,
            targets=np.asarray(targets, np.int32),
            test_inputs=test_inputs,
            test_targets=np.asarray(test_targets, np.int32),
            outputs=int(max(np.max(targets), np.max(test_targets))) + 1,
            hashes={name: digest.hexdigest()},
        )

    def first(self, train_size: int | None = None, test_size: int | None = None) -> Task:
        """The task restricted to its first training and test samples.

        Raises:
            UserError: If a size is below 1 or above the data's.
        """
        for what, size, held in (
            ("train_size", train_size, len(self.inputs)),
            ("test_size", test_size, len(self.test_inputs)),
        ):
            if size is not None and not 1 <= size <= held:
                raise UserError(
                    f"{what} = {size}: {self.name} has {held} samples, choose 1 to {held}"
                )
        return replace(
            self,
            inputs=self.inputs[:train_size],
            targets=self.targets[:train_size],
            test_inputs=self.test_inputs[:test_size],
            test_targets=self.test_targets[:test_size],
        )
