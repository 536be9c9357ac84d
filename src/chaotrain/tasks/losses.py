"""Losses and scores of single samples; the mean over a set is its training loss or its score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from chaotrain import arguments
from chaotrain.errors import UserError

PerSample = Callable[[Array, Array], Array]


def cross_entropy(outputs: Array, targets: Array) -> Array:
    """Softmax cross-entropy of logits (samples, classes) with labels (samples,), per sample.

    -ln p_y with p = softmax(z), where z are the outputs and y is the label.

    Example:
        >>> import jax.numpy as jnp
        >>> round(float(cross_entropy(jnp.zeros((1, 2)), jnp.array([1]))[0]), 3)  # ln 2
        0.693
    """
    # As optax's, but with the classes first: along three or ten neighbours nothing vectorises.
    logits = outputs.T - jax.lax.stop_gradient(jnp.max(outputs.T, axis=0))
    own = jnp.where(jnp.arange(len(logits))[:, None] == targets, logits, 0)
    return jnp.log(jnp.sum(jnp.exp(logits), axis=0)) - jnp.sum(own, axis=0)


def cross_entropy_of_softmax(outputs: Array, targets: Array) -> Array:
    """Cross-entropy that takes the softmax of logits for logits again, per sample.

    -ln q_y with q = softmax(softmax(z)). It is what published code trains with when its network
    ends in a softmax and its loss (as PyTorch's `CrossEntropyLoss`) applies a log-softmax of its
    own. It stays within ln(1 + (K - 1)/e) and ln(e + K - 1) for K classes. The network here ends
    in logits z all the same.
    """
    return cross_entropy(jax.nn.softmax(outputs, axis=-1), targets)


def mean_squared_error(outputs: Array, targets: Array) -> Array:
    """Mean squared error over the K outputs of a sample: Σ_k (ŷ_k - y_k)² / K, without a 1/2.

    Labels (samples,) stand for their one-hot vectors.

    Example:
        >>> import jax.numpy as jnp
        >>> mean_squared_error(jnp.array([[0.0, 4.0]]), jnp.array([1])).tolist()  # (0² + 3²) / 2
        [4.5]
    """
    return jnp.mean((outputs - _vectors(outputs, targets)) ** 2, axis=-1)


def accuracy(outputs: Array, targets: Array) -> Array:
    """1 where the largest logit is that of the label, else 0, per sample."""
    return (jnp.argmax(outputs.T, axis=0) == targets).astype(outputs.dtype)


@dataclass(frozen=True)
class RSquared:
    """The share of each sample in the coefficient of determination R² of the set it is from.

    1 - Σ_k (ŷ_k - y_k)² / variance, whose mean over the set is R² = 1 - SS_res / SS_tot. Several
    outputs are weighted by their variance, as in scikit-learn's `r2_score(...,
    multioutput="variance_weighted")`.

    Args:
        variance: Σ_k of the variance of target k over the set (divided by N, not N - 1).

    Example:
        >>> import numpy as np
        >>> RSquared.of(np.array([[0.0], [2.0]]))
        RSquared(variance=1.0)
    """

    variance: float

    @classmethod
    def of(cls, targets: np.ndarray, name: str = "targets") -> RSquared:
        """The score of a set with these targets (samples, outputs).

        Raises:
            UserError: If the targets are all equal, where R² is not defined.
        """
        variance = float(np.var(targets, axis=0).sum())
        if not variance > 0:
            raise UserError(
                f"{name} are all equal ({len(targets)} samples), where R² is not defined: "
                "give targets that differ"
            )
        return cls(variance)

    def __call__(self, outputs: Array, targets: Array) -> Array:
        """The share of each sample, for outputs and targets (samples, outputs)."""
        residuals = jnp.sum((outputs - _vectors(outputs, targets)) ** 2, axis=-1)
        return 1.0 - residuals / self.variance


LOSSES: dict[str, PerSample] = {
    "cross-entropy": cross_entropy,
    "cross-entropy-of-softmax": cross_entropy_of_softmax,
    "mean-squared-error": mean_squared_error,
}
# Losses that can be taken of labels only.
OF_LABELS: tuple[PerSample, ...] = (cross_entropy, cross_entropy_of_softmax)


def named(name: str) -> PerSample:
    """The loss of a name in `LOSSES`.

    Raises:
        UserError: On another name.
    """
    return arguments.entry("loss", name, LOSSES)


def name_of(loss: PerSample) -> str:
    """The name of a loss in `LOSSES`, or that of the function."""
    names = [name for name, known in LOSSES.items() if known is loss]
    return names[0] if names else getattr(loss, "__name__", repr(loss))


def _vectors(outputs: Array, targets: Array) -> Array:
    """Targets as vectors of the outputs' size and type; labels become one-hot."""
    if targets.ndim < outputs.ndim:
        return jax.nn.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return targets.astype(outputs.dtype)
