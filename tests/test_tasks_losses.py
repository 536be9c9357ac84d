"""Losses and scores against closed forms, scikit-learn, optax and PyTorch's definitions."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn import metrics

import chaotrain as ct
from chaotrain import tasks
from chaotrain.tasks.losses import LOSSES, PerSample, name_of

RANDOM = np.random.default_rng(1)
LOGITS = 5 * RANDOM.normal(size=(50, 4))
LABELS = RANDOM.integers(4, size=50)
REAL = RANDOM.normal(size=(50, 4)) * [1.0, 3.0, 0.1, 10.0]


def evaluate(function: PerSample, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(function(jnp.asarray(outputs), jnp.asarray(targets)))


def softmax(z: np.ndarray) -> np.ndarray:
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def test_cross_entropy_is_the_negative_log_of_the_probability_of_the_label() -> None:
    losses = evaluate(tasks.cross_entropy, LOGITS, LABELS)
    expected = -np.log(softmax(LOGITS)[np.arange(50), LABELS])
    np.testing.assert_allclose(losses, expected, rtol=1e-10)
    assert losses.mean() == pytest.approx(metrics.log_loss(LABELS, softmax(LOGITS)), rel=1e-12)


def test_accuracy_is_that_of_scikit_learn() -> None:
    scores = evaluate(tasks.accuracy, LOGITS, LABELS)
    np.testing.assert_array_equal(scores, LOGITS.argmax(axis=1) == LABELS)
    assert scores.mean() == metrics.accuracy_score(LABELS, LOGITS.argmax(axis=1))


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_cross_entropy_has_the_values_and_the_slopes_of_optax(scale: float) -> None:
    def both(loss: tasks.PerSample, outputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        slopes = jax.grad(lambda x: loss(x, LABELS).sum())(outputs)
        return loss(outputs, LABELS), slopes

    with jax.enable_x64(True):
        outputs = scale * jnp.asarray(LOGITS)
        ours = both(tasks.cross_entropy, outputs)
        theirs = both(optax.losses.softmax_cross_entropy_with_integer_labels, outputs)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-14, atol=1e-15)


def test_cross_entropy_of_softmax_takes_the_softmax_twice() -> None:
    losses = evaluate(tasks.cross_entropy_of_softmax, LOGITS, LABELS)
    twice = softmax(softmax(LOGITS))
    np.testing.assert_allclose(losses, -np.log(twice[np.arange(50), LABELS]), rtol=1e-12)


def test_cross_entropy_of_softmax_has_the_stated_bounds() -> None:
    sure = np.array([[1e3, 0.0, 0.0, 0.0]])
    right = evaluate(tasks.cross_entropy_of_softmax, sure, np.array([0]))
    wrong = evaluate(tasks.cross_entropy_of_softmax, sure, np.array([1]))
    np.testing.assert_allclose(right, np.log(1 + 3 / np.e), rtol=1e-12)
    np.testing.assert_allclose(wrong, np.log(np.e + 3), rtol=1e-12)


def test_mean_squared_error_of_labels_is_that_of_one_hot_vectors() -> None:
    losses = evaluate(tasks.mean_squared_error, LOGITS, LABELS)
    expected = ((LOGITS - np.eye(4)[LABELS]) ** 2).mean(axis=1)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_mean_squared_error_is_that_of_scikit_learn_and_twice_that_of_optax() -> None:
    losses = evaluate(tasks.mean_squared_error, LOGITS, REAL)
    assert losses.shape == (50,)
    assert losses.mean() == pytest.approx(metrics.mean_squared_error(REAL, LOGITS), rel=1e-12)
    half = evaluate(optax.losses.l2_loss, LOGITS, REAL).mean(axis=1)
    np.testing.assert_allclose(losses, 2 * half, rtol=1e-12)


@pytest.mark.parametrize("outputs", [1, 4])
def test_r_squared_is_that_of_scikit_learn(outputs: int) -> None:
    targets, predicted = REAL[:, :outputs], REAL[:, :outputs] + RANDOM.normal(size=(50, outputs))
    shares = evaluate(tasks.RSquared.of(targets), predicted, targets)
    assert shares.shape == (50,)
    expected = metrics.r2_score(targets, predicted, multioutput="variance_weighted")
    assert shares.mean() == pytest.approx(expected, rel=1e-12)


def test_r_squared_is_one_for_the_targets_and_zero_for_their_mean() -> None:
    score = tasks.RSquared.of(REAL)
    np.testing.assert_array_equal(evaluate(score, REAL, REAL), 1.0)
    mean = np.broadcast_to(REAL.mean(axis=0), REAL.shape)
    assert evaluate(score, mean, REAL).mean() == pytest.approx(0, abs=1e-12)


def test_r_squared_can_be_a_constant_of_a_compiled_function() -> None:
    one, same, other = tasks.RSquared(2.0), tasks.RSquared(2.0), tasks.RSquared(3.0)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    compiled = jax.jit(lambda score, y: score(y, 0 * y), static_argnums=0)
    assert float(compiled(one, jnp.array([[2.0]]))[0]) == -1.0
    assert float(compiled(other, jnp.array([[3.0]]))[0]) == -2.0


@pytest.mark.parametrize("targets", [np.ones((5, 2)), np.ones((1, 1)), np.zeros((3, 1))])
def test_r_squared_without_variance_is_refused(targets: np.ndarray) -> None:
    with pytest.raises(ct.UserError, match="test_targets are all equal"):
        tasks.RSquared.of(targets, "test_targets")


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_keep_the_type_of_the_outputs_and_are_differentiable(
    loss: PerSample, dtype: str
) -> None:
    with jax.enable_x64(True):
        outputs, labels = jnp.asarray(LOGITS, dtype), jnp.asarray(LABELS)
        assert loss(outputs, labels).dtype == dtype
        gradient = jax.grad(lambda z: loss(z, labels).sum())(outputs)
    assert gradient.dtype == dtype
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients_agree_with_finite_differences(loss: PerSample) -> None:
    step = 1e-6
    with jax.enable_x64(True):
        gradient = np.asarray(
            jax.grad(lambda z: loss(z, jnp.asarray(LABELS)).sum())(jnp.asarray(LOGITS))
        )
    for k in range(4):
        move = step * np.eye(4)[k]
        ahead, back = (evaluate(loss, LOGITS + sign * move, LABELS) for sign in (1, -1))
        np.testing.assert_allclose(gradient[:, k], (ahead - back) / (2 * step), atol=1e-7)


@pytest.mark.parametrize("score", [tasks.mean_squared_error, tasks.RSquared(3.0)])
def test_real_targets_do_not_widen_float32_outputs(score: Callable[..., jax.Array]) -> None:
    with jax.enable_x64(True):
        assert score(jnp.asarray(LOGITS, "float32"), jnp.asarray(REAL)).dtype == "float32"


def test_losses_know_their_names() -> None:
    assert {name: name_of(loss) for name, loss in LOSSES.items()} == {n: n for n in LOSSES}
    assert name_of(tasks.accuracy) == "accuracy"
