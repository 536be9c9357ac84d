from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import chaotrain as ct
from chaotrain import optimizers

Blobs = Callable[..., ct.Task]

# Every name of the issue, with what a user of optax would write for it.
WRITTEN: dict[str, Callable[[float], optax.GradientTransformation]] = {
    "sgd": optax.sgd,
    "momentum": lambda eta: optax.sgd(eta, momentum=0.9),
    "nesterov": lambda eta: optax.sgd(eta, momentum=0.9, nesterov=True),
    "adam": optax.adam,
    "adamw": optax.adamw,
    "rmsprop": optax.rmsprop,
    "lion": optax.lion,
}


def zero(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.zeros(len(outputs)) * outputs[:, 0]


def flat(blobs: Blobs) -> ct.Task:
    """A task whose loss is 0 everywhere."""
    return dataclasses.replace(blobs(), loss=zero)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_a_block_of_members_steps_as_optax_does_each_alone(blobs: Blobs, name: str) -> None:
    task, network = blobs(), ct.networks.mlp([5, 4, 3])
    system = ct.TrainingMap(network, task, optimizers.named(name))
    etas = [0.01, 0.02, 0.05]
    with jax.enable_x64(True):
        states = jax.vmap(system.init)(jax.random.split(jax.random.key(0), 3))
        ours = states
        for _ in range(5):
            ours, _ = jax.jit(jax.vmap(system.advance))(ours, jnp.array(etas))

        def loss(parameters: Any) -> jax.Array:
            outputs = network.apply(parameters, jnp.asarray(task.inputs))
            return optax.losses.softmax_cross_entropy_with_integer_labels(
                outputs, jnp.asarray(task.targets)
            ).mean()

        for member, eta in enumerate(etas):
            parameters = jax.tree.map(lambda leaf, m=member: leaf[m], states.parameters)
            rule = WRITTEN[name](eta)
            buffers = rule.init(parameters)
            for _ in range(5):
                updates, buffers = rule.update(jax.grad(loss)(parameters), buffers, parameters)
                parameters = optax.apply_updates(parameters, updates)
            theirs = (parameters, buffers)
            mine = jax.tree.map(lambda leaf, m=member: leaf[m], (ours.parameters, ours.buffers))
            for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


# What needs another optimiser to be given, so that it has no name.
WRAPPERS = ("schedule_free",)


def test_every_optimiser_of_optax_runs_or_is_refused_by_name() -> None:
    """Those that run do so in tests/test_conformance.py."""
    found = set()
    for name, function in [*vars(optax).items(), *vars(optax.contrib).items()]:
        if inspect.isfunction(function) and not name.startswith(("_", "scale_by_")):
            arguments = inspect.signature(function).parameters
            if any(argument.endswith("learning_rate") for argument in arguments):
                found.add(name)
    known, refused = optimizers._known().keys(), optimizers.REFUSED.keys()
    assert not known & refused
    assert found - set(WRAPPERS) == (known | refused) - optimizers.MOMENTUM.keys()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lbfgs", "its line search needs the loss at other weights"),
        ("polyak_sgd", "it needs the loss beside the gradient"),
        ("sophia", "it needs second derivatives"),
        ("dpsgd", "it needs the gradient of every sample"),
        ("optimistic_adam", "optax refuses it .*deprecated"),
        ("noisy_sgd", "optax refuses it .*key"),  # until it is given
    ],
)
def test_an_optimiser_that_does_not_run_says_why(name: str, reason: str) -> None:
    with pytest.raises(ct.UserError, match=f"^optimizer = {name}: {reason}") as caught:
        optimizers.named(name)
    assert "\n" not in str(caught.value)


def test_an_optimiser_whose_buffers_start_from_the_rate_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {**optimizers._known(), "rprop": optax.rprop}
    monkeypatch.setattr(optimizers, "_known", lambda: known)
    with pytest.raises(ct.UserError, match="rprop: its buffers start from the learning rate"):
        optimizers.named("rprop")


