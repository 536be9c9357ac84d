"""What belongs to the state of a training with a twin, and what is replayed."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

import chaotrain as ct

torch = pytest.importorskip("torch", reason="needs chaotrain[torch]")

import torch_training as small  # noqa: E402
from chaotrain.torch import Twin, states  # noqa: E402
from chaotrain.torch.randomness import Randomness  # noqa: E402
from torch_training import cross_entropy, snapshot  # noqa: E402

# What is random, and what is state


class Noisy(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    """Dropout, noise of NumPy's and Python's global generators, and batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(5, 8)
        self.norm = torch.nn.BatchNorm1d(8)
        self.outer = torch.nn.Linear(8, 3)
        self.factor = torch.tensor(0.9)  # a tensor that is no buffer, in float32

    def forward(self, x: Any) -> Any:
        shift = random.random() + float(np.random.rand())  # noqa: NPY002
        x = x + 0.1 * torch.randn_like(x) + shift
        hidden = torch.nn.functional.dropout(self.norm(self.inner(x)), 0.3, self.training)
        return self.outer(hidden.float().tanh() * self.factor).double()


def noisy() -> tuple[Any, Any, Any]:
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    model = Noisy()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return model, optimizer, small.batch(small.task(), torch.float32)


def close(twin: Any) -> None:
    """Put the shadow where the reference is: ε = 0."""
    twin.pair.shadow.load_state_dict(twin.pair.reference.state_dict())


def test_without_a_deviation_the_shadow_stays_the_reference_bit_for_bit() -> None:
    model, optimizer, batch = noisy()
    twin = Twin(model, optimizer, cross_entropy)
    close(twin)
    for _ in range(10):
        twin.step(batch)
    (one, first), (other, second) = twin.pair.members
    assert small.equal(snapshot(one, first), snapshot(other, second))
    assert np.isneginf(twin.rates).all()
    assert twin.exponent().rate == -math.inf


def test_it_sees_the_noise_that_the_model_saw() -> None:
    """With ε = 0 the reference repeats the model's step to float32's rounding, masks included."""
    model, optimizer, batch = noisy()
    twin = Twin(model, optimizer, cross_entropy)
    descend = ct.torch.twin.descent(cross_entropy)
    for _ in range(3):
        twin.remember()
        value = descend(model, optimizer, batch)
        before = twin._before
        assert before is not None
        replayed = twin.pair.advance(descend, batch, before)
        assert float(replayed) == pytest.approx(float(value), rel=1e-5)
        twin.pair.take(model, optimizer)


def test_a_training_with_a_twin_is_bitwise_the_one_without() -> None:
    states = []
    for twinned in (False, True):
        model, optimizer, batch = noisy()
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
        twin = Twin(model, optimizer, cross_entropy) if twinned else None
        for _ in range(6):
            if twin is not None:
                twin.step(batch)
            else:
                optimizer.zero_grad()
                cross_entropy(model, batch).backward()
                optimizer.step()
            scheduler.step()
        drawn = torch.rand(1), torch.tensor([random.random(), np.random.rand()])  # noqa: NPY002
        states.append([*snapshot(model, optimizer), *drawn])
        assert torch.get_default_dtype() == torch.float32
    assert small.equal(*states)


def test_batch_normalisation_has_means_of_its_own_that_are_pulled_along() -> None:
    model, optimizer, batch = noisy()
    twin = Twin(model, optimizer, cross_entropy)
    for _ in range(5):
        twin.step(batch)
    one, other = twin.pair.reference.norm, twin.pair.shadow.norm
    deviation = (one.running_mean - other.running_mean).abs().max()
    assert 0 < deviation < 1e-6
    assert int(one.num_batches_tracked) == int(other.num_batches_tracked) == 5
    torch.testing.assert_close(one.running_mean.float(), model.norm.running_mean)


def test_second_moments_stay_positive_under_contraction() -> None:
    """Pulling a shadow away could take an entry of Adam's below zero, and its root with it."""
    a, b = [torch.tensor([1e-9, -1.0])], [torch.tensor([1e-12, -0.5])]
    with states.signs_kept(a, b):
        states.pull(a, b, 2.0)
    assert b[0].tolist() == pytest.approx([0.0, 0.0])
    a, b = [torch.tensor([1.0, 1.0])], [torch.tensor([0.0, 3.0])]
    now = [torch.tensor([0.5, -2.0])]
    with states.signs_kept(now, b):
        states.shift(a, b, now)
    assert (a[0].tolist(), b[0].tolist()) == ([0.5, -2.0], [0.0, 0.0])


