"""Training as a map: network + task + optimiser, one epoch a step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from chaotrain import memory
from chaotrain.errors import UserError
from chaotrain.maps import Cost, Key, Observables, as_key, in_float64
from chaotrain.networks import Network, Parameters
from chaotrain.optimizers import Optimizer
from chaotrain.tasks import Task
from chaotrain.training import probe
from chaotrain.training.checks import check_parts
from chaotrain.training.cost import epoch, shape_of
from chaotrain.training.description import described
from chaotrain.training.idle import Busy, narrowed, widened
from chaotrain.training.penalty import NO_PENALTY, Penalty, weights_of
from chaotrain.training.samples import Samples, batches, chunked, gathered
from chaotrain.training.state import NOISE, Noise, TrainingState

Augment = Callable[[Array, Array], Array]
# Training samples, test samples, and which inputs the training samples hold.
Data = tuple[Samples, Samples, Busy | None]


@jax.tree_util.register_pytree_node_class
class TrainingMap:
    """One epoch of training, u(t+1) = F(u(t); η), as a `Map`.

    Without `batch_size` an epoch is one step along the gradient of the mean loss over all training
    samples, summed over chunks of at most `network.chunk`. With it an epoch is one pass through the
    samples in a random order. What is random (order, dropout, augmentation) is a function of a key
    in the state and of the epoch alone, so that all members of a ball see the same.

    Args:
        network: The network, a pair of pure functions.
        task: The data with its loss and score.
        optimizer: A function of the learning rate, to any optax optimiser.
        dtype: "float64" or "float32".
        penalty: L1 and L2 penalties on the weights; they are part of the loss that is observed.
        batch_size: Samples of a mini-batch; None for full-batch training.
        augment: (key, inputs (samples, ...)) → inputs, applied to every training batch.
        noise: "common": replicas share the noise of their reference. "own": each has its samples
            in an order of its own, the masks and augmentations at each place of a batch being
            common; without `batch_size` it draws masks and augmentations of its own. This shows
            the sensitivity to sampling when ε = 0.
        measured: Distances are over all "parameters", or over the whole "state": the optimiser's
            floating buffers too. A perturbation moves the weights (the parameters with two axes or
            more) in both.

    Raises:
        UserError: On a name or size out of range, a part that is none, or a network that does not
            fit the task.

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

    # Compile-time constants; the data are leaves.
    CONSTANTS = (
        "network",
        "optimizer",
        "dtype",
        "loss",
        "score",
        "train_score",
        "penalty",
        "batch_size",
        "augment",
        "noise",
        "measured",
        "samples",
    )

    @in_float64
    def __init__(
        self,
        network: Network,
        task: Task,
        optimizer: Optimizer = optax.sgd,
        dtype: str = "float64",
        *,
        penalty: Penalty = NO_PENALTY,
        batch_size: int | None = None,
        augment: Augment | None = None,
        noise: str = "common",
        measured: str = "parameters",
    ) -> None:
        names = {"dtype": dtype, "noise": noise, "measured": measured}
        check_parts(network, task, penalty, batch_size, **names)
        self.samples = len(task.inputs)
        self.network, self.optimizer, self.dtype = network, optimizer, dtype
        self.penalty, self.batch_size, self.augment = penalty, batch_size, augment
        self.noise, self.measured = noise, measured
        self.loss, self.score = task.loss, task.score
        self.train_score = task.train_score or task.score
        if noise == "own" and not self.is_noisy:
            raise UserError(
                "noise = 'own': nothing is random in full-batch training, give batch_size, "
                "dropout or augment"
            )
        # Augmentation is told the shape of a sample, and may move what is zero.
        step = 0 if augment is not None else batch_size or self.samples
        self.busy = Busy.of(network, task.inputs, step)
        inputs = task.inputs if self.busy is None else self.busy.select(task.inputs)
        self.train = chunked(inputs, task.targets, network.chunk, dtype)
        self.test = chunked(task.test_inputs, task.test_targets, network.chunk, dtype)
        probe.check_shapes(network, task, dtype)
        probe.check_loss(task.loss, task, dtype)
        probe.check_optimizer(optimizer, network, dtype)
        if augment is not None:
            probe.check_augment(augment, shape_of(self.train.inputs.shape[1:], dtype))
        self.description = described(self, task)
        self.hashes, self.target, self.score_name = dict(task.hashes), task.target, task.score_name

    @property
    def is_noisy(self) -> bool:
        """Whether an epoch draws anything at random."""
        return self.batch_size is not None or self.network.stochastic or self.augment is not None

    def tree_flatten(self) -> tuple[Data, tuple[Any, ...]]:
        """The data as leaves, the functions as compile-time constants."""
        constants = tuple(getattr(self, name) for name in self.CONSTANTS)
        return (self.train, self.test, self.busy), constants

    @classmethod
    def tree_unflatten(cls, constants: tuple[Any, ...], data: Data) -> TrainingMap:
        """The inverse of `tree_flatten`."""
        system = object.__new__(cls)
        for name, value in zip(cls.CONSTANTS, constants, strict=True):
            setattr(system, name, value)
        system.train, system.test, system.busy = data
        return system

    @in_float64
    def init(self, key: Key) -> TrainingState:
        """Parameters drawn with `key`, the optimiser's empty buffers, and the noise."""
        key = as_key(key)
        parameters = jax.tree.map(jnp.asarray, self.network.init(key, jnp.dtype(self.dtype)))
        buffers = self.optimizer(0.0).init(parameters)
        return TrainingState(parameters, buffers, Noise.of(key) if self.is_noisy else None)

    def replica(self, state: TrainingState, key: Array) -> TrainingState:
        """A copy of the reference `state`; with batches or noise of its own if `noise` says so."""
        if self.noise == "common" or state.noise is None:
            return state
        own = Noise.of(key) if self.batch_size is None else state.noise.reordered(key)
        return state._replace(noise=own)

    @in_float64
    def step(self, state: TrainingState, eta: Array) -> TrainingState:
        """The state one epoch later."""
        stepped: TrainingState = _step(self, state, eta)
        return stepped

    @in_float64
    def observe(self, state: TrainingState) -> Observables:
        """Training loss with its penalty, training score and test score."""
        seen: Observables = _observe(self, state)
        return seen

    def advance(self, state: TrainingState, eta: Array) -> tuple[TrainingState, Observables]:
        """An epoch, with the training loss and score of the state before it if they come free."""
        eta = jnp.asarray(eta, self.dtype)
        if state.noise is None:
            return self._descend(state, eta, self.train, None)
        if self.batch_size is None:
            stepped, _ = self._descend(state, eta, self.train, state.noise.this_epoch())
        else:
            stepped = self._pass(state, eta, *state.noise.this_pass())
        return stepped._replace(noise=state.noise.next_epoch()), {}

    def inspect(self, state: TrainingState) -> Observables:
        """The test score; with noise the training loss and score too."""
        seen = {"test_accuracy": self._means(state.parameters, self.test, self.score)[1]}
        return seen if state.noise is None else {**self._training(state.parameters), **seen}

    def objective(self, parameters: Parameters) -> Array:
        """The loss that full-batch training descends, its penalty included."""
        return self._training(parameters)["loss"]

    def coordinates(self, state: TrainingState) -> Any:
        """All trainable parameters; with `measured` = "state" the floating buffers too."""
        if self.measured == "parameters":
            return state.parameters
        buffers = jax.tree.leaves(state.buffers)
        floating = [leaf for leaf in buffers if jnp.issubdtype(leaf.dtype, jnp.floating)]
        return state.parameters, floating

    def perturbed(self, state: TrainingState) -> list[Array]:
        """The weights: every parameter with two axes or more."""
        return weights_of(state.parameters)

    def cost(self) -> Cost:
        """Three passes of products a sample; activations of a chunk forwards and backwards."""
        parameters, buffers, _ = jax.eval_shape(self.init, jax.random.key(0))
        used = jax.eval_shape(partial(narrowed, self.network, self.busy), parameters)
        length = self.train.weights.shape[1]
        if self.batch_size is not None:
            length = min(length, self.batch_size)
        chunk = shape_of((length, *self.train.inputs.shape[2:]), self.dtype)
        gathers = self.batch_size is not None
        state = parameters, buffers
        return epoch(self.network, state, used, chunk, self.train.weights.size, gathers)

    @in_float64
    def probe(self) -> None:
        """Check that an epoch can be replayed, and takes samples one by one.

        Raises:
            UserError: In one line that says what is wrong with the network.
        """
        # Before a network is drawn that no machine could hold.
        needed, what = self.cost().bytes, f"network = {self.network.name}: a step of one"
        memory.check(needed, what, "make it smaller")
        inputs = self.train.inputs[0, : probe.SAMPLES]
        whole = inputs if self.busy is None else self.busy.widen(inputs)
        probe.check_replay(self.network, whole, self.dtype)
        probe.check_traces(self, whole, self.train.targets[0, : probe.SAMPLES])

    def _descend(
        self, state: TrainingState, eta: Array, samples: Samples, key: Array | None
    ) -> tuple[TrainingState, Observables]:
        """One step along the gradient over these samples, and the loss and score before it."""
        parameters = state.parameters
        used = narrowed(self.network, self.busy, parameters)

        def add_chunk(total: Any, numbered: tuple[Array, Samples]) -> tuple[Any, None]:
            index, chunk = numbered
            own = None if key is None else jax.random.fold_in(key, index)
            value = jax.value_and_grad(self._weighted, has_aux=True)(
                used, chunk, self.train_score, own
            )
            return jax.tree.map(jnp.add, total, value), None

        zero = jnp.zeros((), self.dtype)
        start = ((zero, zero), jax.tree.map(jnp.zeros_like, used))
        numbered = (jnp.arange(len(samples.weights)), samples)
        ((loss, score), slope), _ = jax.lax.scan(add_chunk, start, numbered)
        gradient = widened(self.network, self.busy, slope)
        if self.penalty:
            extra, slope = jax.value_and_grad(self.penalty)(parameters)
            loss, gradient = loss + extra, jax.tree.map(jnp.add, gradient, slope)
        rule = self.optimizer(eta)
        updates, buffers = rule.update(gradient, state.buffers, parameters)
        stepped = state._replace(
            parameters=optax.apply_updates(parameters, updates), buffers=buffers
        )
        return stepped, {"loss": loss, "train_accuracy": score}

    def _pass(self, state: TrainingState, eta: Array, order: Array, inside: Array) -> TrainingState:
        """One step for every mini-batch: `order` draws their samples, `inside` what is random."""
        indices, weights = self._batches(order)

        def step(state: TrainingState, batch: tuple[Array, Array, Array]) -> Any:
            number, places, shares = batch
            samples = gathered(self.train, places, shares)
            own = jax.random.fold_in(inside, number)
            return self._descend(state, eta, samples, own)[0], None

        numbered = (jnp.arange(len(weights)), indices, jnp.asarray(weights, self.dtype))
        return jax.lax.scan(step, state, numbered)[0]

    def _batches(self, key: Array) -> tuple[Array, Any]:
        """Indices and weights (batch, chunk, sample) of an epoch's mini-batches."""
        assert self.batch_size is not None
        return batches(self.samples, self.batch_size, self.network.chunk, key)

    def _weighted(
        self, parameters: Parameters, samples: Samples, score: Any, key: Array | None = None
    ) -> tuple[Array, Array]:
        inputs = samples.inputs
        if key is not None and self.augment is not None:
            inputs = self.augment(jax.random.fold_in(key, NOISE), inputs)
        more = (key,) if self.network.stochastic else ()
        outputs = self.network.apply(parameters, inputs, *more)
        loss = jnp.sum(samples.weights * self.loss(outputs, samples.targets))
        return loss, jnp.sum(samples.weights * score(outputs, samples.targets))

    def _means(self, parameters: Parameters, samples: Samples, score: Any) -> tuple[Array, Array]:
        losses, scores = jax.lax.map(
            lambda chunk: self._weighted(parameters, chunk, score), samples
        )
        return jnp.sum(losses), jnp.sum(scores)

    def _training(self, parameters: Parameters) -> Observables:
        used = narrowed(self.network, self.busy, parameters)
        loss, score = self._means(used, self.train, self.train_score)
        return {"loss": loss + self.penalty(parameters), "train_accuracy": score}


# Public calls are compiled with the map as an argument; ensembles compile `advance` as they need.
@jax.jit
def _step(system: TrainingMap, state: TrainingState, eta: Array) -> TrainingState:
    return system.advance(state, eta)[0]


@jax.jit
def _observe(system: TrainingMap, state: TrainingState) -> Observables:
    return {**system._training(state.parameters), **system.inspect(state)}
