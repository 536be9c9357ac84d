"""Training as a map: network + task + optimiser, one epoch of full-batch descent a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from chaotrain.errors import UserError
from chaotrain.maps import Cost, Key, Observables, as_key, in_float64
from chaotrain.networks import Network, Parameters
from chaotrain.tasks import Task

Optimizer = Callable[[Any], optax.GradientTransformation]

# Samples per matrix product: few enough that the activations of a block stay in the cache, which
# doubles the speed on 60,000 samples, and enough that the product runs at full speed.
CHUNK = 2000


class TrainingState(NamedTuple):
    """The state u: all trainable parameters and the optimiser's buffers."""

    parameters: Parameters
    buffers: Any


class Samples(NamedTuple):
    """A data set in chunks (chunk, sample, ...); weights are 1/N, and 0 where it was padded."""

    inputs: Array
    targets: Array
    weights: Array


@jax.tree_util.register_pytree_node_class
class TrainingMap:
    """One epoch of full-batch training, u(t+1) = F(u(t); η), as a `Map`.

    The gradient is that of the mean loss over all training samples, summed over chunks of at most
    `CHUNK` samples. A distance is taken over all parameters; a perturbation moves the weights (the
    parameters with two axes or more) and leaves the biases.

    Args:
        network: The network, a pair of pure functions.
        task: The data with its loss and score.
        optimizer: A function of the learning rate, to any optax optimiser.
        dtype: "float64" or "float32".

    Raises:
        UserError: If dtype is another.

    Example:
        >>> import numpy as np
        >>> import chaotrain as ct
        >>> x, y = np.eye(4), np.array([0, 1, 0, 1])
        >>> task = ct.Task.from_arrays(x, y, x, y)
        >>> system = ct.TrainingMap(ct.networks.mlp([4, 8, 2]), task)
        >>> state = system.init(0)
        >>> later = system.step(state, 0.5)
        >>> bool(system.observe(later)["loss"] < system.observe(state)["loss"])
        True
    """

    @in_float64
    def __init__(
        self,
        network: Network,
        task: Task,
        optimizer: Optimizer = optax.sgd,
        dtype: str = "float64",
    ) -> None:
        if dtype not in ("float64", "float32"):
            raise UserError(f"dtype = {dtype!r} is unknown: choose float64 or float32")
        self.network, self.optimizer, self.dtype = network, optimizer, dtype
        self.loss, self.score = task.loss, task.score
        self.train = _chunked(task.inputs, task.targets, dtype)
        self.test = _chunked(task.test_inputs, task.test_targets, dtype)
        sizes = f"{len(task.inputs)} training and {len(task.test_inputs)} test samples"
        rule = getattr(optimizer, "__name__", repr(optimizer))
        self.description = f"{network.name}; {task.name}, {sizes}; {rule}; {dtype}"
        self.hashes = dict(task.hashes)

    def tree_flatten(self) -> tuple[tuple[Samples, Samples], tuple[Any, ...]]:
        """The data as leaves, the functions as compile-time constants."""
        return (self.train, self.test), (
            self.network,
            self.optimizer,
            self.dtype,
            self.loss,
            self.score,
        )

    @classmethod
    def tree_unflatten(
        cls, constants: tuple[Any, ...], data: tuple[Samples, Samples]
    ) -> TrainingMap:
        """The inverse of `tree_flatten`."""
        system = object.__new__(cls)
        system.network, system.optimizer, system.dtype, system.loss, system.score = constants
        system.train, system.test = data
        return system

    @in_float64
    def init(self, key: Key) -> TrainingState:
        """Parameters drawn with `key`, and the optimiser's empty buffers."""
        parameters = self.network.init(as_key(key), jnp.dtype(self.dtype))
        return TrainingState(parameters, self.optimizer(0.0).init(parameters))

    @in_float64
    def step(self, state: TrainingState, eta: Array) -> TrainingState:
        """The state one epoch later."""
        stepped: TrainingState = _step(self, state, eta)
        return stepped

    @in_float64
    def observe(self, state: TrainingState) -> Observables:
        """Training loss, training accuracy and test accuracy."""
        seen: Observables = _observe(self, state)
        return seen

    def advance(self, state: TrainingState, eta: Array) -> tuple[TrainingState, Observables]:
        """A step, with the training loss and accuracy of the state before it."""

        def add_chunk(total: Any, chunk: Samples) -> tuple[Any, None]:
            value = jax.value_and_grad(self._weighted, has_aux=True)(state.parameters, chunk)
            return jax.tree.map(jnp.add, total, value), None

        zero = jnp.zeros((), self.dtype)
        start = ((zero, zero), jax.tree.map(jnp.zeros_like, state.parameters))
        ((loss, accuracy), gradient), _ = jax.lax.scan(add_chunk, start, self.train)
        rule = self.optimizer(jnp.asarray(eta, self.dtype))
        updates, buffers = rule.update(gradient, state.buffers, state.parameters)
        stepped = TrainingState(optax.apply_updates(state.parameters, updates), buffers)
        return stepped, {"loss": loss, "train_accuracy": accuracy}

    def inspect(self, state: TrainingState) -> Observables:
        """The test accuracy."""
        return {"test_accuracy": self._means(state.parameters, self.test)[1]}

    def coordinates(self, state: TrainingState) -> Parameters:
        """All trainable parameters."""
        return state.parameters

    def perturbed(self, state: TrainingState) -> list[Array]:
        """The weights: every parameter with two axes or more."""
        return [leaf for leaf in jax.tree.leaves(state.parameters) if leaf.ndim >= 2]

    def cost(self) -> Cost:
        """Six operations a parameter and sample; activations of a chunk forwards and backwards."""
        parameters = jax.eval_shape(self.init, jax.random.key(0)).parameters
        size = sum(leaf.size for leaf in jax.tree.leaves(parameters))
        chunk = jax.eval_shape(lambda samples: samples.inputs[0], self.train)
        activations = _activations(self.network, parameters, chunk)
        samples = self.train.weights.size
        item = jnp.dtype(self.dtype).itemsize
        return Cost(flops=6.0 * size * samples, bytes=item * (2.0 * activations + 6.0 * size))

    def _weighted(self, parameters: Parameters, samples: Samples) -> tuple[Array, Array]:
        outputs = self.network.apply(parameters, samples.inputs)
        loss = jnp.sum(samples.weights * self.loss(outputs, samples.targets))
        return loss, jnp.sum(samples.weights * self.score(outputs, samples.targets))

    def _means(self, parameters: Parameters, samples: Samples) -> tuple[Array, Array]:
        losses, scores = jax.lax.map(lambda chunk: self._weighted(parameters, chunk), samples)
        return jnp.sum(losses), jnp.sum(scores)