def test_an_unused_input_does_not_stop_adam() -> None:
    """Its gradients are so small that those of the shadow differ in sign: seen to give NaN."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(30, 50), torch.nn.ReLU(), torch.nn.Linear(50, 2))
    inputs = torch.randn(20, 30) * 10.0 ** torch.linspace(0, -12, 30)
    twin = Twin(model, torch.optim.Adam(model.parameters(), lr=0.05), cross_entropy)
    for _ in range(60):
        twin.step((inputs, torch.arange(20) % 2))
    assert np.isfinite(twin.rates).all()


def test_it_follows_a_scheduler_and_the_training_mode() -> None:
    """The rates of a quadratic tell the learning rate of each step."""
    model = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    twin = Twin(model, optimizer)
    batch = torch.ones(1, 1, dtype=torch.float64)
    descend = ct.torch.twin.descent(lambda model, x: model(x).square().mean() / 2)
    for step in range(4):
        model.train(step % 2 == 0)
        twin.remember()
        descend(model, optimizer, batch)
        scheduler.step()  # before the twin follows
        twin.follow(descend, batch)
        assert twin.pair.shadow.training == twin.pair.reference.training == (step % 2 == 0)
    expected = np.log(1 - 0.5 ** np.arange(1, 5))
    np.testing.assert_allclose(twin.rates, expected, atol=1e-6)


def test_clipping_in_a_loop_of_ones_own_is_replayed() -> None:
    """A clipped gradient has the length c, so w → w - ηc and nothing grows."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 5.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train(model: Any, optimizer: Any, batch: Any) -> None:
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), 1.0)
        optimizer.step()

    twin = Twin(model, optimizer)
    for _ in range(5):
        twin.remember()
        train(model, optimizer, torch.ones(2, 1))
        twin.follow(train, torch.ones(2, 1))
    np.testing.assert_allclose(twin.rates, 0, atol=1e-7)


def test_mixed_precision_is_raised() -> None:
    """Under autocast the model rounds to bfloat16, its twin does not."""

    def loss(model: Any, batch: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])

    data = small.task()
    state = ct.TrainingMap(ct.networks.mlp(small.SIZES), data).init(3)
    rates = []
    for chosen in (cross_entropy, loss):
        model = small.model(state, torch.float32)
        twin = Twin(model, torch.optim.SGD(model.parameters(), lr=0.1), chosen)
        twin.step(small.batch(data, torch.float32))
        rates.append(twin.rate)
    assert rates[0] == pytest.approx(rates[1], abs=1e-9)


def test_an_optimiser_that_keeps_more_than_its_state_is_copied_whole() -> None:
    class Odd(torch.optim.SGD):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self, parameters: Any, lr: float) -> None:
            super().__init__(parameters, lr=lr)
            self.mine = self.param_groups[0]["params"]

        def step(self, closure: Any = None) -> None:  # type: ignore[override, unused-ignore]
            with torch.no_grad():
                for parameter in self.mine:
                    parameter -= self.param_groups[0]["lr"] * parameter.grad

    model = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    optimizer = Odd(model.parameters(), lr=0.25)
    torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)  # replaces optimizer.step
    twin = Twin(model, optimizer, lambda model, x: model(x).square().mean() / 2)
    twin.step(torch.ones(1, 1, dtype=torch.float64))
    assert twin.rate == pytest.approx(math.log(0.75), abs=1e-6)
    assert twin.pair.shadow_optimizer.mine[0] is twin.pair.shadow.weight


def test_a_blow_up_is_nan_from_there_on() -> None:
    model = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e200)
    twin = Twin(model, optimizer, lambda model, x: model(x).square().mean())
    for _ in range(4):
        twin.step(torch.ones(1, 1, dtype=torch.float64))
    assert np.isnan(twin.rates[2:]).all()
    assert math.isnan(twin.exponent().rate)


# Random state


def test_the_random_state_comes_back() -> None:
    before = Randomness.now()
    drawn = [(random.random(), np.random.rand(), float(torch.rand(1))) for _ in range(3)]  # noqa: NPY002
    before.restore()
    again = [(random.random(), np.random.rand(), float(torch.rand(1))) for _ in range(3)]  # noqa: NPY002
    assert drawn == again
