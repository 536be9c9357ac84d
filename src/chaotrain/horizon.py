"""From which epoch on a training cannot be reproduced elsewhere, measured and predicted."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from chaotrain import layout, maps, twins
from chaotrain.analysis.horizons import Horizon, horizon_of
from chaotrain.balls import divergence
from chaotrain.growth import fit_growth
from chaotrain.maps import Key, Map, in_float64


@in_float64
def reproducibility_horizon(
    system: Map,
    eta: float,
    key: Key = 0,
    *,
    epochs: int = 201,
    epsilon: float = 1e-8,
    other: Map | None = None,
) -> Horizon:
    r"""Train twice from the same weights, so that rounding alone differs, and see them come apart.

    The second training has the samples of every step from the last to the first: the sums over
    them round otherwise, as on another machine. The prediction, of `Horizon`, takes the exponent Λ
    and the saturation from a perturbed pair (`divergence` with one replica, `fit_growth`) and from
    the two trainings only the distance at the first epoch at which they differ.

    Args:
        system: A `TrainingMap`, or any `Map` with `other`.
        eta: The learning rate.
        key: An integer or a JAX key; it draws the initial state.
        epochs: Steps T.
        epsilon: Half-width of the perturbation of the pair.
        other: The same map computed otherwise, with states of the same shapes.

    Returns:
        The `Horizon`, infinite where it lies beyond the run.

    Raises:
        UserError: As `divergence`; and on a map without `other` that is no training, or one that
            draws dropout or augmentation.

    Example:
        >>> import chaotrain as ct
        >>> network = ct.networks.mlp([4, 10, 3], "sigmoid")
        >>> system = ct.TrainingMap(network, ct.tasks.load("iris-raw"))
        >>> ct.reproducibility_horizon(system, eta=0.01, epochs=50).measured
        inf
    """
    pair = divergence(system, eta, key, epochs=epochs, replicas=1, epsilon=epsilon)
    both = twins.twins_of(system, other)
    key = maps.as_key(key)
    states = jax.tree.map(lambda leaf: leaf[None], both.init(key))
    plan = layout.plan(maps.cost(both), 1, 1, epochs, 2.0)
    rounding = twins.evolve(both, states, jnp.array([float(eta)]), epochs, plan)
    return horizon_of(rounding[0], fit_growth(pair.distance))
