"""What is raised to float64, and what is not touched by it."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs chaotrain[torch]")

from chaotrain.torch.precision import Raised  # noqa: E402

SINGLE, DOUBLE = torch.ones(2), torch.ones(2, dtype=torch.float64)
RAISED: dict[str, Any] = {
    "made": lambda: torch.zeros(3),
    "made in a type": lambda: torch.zeros(3, dtype=torch.float32),
    "from outside": lambda: SINGLE.clone(),
    "from half": lambda: torch.ones(2, dtype=torch.bfloat16) + 0,
    "mixed": lambda: torch.nn.functional.mse_loss(SINGLE, DOUBLE),
    "float": lambda: DOUBLE.float(),
    "half": lambda: DOUBLE.half(),
    "to": lambda: DOUBLE.to(torch.float32),
    "to another's type": lambda: DOUBLE.to(SINGLE),
    "softmax": lambda: torch.softmax(DOUBLE, 0, dtype=torch.float32),
    "a list": lambda: torch.stack([SINGLE, DOUBLE]),
    "split": lambda: SINGLE.split(1)[1],
    "drawn": lambda: torch.randn(2),
    "drawn alike": lambda: torch.randn_like(DOUBLE),
}


@pytest.mark.parametrize("name", RAISED)
def test_it_is_float64(name: str) -> None:
    with Raised(torch.float32):
        assert RAISED[name]().dtype == torch.float64


def test_integers_and_truths_stay() -> None:
    with Raised(torch.float32):
        assert torch.arange(3).dtype == torch.int64
        assert (SINGLE > 0).dtype == torch.bool
        assert SINGLE.to(torch.int32).dtype == torch.int32


@pytest.mark.parametrize("draw", [torch.rand_like, torch.randn_like, torch.nn.functional.dropout])
def test_what_is_drawn_is_what_would_be_drawn_without(draw: Any) -> None:
    torch.manual_seed(0)
    plain = draw(torch.ones(100))
    torch.manual_seed(0)
    with Raised(torch.float32):
        raised = draw(torch.ones(100, dtype=torch.float64))
    torch.testing.assert_close(raised.float(), plain)
    torch.manual_seed(0)
    plain = torch.randn(100)
    torch.manual_seed(0)
    with Raised(torch.float32):
        torch.testing.assert_close(torch.randn(100).float(), plain)


def test_what_is_outside_is_not_changed() -> None:
    outside = torch.zeros(2)
    with Raised(torch.float32):
        outside.add_(1.0)
        outside[0] = 5.0
    assert outside.tolist() == [0.0, 0.0]
    assert outside.dtype == torch.float32
    assert torch.zeros(1).dtype == torch.float32


def test_autocast_does_nothing() -> None:
    layer = torch.nn.Linear(2, 2).double()
    with Raised(torch.float32), torch.autocast("cpu", torch.bfloat16):
        out = layer(SINGLE)
    torch.testing.assert_close(out, layer(DOUBLE), rtol=0, atol=0)
