"""The onset finder against truths: closed forms, the grid on MNIST, and maps without an onset."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import chaotrain as ct
from chaotrain import figures, layout, optimizers
from chaotrain.cli import main
from chaotrain.maps import Iterated
from chaotrain.onset import engine as engines
from chaotrain.onset.engine import Engine
from command_line import in_process, refused

Blobs = Callable[..., ct.Task]
# Where the period doublings of the logistic map accumulate; Feigenbaum, J. Stat. Phys. 19, 25.
ACCUMULATION = 3.569946
INTERVALS = ("eta_first", "eta_0", "eta_1", "divergence", "eta_fastest")


def trained(task: ct.Task, optimizer: str = "sgd", **options: Any) -> ct.TrainingMap:
    network = ct.networks.mlp([task.inputs.shape[1], 8, task.outputs])
    return ct.TrainingMap(network, task, optimizers.named(optimizer), **options)


def consistent(onset: ct.Onset) -> None:
    """Every learning rate lies in its interval, and all of it can be written down."""
    for name in INTERVALS:
        value, (low, high) = getattr(onset, name), getattr(onset, f"{name}_interval")
        assert math.isnan(value) or low <= value <= high, name
    json.dumps(onset.to_dict(), allow_nan=False)
    assert str(onset) == onset.reason
    assert onset.reason.endswith(".")


def test_the_cubic_has_its_onset_where_the_period_doublings_accumulate() -> None:
    onset = ct.find_onset(ct.maps.cubic(), key=1, epochs=300, tolerance=1.02, budget=math.inf)
    assert onset.outcome == "onset"
    # Descent on the cubic is the logistic map with r = 1 + 3η.
    assert 1 + 3 * onset.eta_0 == pytest.approx(ACCUMULATION, rel=0.01)
    low, high = (1 + 3 * eta for eta in onset.eta_0_interval)
    assert low < ACCUMULATION < high
    assert high / low < 1.04
    consistent(onset)


@pytest.mark.parametrize("curvatures", [(1.0, 3.0), (0.5,), (7.0, 11.0, 40.0)])
def test_on_a_quadratic_training_diverges_at_2_over_h(curvatures: tuple[float, ...]) -> None:
    onset = ct.find_onset(ct.maps.quadratic(curvatures))
    assert onset.outcome == "diverges first"
    threshold = 2 / max(curvatures)
    assert onset.divergence == pytest.approx(threshold, rel=0.001)
    low, high = onset.divergence_interval
    assert low <= threshold * 1.0002
    assert threshold * 0.9998 <= high <= low * 1.001
    assert math.isnan(onset.eta_0)
    assert math.isnan(onset.eta_1)
    assert f"diverges from η = {onset.divergence:.5g}" in onset.reason
    # The fastest of descent on a quadratic is 2/(h_min + h_max), the race's lanes are 1.4 apart.
    if len(curvatures) == 2:
        assert onset.eta_fastest == pytest.approx(2 / sum(curvatures), rel=0.2)
    consistent(onset)


@pytest.mark.slow
def test_on_mnist_eta_0_lies_within_the_interval_of_the_grid() -> None:
    task = ct.tasks.load("mnist", train_size=2000, test_size=500)
    system = ct.TrainingMap(ct.networks.mlp([784, 64, 10]), task)
    onset = ct.find_onset(system, epochs=150, target=0.7, budget=3000, samples=2000)
    assert onset.outcome == "onset"
    # docs/results/mnist.md: η_0 = 5 [4.03, 5.97], η_1 = 6 [4, 6], η* = 5 [4, 6] to 0.70.
    assert 4.03 <= onset.eta_0 <= 5.97
    assert onset.eta_1_interval[0] <= 6 <= onset.eta_1_interval[1]
    assert 3.2 <= onset.eta_fastest <= 7
    assert onset.race.attrs["measure"] == "time"
    consistent(onset)
    # On an eighth of the samples the onset lies lower, but the race is on all.
    part = ct.find_onset(system, epochs=150, target=0.7)
    assert part.eta_0 < onset.eta_0
    assert 3.2 <= part.eta_fastest <= 7
    assert part.cost < 6.5 * 150


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_other_optimisers_and_mini_batches(optimizer: str, blobs: Blobs) -> None:
    system = trained(blobs(), optimizer, batch_size=20)
    onset = ct.find_onset(system, epochs=30, budget=900)
    consistent(onset)
    assert onset.eta_fastest > 0
    assert len(onset.probes.probe) >= 3
    if optimizer == "adam":  # its edge is that of another Hessian
        assert onset.probes.learning_rate[0] == 0.01


MAPS: dict[str, tuple[ct.Map, str]] = {
    "halving": (Iterated(lambda u, eta: 0.5 * u, lambda key: [1.0]), "stays regular"),
    "still": (Iterated(lambda u, eta: u, lambda key: [1.0]), "stays regular"),
    "vanishing": (Iterated(lambda u, eta: 0 * u, lambda key: [1.0]), "stays regular"),
    "exploding": (Iterated(lambda u, eta: 3 * u + u**3, lambda key: [1.0]), "diverges throughout"),
    "nan": (Iterated(lambda u, eta: math.nan * u, lambda key: [1.0]), "diverges throughout"),
    "chaos": (Iterated(lambda u, eta: 4 * u * (1 - u), lambda key: [0.3]), "chaotic throughout"),
    "linear": (ct.maps.linear(((0.5, 0.0), (0.0, 0.1)), start=(1.0, 1.0)), "diverges first"),
}


@pytest.mark.parametrize("name", MAPS)
def test_where_there_is_no_onset_it_says_which_and_what_to_do(name: str) -> None:
    system, outcome = MAPS[name]
    onset = ct.find_onset(system)
    assert onset.outcome == outcome
    assert math.isnan(onset.eta_0)
    assert math.isnan(onset.eta_fastest)
    assert "no loss" in onset.reason
    consistent(onset)
    assert figures.onset(onset.probes, onset.race).axes


def test_a_map_without_derivatives_is_followed_by_a_rescaled_pair() -> None:
    class Plain:
        """The logistic map in NumPy."""

        def init(self, key: Any) -> Any:
            return jnp.asarray([0.1 + 0.8 * float(jax.random.uniform(key))])

        def step(self, state: Any, eta: Any) -> Any:
            u = np.asarray(state)
            with np.errstate(over="ignore", invalid="ignore"):
                return jnp.asarray(float(eta) * u * (1 - u))

        def observe(self, state: Any) -> dict[str, Any]:
            return {"u": np.asarray(state)[0]}

    onset = ct.find_onset(Plain(), epochs=60, budget=700)
    assert onset.outcome == "onset"
    assert onset.eta_0_interval[0] < ACCUMULATION < onset.eta_0_interval[1]


def test_a_probe_is_the_tangent_and_a_race_the_training(blobs: Blobs) -> None:
    system = trained(blobs())
    engine = Engine(system, 3, 40)
    probe = engine.probe(8.0, 2)
    key = jax.random.fold_in(jax.random.key(3), 2)
    whole = ct.tangent_growth(system, 8.0, key, epochs=40)
    length = len(probe.growth)
    np.testing.assert_allclose(probe.growth, whole.growth[:length], rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(probe.loss, whole.loss[:length])
    assert probe.cost == 2 * (length - 1)
    # In calls of 2 states, the first rung of a race over 40 epochs.
    pieces = [engine.train(8.0, 2, epochs) for epochs in (2, 5, 40)]
    assert [piece.cost for piece in pieces] == [4, 2, 36]
    np.testing.assert_allclose(pieces[-1].loss, whole.loss, rtol=1e-12)
    np.testing.assert_array_equal(pieces[-1].score, whole.test_accuracy)


def test_probes_follow_a_part_of_the_samples_and_cost_that_part(blobs: Blobs) -> None:
    data = blobs()
    system = trained(data)
    count = system.samples
    engine = Engine(system, 3, 40, count // 3)
    assert engine.samples == (count // 3, count, count)
    chosen = np.sort(np.random.default_rng(0).permutation(count)[: count // 3])
    own = dataclasses.replace(data, inputs=data.inputs[chosen], targets=data.targets[chosen])
    key = jax.random.fold_in(jax.random.key(3), 2)
    alone = ct.tangent_growth(trained(own), 8.0, key, epochs=40)
    probe = engine.probe(8.0, 2)
    length = len(probe.growth)
    np.testing.assert_allclose(probe.growth, alone.growth[:length], rtol=1e-9, atol=1e-9)
    assert probe.cost == pytest.approx(2 * (length - 1) * (count // 3) / count)
    whole = ct.tangent_growth(system, 8.0, key, epochs=40)
    np.testing.assert_allclose(engine.train(8.0, 2, 40).loss, whole.loss, rtol=1e-12)


def test_it_says_which_part_of_the_samples_it_followed(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = trained(blobs())
    count = system.samples
    some = ct.find_onset(system, epochs=12, samples=count // 3)
    assert f"Probes followed {count // 3} of the {count} training samples;" in some.reason
    assert "The race was on" not in some.reason
    assert "Probes followed" not in ct.find_onset(system, epochs=12, samples=count).reason
    monkeypatch.setattr(engines, "MOST_SAMPLES", count // 2)
    part = ct.find_onset(system, epochs=12, samples=count // 3)
    assert f"The race was on {count // 2} of the {count} training samples." in part.reason


@pytest.mark.parametrize(
    ("samples", "batch_size", "followed"),
    [
        (100, None, 64),
        (40, None, 40),
        (1000, None, 125),
        (60000, None, 2000),
        (1000, 20, 125),
        (1000, 50, 250),  # 5 steps in each of 20 epochs
        (1000, 500, 1000),
    ],
)
def test_an_eighth_of_the_samples_is_followed_within_limits(
    samples: int, batch_size: int | None, followed: int
) -> None:
    inputs, targets = np.zeros((samples, 2)), np.arange(samples) % 2
    task = ct.Task.from_arrays(inputs, targets, inputs[:2], targets[:2])
    assert engines.part(trained(task, batch_size=batch_size), 20) == followed


def test_it_begins_at_the_edge_of_stability_and_repeats_itself(blobs: Blobs) -> None:
    system = trained(blobs())
    one, other = (ct.find_onset(system, key=5, epochs=20, budget=250) for _ in range(2))
    first = float(one.probes.learning_rate[0])
    state = system.init(jax.random.fold_in(jax.random.key(5), 0))
    assert first == pytest.approx(2 / ct.sharpness(system, state).value, rel=0.01)
    assert one.to_dict() | {"seconds": 0} == other.to_dict() | {"seconds": 0}
    assert one.cost <= 250 + 2 * 20


@pytest.mark.slow
def test_long_calls_cut_short_change_nothing(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    system = trained(blobs())
    whole = Engine(system, 3, 30).probe(8.0, 0), Engine(system, 3, 30).train(8.0, 0, 30)
    # As for a large network: 7 epochs with the tangent in a call.
    flops = ct.maps.cost(system).flops
    monkeypatch.setattr(layout, "CALL_FLOPS", 22 * flops)
    cut = Engine(system, 3, 30).probe(8.0, 0), Engine(system, 3, 30).train(8.0, 0, 30)
    length = min(len(probe.growth) for probe in (whole[0], cut[0]))
    np.testing.assert_allclose(cut[0].growth[:length], whole[0].growth[:length], atol=1e-9)
    np.testing.assert_allclose(cut[1].loss, whole[1].loss, rtol=1e-9)


@pytest.mark.slow
def test_the_target_decides_the_race(blobs: Blobs) -> None:
    system = trained(blobs())
    near = ct.find_onset(system, epochs=40, target=0.6, budget=2000)
    assert near.race.attrs["measure"] == "time"
    assert "the first to reach 0.6" in near.reason
    there = near.race.where(near.race.reached >= 0.5, drop=True)
    weights = (1 + there.mean_training_time) ** -8
    middle = np.average(np.log(there.learning_rate), weights=weights)
    assert near.eta_fastest == pytest.approx(math.exp(middle))
    far = ct.find_onset(system, epochs=8, target=1.0, budget=2000)
    if far.race.attrs["measure"] == "score":
        assert "None reached the target 1" in far.reason


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget": 0}, "budget = 0"),
        ({"budget": math.nan}, "budget = nan"),
        ({"epochs": 1}, "epochs = 1"),
        ({"epochs": 2.5}, "epochs = 2.5"),
        ({"target": 1.5}, "target = 1.5"),
        ({"tolerance": 1.0}, "tolerance = 1.0"),
        ({"start": -1.0}, "start = -1.0"),
        ({"samples": 0}, "samples = 0"),
    ],
)
def test_a_number_out_of_range_is_refused_in_one_line(options: Any, words: str) -> None:
    with pytest.raises(ct.UserError, match=words) as caught:
        ct.find_onset(ct.maps.cubic(), **options)
    assert "\n" not in str(caught.value)


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(ct.UserError, match="give a map"):
        ct.find_onset(lambda eta: eta)  # type: ignore[arg-type]


FILE = """
task = "iris"
epochs = 40
network = { hidden = [4] }
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(FILE)
    return path


