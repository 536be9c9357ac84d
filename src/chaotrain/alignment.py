"""Networks that differ only in how their hidden units are numbered, brought to one numbering.

A hidden unit can trade places with another of its layer, and behind an odd activation (tanh) flip
the signs of its incoming weights, bias and outgoing weights: the function stays. Two networks are
compared after the relabelling of one that brings it nearest to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from chaotrain.networks import Network, Parameters

Floats = NDArray[np.float64]
Signs = tuple[bool, ...]

METRICS = {"l1": "cityblock", "l2": "sqeuclidean"}
# A gain below this share of the cost is rounding.
GAIN = 1e-12
# Each sweep lowers the cost, so this only bounds how long a large network may take.
MOST_SWEEPS = 100
# Squares of what is larger are not finite.
HUGE = 1e150
SEED = 0
# How far, relative to the outputs, a symmetry may be off by rounding.
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}


class Layer(NamedTuple):
    """A layer with an axis for its units: weight (out, in, rest), bias (out,)."""

    weight: Floats
    bias: Floats


def aligned(
    reference: Parameters, parameters: Parameters, signs: Signs, norm: str = "l1"
) -> Parameters:
    """Relabel the hidden units of a network so that it comes as near as found to a reference.

    Layer after layer, the units are matched by a linear assignment with the neighbours held fixed,
    until nothing improves; from the labels as they are, and from those that match the incoming
    weights alone. With one hidden layer it is the nearest of all relabellings; with more it is
    a local optimum, never farther than without, and a mere relabelling is always undone.

    Args:
        reference: Parameters, layers of {"weight": (out, in), "bias": (out,)} in their order, as
            `networks.mlp` and `networks.cnn` have them.
        parameters: Those of a network of the same shape.
        signs: For each hidden layer whether its units may flip their signs, as `symmetries` says.
        norm: "l1" or "l2": the distance that becomes small.

    Returns:
        The relabelled parameters, as float64; as they are if a number is too large to square, or
        not finite.

    Source: S. K. Ainsworth, J. Hayase, S. Srinivasa, arXiv 2209.04836, section 3.2 (weight
    matching); `scipy.optimize.linear_sum_assignment`.

    Example:
        >>> import chaotrain as ct
        >>> net = ct.networks.mlp([4, 8, 3])
        >>> one = net.init(jax.random.key(0), "float32")
        >>> other = relabelled(one, 0, np.arange(8)[::-1], np.full(8, -1.0))
        >>> again = aligned(one, other, signs=(True,))
        >>> bool((again[0]["weight"] == one[0]["weight"]).all())
        True
    """
    goal, layers = _known(reference), _known(parameters)
    if not all((np.abs(array) < HUGE).all() for layer in (*goal, *layers) for array in layer):
        return parameters
    best, lowest = layers, _cost(goal, layers, norm) * (1 - GAIN)
    # With one hidden layer the first start finds the optimum.
    for start in (layers, _by_incoming(goal, layers, signs, norm))[: len(signs)]:
        found = _improved(goal, start, signs, norm)
        cost = _cost(goal, found, norm)
        if cost < lowest:
            best, lowest = found, cost
    return _unchained(best, parameters)


def symmetries(network: Network, parameters: Parameters, inputs: Any) -> Signs | None:
    """Which relabellings of hidden units leave a network's function as it is, by trying.

    Args:
        network: The network.
        parameters: Parameters, of which only the shapes matter: those tried are random.
        inputs: A few samples (samples, ...).

    Returns:
        For each hidden layer whether its units may flip their signs; None if the network is no
        chain of layers whose units can trade places.

    Example:
        >>> import chaotrain as ct
        >>> for activation in ("tanh", "relu"):
        ...     net = ct.networks.mlp([4, 8, 8, 3], activation)
        ...     symmetries(net, net.init(jax.random.key(0), "float32"), np.eye(4, dtype="float32"))
        (True, True)
        (False, False)
    """
    random = np.random.default_rng(SEED)
    # Initial parameters may be 0, where anything looks like a symmetry.
    tried = jax.tree.map(lambda leaf: _drawn(random, leaf), parameters)
    layers = _chain(tried)
    if layers is None:
        return None
    more = (None,) if network.stochastic else ()
    tolerance = TOLERANCE[str(jax.tree.leaves(parameters)[0].dtype)]

    def outputs(candidate: Parameters) -> Floats:
        cast = jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), candidate, parameters)
        return np.asarray(network.apply(cast, inputs, *more), np.float64)

    expected = outputs(tried)

    def unchanged(depth: int, order: NDArray[np.intp], flips: Floats) -> bool:
        found = outputs(relabelled(tried, depth, order, flips))
        return bool(np.abs(found - expected).max() <= tolerance * np.abs(expected).max())

    free = []
    for depth, layer in enumerate(layers[:-1]):
        units = len(layer.bias)
        same = np.arange(units)
        if not unchanged(depth, np.roll(random.permutation(units), 1), np.ones(units)):
            return None
        free.append(unchanged(depth, same, np.where(same % 2, 1.0, -1.0)))
    return tuple(free)


def relabelled(
    parameters: Parameters, depth: int, order: NDArray[np.intp], flips: Floats
) -> Parameters:
    """Parameters whose hidden layer `depth` has its units in another order, some signs flipped.

    Args:
        parameters: As `aligned` takes them.
        depth: Which hidden layer, from 0 on.
        order: Which unit comes at each place (units,).
        flips: 1 or -1 for each place (units,).
    """
    return _unchained(_moved(_known(parameters), depth, order, flips), parameters)


def _drawn(random: np.random.Generator, leaf: Any) -> Floats:
    width = max(1, leaf.size // len(leaf)) if leaf.ndim else 1
    return np.asarray(random.normal(size=leaf.shape) / np.sqrt(width))


def _is_layer(node: Any) -> bool:
    return isinstance(node, dict) and node.keys() == {"weight", "bias"}


def _chain(parameters: Parameters) -> list[Layer] | None:
    """The layers in their order, or None if they do not follow each other."""
    found: list[Layer] = []
    for node in jax.tree.leaves(parameters, is_leaf=_is_layer):
        if not _is_layer(node):
            return None
        weight, bias = (np.asarray(node[name], np.float64) for name in ("weight", "bias"))
        if weight.ndim < 2 or bias.shape != weight.shape[:1]:
            return None
        # Filters have their inputs last; a dense layer sees each channel at many places.
        weight = np.moveaxis(weight, -1, 1)
        inputs = len(found[-1].bias) if found and weight.ndim == 2 else weight.shape[1]
        if weight.shape[1] % inputs or (found and inputs != len(found[-1].bias)):
            return None
        found.append(Layer(weight.reshape(len(weight), inputs, -1), bias))
    return found or None


def _known(parameters: Parameters) -> Sequence[Layer]:
    layers = _chain(parameters)
    assert layers is not None, "symmetries refuses what is no chain"
    return layers


def _unchained(layers: Sequence[Layer], like: Parameters) -> Parameters:
    """The inverse of `_chain`."""
    nodes, treedef = jax.tree.flatten(like, is_leaf=_is_layer)

    def node(layer: Layer, old: Any) -> dict[str, Floats]:
        out, *inside, inputs = old["weight"].shape
        weight = np.moveaxis(layer.weight.reshape(out, inputs, *inside), 1, -1)
        return {"weight": weight, "bias": layer.bias}

    return jax.tree.unflatten(treedef, [node(*pair) for pair in zip(layers, nodes, strict=True)])


def _moved(
    layers: Sequence[Layer], depth: int, order: NDArray[np.intp], flips: Floats
) -> list[Layer]:
    moved = list(layers)
    (weight, bias), (following, next_bias) = layers[depth : depth + 2]
    moved[depth] = Layer(weight[order] * flips[:, None, None], bias[order] * flips)
    moved[depth + 1] = Layer(following[:, order] * flips[:, None], next_bias)
    return moved


def _cost(goal: Sequence[Layer], layers: Sequence[Layer], norm: str) -> float:
    """Σ|a - b|, or Σ(a - b)², over all parameters."""
    pairs = zip((x for one in goal for x in one), (x for one in layers for x in one), strict=True)
    gaps = (np.abs(a - b) for a, b in pairs)
    return float(sum((gap if norm == "l1" else gap**2).sum() for gap in gaps))


def _matched(
    goal: Floats, units: Floats, may_flip: bool, norm: str
) -> tuple[NDArray[np.intp], Floats, float, float]:
    """The best order and signs of units for a goal, both (units, numbers); its cost and today's."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    cost = cdist(goal, units, METRICS[norm])
    flipped = cdist(goal, -units, METRICS[norm]) if may_flip else cost
    least = np.minimum(cost, flipped)
    rows, order = linear_sum_assignment(least)
    flips = np.where(flipped < cost, -1.0, 1.0)[rows, order]
    return order, flips, float(least[rows, order].sum()), float(np.trace(cost))