@pytest.mark.parametrize("options", [{}, {"eta_plus": 1.5, "max_step_size": 0.3}])
def test_rprop_is_that_of_optax_from_a_start_that_knows_no_rate(options: dict[str, Any]) -> None:
    def trajectory(rule: Any, start: Any) -> list[float]:
        u, buffers, path = jnp.array([1.0, -3.0]), start.init(jnp.zeros(2)), []
        for _ in range(12):
            update, buffers = rule.update(u**3 - u, buffers, u)
            u += update
            path += u.tolist()
        return path

    with jax.enable_x64(True):
        own, theirs = optimizers.named("rprop", options), optax.rprop(0.2, **options)
        path = trajectory(own(0.2), own(0.0))
        assert path == pytest.approx(trajectory(theirs, theirs), rel=1e-12)


SCHEDULES: dict[str, tuple[dict[str, Any], Callable[[int], float]]] = {
    "cosine": ({"decay_steps": 20}, lambda n: 0.5 * (1 + math.cos(math.pi * n / 20))),
    "exponential": ({"transition_steps": 2, "decay_rate": 0.5}, lambda n: 0.5 ** (n / 2)),
    "linear": ({"end_value": 0.0, "transition_steps": 10}, lambda n: 1 - min(n, 10) / 10),
    "polynomial": (
        {"end_value": 0.0, "power": 2.0, "transition_steps": 10},
        lambda n: (1 - min(n, 10) / 10) ** 2,
    ),
    "warmup": ({"warmup_steps": 5}, lambda n: min(n, 5) / 5),
    "warmup-cosine": (
        {"warmup_steps": 4, "decay_steps": 24},
        lambda n: n / 4 if n < 4 else 0.5 * (1 + math.cos(math.pi * min(n - 4, 20) / 20)),
    ),
    # From peak / 25 up over 30% of the steps, then down to peak / 25 / 1e4.
    "one-cycle": (
        {"transition_steps": 10},
        lambda n: (
            0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * n / 3))
            if n < 3
            else 4e-6 + (1 - 4e-6) * 0.5 * (1 + math.cos(math.pi * (n - 3) / 7))
        ),
    ),
}


def test_every_schedule_is_tested() -> None:
    assert SCHEDULES.keys() == optimizers.SCHEDULES.keys()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_a_factor_of_the_learning_rate(name: str) -> None:
    options, factor = SCHEDULES[name]
    eta, gradient = 0.7, jnp.full((1, 1), 2.0)
    rule = optimizers.named("sgd", schedule={"name": name, **options})(eta)
    buffers = rule.init(gradient)
    for step in range(10):
        update, buffers = rule.update(gradient, buffers, gradient)
        assert float(update[0, 0]) == pytest.approx(-eta * factor(step) * 2.0, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("eta", "alpha"), [(0.5, 0.1), (0.1, 3.0), (4.0, 0.9)])
@pytest.mark.parametrize("kind", ["decay", "l2"])
def test_weight_decay_on_a_zero_loss_has_the_exponent_of_its_factor(
    blobs: Blobs, kind: str, eta: float, alpha: float
) -> None:
    decay, l2 = (alpha, 0.0) if kind == "decay" else (0.0, alpha)
    system = ct.TrainingMap(
        ct.networks.mlp([5, 4, 3]),
        flat(blobs),
        optimizers.named("sgd", weight_decay=decay),
        penalty=ct.Penalty(l2=l2),
    )
    distance = ct.divergence(system, eta, epochs=6, replicas=2, epsilon=1e-3).distance.values
    rates = np.diff(np.log(distance), axis=1)
    np.testing.assert_allclose(rates, math.log(abs(1 - eta * alpha)), rtol=1e-9)


