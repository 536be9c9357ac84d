"""The edge of stability of a model's first weights: where a search of learning rates begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from chaotrain.curvature import Floats, leading
from chaotrain.torch import checks, states
from chaotrain.torch.precision import Raised
from chaotrain.torch.twin import Loss

# By what the weights are moved to see how the gradient changes, relative to their norm.
MOVE = 1e-6
ROUGH = 0.1


def edge_of_stability(
    model: Any,
    optimizer: Any,
    loss: Loss,
    batches: Sequence[Any],
    seeded: Callable[[int], None] = lambda number: None,
) -> tuple[float, float]:
    """The learning rate above which descent on the quadratic around the weights is unstable.

    It is 2(1 + β)/h, or 2(1 + β)/((1 + 2β) h) with Nesterov's momentum, with h the largest
    eigenvalue of the Hessian of the mean loss, to 10%. Its products with a vector are differences
    of gradients, in float64, which every module has: some have no second derivative.

    Args:
        model: A module; it is copied.
        optimizer: The optimiser of its parameters.
        loss: (model, batch) → the scalar loss.
        batches: What the loss is the mean over.
        seeded: Called with the number of a batch before its gradient, to repeat what is random.

    Returns:
        The learning rate, and how many passes through the batches it took. NaN where it is not
        known: for an optimiser other than `torch.optim.SGD`, or where no curvature is positive.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> def loss(model, batch):  # its curvature is h = 2 · 3²
        ...     return model(batch).square().mean()
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        >>> eta, cost = edge_of_stability(model, optimizer, loss, [torch.tensor([[3.0]])])
        >>> round(eta, 4)
        0.1111
    """
    if not isinstance(optimizer, torch.optim.SGD):
        return math.nan, 0.0
    dtype = checks.type_of(model)
    copy, _ = states.raised(model, optimizer)
    parameters = [parameter for parameter in copy.parameters() if parameter.requires_grad]
    buffers = [buffer.clone() for buffer in copy.buffers()]
    first = torch.nn.utils.parameters_to_vector(parameters).detach().clone()
    length = MOVE * max(float(torch.linalg.vector_norm(first)), MOVE)

    def gradient(place: Any) -> Floats:
        torch.nn.utils.vector_to_parameters(place, parameters)
        total = torch.zeros_like(first)
        for number, batch in enumerate(batches):
            for buffer, kept in zip(copy.buffers(), buffers, strict=True):
                buffer.copy_(kept)
            seeded(number)
            with Raised(dtype):
                value = loss(copy, batch)
                checks.check_scalar(value)
                slopes = torch.autograd.grad(value, parameters, allow_unused=True)
            pairs = zip(slopes, parameters, strict=True)
            flat = [(torch.zeros_like(p) if slope is None else slope).ravel() for slope, p in pairs]
            total += torch.cat(flat).double()
        return np.asarray((total / len(batches)).cpu())

    still = gradient(first)

    def product(vector: Floats) -> Floats:
        size = float(np.linalg.norm(vector)) or 1.0
        moved = first + torch.as_tensor(vector, device=first.device) * (length / size)
        return np.asarray((gradient(moved) - still) * (size / length))

    found = leading(product, len(first), ROUGH)
    cost = float(1 + found.products)
    if not found.value > 0:
        return math.nan, cost
    group = optimizer.param_groups[0]
    beta = group["momentum"]
    damped = 1 + 2 * beta if group["nesterov"] else 1 - group["dampening"]
    return 2 * (1 + beta) / (damped * found.value) if damped > 0 else math.nan, cost
