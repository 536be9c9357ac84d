from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import baseline
import chaotrain as ct
from chaotrain import ensembles, lanes
from chaotrain.course import Course
from chaotrain.layout import Layout

Blobs = Callable[..., ct.Task]


def evolve(
    system: ct.Map,
    etas: list[float],
    epochs: int,
    *,
    replicas: int = 1,
    block: int = 99,
    epsilon: float = 1e-8,
    call: int = 7,
    lane: int | None = None,
) -> ensembles.Recorded:
    """Balls of seeds 0, 1, ... at these learning rates."""
    with jax.enable_x64(True):
        balls = [
            ensembles.ball(system, jax.random.key(seed), replicas, epsilon)
            for seed in range(len(etas))
        ]
        layout = Layout(len(etas), block, call, lane)
        return ensembles.evolve(system, ensembles.stack(balls), jnp.array(etas), epochs, layout)


def test_engine_agrees_with_numpy_until_saturation(mnist: ct.Task) -> None:
    task = mnist.first(500, 200)
    system = ct.TrainingMap(ct.networks.mlp([784, 64, 10]), task)
    eta, epochs = 10.0, 60
    reference = system.init(0)
    with jax.enable_x64(True):
        replica = ensembles.perturb(system, reference, jax.random.key(1), 1e-8)
    curves = ct.divergence(system, eta, epochs=epochs, state=reference, perturbed=[replica])
    runs = [
        list(
            baseline.train(baseline.as_numpy(s.parameters), task.inputs, task.targets, eta, epochs)
        )
        for s in (reference, replica)
    ]
    expected = np.array([baseline.l1(a, b) for (a, _), (b, _) in zip(*runs, strict=True)])
    # Two orders of summation are two trajectories; chaos separates them at the rate it separates
    # the ball, from a rounding error that is 1e-8 of d(0) or less.
    growing = expected < 0.25 * expected.max()
    # From the first epoch above it on the attractor bounds the distance.
    growing &= np.arange(len(expected)) < np.argmin(growing)
    assert growing.sum() >= 10
    assert expected[growing][-1] > 100 * expected[0]
    ours = curves.distance.values[0]
    np.testing.assert_allclose(ours[growing], expected[growing], rtol=1e-5)
    losses = np.array([loss for _, loss in runs[0]])
    np.testing.assert_allclose(curves.loss.values[growing], losses[growing], rtol=1e-7)


@pytest.mark.parametrize(
    ("samples", "balls", "replicas", "block", "lane"),
    [
        (2000, 6, 1, 12, None),
        (3001, 2, 5, 12, None),
        (2000, 5, 2, 4, None),
        (777, 1, 5, 6, None),
        # In lanes: of whole blocks, with a last block and a last lane that are filled up.
        (2000, 6, 1, 6, 3),
        (2000, 5, 2, 4, 2),
        (777, 4, 5, 6, 1),
    ],
)
def test_without_perturbation_the_distance_is_exactly_zero(
    mnist: ct.Task, samples: int, balls: int, replicas: int, block: int, lane: int | None
) -> None:
    system = ct.TrainingMap(ct.networks.mlp([784, 64, 10]), mnist.first(samples, 50))
    options = {"replicas": replicas, "block": block, "lane": lane}
    recorded = evolve(system, [10.0] * balls, 6, epsilon=0.0, **options)
    assert recorded["distance"].shape == (balls, replicas, 7)
    assert np.all(recorded["distance"] == 0.0)


def test_equal_balls_are_equal_in_every_position(mnist: ct.Task) -> None:
    system = ct.TrainingMap(ct.networks.mlp([784, 64, 10]), mnist.first(2000, 50))
    with jax.enable_x64(True):
        one = ensembles.ball(system, jax.random.key(0), 1, 1e-8)
        states = ensembles.stack([one] * 6)
        recorded = ensembles.evolve(system, states, jnp.full(6, 10.0), 12, Layout(6, 12, 3))
    for values in recorded.values():
        assert np.all(values == values[:1])


def test_path_and_displacement_match_a_trajectory(blobs: Blobs) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 4, 3]), blobs())
    curves = ct.divergence(system, 0.7, key=3, epochs=12, replicas=1)
    states = [system.init(3)]
    for _ in range(12):
        states.append(system.step(states[-1], 0.7))
    flat = np.array(
        [np.concatenate([np.ravel(x) for x in jax.tree.leaves(s.parameters)]) for s in states]
    )
    steps = np.linalg.norm(np.diff(flat, axis=0), axis=1)
    np.testing.assert_allclose(curves.path_length, [0, *np.cumsum(steps)], rtol=1e-10)
    np.testing.assert_allclose(
        curves.displacement, np.linalg.norm(flat - flat[0], axis=1), rtol=1e-10
    )
    for t, state in enumerate(states):
        for name, value in system.observe(state).items():
            assert curves[name].values[t] == pytest.approx(float(value), rel=1e-10)


def test_the_length_of_a_call_changes_nothing(blobs: Blobs) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 8, 3]), blobs())
    first, second = (evolve(system, [1.0, 30.0], 40, call=call) for call in (1, 41))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("lane", [1, 2, 3, 4])
def test_balls_in_lanes_are_the_same_balls(blobs: Blobs, lane: int) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 8, 3]), blobs())
    etas = [1.0, 3.0, 30.0, 10.0, 0.1]
    whole = evolve(system, etas, 40, block=2)
    told = evolve(system, etas, 40, block=2, lane=lane)
    assert whole.keys() == told.keys()
    np.testing.assert_array_equal(whole["loss"], told["loss"])
    for name in whole:  # sums over parameters are not taken in blocks
        np.testing.assert_allclose(told[name], whole[name], rtol=1e-13, atol=1e-22)


