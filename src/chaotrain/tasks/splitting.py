"""A table of samples becomes a task: a seeded split, standardised on its training part."""

from __future__ import annotations

import numpy as np

from chaotrain.errors import UserError
from chaotrain.tasks import checks
from chaotrain.tasks.task import Task, digest

SEED = 0
TEST_SHARE = 0.3


def task_of(
    name: str,
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    standardise: bool = True,
    test_share: float = TEST_SHARE,
    target: float | None = None,
    shape: tuple[int, ...] | None = None,
) -> Task:
    """A task from samples in one table, split at random by the seed `SEED`.

    Integer targets are labels, and every class is split in the same proportion. Of a regression
    the targets are standardised like the inputs, which leaves R² as it is. Its digest is that of
    the split before it was standardised, so that rounding does not change it.

    Args:
        name: How the task is called.
        inputs: Samples (samples, features).
        targets: Labels (samples,), or real numbers (samples,) or (samples, outputs).
        standardise: Whether to give each feature mean 0 and variance 1 over the training part,
            unless it is constant there.
        test_share: The share of the samples that are for the test.
        target: The score at which it counts as learnt.
        shape: The natural shape of one sample.

    Raises:
        UserError: If there are too few samples to split, or as `Task`.

    Example:
        >>> import numpy as np
        >>> task = task_of("line", np.arange(10.0)[:, None], np.repeat([0, 1], 5), test_share=0.4)
        >>> np.bincount(task.targets).tolist(), np.bincount(task.test_targets).tolist()
        ([3, 3], [2, 2])
    """
    checks.finite("inputs", inputs)
    checks.finite("targets", targets)
    classification = targets.dtype.kind in "iu"
    x, test_x, y, test_y = _split(name, inputs, targets, test_share, classification)
    hashes = {name: digest(x, y, test_x, test_y)}
    if standardise:
        x, test_x = standardised(x, test_x)
        if not classification:
            columns = (part.reshape(len(part), -1) for part in (y, test_y))
            y, test_y = standardised(*columns)
    kind = "stratified by class" if classification else "at random"
    words = f"{len(x)} training and {len(test_x)} test samples, {kind}, seed {SEED}"
    what = "" if not standardise else ("; features" if classification else "; features and targets")
    return Task.from_arrays(
        x,
        y,
        test_x,
        test_y,
        name,
        target=target,
        shape=shape,
        split=words + (f"{what} standardised on the training part" if what else ""),
        hashes=hashes,
    )


def standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sets (samples, features) less the mean of the first, over its standard deviation.

    A feature that is constant in the first is not divided.

    Example:
        >>> import numpy as np
        >>> train, test = standardised(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[5.0, 6.0]]))
        >>> train.tolist(), test.tolist()
        ([[-1.0, 0.0], [1.0, 0.0]], [[3.0, 1.0]])
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def _split(
    name: str, inputs: np.ndarray, targets: np.ndarray, share: float, classification: bool
) -> list[np.ndarray]:
    from sklearn.model_selection import train_test_split

    try:
        parts: list[np.ndarray] = train_test_split(
            inputs,
            targets,
            test_size=share,
            random_state=SEED,
            stratify=targets if classification else None,
        )
    except ValueError:  # scikit-learn's word for too few samples
        rarest = f", the rarest class {np.bincount(targets).min()}" if classification else ""
        raise UserError(
            f"{name} has {len(inputs)} samples{rarest}: too few for a split with {share:.0%} of "
            "them for the test, give more or split them yourself into a .npz file"
        ) from None
    return parts
