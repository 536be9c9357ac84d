"""Inputs that are zero in every sample are left out of the products, and nothing else changes."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

import chaotrain as ct
from chaotrain.training.idle import Busy

SAMPLES, FEATURES = 400, 12


def task(idle=5):
    random = np.random.default_rng(0)
    inputs = random.normal(size=(SAMPLES, FEATURES))
    inputs[:, random.permutation(FEATURES)[:idle]] = 0
    # What no training sample holds a test sample may hold.
    tests = random.normal(size=(50, FEATURES))
    labels = np.arange(SAMPLES) % 3
    return ct.Task.from_arrays(
        inputs.reshape(SAMPLES, 3, 4), labels, tests.reshape(50, 3, 4), labels[:50]
    )


def both(network, task, **more):
    """The training that leaves idle inputs out, and the one that does not."""
    whole = dataclasses.replace(network, on_inputs=None)
    narrow, wide = (ct.TrainingMap(n, task, **more) for n in (network, whole))
    assert narrow.busy is not None
    assert wide.busy is None
    return narrow, wide


@pytest.mark.parametrize(
    ("optimizer", "more"),
    [
        (optax.sgd, {}),
        (optax.adam, {}),
        (optax.adam, {"penalty": ct.Penalty(l1=1e-2, l2=1e-1)}),
        (lambda eta: optax.adamw(eta, weight_decay=0.1), {}),
        (lambda eta: optax.sgd(eta, momentum=0.9), {"batch_size": 250}),
    ],
)
def test_epochs_are_the_same_to_rounding(optimizer, more):
    narrow, wide = both(ct.networks.mlp([FEATURES, 8, 3]), task(), optimizer=optimizer, **more)
    one, two = narrow.init(0), wide.init(0)
    for _ in range(5):
        one, two = narrow.step(one, 0.1), wide.step(two, 0.1)
    for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(
            jax.random.key_data(ours)
            if jax.dtypes.issubdtype(ours.dtype, jax.dtypes.prng_key)
            else ours,
            jax.random.key_data(theirs)
            if jax.dtypes.issubdtype(theirs.dtype, jax.dtypes.prng_key)
            else theirs,
            rtol=1e-11,
            atol=1e-13,
        )
    seen, expected = narrow.observe(one), wide.observe(two)
    assert seen.keys() == expected.keys()
    for name, value in seen.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-12)


def test_dropout_draws_the_same_masks():
    narrow, wide = both(ct.networks.mlp([FEATURES, 8, 3], dropout=0.3), task())
    one, two = (system.step(system.init(0), 0.5) for system in (narrow, wide))
    for ours, theirs in zip(*(jax.tree.leaves(s.parameters) for s in (one, two)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_weights_of_idle_inputs_stay_where_they_are_without_a_penalty():
    system, _ = both(ct.networks.mlp([FEATURES, 8, 3]), task())
    start = system.init(0)
    moved = system.step(start, 0.5).parameters[0]["weight"] != start.parameters[0]["weight"]
    idle = np.setdiff1d(np.arange(FEATURES), np.asarray(system.busy.kept))
    assert len(idle) == 5
    assert not moved[:, idle].any()
    assert moved[:, np.asarray(system.busy.kept)].all()


@pytest.mark.slow
def test_distances_and_tangents_are_the_same():
    systems = both(ct.networks.mlp([FEATURES, 8, 3]), task())
    one, two = (ct.divergence(s, 0.5, epochs=20, replicas=2, epsilon=1e-5) for s in systems)
    np.testing.assert_allclose(one.distance, two.distance, rtol=1e-6)
    one, two = (ct.tangent_growth(s, 0.5, epochs=20).growth for s in systems)
    np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


def test_sharpness_is_the_same():
    narrow, wide = both(ct.networks.mlp([FEATURES, 8, 3]), task())
    one, two = (float(ct.sharpness(s, s.init(0)).value) for s in (narrow, wide))
    assert one == pytest.approx(two, rel=1e-8)


@pytest.mark.parametrize(
    ("network", "more"),
    [
        (ct.networks.mlp([FEATURES, 8, 3]), {"augment": lambda key, inputs: inputs}),
        (ct.networks.mlp([FEATURES, 8, 3]), {"batch_size": 50}),
        (dataclasses.replace(ct.networks.mlp([FEATURES, 8, 3]), on_inputs=None), {}),
    ],
)
def test_nothing_is_left_out_where_it_is_wrong_or_does_not_pay(network, more):
    assert ct.TrainingMap(network, task(), **more).busy is None


def test_few_idle_inputs_are_not_worth_it():
    assert ct.TrainingMap(ct.networks.mlp([FEATURES, 8, 3]), task(idle=1)).busy is None


def test_widening_undoes_narrowing_but_for_the_idle():
    inputs = np.array([[1.0, 0.0, 2.0, 0.0], [0.0, 0.0, 3.0, 0.0]])
    busy = Busy.of(ct.networks.mlp([4, 2]), inputs, step=1000)
    assert busy.select(inputs).tolist() == [[1, 2], [0, 3]]
    assert busy.widen(busy.narrow(np.array([5.0, 6.0, 7.0, 8.0]))).tolist() == [5, 0, 7, 0]


def test_an_epoch_costs_what_the_busy_inputs_cost():
    narrow, wide = both(ct.networks.mlp([FEATURES, 8, 3]), task())
    assert wide.cost().flops == 6 * SAMPLES * (FEATURES * 8 + 8 + 8 * 3 + 3)
    assert narrow.cost().flops == 6 * SAMPLES * ((FEATURES - 5) * 8 + 8 + 8 * 3 + 3)
