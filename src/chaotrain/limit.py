"""The matrix-product limit: how fast a study would be if it were matrix products alone.

It is measured for a moment before a run, and only told: nothing that is stored depends on it. JAX
is imported where it is used, since who asks for the status of a study needs none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from chaotrain.experiment import Grid
    from chaotrain.maps import Map

# Seconds that the measurement may take, compilation and all.
PATIENCE = 0.3
# Side of the first product that is timed; then twice as large, for as long as there is time.
SIDE = 256
REPEATS = 3

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Limit(BaseModel):
    """What the products of a study need, and what a worker can do.

    Attributes:
        product_flops: Operations a second of a worker in a product of square matrices.
        epoch_flops: Operations of all products of an epoch of one network.
    """

    model_config = ConfigDict(extra="forbid")

    product_flops: Positive
    epoch_flops: Positive

    def share(self, network_epochs: float, seconds: float) -> float | None:
        """The share of the limit that workers reached while they computed.

        Args:
            network_epochs: Epochs of one network that they did.
            seconds: What that took, of all workers; it does not matter how many there were.

        Returns:
            1 where there was nothing but products at full speed; None before any time has passed.

        Example:
            >>> Limit(product_flops=1e11, epoch_flops=1e9).share(800, 10.0)
            0.8
        """
        if seconds <= 0:
            return None
        return network_epochs * self.epoch_flops / (seconds * self.product_flops)


def product_flops(dtype: str) -> float:
    """Measure the operations a second of a product of square matrices on the default device.

    Args:
        dtype: "float64" or "float32".

    Returns:
        The best of several sizes.

    Example:
        >>> product_flops("float32") > 1e6
        True
    """
    import jax
    import numpy as np

    began, best, side = time.perf_counter(), 0.0, SIDE
    with jax.enable_x64(True):
        product: Callable[[Any, Any], jax.Array] = jax.jit(jax.numpy.matmul)
        while True:
            square = jax.device_put(np.ones((side, side), dtype))
            product(square, square).block_until_ready()
            seconds = min(_timed(product, square) for _ in range(REPEATS))
            best = max(best, 2.0 * side**3 / seconds)
            # The next takes eight times as long, and once more to compile.
            if time.perf_counter() - began + 8 * seconds * (1 + REPEATS) > PATIENCE:
                return best
            side *= 2


def epoch_flops(system: Map, grid: Grid) -> float | None:
    """Count the operations of the matrix products of an epoch of one network.

    Args:
        system: The map.
        grid: The experiment; of each ball the reference alone is tested.

    Returns:
        2·m·k·n for every product of a training step, and of the test score its share; None for a
        map that is no training.
    """
    import jax

    from chaotrain import maps, tiles
    from chaotrain.training import TrainingMap
    from chaotrain.training.cost import products

    if not isinstance(system, TrainingMap):
        return None
    with jax.enable_x64(True):
        state = jax.eval_shape(system.init, jax.random.key(0))
        step = products(lambda state: maps.advance(system, state, jax.numpy.float64(1.0)), state)
        test = products(lambda state: maps.inspect(system, state), state)
    return step + test / sum(tiles.work(grid))


def _timed(product: Callable[[Any, Any], Any], square: Any) -> float:
    start = time.perf_counter()
    product(square, square).block_until_ready()
    return time.perf_counter() - start
