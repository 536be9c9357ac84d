"""The separation of a ball in weight space and in function space, along a training."""

from __future__ import annotations

import dataclasses
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import chaotrain as ct
from chaotrain import ensembles, layout, schema

Blobs = Callable[..., ct.Task]
WIDE = {"epochs": 6, "every": 3, "epsilon": 0.05, "replicas": 2}
LONG = {"epochs": 30, "replicas": 2}
# One object, so that it is compiled once; chunks do not divide the samples: the last is filled up.
NETWORK = dataclasses.replace(ct.networks.mlp([5, 4, 3]), chunk=17)


def made(blobs: Blobs, **options: Any) -> ct.TrainingMap:
    return ct.TrainingMap(NETWORK, blobs(), **options)


def forward(parameters: Any, inputs: np.ndarray) -> np.ndarray:
    first, last = jax.tree.map(np.asarray, parameters)
    return np.tanh(inputs @ first["weight"].T + first["bias"]) @ last["weight"].T + last["bias"]


@pytest.mark.slow
def test_every_distance_is_that_of_the_networks_stepped_by_hand(blobs: Blobs) -> None:
    system, task = made(blobs), blobs()
    apart = ct.separation(system, 0.3, 4, **WIDE)
    assert apart.epoch.values.tolist() == [0, 3, 6]
    assert apart.layer.values.tolist() == ["0", "1"]
    with jax.enable_x64(True):
        key = jax.random.key(4)
        members = ensembles.surround(system, system.init(key), key, 2, 0.05)
        leaves, treedef = jax.tree.flatten(members)
        states = [jax.tree.unflatten(treedef, one) for one in zip(*leaves, strict=True)]
        for epoch in range(7):
            if epoch in apart.epoch:
                _compare(apart.sel(epoch=epoch), states, task)
            states = [system.step(state, 0.3) for state in states]


def _compare(apart: Any, states: Any, task: ct.Task) -> None:
    labels = task.test_targets
    outputs = [forward(state.parameters, task.test_inputs) for state in states]
    guesses = [found.argmax(axis=1) for found in outputs]
    flat = [
        [np.concatenate([layer["weight"].ravel(), layer["bias"]]) for layer in state.parameters]
        for state in states
    ]
    expected = {
        "test_accuracy": (guesses[0] == labels).mean(),
        "output_norm": np.sqrt((outputs[0] ** 2).sum(axis=1).mean()),
        "layer_norm": [np.linalg.norm(layer) for layer in flat[0]],
        "replica_accuracy": [(guess == labels).mean() for guess in guesses[1:]],
        "disagreement": [(guess != guesses[0]).mean() for guess in guesses[1:]],
        "output_l2": [np.sqrt(((o - outputs[0]) ** 2).sum(axis=1).mean()) for o in outputs[1:]],
    }
    for name, order in (("l1", 1), ("l2", 2)):
        layers = [
            [np.linalg.norm(a - b, order) for a, b in zip(flat[0], other, strict=True)]
            for other in flat[1:]
        ]
        whole = [np.linalg.norm(layer, order) for layer in layers]
        # Replicas this close have their units in the order of the reference.
        expected |= {f"layer_{name}": np.transpose(layers), name: whole, f"{name}_aligned": whole}
    assert expected.keys() == set(apart.data_vars)
    for name, values in expected.items():
        np.testing.assert_allclose(apart[name], values, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("every", [1, 4])
def test_l1_is_the_distance_of_the_same_ball_bit_for_bit(
    blobs: Blobs, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "CALL_FLOPS", 1e6)  # calls that end between two measurements
    system, done = made(blobs), []
    apart = ct.separation(system, 5.0, 1, every=every, progress=done.append, **LONG)
    pair = ct.divergence(system, 5.0, 1, **LONG)
    assert done == apart.epoch.values.tolist() == list(range(0, 31, every))
    np.testing.assert_array_equal(apart.l1, pair.distance.sel(epoch=apart.epoch))
    np.testing.assert_allclose(apart.test_accuracy, pair.test_accuracy.sel(epoch=apart.epoch))
    assert (apart.l1_aligned <= apart.l1).all()
    assert (apart.l2_aligned <= apart.l2).all()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"dtype": "float32"}, {"batch_size": 20}])