def _activations(network: Network, parameters: Parameters, inputs: Any) -> int:
    """How many numbers a forward pass makes that depend on the parameters."""
    forward = jax.make_jaxpr(network.apply)(parameters, inputs).jaxpr
    own = {id(variable) for variable in forward.invars[: len(jax.tree.leaves(parameters))]}
    count = 0
    for equation in forward.eqns:
        if any(id(variable) in own for variable in equation.invars):
            own.update(map(id, equation.outvars))
            count += sum(variable.aval.size for variable in equation.outvars)
    return count


# Public calls are compiled with the map as an argument; ensembles compile `advance` as they need.
@jax.jit
def _step(system: TrainingMap, state: TrainingState, eta: Array) -> TrainingState:
    return system.advance(state, eta)[0]


@jax.jit
def _observe(system: TrainingMap, state: TrainingState) -> Observables:
    loss, accuracy = system._means(state.parameters, system.train)
    return {"loss": loss, "train_accuracy": accuracy, **system.inspect(state)}


def _chunked(inputs: np.ndarray, targets: np.ndarray, dtype: str) -> Samples:
    """Equal chunks; the last is filled with the first samples at weight 0."""
    count = len(inputs)
    chunks = -(-count // CHUNK)
    length = -(-count // chunks)
    order = np.arange(chunks * length) % count
    weights = np.where(np.arange(chunks * length) < count, 1 / count, 0.0)

    def split(array: np.ndarray) -> Array:
        return jnp.asarray(array.reshape(chunks, length, *array.shape[1:]))

    inputs = np.asarray(inputs, dtype)
    if len(order) > count:
        inputs, targets = inputs[order], targets[order]
    return Samples(split(inputs), split(targets), split(weights.astype(dtype)))
