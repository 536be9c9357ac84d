"""What is asked of a map, a key and a state before anything is computed or written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import chaotrain as ct

HENON = ct.maps.henon()
IRIS = ct.TrainingMap(ct.networks.mlp([4, 3]), ct.tasks.load("iris"))


class Plain:
    """The logistic map in NumPy, which JAX cannot trace."""

    def init(self, key: Any) -> Any:
        return np.array([0.3])

    def step(self, state: Any, eta: float) -> Any:
        u = float(state[0])
        return np.array([eta * u * (1 - u)])

    def observe(self, state: Any) -> Any:
        return {"u": state[0]}


class Seeded(Plain):
    """Its start is drawn by NumPy."""

    def init(self, key: Any) -> Any:
        return np.random.default_rng(int(jax.random.bits(key))).random(1)


def called_back(u: Any, eta: Any) -> Any:
    """NumPy's sine in a compiled step, which is not told how to take members side by side."""
    return eta * jax.pure_callback(np.sin, jax.ShapeDtypeStruct(u.shape, u.dtype), u)


UNTRACEABLE = [Plain(), Seeded(), ct.maps.Iterated(called_back, lambda _: [0.3])]


def refused(call: Any, message: str) -> None:
    with pytest.raises(ct.UserError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("system", UNTRACEABLE, ids=["step", "init", "callback"])
def test_a_map_that_cannot_be_compiled_is_refused_before_anything_is_written(
    system: Any, tmp_path: Path
) -> None:
    message = r"^system = .*: JAX cannot trace it \(.*chaotrain\.rescaled_pair$"
    refused(lambda: ct.divergence(system, 3.7, epochs=5), message)
    for method in ("perturbation", "tangent"):
        out = tmp_path / method
        refused(lambda o=out, m=method: ct.sweep(system, [0.5], out=o, method=m), message)
    assert not list(tmp_path.iterdir())


def test_the_remedy_takes_it() -> None:
    pair = ct.rescaled_pair(Plain(), 3.9, steps=50)
    assert np.isfinite(pair.rate[:-1]).all()


def test_a_step_that_changes_the_type_of_a_state_is_refused(tmp_path: Path) -> None:
    system = ct.maps.Iterated(lambda u, eta: u.astype(jnp.float32), lambda _: [1.0])
    message = "its step changes the shapes or types of the state, let it keep them"
    refused(lambda: ct.divergence(system, 1.0, epochs=5), message)
    refused(lambda: ct.sweep(system, [1.0], out=tmp_path / "out"), message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["a", 1.5, None, 2**70, jnp.arange(3), jnp.array(3)])
def test_what_is_no_key_is_refused(key: Any) -> None:
    message = "^key = .*: give an integer of at most 64 bits, or one JAX key$"
    refused(lambda: ct.divergence(HENON, 1.4, key=key), message)
    refused(lambda: ct.tangent_growth(HENON, 1.4, key=key), message)
    refused(lambda: IRIS.init(key), message)


def test_many_keys_are_no_key() -> None:
    refused(lambda: ct.maps.as_key(jax.random.split(jax.random.key(0))), "or one JAX key")


def test_integers_of_any_kind_and_keys_of_both_kinds_are_the_same_key() -> None:
    keys = [3, np.int64(3), jax.random.key(3), jax.random.PRNGKey(3)]
    found = [ct.divergence(HENON, 1.4, key, epochs=5).distance.values for key in keys]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize(
    ("system", "state", "held"),
    [
        (HENON, 3, r"int of shape \(\) where system.init\(key\) has float64 of shape \(2,\)"),
        (HENON, np.ones(3), r"float64 of shape \(3,\) where"),
        (HENON, np.ones(2, np.float32), r"float32 of shape \(2,\) where"),
        (HENON, {"u": np.ones(2)}, "give a changed copy of that"),
        (IRIS, {"weight": np.ones((4, 3))}, r"float64 of shape \(4, 3\) where"),
        (IRIS, [], "state: it holds nothing where"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(system: Any, state: Any, held: str) -> None:
    refused(lambda: ct.divergence(system, 1.0, state=state), held)
    refused(lambda: ct.tangent_growth(system, 1.0, state=state), held)
    refused(lambda: ct.rescaled_pair(system, 1.0, state=state), held)


def test_a_state_that_fits_is_taken() -> None:
    state = HENON.init(7)
    whole = ct.divergence(HENON, 1.4, 7, epochs=9)
    given = ct.divergence(HENON, 1.4, 7, epochs=9, state=np.asarray(state))
    np.testing.assert_array_equal(given.distance, whole.distance)
