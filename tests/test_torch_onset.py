"""The onset finder for PyTorch: against the one in JAX, closed forms, and bad input."""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import chaotrain as ct

torch = pytest.importorskip("torch", reason="needs chaotrain[torch]")

import torch_training as small  # noqa: E402
from chaotrain.torch import find_onset  # noqa: E402
from chaotrain.torch.curvature import edge_of_stability  # noqa: E402
from chaotrain.torch.engine import Engine  # noqa: E402
from chaotrain.torch.pair import Pair  # noqa: E402
from torch_training import cross_entropy, snapshot  # noqa: E402


def same_weights(system: ct.TrainingMap) -> Callable[[], Any]:
    """A factory whose initialisation i has the weights that `system` draws for i in the finder."""
    seeds = {
        int(np.random.SeedSequence((0, init, 0)).generate_state(1)[0]): init for init in range(100)
    }

    def make() -> Any:
        key = jax.random.fold_in(jax.random.key(0), seeds[torch.initial_seed()])
        return small.model(system.init(key))

    return make


# Truth


@pytest.mark.slow
def test_both_finders_agree_within_their_intervals() -> None:
    data = small.task()
    system = ct.TrainingMap(ct.networks.mlp(small.SIZES), data)
    jax_onset = ct.find_onset(system, epochs=100, budget=3000, samples=system.samples)
    batches = [small.batch(data)]
    onset = find_onset(
        same_weights(system), cross_entropy, batches, torch.optim.SGD, epochs=100, budget=3000
    )
    assert onset.outcome == jax_onset.outcome == "onset"
    for name in ("eta_first", "eta_0", "eta_1"):
        (low, high), (other_low, other_high) = (
            getattr(found, f"{name}_interval") for found in (onset, jax_onset)
        )
        assert max(low, other_low) < min(high, other_high), name
    # The first probes are at the same learning rates with the same weights: both begin at the
    # edge of stability, to 10%, and go on from there by powers of 4.
    first, others = onset.probes, jax_onset.probes
    np.testing.assert_allclose(first.learning_rate[:2], others.learning_rate[:2], rtol=0.1)
    assert first.loss[0, 1] == pytest.approx(float(others.loss[0, 0]), rel=1e-9)


@pytest.mark.parametrize(
    ("options", "factor"),
    [
        ({}, 2.0),
        ({"momentum": 0.9}, 3.8),
        ({"momentum": 0.9, "nesterov": True}, 3.8 / 2.8),
        ({"momentum": 0.5, "dampening": 0.5}, 6.0),
    ],
)
def test_the_edge_of_stability_is_that_of_the_sharpness(
    options: dict[str, Any], factor: float
) -> None:
    data = small.task()
    system = ct.TrainingMap(ct.networks.mlp(small.SIZES), data)
    state = system.init(4)
    model = small.model(state)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, **options)
    inputs, labels = small.batch(data)
    half = len(inputs) // 2
    halves = [(inputs[:half], labels[:half]), (inputs[half:], labels[half:])]
    before = snapshot(model, optimizer)
    eta, cost = edge_of_stability(model, optimizer, cross_entropy, halves)
    assert eta == pytest.approx(factor / ct.sharpness(system, state).value, rel=0.02)
    assert cost >= 3
    assert small.equal(before, snapshot(model, optimizer))


def test_another_optimiser_begins_at_a_small_learning_rate() -> None:
    onset = find_onset(
        lambda: torch.nn.Linear(2, 1), half_squared, ONES, torch.optim.Adam, epochs=4, budget=20
    )
    assert onset.probes.learning_rate[0] == 0.01


def test_where_no_curvature_is_positive_the_edge_is_not_known() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    assert math.isnan(edge_of_stability(model, optimizer, lambda m, x: m(x).sum(), ONES)[0])


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_on_a_quadratic_the_edge_of_stability_is_where_it_diverges(momentum: float) -> None:
    """Heavy-ball descent is stable below η = 2(1 + β)/h."""
    curvature = 8.0

    def make() -> Any:
        return torch.nn.Linear(1, 1, bias=False)

    def loss(model: Any, x: Any) -> Any:
        return curvature * model(x).square().mean() / 2

    optimizer = functools.partial(torch.optim.SGD, momentum=momentum)
    onset = find_onset(make, loss, [torch.ones(1, 1)], optimizer, budget=math.inf)
    assert onset.outcome == "diverges first"
    assert onset.divergence == pytest.approx(2 * (1 + momentum) / curvature, rel=2e-3)
    assert math.isnan(onset.eta_0)