def test_decoupled_decay_follows_the_schedule_and_leaves_biases() -> None:
    tree = {"weight": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    schedule = {"name": "exponential", "transition_steps": 1, "decay_rate": 0.5}
    rule = optimizers.named("adam", schedule=schedule, weight_decay=0.1)(0.3)
    buffers, nothing = rule.init(tree), jax.tree.map(jnp.zeros_like, tree)
    for step in range(3):
        update, buffers = rule.update(nothing, buffers, tree)
        np.testing.assert_allclose(update["weight"], -0.3 * 0.5**step * 0.1, rtol=1e-6)
        assert not np.any(update["bias"])


def test_penalties_are_part_of_the_loss_and_of_the_gradient(blobs: Blobs) -> None:
    task, network = flat(blobs), ct.networks.mlp([5, 4, 3])
    system = ct.TrainingMap(network, task, penalty=ct.Penalty(l1=0.2, l2=0.6))
    state = system.init(0)
    weights = [np.asarray(layer["weight"]) for layer in state.parameters]
    expected = sum(0.2 * np.abs(w).sum() + 0.3 * (w**2).sum() for w in weights)
    assert float(system.observe(state)["loss"]) == pytest.approx(expected, rel=1e-12)
    for before, after in zip(weights, system.step(state, 0.5).parameters, strict=True):
        step = before - 0.5 * (0.2 * np.sign(before) + 0.6 * before)
        np.testing.assert_allclose(after["weight"], step, rtol=1e-12)
        assert not np.any(after["bias"])


def test_the_whole_state_can_be_measured(blobs: Blobs) -> None:
    """With momentum μ and a zero loss but for the penalty, the buffer's distance is known."""
    arguments = ct.networks.mlp([5, 4, 3]), flat(blobs), optimizers.named("momentum")
    both = [
        ct.divergence(
            ct.TrainingMap(*arguments, penalty=ct.Penalty(l2=0.5), measured=measured),
            0.1,
            epochs=2,
            replicas=1,
            epsilon=1e-3,
        ).distance.values[0]
        for measured in ("parameters", "state")
    ]
    # v(1) = α w(0), so that the buffers are apart by α d(0).
    np.testing.assert_allclose(both[1][:2] - both[0][:2], [0, 0.5 * both[0][0]], rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "adamm"}, "optimizer = 'adamm' is unknown; did you mean adam"),
        ({"name": "adma"}, r"did you mean adamax, adan or adam\?$"),
        ({"name": "polyak_sg"}, "'polyak_sg' is unknown; (?!.*polyak_sgd)"),
        ({"name": "rprop", "schedule": {"name": "cosine", "decay_steps": 9}}, "it has no schedule"),
        ({"name": "adam", "options": {"beta1": 0.9}}, r"optimizer.options.beta1 is unknown.*b1"),
        ({"name": "sign_sgd", "options": {"b": 1}}, "it has no options"),
        (
            {"name": "adam", "options": {"b1": "much"}},
            r"optimizer = adam\(b1=much\): optax refuses",
        ),
        ({"name": "sgd", "schedule": {}}, "optimizer.schedule.name = None is unknown"),
        ({"name": "sgd", "schedule": {"name": "cosin"}}, "did you mean cosine"),
        (
            {"name": "sgd", "schedule": {"name": "cosine"}},
            r"optimizer = sgd\(schedule=cosine\(\)\)",
        ),
        ({"name": "sgd", "schedule": {"name": "cosine", "steps": 3}}, "optimizer.schedule.steps"),
    ],
)
def test_bad_optimisers_are_refused_in_one_line(arguments: dict, message: str) -> None:
    with pytest.raises(ct.UserError, match=message) as caught:
        optimizers.named(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf])
def test_bad_penalties_are_refused(strength: float) -> None:
    with pytest.raises(ct.UserError, match=r"l1 = .*: give a finite number, 0 or more"):
        ct.Penalty(l1=strength)
    with pytest.raises(ct.UserError, match=r"weight_decay = .*: give a finite number, 0 or more"):
        optimizers.named("sgd", weight_decay=strength)


def test_equal_optimisers_are_compiled_once() -> None:
    one, same = (optimizers.named("adam", {"b1": 0.8}) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != optimizers.named("adam")
