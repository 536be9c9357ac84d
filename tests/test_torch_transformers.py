"""The callback for the Hugging Face Trainer, with the real library."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import chaotrain as ct

torch = pytest.importorskip("torch", reason="needs chaotrain[torch]")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that transformers imports
    transformers = pytest.importorskip("transformers", reason="needs chaotrain[transformers]")
    from transformers import Trainer, TrainingArguments

import torch_training as small  # noqa: E402
from chaotrain.torch import LyapunovTrainerCallback, Twin  # noqa: E402
from torch_training import snapshot  # noqa: E402

# What transformers and accelerate say about settings of this test.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*pin_memory"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def language_model(dropout: float = 0.1) -> Any:
    """A GPT-2 of one narrow layer whose embeddings are tied."""
    config = transformers.GPT2Config(
        vocab_size=16,
        n_positions=8,
        n_embd=8,
        n_layer=1,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
    )
    torch.manual_seed(2)
    return transformers.GPT2LMHeadModel(config)


def data() -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 16, (24, 8), generator=generator)
    return [{"input_ids": row, "labels": row} for row in tokens]


def train(folder: Any, follow: bool = True, model: Any = None, **options: Any) -> Any:
    given = {
        "max_steps": 5,
        "per_device_train_batch_size": 4,
        "learning_rate": 0.05,
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
        **options,
    }
    trainer = Trainer(
        model or language_model(), TrainingArguments(str(folder), **given), train_dataset=data()
    )
    callback = LyapunovTrainerCallback(trainer)
    if follow:
        trainer.add_callback(callback)
    trainer.train()
    return trainer, callback


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{}, {"bf16": True}, {"gradient_accumulation_steps": 2}, {"optim": "sgd", "max_grad_norm": 0}],
)
def test_a_training_with_the_callback_is_bitwise_the_one_without(
    options: Any, tmp_path: Any
) -> None:
    states = []
    for follow in (False, True):
        trainer, callback = train(tmp_path, follow, **options)
        optimizer = trainer.optimizer.optimizer
        states.append([*snapshot(trainer.model, optimizer), torch.rand(1)])
        assert "training_step" not in vars(trainer)
    assert small.equal(*states)
    assert np.isfinite(callback.twin.rates).all()
    assert len(callback.twin.rates) == 5


@pytest.mark.parametrize("accumulate", [1, 2])
def test_its_reference_takes_the_trainers_step(
    accumulate: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clipped, accumulated and with dropout: it gets to where the model gets, to float32."""
    misses = []
    take = ct.torch.pair.Pair.take

    def noted(self: Any, model: Any, optimizer: Any) -> None:
        ways = zip(self.reference.parameters(), model.parameters(), strict=True)
        misses.append(max(float((one - other).detach().abs().max()) for one, other in ways))
        take(self, model, optimizer)

    monkeypatch.setattr(ct.torch.pair.Pair, "take", noted)
    options = {"optim": "sgd", "max_grad_norm": 0.3, "learning_rate": 1.0}
    train(tmp_path, gradient_accumulation_steps=accumulate, **options)
    assert max(misses) < 1e-6
    assert len(misses) == 5


def test_its_rates_are_those_of_a_twin_in_a_loop(tmp_path: Any) -> None:
    """Without dropout, on one batch that holds all of the data."""
    options = {"optim": "sgd", "lr_scheduler_type": "constant", "max_grad_norm": 0}
    model = language_model(dropout=0.0)
    _, callback = train(tmp_path, model=model, per_device_train_batch_size=24, **options)

    def loss(model: Any, tokens: Any) -> Any:
        # The trainer divides by all labels, of which the first of each row is not predicted.
        return model(input_ids=tokens, labels=tokens).loss * 7 / 8

    model = language_model(dropout=0.0)
    twin = Twin(model, torch.optim.SGD(model.parameters(), lr=0.05), loss)
    for _ in range(5):
        twin.step(torch.stack([row["input_ids"] for row in data()]))
    np.testing.assert_allclose(callback.twin.rates, twin.rates, atol=1e-5)


def test_it_logs_when_the_trainer_does(tmp_path: Any) -> None:
    trainer, callback = train(tmp_path, max_steps=6, logging_steps=2)
    history = trainer.state.log_history
    logged = {
        entry["step"]: entry["lyapunov_rate"] for entry in history if "lyapunov_rate" in entry
    }
    assert logged == {step: callback.twin.rates[step - 1] for step in (2, 4, 6)}
    assert [entry["step"] for entry in history if "loss" in entry] == [2, 4, 6]
    means = [entry["lyapunov_exponent"] for entry in history if "lyapunov_exponent" in entry]
    assert means[-1] == pytest.approx(callback.twin.exponent().rate)


def test_what_cannot_be_followed_is_refused_in_one_line() -> None:
    class Many:
        world_size, n_gpu, fp16 = 2, 1, False

    callback = LyapunovTrainerCallback(None)
    with pytest.raises(ct.UserError, match=r"^devices = 2: a twin follows one"):
        callback.on_train_begin(Many(), None, None)
    Many.world_size, Many.fp16 = 1, True
    with pytest.raises(ct.UserError, match=r"^fp16 = True: its gradient scaler skips"):
        callback.on_train_begin(Many(), None, None)