def test_a_probe_has_the_growth_of_the_tangent() -> None:
    data = small.task()
    system = ct.TrainingMap(ct.networks.mlp(small.SIZES), data)
    engine = Engine(
        same_weights(system), cross_entropy, [small.batch(data)], torch.optim.SGD, epochs=20
    )
    key = jax.random.fold_in(jax.random.key(0), 4)
    direction = small.direction(Pair(*engine.drawn(8.0, 4), seed=4), system.init(key))
    exact = ct.tangent_growth(system, 8.0, key, epochs=20, direction=direction)
    probe = engine.probe(8.0, 4)
    np.testing.assert_allclose(probe.growth, exact.growth, atol=1e-3)
    np.testing.assert_allclose(probe.loss[1:], exact.loss[:20], rtol=1e-9)
    assert probe.cost == 40
    trained = engine.train(8.0, 4, 20)
    np.testing.assert_allclose(trained.loss, probe.loss, rtol=1e-9)


def test_a_training_goes_on_from_where_it_stopped() -> None:
    def make() -> Any:
        return torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Dropout(0.5))

    def score(model: Any) -> float:
        assert not model.training
        return float(model(torch.ones(1, 5)).sum())

    data = small.batch(small.task(), torch.float32)
    batches = [data, tuple(tensor[:20] for tensor in data)]
    curves = []
    for lengths in ((6,), (2, 3, 6)):
        engine = Engine(make, cross_entropy, batches, torch.optim.Adam, 6, score)
        parts = [engine.train(0.1, 2, length) for length in lengths]
        assert sum(part.cost for part in parts) == 6
        assert parts[-1].score is not None
        curves.append(np.stack([parts[-1].loss, parts[-1].score]))
    np.testing.assert_array_equal(*curves)


def test_a_training_that_blows_up_is_data() -> None:
    def loss(model: Any, x: Any) -> Any:
        return model(x).pow(4).mean()

    engine = Engine(
        lambda: torch.nn.Linear(1, 1), loss, [torch.ones(3, 1)], torch.optim.SGD, epochs=30
    )
    probe = engine.probe(1e6, 0)
    assert probe.status == "diverged"
    assert np.isnan(probe.growth[-1])
    assert np.isnan(engine.train(1e6, 0, 30).loss[-1])


def test_the_race_is_won_with_a_score() -> None:
    data = small.task()
    inputs, labels = small.batch(data, torch.float32)
    seen = []

    def score(model: Any) -> Any:
        return (model(inputs).argmax(1) == labels).double().mean()

    onset = find_onset(
        lambda: torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)),
        cross_entropy,
        [(inputs[:30], labels[:30]), (inputs[30:], labels[30:])],
        torch.optim.SGD,
        epochs=20,
        budget=1000,
        score=score,
        target=0.8,
        told=seen.append,
    )
    low, high = onset.bracket
    assert low <= onset.eta_fastest <= high
    assert onset.race.sizes["learning_rate"] > 1
    assert seen
    assert onset.reason


# The caller's objects


def test_the_callers_objects_are_bitwise_as_before() -> None:
    torch.manual_seed(3)
    model = torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(), torch.nn.Linear(8, 3)
    )
    optimizer = torch.optim.Adam(model.parameters())
    data = torch.utils.data.TensorDataset(*small.batch(small.task(), torch.float32))
    generator = torch.Generator().manual_seed(4)
    loader = torch.utils.data.DataLoader(data, batch_size=20, shuffle=True, generator=generator)
    cross_entropy(model, next(iter(loader))).backward()
    optimizer.step()
    model[2].eval()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    held = snapshot(model, optimizer)
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state(), generator.get_state(), random.getstate()
    numpy = np.random.get_state()[1].copy()  # type: ignore[index, union-attr, unused-ignore] # noqa: NPY002
    flags = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic

    with torch.no_grad():
        find_onset(lambda: model, cross_entropy, loader, torch.optim.SGD, epochs=4, budget=60)
        assert not torch.is_grad_enabled()

    assert small.equal(held, snapshot(model, optimizer))
    assert small.equal(gradients, [parameter.grad for parameter in model.parameters()])
    assert modes == [module.training for module in model.modules()]
    assert torch.equal(torch.get_rng_state(), state[0])
    assert torch.equal(generator.get_state(), state[1])
    assert random.getstate() == state[2]
    assert np.array_equal(np.random.get_state()[1], numpy)  # type: ignore[index, unused-ignore] # noqa: NPY002
    assert flags == (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    assert torch.get_default_dtype() == torch.float32


def test_it_is_the_same_again() -> None:
    data = small.batch(small.task(), torch.float32)

    def once() -> Any:
        found = find_onset(
            lambda: torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Dropout(0.2)),
            cross_entropy,
            [data],
            torch.optim.SGD,
            epochs=8,
            budget=80,
        )
        return found.probes

    assert once().identical(once())