def test_equal_networks_are_nowhere_apart(blobs: Blobs, options: dict[str, Any]) -> None:
    apart = ct.separation(made(blobs, **options), 8.0, epsilon=0.0, **LONG)
    both = {"layer_norm", "output_norm", "test_accuracy", "replica_accuracy"}
    for name in set(apart.data_vars) - both:
        assert (apart[name] == 0).all(), name
    np.testing.assert_array_equal(apart.replica_accuracy, [apart.test_accuracy] * 2)
    assert (apart.layer_norm > 0).all()


def test_names_and_units_are_those_of_the_schema(blobs: Blobs) -> None:
    apart = ct.separation(made(blobs), 0.1, **WIDE)
    assert apart.keys() == schema.SEPARATION.keys()
    for name, known in schema.SEPARATION.items():
        assert (apart[name].dims, apart[name].attrs) == (known.dims, known.attrs)
    assert (apart.attrs["eta"], apart.attrs["alignment"]) == (0.1, "permutations and signs")


def test_a_regression_has_no_classes() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 4)), random.normal(size=(30, 2))
    system = ct.TrainingMap(
        ct.networks.mlp([4, 3, 2], "relu", "he"), ct.Task.from_arrays(x, y, x, y)
    )
    apart = ct.separation(system, 0.01, **WIDE)
    assert apart.disagreement.isnull().all()
    assert (apart.output_l2 > 0).all()
    assert (apart.attrs["alignment"], apart.attrs["score"]) == ("permutations", "R²")


def test_a_network_of_another_shape_is_not_aligned_and_says_so(blobs: Blobs) -> None:
    chain = ct.networks.mlp([5, 4, 3])

    def unnamed(key: Any, dtype: Any) -> Any:
        return [list(layer.values()) for layer in chain.init(key, dtype)]

    def apply(parameters: Any, inputs: Any) -> Any:
        named = tuple({"weight": weight, "bias": bias} for weight, bias in parameters)
        return chain.apply(named, inputs)

    system = ct.TrainingMap(ct.Network(unnamed, apply), blobs())
    apart, same = (ct.separation(s, 0.3, **WIDE) for s in (system, made(blobs)))
    assert apart.attrs["alignment"].startswith("none: ")
    assert apart.l1_aligned.isnull().all()
    assert apart.l2_aligned.isnull().all()
    np.testing.assert_allclose(apart.l1, same.l1)
    np.testing.assert_allclose(apart.layer_l2, same.layer_l2)


def test_a_blow_up_is_data(blobs: Blobs) -> None:
    task = dataclasses.replace(blobs(), loss=ct.tasks.mean_squared_error)
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3], "identity"), task)
    last = ct.separation(system, 50.0, epochs=60, every=30).isel(epoch=-1)
    for name in ("l1", "l2", "l1_aligned", "disagreement", "output_l2"):
        assert not np.isfinite(last[name]).any(), name


def test_the_example_compares_trainings_that_share_nothing(tmp_path: Path) -> None:
    path = Path(__file__).parents[1] / "examples" / "independent_trainings.py"
    (tmp_path / "iris.toml").write_text(
        'task = "iris"\nlearning_rates = [1.0]\nepochs = 5\nnetwork = { hidden = [4] }\n'
    )
    with jax.enable_x64(True):
        found = runpy.run_path(str(path))["compared"](tmp_path / "iris.toml", 0.1, inits=3)
    assert 0.5 < found["weights, aligned"] < found["weights"]
    assert 0 < found["disagreement"] < 1
    assert found["outputs"] > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": ct.maps.quadratic((1.0,))}, "only a training has layers and outputs"),
        ({"system": None}, "system = None"),
        ({"every": 0}, "every = 0"),
        ({"eta": -1.0}, "eta = -1.0"),
        ({"epochs": 1}, "epochs = 1"),
        ({"replicas": 0}, "replicas = 0"),
        ({"epsilon": 1e-20}, "epsilon = 1e-20"),
    ],
)
def test_mistakes_are_refused_in_one_line(
    blobs: Blobs, change: dict[str, Any], message: str
) -> None:
    arguments: dict[str, Any] = {"system": made(blobs), "eta": 0.1} | change
    with pytest.raises(ct.UserError, match=message) as refusal:
        ct.separation(**arguments)
    assert "\n" not in str(refusal.value)