def test_balls_go_on_from_where_their_lanes_were(blobs: Blobs) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 8, 3]), blobs())
    etas, cut = jnp.array([1.0, 3.0, 30.0]), Layout(3, 2, 7, 2)
    whole = evolve(system, etas.tolist(), 20, block=2)
    with jax.enable_x64(True):
        states = ensembles.stack(
            [ensembles.ball(system, jax.random.key(i), 1, 1e-8) for i in range(3)]
        )
        course, first = ensembles.follow(system, Course.begun(states), etas, 12, cut)
        _, then = ensembles.follow(system, course, etas, 9, cut)
    for name in whole:
        both = np.concatenate([first[name], then[name]], axis=-1)
        np.testing.assert_allclose(both, whole[name], rtol=1e-13, atol=1e-22)


def test_a_lane_that_fails_is_told(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 8, 3]), blobs())
    run, calls = ensembles._awaited, []

    def fails(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 4:
            raise MemoryError("of one lane")
        return run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ensembles, "_awaited", fails)
    with pytest.raises(MemoryError, match="of one lane"):
        evolve(system, [1.0, 3.0, 30.0], 20, lane=1)


def test_a_member_that_diverges_leaves_its_neighbours_bit_identical() -> None:
    system = ct.maps.quadratic((1.0, 2.0, 3.0))
    epochs = 1100
    wild = evolve(system, [0.3, 5.0, 0.4], epochs)
    calm = evolve(system, [0.3, 0.2, 0.4], epochs)
    assert not np.isfinite(wild["loss"][1, -1])
    assert np.isfinite(wild["loss"][1, 100])
    for name in wild:
        np.testing.assert_array_equal(wild[name][[0, 2]], calm[name][[0, 2]])


def test_a_network_that_diverges_leaves_its_neighbours_bit_identical(blobs: Blobs) -> None:
    network = ct.networks.mlp([5, 16, 3], activation="relu")
    system = ct.TrainingMap(network, blobs())
    wild = evolve(system, [0.3, 1e200, 0.4], 30)
    calm = evolve(system, [0.3, 0.2, 0.4], 30)
    assert not np.isfinite(wild["loss"][1]).all()
    for name in wild:
        np.testing.assert_array_equal(wild[name][[0, 2]], calm[name][[0, 2]])


def test_another_layout_differs_only_by_rounding(mnist: ct.Task) -> None:
    system = ct.TrainingMap(ct.networks.mlp([784, 64, 10]), mnist.first(500, 50))
    etas = [7.5, 10.0, 12.5]
    side_by_side = evolve(system, etas, 8)
    one_by_one = evolve(system, etas, 8, block=1)
    np.testing.assert_allclose(side_by_side["loss"], one_by_one["loss"], rtol=1e-9)
    np.testing.assert_allclose(side_by_side["distance"], one_by_one["distance"], rtol=1e-5)


@pytest.mark.slow
def test_exponents_agree_between_layouts_within_their_intervals(mnist: ct.Task) -> None:
    system = ct.TrainingMap(ct.networks.mlp([784, 64, 10]), mnist.first(500, 50))
    etas = [7.5, 10.0, 12.5]
    fits = [
        [ct.fit_growth(d) for d in evolve(system, etas, 100, replicas=2, block=block)["distance"]]
        for block in (9, 2)
    ]
    for one, other in zip(*fits, strict=True):
        assert one.verdict == other.verdict == "exponential"
        assert one.low <= other.rate <= one.high
        assert other.low <= one.rate <= other.high


PROGRAM = """
import hashlib, sys
import jax, jax.numpy as jnp
import chaotrain as ct
from chaotrain import ensembles, lanes
from chaotrain.course import Course
from chaotrain.layout import Layout
system = ct.TrainingMap(ct.networks.mlp([784, 64, 10]), ct.tasks.load("mnist", 1000, 100))
with jax.enable_x64(True):
    balls = [ensembles.ball(system, jax.random.key(i), 2, 1e-8) for i in range(3)]
    etas = jnp.array([5.0, 7.5, 10.0])
    # A block of all, and two lanes of blocks, the last of each filled up.
    for cut in (Layout(3, 9, 5), Layout(3, 4, 5, 2)):
        recorded = ensembles.evolve(system, ensembles.stack(balls), etas, 40, cut)
        digest = hashlib.sha256()
        for name in sorted(recorded):
            digest.update(recorded[name].tobytes())
        print(digest.hexdigest())
"""


@pytest.mark.slow
def test_two_processes_agree_bit_for_bit() -> None:
    command = [sys.executable, "-c", PROGRAM]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )
    assert [len(line) for line in first.split()] == [64, 64]
    assert first == second


def test_perturbation_moves_weights_within_epsilon_and_leaves_biases(blobs: Blobs) -> None:
    system = ct.TrainingMap(ct.networks.mlp([5, 40, 3]), blobs())
    reference = system.init(0)
    with jax.enable_x64(True):
        moved = ensembles.perturb(system, reference, jax.random.key(5), 1e-3)
    for a, b in zip(moved.parameters, reference.parameters, strict=True):
        shift = np.asarray(a["weight"] - b["weight"])
        assert np.all(np.abs(shift) <= 1e-3)
        assert np.all(shift != 0)
        assert abs(shift.mean()) < 5e-3 / np.sqrt(3 * shift.size)
        np.testing.assert_array_equal(a["bias"], b["bias"])


def test_side_by_side_fills_up_the_last_block() -> None:
    x = jnp.arange(7.0)
    np.testing.assert_array_equal(lanes.side_by_side(lambda v: v**2, x, 3), x**2)
