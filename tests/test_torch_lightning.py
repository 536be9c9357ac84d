"""The Lightning callback, with the real library."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import chaotrain as ct

torch = pytest.importorskip("torch", reason="needs chaotrain[torch]")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that Lightning imports
    lightning = pytest.importorskip("lightning", reason="needs chaotrain[lightning]")
    from lightning.pytorch.loggers import CSVLogger

import torch_training as small  # noqa: E402
from chaotrain.torch import LyapunovCallback, Twin  # noqa: E402
from chaotrain.torch.pair import Pair  # noqa: E402
from torch_training import cross_entropy, snapshot  # noqa: E402

pytestmark = [
    # What Lightning says about settings of this test: no workers, few batches, float64.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*is smaller than the logging interval"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*litlogger"),
]


class Module(lightning.LightningModule):  # type: ignore[misc, name-defined, unused-ignore]
    """A small network with dropout, that logs, under a scheduler that steps every batch."""

    def __init__(self, dropout: float = 0.2, optimizer: str = "SGD", lr: float = 0.5) -> None:
        super().__init__()
        layers = torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Dropout(dropout)
        self.network = torch.nn.Sequential(*layers, torch.nn.Linear(8, 3))
        self.optimizer_name, self.lr = optimizer, lr

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = cross_entropy(self.network, batch)
        self.log("loss", loss, prog_bar=True)
        return {"loss": loss}

    def configure_optimizers(self) -> Any:
        optimizer = getattr(torch.optim, self.optimizer_name)(self.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def loader() -> Any:
    data = torch.utils.data.TensorDataset(*small.batch(small.task(), torch.float32))
    return torch.utils.data.DataLoader(data, batch_size=15, shuffle=True)


def fit(module: Any, callbacks: Any = (), steps: int = 6, **options: Any) -> Any:
    given = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "max_epochs": -1,
        **options,
    }
    trainer = lightning.Trainer(max_steps=steps, callbacks=list(callbacks), **given)
    torch.manual_seed(5)
    trainer.fit(module, loader())
    return trainer


def module(**options: Any) -> Any:
    torch.manual_seed(2)
    return Module(**options)


def by_hand(
    steps: int = 6, clip: float | None = None, accumulate: int = 1, **options: Any
) -> np.ndarray:
    """The same training in a loop, followed by a twin."""
    model = module(**options)
    optimizer = getattr(torch.optim, model.optimizer_name)(model.parameters(), lr=model.lr)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def train(model: Any, optimizer: Any, batches: Any) -> None:
        optimizer.zero_grad()
        for batch in batches:
            (cross_entropy(model.network, batch) / len(batches)).backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()

    twin = Twin(model, optimizer)
    torch.manual_seed(5)
    pending: list[Any] = []
    source: Any = iter(())
    while len(twin.rates) < steps:
        batch = next(source, None)
        if batch is None:
            source = iter(loader())
            continue
        pending.append(batch)
        if len(pending) == accumulate:
            twin.remember()
            train(model, optimizer, pending)
            twin.follow(train, pending)
            pending = []
            schedule.step()
    return twin.rates


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "64-true"])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_a_training_with_the_callback_is_bitwise_the_one_without(
    optimizer: str, precision: str
) -> None:
    states = []
    for callbacks in ([], [LyapunovCallback()]):
        trained = module(optimizer=optimizer, lr=0.05)
        trainer = fit(trained, callbacks, precision=precision)
        states.append([*snapshot(trained, trainer.optimizers[0]), torch.rand(1)])
    assert small.equal(*states)
    assert np.isfinite(callbacks[0].twin.rates).all()
    assert len(callbacks[0].twin.rates) == 6


@pytest.mark.parametrize("options", [{}, {"clip": 0.1}, {"optimizer": "Adam", "lr": 0.01}])
def test_its_rates_are_those_of_a_twin_in_a_loop(options: Any) -> None:
    callback = LyapunovCallback()
    given = {name: value for name, value in options.items() if name != "clip"}
    fit(module(**given), [callback], gradient_clip_val=options.get("clip"))
    assert callback.twin is not None
    np.testing.assert_allclose(callback.twin.rates, by_hand(**options), atol=1e-5)


def test_accumulated_batches_are_one_step() -> None:
    callback = LyapunovCallback()
    fit(module(dropout=0.0), [callback], steps=4, accumulate_grad_batches=2)
    assert callback.twin is not None
    expected = by_hand(4, accumulate=2, dropout=0.0)
    np.testing.assert_allclose(callback.twin.rates, expected, atol=1e-5)


def test_dropout_is_replayed_for_every_accumulated_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference takes the model's own step: it gets to where the model gets, to float32."""
    misses = []
    take = Pair.take

    def noted(self: Any, model: Any, optimizer: Any) -> None:
        ways = zip(self.reference.parameters(), model.parameters(), strict=True)
        misses.append(max(float((one - other).detach().abs().max()) for one, other in ways))
        take(self, model, optimizer)

    monkeypatch.setattr(Pair, "take", noted)
    fit(module(dropout=0.5), [LyapunovCallback()], accumulate_grad_batches=2)
    assert max(misses) < 1e-6
    assert len(misses) == 6


def test_it_logs_after_every_step(tmp_path: Any) -> None:
    callback = LyapunovCallback()
    logger = CSVLogger(tmp_path)
    trainer = fit(module(), [callback], logger=logger, log_every_n_steps=1)
    assert callback.twin is not None
    metrics = trainer.callback_metrics
    assert float(metrics["lyapunov/rate"]) == pytest.approx(callback.twin.rate, rel=1e-5)
    mean = callback.twin.exponent().rate
    assert float(metrics["lyapunov/exponent"]) == pytest.approx(mean, rel=1e-5)
    rows = np.genfromtxt(logger.experiment.metrics_file_path, delimiter=",", names=True)
    np.testing.assert_allclose(rows["lyapunovrate"], callback.twin.rates, rtol=1e-4)


class Manual(Module):
    """Manual optimisation, which the callback cannot replay."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False


def test_what_cannot_be_followed_is_refused_in_one_line() -> None:
    with pytest.raises(ct.UserError, match=r"^automatic_optimization = False: the callback"):
        fit(Manual(), [LyapunovCallback()])