def _by_incoming(
    goal: Sequence[Layer], layers: Sequence[Layer], signs: Signs, norm: str
) -> Sequence[Layer]:
    """Layers matched one after the other by what comes in alone, which undoes any relabelling."""
    for depth, may_flip in enumerate(signs):
        one, two = (_incoming(some[depth]) for some in (goal, layers))
        order, flips, *_ = _matched(one, two, may_flip, norm)
        layers = _moved(layers, depth, order, flips)
    return layers


def _improved(
    goal: Sequence[Layer], layers: Sequence[Layer], signs: Signs, norm: str
) -> Sequence[Layer]:
    """Layers matched by all their weights, the neighbours held fixed, until nothing improves."""
    for _ in range(MOST_SWEEPS):
        changed = False
        for depth, may_flip in enumerate(signs):
            one, two = (
                np.hstack([_incoming(some[depth]), _outgoing(some[depth + 1])])
                for some in (goal, layers)
            )
            order, flips, cost, before = _matched(one, two, may_flip, norm)
            if cost < before * (1 - GAIN):
                layers, changed = _moved(layers, depth, order, flips), True
        if not changed or len(signs) == 1:
            break
    return layers


def _incoming(layer: Layer) -> Floats:
    """A row for every unit: its incoming weights and its bias."""
    return np.column_stack([layer.weight.reshape(len(layer.weight), -1), layer.bias])


def _outgoing(following: Layer) -> Floats:
    """A row for every unit: its outgoing weights."""
    return np.moveaxis(following.weight, 1, 0).reshape(following.weight.shape[1], -1)
