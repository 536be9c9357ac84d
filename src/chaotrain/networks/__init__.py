"""Networks as pairs of pure functions, `init(key, dtype)` and `apply(parameters, inputs)`.

| name | network |
|---|---|
| [Network][] | any pair of pure functions of your own |
| [mlp][] | multilayer perceptrons of any depth |
| [cnn][] | convolutions with pooling, then dense layers |
| [from_equinox][] | a module of Equinox |
| [from_flax][] | a module of Flax NNX |
| [from_function][] | what a function of yours makes, named as package.module:function |
"""

from __future__ import annotations

from chaotrain.networks.activations import ACTIVATIONS
from chaotrain.networks.adapters import from_equinox, from_flax
from chaotrain.networks.conv import cnn
from chaotrain.networks.inits import INITS
from chaotrain.networks.mlp import mlp
from chaotrain.networks.named import from_function
from chaotrain.networks.network import Network, Parameters

__all__ = [
    "ACTIVATIONS",
    "INITS",
    "Network",
    "Parameters",
    "cnn",
    "from_equinox",
    "from_flax",
    "from_function",
    "mlp",
]