# Bad input


def forever() -> Any:
    return (torch.ones(1, 2) for _ in itertools.count())


def half_squared(model: Any, batch: Any) -> Any:
    return model(batch).square().mean()


def exhausted() -> Any:
    source = iter([torch.ones(1, 2)])
    next(source)
    return source


def anew(model: Any, batch: Any) -> Any:
    generator = anew.__dict__.setdefault("generator", torch.Generator().manual_seed(0))
    return model(batch + torch.rand(1, 2, generator=generator)).square().mean()


ONES = [torch.ones(1, 2)]
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a model": (
        {"make_model": torch.nn.Linear(2, 2)},
        "make_model is a Linear: give a function .* lambda: model",
    ),
    "no module": ({"make_model": lambda: 3}, "model = 3: give a torch.nn.Module"),
    "frozen": (
        {"make_model": lambda: torch.nn.Linear(2, 2).requires_grad_(False)},
        "model: none of its parameters is trainable",
    ),
    "elsewhere": (
        {"make_model": lambda: torch.nn.Linear(2, 2, device="meta")},
        "loader: its batches are on cpu and the model is on meta, move",
    ),
    "no loader": ({"loader": 3}, "loader = 3: give something that yields batches"),
    "empty": ({"loader": []}, "loader: it yielded no batch"),
    "exhausted": ({"loader": exhausted}, "loader: it yielded no batch"),
    "infinite": ({"loader": forever}, "loader: it yielded more than 1000 batches, say with"),
    "too few": ({"batches": 2}, "batches = 2: the loader yielded 1"),
    "batches": ({"batches": 0}, "batches = 0: give at least 1"),
    "used up": (
        {"loader": lambda: [iter([torch.ones(1, 2), torch.zeros(1, 2)])]},
        "loader: one batch gave the loss .* and then",
    ),
    "drawn anew": ({"loss": anew}, "loader: one batch gave the loss .* and then"),
    "vector": ({"loss": lambda m, x: m(x)[0]}, r"loss returned a tensor of shape \(2,\)"),
    "number": ({"loss": lambda m, x: 1.0}, "loss returned 1.0: return a scalar tensor"),
    "an optimiser": (
        {"optimizer": torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=0.1)},
        "optimizer is a SGD: give a class like torch.optim.SGD",
    ),
    "target": ({"target": 0.9}, r"target = 0.9: give score=..., a function"),
    "epochs": ({"epochs": 1}, "epochs = 1: give at least 2"),
    "start": ({"start": -1.0}, r"start = -1.0: give a number above 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_leaves_the_random_state(name: str) -> None:
    options, message = BAD[name]
    given = {
        "make_model": lambda: torch.nn.Linear(2, 2),
        "loss": half_squared,
        "loader": ONES,
        "optimizer": torch.optim.SGD,
        **options,
    }
    if name in ("exhausted", "infinite", "used up"):
        given["loader"] = given["loader"]()
    if name == "used up":
        given["loss"] = lambda model, batch: model(next(batch)).square().mean()
    before = torch.get_rng_state()
    with pytest.raises(ct.UserError, match=f"^{message}") as caught:
        find_onset(**given)
    assert "\n" not in str(caught.value)
    assert torch.equal(torch.get_rng_state(), before)


def test_some_batches_of_an_endless_loader_will_do() -> None:
    found = find_onset(
        lambda: torch.nn.Linear(2, 1),
        half_squared,
        forever(),
        torch.optim.SGD,
        batches=2,
        epochs=4,
        budget=20,
    )
    assert found.cost <= 20
