"""The twin of a PyTorch loop, against the tangent in JAX and against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optax
import pytest

import chaotrain as ct

torch = pytest.importorskip("torch", reason="needs chaotrain[torch]")

import torch_training as small  # noqa: E402
from chaotrain.torch import Twin  # noqa: E402
from torch_training import cross_entropy  # noqa: E402

# name: (optimiser of PyTorch, that of optax, a learning rate at which it is chaotic)
OPTIMIZERS: dict[str, tuple[Any, Any, float]] = {
    "sgd": (torch.optim.SGD, optax.sgd, 12.0),
    "momentum": (
        lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
        lambda eta: optax.sgd(eta, momentum=0.9),
        8.0,
    ),
    "adam": (torch.optim.Adam, lambda eta: optax.adam(eta, eps=1e-8), 2.0),
    "adamw": (
        lambda p, lr: torch.optim.AdamW(p, lr=lr, weight_decay=0.1),
        lambda eta: optax.adamw(eta, weight_decay=0.1),
        1.0,
    ),
}


def followed(
    name: str, steps: int, dtype: Any = torch.float64, norm: str = "l1", key: int = 3
) -> Any:
    """A twin after some steps, and the exact growth along the same direction."""
    make, rule, eta = OPTIMIZERS[name]
    data = small.task()
    system = ct.TrainingMap(ct.networks.mlp(small.SIZES), data, optimizer=rule)
    state = system.init(key)
    model, batch = small.model(state, dtype), small.batch(data, dtype)
    twin = Twin(model, make(model.parameters(), lr=eta), cross_entropy, norm=norm)
    start = small.direction(twin.pair, state)
    losses = [float(twin.step(batch)) for _ in range(steps)]
    exact = ct.tangent_growth(system, eta, key, epochs=steps, direction=start, norm=norm)
    return twin, losses, exact


# Truth


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_its_local_rates_are_those_of_the_exact_tangent(name: str, norm: str) -> None:
    twin, losses, exact = followed(name, 12, norm=norm)
    np.testing.assert_allclose(losses, exact.loss[:-1], rtol=1e-8)
    np.testing.assert_allclose(twin.rates, exact.rate[:-1], atol=2e-5)
    np.testing.assert_allclose(twin.growth, exact.growth, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sgd", "momentum", "adamw"])
def test_its_exponent_in_chaos_is_that_of_the_tangent_in_the_mean(name: str) -> None:
    """Rounding makes other trainings of the two, of which only the mean is the same."""
    runs = [followed(name, 250, key=key) for key in range(16)]
    rates = np.array(
        [
            (twin.exponent(50).rate, ct.finite_time_exponent(exact, start=50).rate)
            for twin, _, exact in runs
        ]
    )
    found, true = rates.mean(axis=0)
    error = float(np.sqrt(np.sum(rates.var(axis=0, ddof=1)) / len(rates)))
    assert found == pytest.approx(true, abs=4 * error)
    assert 4 * error < true


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_on_a_quadratic_the_rate_is_the_closed_form_in_every_precision(dtype: Any) -> None:
    """One weight and (w x)²/2, so h = x²; the exponent is ln|1 - ηh|."""
    for x, eta in ((1.0, 0.25), (2.0, 0.375), (0.5, 12.0)):
        model = torch.nn.Linear(1, 1, bias=False, dtype=dtype)
        optimizer = torch.optim.SGD(model.parameters(), lr=eta)
        twin = Twin(model, optimizer, lambda model, x: model(x).square().mean() / 2)
        for _ in range(5):
            twin.step(torch.full((1, 1), x, dtype=dtype))
        np.testing.assert_allclose(twin.rates, math.log(abs(1 - eta * x**2)), atol=1e-6)


def test_in_float32_it_has_the_rates_of_float64_along_the_models_own_way() -> None:
    one, _, _ = followed("sgd", 12, torch.float32)
    other, _, exact = followed("sgd", 12)
    # The two trainings come apart at the rate they measure, from 1e-7 on.
    np.testing.assert_allclose(one.rates[:6], exact.rate[:6], atol=1e-3)
    np.testing.assert_allclose(one.rates[:3], other.rates[:3], atol=1e-5)
    weights = [parameter.dtype for parameter in one.model.parameters()]
    assert set(weights) == {torch.float32}


def test_kinks_do_not_show_in_float32() -> None:
    """A deviation that float32 can hold crosses the kinks of a ReLU: ten times the rate here."""

    def rates(dtype: Any) -> np.ndarray:
        torch.manual_seed(0)
        layers = torch.nn.Linear(20, 200), torch.nn.ReLU(), torch.nn.Linear(200, 5)
        model = torch.nn.Sequential(*layers).to(dtype)
        inputs = torch.randn(64, 20).to(dtype)
        twin = Twin(model, torch.optim.SGD(model.parameters(), lr=0.1), cross_entropy)
        for _ in range(20):
            twin.step((inputs, torch.arange(64) % 5))
        return twin.rates

    np.testing.assert_allclose(rates(torch.float32), rates(torch.float64), atol=1e-5)


# Bad input

Break = Callable[[], Any]


def linear(**options: Any) -> Any:
    return torch.nn.Linear(2, 2, **options)


def sgd(model: Any) -> Any:
    return torch.optim.SGD(model.parameters(), lr=0.1)


def frozen() -> Any:
    model = linear()
    optimizer = sgd(model)
    return Twin(model.requires_grad_(False), optimizer)


def stepped(loss: Any) -> Any:
    model = linear()
    return Twin(model, sgd(model), loss).step(torch.ones(1, 2))


def uncopied() -> Any:
    model = linear()
    model.derived = model.weight * 2
    return Twin(model, sgd(model))


def grown() -> Any:
    model, other = linear(), linear()
    optimizer = sgd(model)
    twin = Twin(model, optimizer)
    twin.remember()
    optimizer.add_param_group({"params": other.parameters()})
    twin.follow(lambda *_: None)


def skipped() -> Any:
    model = linear()
    optimizer = torch.optim.Adam(model.parameters())
    twin = Twin(model, optimizer)
    twin.remember()
    twin.follow(ct.torch.twin.descent(lambda m, x: m(x).mean()), torch.ones(1, 2))


BAD: dict[str, tuple[Break, str]] = {
    "no module": (lambda: Twin(3, None), "model = 3: give a torch.nn.Module"),
    "nothing trainable": (frozen, "model: none of its parameters is trainable"),
    "lazy": (
        lambda: Twin(model := torch.nn.LazyLinear(2), sgd(model)),
        "model: its layers are lazy, run a batch",
    ),
    "no optimiser": (lambda: Twin(linear(), "sgd"), "optimizer = 'sgd': give a torch.optim"),
    "another's optimiser": (lambda: Twin(linear(), sgd(linear())), "optimizer: it trains a tensor"),
    "norm": (
        lambda: Twin(m := linear(), sgd(m), norm="l3"),
        "norm = 'l3' is unknown; choose one of l1",
    ),
    "no copy": (uncopied, "model: a float64 copy of it cannot be made"),
    "no loss": (lambda: stepped(None), "loss = None: give Twin"),
    "no tensor": (lambda: stepped(lambda *_: 1.0), "loss returned 1.0: return a scalar tensor"),
    "no scalar": (lambda: stepped(lambda m, x: m(x)), r"loss returned a tensor of shape \(1, 2\)"),
    "no gradient": (
        lambda: stepped(lambda m, x: m(x).detach().mean()),
        "loss returned a tensor that does not depend",
    ),
    "not remembered": (
        lambda: Twin(m := linear(), sgd(m)).follow(lambda *_: None),
        r"twin: nothing is remembered, call remember\(\)",
    ),
    "no step yet": (lambda: Twin(m := linear(), sgd(m)).exponent(), "twin: it has followed no"),
    "new parameters": (grown, r"optimizer: its groups have \[2, 2\] parameters and had \[2\]"),
    "a skipped step": (skipped, "optimizer: the model took no step like its twin's"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name: str) -> None:
    broken, message = BAD[name]
    with pytest.raises(ct.UserError, match=f"^{message}") as caught:
        broken()
    assert "\n" not in str(caught.value)
