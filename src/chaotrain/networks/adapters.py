"""Modules of Equinox and Flax NNX as networks. Both packages are optional."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from chaotrain.errors import UserError
from chaotrain.networks.network import Network, Parameters


def from_equinox(make: Callable[[Array], Any], stochastic: bool = False) -> Network:
    """A network from an Equinox module that is called on one sample.

    Its parameters are the module's floating arrays, under their paths in it; they are drawn as the
    module draws them and cast to the dtype of the study. Everything else (activations, sizes,
    arrays of integers) is taken once and for all from make(key 0).

    Args:
        make: key → module, an `equinox.Module` with `module(sample) -> outputs`.
        stochastic: Whether the module takes a key in training, as `module(sample, key=key)`; in
            evaluation it is called without one, in `equinox.nn.inference_mode`.

    Raises:
        UserError: If Equinox is not installed, `make` returns something else, or the module holds
            state, or dropout and stochastic is False.

    Example:
        >>> import equinox as eqx
        >>> import chaotrain as ct
        >>> network = ct.networks.from_equinox(lambda key: eqx.nn.MLP(4, 3, 8, depth=1, key=key))
        >>> network.name
        'equinox MLP, 67 parameters'
    """
    eqx = _optional("equinox")
    with jax.enable_x64(True):
        example = make(jax.random.key(0))
        _check_equinox(eqx, example, stochastic)
        first, static = eqx.partition(example, eqx.is_inexact_array)
    resting = eqx.nn.inference_mode(static)
    treedef = jax.tree.structure(first)
    names = list(_by_path(first))

    def initialise(key: Array, dtype: Any) -> Parameters:
        drawn = _by_path(eqx.filter(make(key), eqx.is_inexact_array))
        return _cast(drawn, dtype)

    def module(parameters: Parameters, rest: Any) -> Any:
        return eqx.combine(jax.tree.unflatten(treedef, [parameters[n] for n in names]), rest)

    def apply(parameters: Parameters, inputs: Array) -> Array:
        outputs: Array = jax.vmap(module(parameters, static))(inputs)
        return outputs

    def apply_with_key(parameters: Parameters, inputs: Array, key: Array | None) -> Array:
        if key is None:
            rested: Array = jax.vmap(module(parameters, resting))(inputs)
            return rested
        moving, keys = module(parameters, static), jax.random.split(key, len(inputs))
        outputs: Array = jax.vmap(lambda sample, k: moving(sample, key=k))(inputs, keys)
        return outputs

    name = _described("equinox", example, first)
    return Network(initialise, apply_with_key if stochastic else apply, name, stochastic)


def from_flax(make: Callable[[Any], Any]) -> Network:
    """A network from a Flax NNX module that is called on a batch.

    Its parameters are the module's `nnx.Param` under their paths in it; they are drawn as the
    module draws them (in float32 unless its `param_dtype` says otherwise) and cast to the dtype of
    the study.

    Args:
        make: rngs → module, an `nnx.Module` with `module(inputs (samples, ...)) -> outputs
            (samples, outputs)`, each sample on its own; `rngs` is an `nnx.Rngs`.

    Raises:
        UserError: If Flax is not installed, `make` returns something else, or the module holds
            state besides its parameters, such as running means or the keys of dropout.

    Example:
        >>> from flax import nnx
        >>> import chaotrain as ct
        >>> network = ct.networks.from_flax(lambda rngs: nnx.Linear(4, 3, rngs=rngs))
        >>> network.name
        'flax Linear, 15 parameters'
    """
    _optional("flax")
    nnx = importlib.import_module("flax.nnx")
    with jax.enable_x64(True):
        example = make(nnx.Rngs(jax.random.key(0)))
        if not isinstance(example, nnx.Module):
            raise UserError(f"make returned a {type(example).__name__}: return an nnx.Module")
        graph, first, others = nnx.split(example, nnx.Param, ...)
    for path, variable in nnx.to_flat_state(others):
        where, kind = ".".join(map(str, path)), type(variable).__name__
        raise UserError(
            f"make: the module holds state, {kind} at {where}: leave it out, for a network is its "
            "parameters alone and treats samples one by one"
        )

    def values(state: Any) -> dict[str, Array]:
        variables = _by_path(state, lambda node: isinstance(node, nnx.Param))
        return {name: variable[...] for name, variable in variables.items()}

    treedef = jax.tree.structure(first)
    names = list(values(first))

    def initialise(key: Array, dtype: Any) -> Parameters:
        return _cast(values(nnx.state(make(nnx.Rngs(key)), nnx.Param)), dtype)

    def apply(parameters: Parameters, inputs: Array) -> Array:
        state = jax.tree.unflatten(treedef, [parameters[name] for name in names])
        outputs: Array = nnx.merge(graph, state)(inputs)
        return outputs

    return Network(initialise, apply, _described("flax", example, first))


def _optional(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise UserError(
            f"from_{package} needs the package {package}: pip install 'chaotrain[{package}]'"
        ) from error


def _check_equinox(eqx: Any, module: Any, stochastic: bool) -> None:
    if not isinstance(module, eqx.Module) or not callable(module):
        raise UserError(
            f"make returned a {type(module).__name__}: return an equinox.Module that can be called"
        )
    special = (eqx.nn.StateIndex, eqx.nn.Dropout)
    for leaf in jax.tree.leaves(module, is_leaf=lambda node: isinstance(node, special)):
        if isinstance(leaf, eqx.nn.StateIndex):
            raise UserError(
                "make: the module holds state (StateIndex): leave it out, for a network is its "
                "parameters alone and treats samples one by one"
            )
        if isinstance(leaf, eqx.nn.Dropout) and not (stochastic or leaf.inference or leaf.p == 0):
            raise UserError("stochastic = False: the module holds dropout, give stochastic=True")


def _by_path(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> dict[str, Any]:
    """The leaves of a tree under their paths in it.

    Plain names make the structure of all draws equal, whatever functions a module holds.
    """
    leaves = jax.tree.leaves_with_path(tree, is_leaf)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _cast(parameters: dict[str, Array], dtype: Any) -> Parameters:
    return {name: jnp.asarray(leaf, dtype) for name, leaf in parameters.items()}


def _described(kind: str, module: Any, parameters: Any) -> str:
    size = sum(leaf.size for leaf in jax.tree.leaves(parameters))
    return f"{kind} {type(module).__name__}, {size} parameters"
