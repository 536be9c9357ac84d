"""Small data sets that scikit-learn ships, each split by a seed and, but for one, standardised.

An MLP with 32 tanh units and Glorot's initialisation reaches each default target within 60 epochs
of full-batch gradient descent at a good learning rate (1 for the classes, 0.1 for diabetes), but
for iris-raw.
"""

from __future__ import annotations

import numpy as np

from chaotrain.tasks.splitting import task_of
from chaotrain.tasks.task import Task


def digits() -> Task:
    """1797 handwritten digits of 8 by 8 pixels in [0, 1]; Alpaydin and Kaynak, 1998 (UCI)."""
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    # As MNIST, pixels are scaled by their range and not standardised.
    return task_of(
        "digits", inputs / 16, _labels(labels), standardise=False, target=0.95, shape=(8, 8, 1)
    )


def iris() -> Task:
    """150 flowers of 3 species by 4 lengths in cm; Fisher, 1936."""
    from sklearn.datasets import load_iris

    inputs, labels = load_iris(return_X_y=True)
    return task_of("iris", inputs, _labels(labels), target=0.95)


def iris_raw() -> Task:
    """The flowers of `iris` in cm, not standardised, 120 of them for the training.

    So it is in K. Danovski, M. C. Soriano, L. Lacasa, Front. Complex Syst. 2, 1367957 (2024).
    """
    from sklearn.datasets import load_iris

    inputs, labels = load_iris(return_X_y=True)
    return task_of(
        "iris-raw", inputs, _labels(labels), standardise=False, test_share=0.2, target=0.95
    )


def wine() -> Task:
    """178 wines of 3 growers by 13 chemical measures; Aeberhard and Forina, 1992 (UCI)."""
    from sklearn.datasets import load_wine

    inputs, labels = load_wine(return_X_y=True)
    return task_of("wine", inputs, _labels(labels), target=0.95)


def breast_cancer() -> Task:
    """569 tumours, malignant or benign, by 30 measures; Wolberg et al., 1995 (UCI)."""
    from sklearn.datasets import load_breast_cancer

    inputs, labels = load_breast_cancer(return_X_y=True)
    return task_of("breast-cancer", inputs, _labels(labels), target=0.95)


def diabetes() -> Task:
    """442 patients: progression of diabetes after a year from 10 measures; Efron et al., 2004.

    A regression. On the test part of this split linear least squares reaches R² = 0.39.
    """
    from sklearn.datasets import load_diabetes

    # scikit-learn scales by default, by what it finds in all samples, test samples too.
    inputs, targets = load_diabetes(return_X_y=True, scaled=False)
    return task_of("diabetes", inputs, targets, target=0.35)


def _labels(labels: np.ndarray) -> np.ndarray:
    return labels.astype(np.int32)
