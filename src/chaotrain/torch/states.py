"""The state u of a training: a model's parameters and buffers, and its optimiser's buffers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from chaotrain.errors import UserError, first_line

Tensors = list[Any]
NORMS = {"l1": 1, "l2": 2}


def floating(model: Any, optimizer: Any) -> tuple[Tensors, Tensors]:
    """The floating tensors of the state, parameters and buffers, in the same order for a copy."""
    held = [
        value
        for group in optimizer.param_groups
        for parameter in group["params"]
        for _, value in sorted(optimizer.state.get(parameter, {}).items())
        if torch.is_tensor(value)
    ]
    parameters, buffers = (
        [tensor.detach() for tensor in tensors if tensor.is_floating_point()]
        for tensors in (model.parameters(), [*model.buffers(), *held])
    )
    return parameters, buffers


def trainable(model: Any) -> Tensors:
    """The parameters that an optimiser may change; distances are over them."""
    return [parameter.detach() for parameter in model.parameters() if parameter.requires_grad]


def weights(model: Any) -> Tensors:
    """What a perturbation moves: parameters with two axes or more, or all if none has."""
    return [tensor for tensor in trainable(model) if tensor.ndim >= 2] or trainable(model)


def raised(model: Any, optimizer: Any) -> tuple[Any, Any]:
    """A copy in float64 of a model, and of its optimiser over the parameters of the copy.

    Args:
        model: A module.
        optimizer: An optimiser of its parameters.

    Raises:
        UserError: If one of them cannot be copied.
    """
    # One memo for both: the optimiser's parameters become those of the copied model.
    memo: dict[int, Any] = {}
    try:
        twin, own = copy.deepcopy(model, memo), copy.deepcopy(optimizer, memo)
        # What an optimiser does not say it is made of; a schedule may have replaced its methods.
        more = {k: v for k, v in vars(optimizer).items() if k not in vars(own) and not callable(v)}
        vars(own).update(copy.deepcopy(more, memo))
        twin.double().zero_grad()
    except Exception as error:  # whatever a module raises that is not made to be copied
        raise UserError(
            f"model: a float64 copy of it cannot be made ({first_line(error)}), give one that "
            "copy.deepcopy and .double() take"
        ) from error
    for buffers in own.state.values():
        for name, value in buffers.items():
            if torch.is_tensor(value) and value.is_floating_point():
                buffers[name] = value.double()
    return twin, own


def norm(tensors: Tensors, kind: str) -> float:
    """The L1 or L2 norm over all entries of some tensors."""
    return _total([torch.linalg.vector_norm(tensor, NORMS[kind]) for tensor in tensors], kind)


def distance(some: Tensors, others: Tensors, kind: str) -> float:
    """The L1 or L2 distance over all entries of two lists of tensors.

    Example:
        >>> a, b = [torch.tensor([1.0, 2.0])], [torch.tensor([4.0, 6.0])]
        >>> distance(a, b, "l1"), distance(a, b, "l2")
        (7.0, 5.0)
    """
    pairs = zip(some, others, strict=True)
    return _total([torch.linalg.vector_norm(b - a, NORMS[kind]) for a, b in pairs], kind)


def size(tensors: Tensors) -> int:
    """The number of entries of some tensors."""
    return sum(tensor.numel() for tensor in tensors)


def pull(reference: Tensors, replica: Tensors, factor: float) -> None:
    """Multiply the deviation of a replica from its reference, in place.

    Example:
        >>> a, b = [torch.tensor([1.0])], [torch.tensor([3.0])]
        >>> pull(a, b, 0.25)
        >>> b
        [tensor([1.5000])]
    """
    for a, b in zip(reference, replica, strict=True):
        b.sub_(a).mul_(factor).add_(a)


def shift(reference: Tensors, replica: Tensors, now: Tensors) -> None:
    """Move a reference to where it should be, and its replica along with it, in place.

    Example:
        >>> a, b = [torch.tensor([1.0])], [torch.tensor([1.5])]
        >>> shift(a, b, [torch.tensor([4.0])])
        >>> a, b
        ([tensor([4.])], [tensor([4.5000])])
    """
    for a, b, point in zip(reference, replica, now, strict=True):
        b.sub_(a).add_(point)
        a.copy_(point)


@contextmanager
def signs_kept(reference: Tensors, replica: Tensors) -> Iterator[None]:
    """Move a replica inside, and no entry becomes negative that is so in neither before.

    What has a root taken of it, such as the second moments of Adam, stays what it can be.

    Example:
        >>> a, b = [torch.tensor([4.0, -1.0])], [torch.tensor([1.0, 1.0])]
        >>> with signs_kept(a, b):
        ...     pull(a, b, 2.0)
        >>> b
        [tensor([0., 3.])]
    """
    signed = [(a < 0) | (b < 0) for a, b in zip(reference, replica, strict=True)]
    yield
    for negative, b in zip(signed, replica, strict=True):
        b.copy_(torch.where(negative, b, b.clamp(min=0)))


def move(tensors: Tensors, width: float, seed: int) -> None:
    """Move every entry by U(-width, width), in place, whatever the global random state."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in tensors:
        drawn = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.add_((width * (2 * drawn - 1)).to(tensor))


def _total(norms: Tensors, kind: str) -> float:
    # Brought together on one device, so that the host waits for it once.
    together = torch.stack([value.to(norms[0].device, norms[0].dtype) for value in norms])
    return float(torch.linalg.vector_norm(together, NORMS[kind]))
