"""Tasks that are generated from a seed: two moons, spirals, a teacher network, modular addition.

Coordinates are rounded to `DECIMALS`, so that another processor's sine gives the same digest.

An MLP with 32 tanh units reaches the default target of moons, spirals and teacher within 30 to 150
epochs of full-batch gradient descent at a good learning rate (3, 1 with weights N(0, 1), and 0.3).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from chaotrain.tasks.splitting import SEED, task_of
from chaotrain.tasks.task import Task

DECIMALS = 9


def two_moons(samples: int = 1000, noise: float = 0.2) -> Task:
    """Two interleaving half circles of radius 1 in the plane, scikit-learn's `make_moons`.

    Args:
        samples: How many points, training and test together.
        noise: Standard deviation of the normal noise in each coordinate.

    Example:
        >>> two_moons().inputs.shape
        (700, 2)
    """
    from sklearn.datasets import make_moons

    points, labels = make_moons(samples, noise=noise, random_state=SEED)
    labels = labels.astype(np.int32)
    return task_of("two-moons", points.round(DECIMALS), labels, standardise=False, target=0.95)


def spirals(arms: int = 3, samples: int = 1500, turns: float = 0.75, noise: float = 0.02) -> Task:
    """Arms of a spiral in the plane, a class each: point r (cos φ, sin φ), φ = 2π (k/K + turns r).

    Radii r are uniform in [0.1, 1]; Lang and Witbrock (1988) made the task known with two arms.

    Args:
        arms: How many arms K.
        samples: How many points, training and test together, as many on every arm.
        turns: How often an arm turns around the centre.
        noise: Standard deviation of the normal noise in each coordinate.

    Example:
        >>> spirals(arms=4, samples=400).outputs
        4
    """
    random = np.random.default_rng(SEED)
    labels = np.arange(samples, dtype=np.int32) % arms
    radii = random.uniform(0.1, 1.0, samples)
    angles = 2 * np.pi * (labels / arms + turns * radii)
    points = radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    points += noise * random.normal(size=points.shape)
    return task_of("spirals", points.round(DECIMALS), labels, standardise=False, target=0.95)


# Widths of the teacher, inputs first.
TEACHER = (10, 8, 1)


def teacher_student(samples: int = 2000) -> Task:
    """A regression on what a fixed random network answers: a tanh MLP 10-8-1 without biases.

    Inputs are N(0, 1); weights of a layer with n inputs are N(0, (2/√n)²) for the hidden layer,
    N(0, 1/n) for the last. There is no noise, so R² = 1 can be reached.

    Args:
        samples: How many, training and test together.

    Example:
        >>> teacher_student().score_name
        'R²'
    """
    random = np.random.default_rng(SEED)
    weights = [random.normal(size=shape) / np.sqrt(shape[0]) for shape in pairwise(TEACHER)]
    inputs = random.normal(size=(samples, TEACHER[0])).round(DECIMALS)
    targets = np.tanh(2 * inputs @ weights[0]) @ weights[1]
    return task_of("teacher-student", inputs, targets.round(DECIMALS), target=0.9)


def modular_addition(modulus: int = 23) -> Task:
    """(a + b) mod p for all p² pairs, a and b as one-hot vectors side by side (2p inputs).

    The task on which Power et al. (arXiv:2201.02177) found grokking: the training set is learnt
    long before the test set. As in Gromov (arXiv:2301.02679) the loss is the mean squared error,
    and 80% of the pairs are for training. An MLP 46-128-23 of relu units with Glorot's
    initialisation reaches the target in about 120 epochs of AdamW (learning rate 0.01, weight decay
    1), and often in about 400 of gradient descent with momentum (10, 0.9); one of tanh units does
    not within 600.

    Args:
        modulus: p.

    Example:
        >>> task = modular_addition(5)
        >>> task.inputs.shape[1], task.outputs
        (10, 5)
    """
    first, second = np.divmod(np.arange(modulus**2), modulus)
    digits = np.eye(modulus)
    inputs = np.hstack([digits[first], digits[second]])
    labels = ((first + second) % modulus).astype(np.int32)
    task = task_of("modular-addition", inputs, labels, standardise=False, test_share=0.2)
    return task.with_loss("mean-squared-error")
