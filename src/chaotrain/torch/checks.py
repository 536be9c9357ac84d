"""What a twin cannot follow is refused in one line that says what to do."""

from __future__ import annotations

from typing import Any

import torch

from chaotrain.errors import UserError
from chaotrain.explaining import short


def check_model(model: Any) -> None:
    """Check that there is something to train.

    Raises:
        UserError: If not.
    """
    if not isinstance(model, torch.nn.Module):
        raise UserError(f"model = {short(model)}: give a torch.nn.Module")
    parameters = list(model.parameters())
    if not any(parameter.requires_grad for parameter in parameters):
        raise UserError(
            "model: none of its parameters is trainable, set requires_grad on those that are"
        )
    if any(torch.nn.parameter.is_lazy(parameter) for parameter in parameters):
        raise UserError("model: its layers are lazy, run a batch through it first")


def check_trainable(model: Any, optimizer: Any) -> None:
    """Check that there is something to train, and that the optimiser trains it.

    Raises:
        UserError: If not.
    """
    check_model(model)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UserError(f"optimizer = {short(optimizer)}: give a torch.optim.Optimizer")
    own = {id(parameter) for parameter in model.parameters()}
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if any(id(parameter) not in own for parameter in trained):
        raise UserError(
            "optimizer: it trains a tensor that is no parameter of the model, make it over "
            "model.parameters()"
        )


def type_of(model: Any) -> Any:
    """The type that a model computes in: that of its first trainable parameter.

    Raises:
        UserError: If it is on a device without float64.
    """
    first = next(parameter for parameter in model.parameters() if parameter.requires_grad)
    if first.device.type == "mps":
        raise UserError("model: its device mps has no float64, which a twin needs, move it to cpu")
    return first.dtype


def check_alike(optimizer: Any, shadow: Any) -> None:
    """Check that an optimiser has the parameters that its shadow has.

    Raises:
        UserError: If it has got others since.
    """
    sizes, own = (
        [len(group["params"]) for group in some.param_groups] for some in (optimizer, shadow)
    )
    if sizes != own:
        raise UserError(
            f"optimizer: its groups have {sizes} parameters and had {own}, make a new Twin after "
            "adding parameters"
        )


def check_scalar(loss: Any) -> None:
    """Check that a loss can be descended.

    Raises:
        UserError: If it is no scalar tensor that depends on the parameters.
    """
    if not torch.is_tensor(loss):
        raise UserError(f"loss returned {short(loss)}: return a scalar tensor")
    if loss.numel() != 1:
        raise UserError(
            f"loss returned a tensor of shape {tuple(loss.shape)}: return a scalar, its mean say"
        )
    if not loss.requires_grad:
        raise UserError(
            "loss returned a tensor that does not depend on the parameters: compute it from the "
            "model it is given, without detach or no_grad"
        )