@pytest.mark.slow
def test_from_the_command_line(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = in_process(capfd)("onset", source, "--budget", 700, "--out", tmp_path / "out")
    assert said.code == 0
    assert "fastest η*" in said.out
    assert "gradient evaluations" in said.out
    assert said.err.startswith("probe  η = ")
    assert "race   η = " in said.err
    names = ["onset.json", "probes.csv", "onset.pdf", "onset.png"]
    assert said.out.splitlines()[-4:] == [str(tmp_path / "out" / name) for name in names]
    content = json.loads((tmp_path / "out" / "onset.json").read_text())
    as_json = in_process(capfd)("onset", source, "--budget", 700, "--json")
    assert json.loads(as_json.out) | {"seconds": 0} == content | {"seconds": 0}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("onset", "nowhere.toml"), "neither a preset"),
        (("onset", "atlas"), "collection"),
        (("onset", "mnist-quick", "--set", "epoch=3"), "did you mean epochs"),
        (("onset", "mnist-quick", "--budget", "-3"), "budget = -3"),
        (("onset", "mnist-quick", "--set", "task='mnits'"), "did you mean mnist"),
    ],
)
def test_the_command_line_refuses(
    arguments: tuple[str, ...], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    refused(in_process(capfd)(*arguments), words)


def test_an_interrupted_search_exits_with_130(
    source: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from chaotrain.errors import Interrupted

    def stop(self: Engine, eta: float, init: int) -> None:
        raise Interrupted(2)

    monkeypatch.setattr(Engine, "probe", stop)
    assert main(["onset", str(source)]) == 130
    assert capfd.readouterr().err.startswith("chaotrain: stopped")
