"""Raise whatever PyTorch computes to float64, in code that was not written for it."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# Casts to less than float64, and those that a shadow makes instead.
_CASTS = {
    torch.Tensor.float: torch.Tensor.double,
    torch.Tensor.half: torch.Tensor.double,
    torch.Tensor.bfloat16: torch.Tensor.double,
}
# They draw in the type of a tensor, and another type draws other numbers from the same state.
_DRAWN_LIKE = (torch.rand_like, torch.randn_like)


class Raised(TorchFunctionMode):
    """Within it every function of PyTorch takes and returns float64 in the place of less.

    Tensors from outside, like batches, are raised as they are used and are themselves not changed,
    not even by what works in place. What is drawn at random is drawn in the type that it would have
    without, and autocast leaves float64 alone, so that it does nothing.

    Args:
        dtype: The type that the same code computes in without.

    Example:
        >>> layer = torch.nn.Linear(3, 2).double()
        >>> with Raised(torch.float32):
        ...     layer(torch.ones(1, 3)).float().softmax(-1, dtype=torch.float32).dtype
        torch.float64
    """

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call a function of PyTorch in float64."""
        del types
        given = (*args, *(kwargs or {}).values())
        # What starts from no tensor is drawn or made in its own type, and raised then.
        casts = any(torch.is_tensor(value) for value in given)
        args = tuple(_raised(value, casts) for value in args)
        kwargs = {name: _raised(value, casts) for name, value in (kwargs or {}).items()}
        if func in _DRAWN_LIKE:
            kwargs["dtype"] = self.dtype
        return _raised(_CASTS.get(func, func)(*args, **kwargs), False)


def _raised(value: Any, casts: bool) -> Any:
    """A value with its tensors, and if it casts its types too, in float64."""
    if torch.is_tensor(value):
        return value.double() if _is_less(value.dtype) else value
    if isinstance(value, torch.dtype):
        return torch.float64 if casts and _is_less(value) else value
    if type(value) in (list, tuple):
        return type(value)(_raised(item, casts) for item in value)
    return value


def _is_less(dtype: Any) -> bool:
    return bool(dtype.is_floating_point) and dtype != torch.float64
