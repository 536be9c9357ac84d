"""Balls taken apart and put together in the host's memory, whatever their states hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import chaotrain as ct
from chaotrain.course import Course
from command_line import Command

LOGISTIC = ct.maps.logistic()
GRID: dict[str, Any] = {"learning_rates": [2.5, 4.0], "inits": 4, "replicas": 3, "epochs": 60}


class Keyed:
    """The logistic map with a typed key in its state, which it draws a number from to observe."""

    def init(self, key: ct.maps.Key) -> Any:
        return LOGISTIC.init(key), jax.random.key(key) if isinstance(key, int) else key

    def step(self, state: Any, eta: Any) -> Any:
        u, key = state
        return LOGISTIC.step(u, eta), jax.random.fold_in(key, 1)

    def observe(self, state: Any) -> Any:
        u, key = state
        return {**LOGISTIC.observe(u), "drawn": jax.random.uniform(key, dtype=np.float64)}


KEYED = Keyed()


@pytest.mark.parametrize("stop", ["epochs", "decided"])
def test_a_map_with_a_typed_key_is_swept(tmp_path: Path, stop: str) -> None:
    keyed, plain = (
        ct.sweep(system, **GRID, stop=stop, out=tmp_path / name).recorded
        for name, system in (("keyed", KEYED), ("plain", LOGISTIC))
    )
    for name in plain:
        assert keyed[name].equals(plain[name]), name
    # The key went on from epoch to epoch, in every ball that was trained to the end.
    key = jax.random.fold_in(jax.random.key(0), 0)
    drawn = keyed.drawn.sel(learning_rate=2.5, init=0).values
    with jax.enable_x64(True):
        for value in drawn[np.isfinite(drawn)]:
            assert value == float(KEYED.observe((LOGISTIC.init(0), key))["drawn"])
            key = jax.random.fold_in(key, 1)


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_parts_and_joins_keep_keys_and_their_kind(impl: str) -> None:
    keys = jax.random.split(jax.random.key(3, impl=impl), (4, 2))
    course = Course.begun({"key": keys, "u": jax.numpy.arange(8.0).reshape(4, 2)})
    whole = Course.joined([course.of(np.array(part)) for part in ([2, 0], [3, 1, 2])], 4)
    for tree, like in ((whole.states, course.states), (whole.origin, course.origin)):
        assert tree["key"].dtype == keys.dtype
        data, expected = (jax.random.key_data(each["key"]) for each in (tree, like))
        np.testing.assert_array_equal(data, expected[np.array([2, 0, 3, 1])])
        np.testing.assert_array_equal(tree["u"], like["u"][np.array([2, 0, 3, 1])])
    assert course.of(np.arange(3), 1).states["key"].shape == (3, 1)


def test_noisy_descent_runs_from_the_command_line(chaotrain: Command) -> None:
    Path("noisy.toml").write_text(
        'task = "tiny"\nlearning_rates = [0.1, 0.5]\ninits = 2\nreplicas = 1\nepochs = 8\n'
        'optimizer = { name = "noisy_sgd", options = { key = 3 } }\nstop = "decided"\n'
        "network = { hidden = [4] }\ntargets = [0.5]\n"
    )
    done = chaotrain("run", "noisy.toml", "--out", "study")
    assert done.code == 0, done.err
    assert np.isfinite(ct.Study("study").dataset.loss.isel(epoch=slice(5))).all()
