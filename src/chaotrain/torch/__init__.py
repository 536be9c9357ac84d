"""Chaos in the training of a PyTorch model: a twin for a loop, callbacks, and the onset finder.

Everything public is reached from here; PyTorch, Lightning and transformers are imported only when
what needs them is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from chaotrain.errors import UserError

if TYPE_CHECKING:
    from chaotrain.torch.lightning import LyapunovCallback
    from chaotrain.torch.onset import find_onset
    from chaotrain.torch.schedule import OnsetHold
    from chaotrain.torch.transformers import LyapunovTrainerCallback
    from chaotrain.torch.twin import Twin

__all__ = ["LyapunovCallback", "LyapunovTrainerCallback", "OnsetHold", "Twin", "find_onset"]

# Where each name lives, and the package that it needs, which is also the name of the extra.
_HOMES = {
    "LyapunovCallback": ("lightning", "lightning"),
    "LyapunovTrainerCallback": ("transformers", "transformers"),
    "OnsetHold": ("schedule", "torch"),
    "Twin": ("twin", "torch"),
    "find_onset": ("onset", "torch"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'chaotrain.torch' has no attribute {name!r}")
    home, package = _HOMES[name]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise UserError(
            f"chaotrain.torch.{name} needs the package {package}: "
            f"pip install 'chaotrain[{package}]'"
        ) from error
    value = getattr(importlib.import_module(f"chaotrain.torch.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
