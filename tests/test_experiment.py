from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chaotrain as ct
import tiny
from chaotrain import experiment
from chaotrain.errors import UserError

BASELINE = {
    "task": "mnist",
    "train_size": None,
    "test_size": None,
    "learning_rates": [
        *(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1),
        *(2.5, 5, 7.5, 10, 12.5, 15, 17.5, 20),
    ],
    "inits": 50,
    "replicas": 5,
    "epochs": 201,
    "epsilon": 1e-8,
    "method": "perturbation",
    "horizon": False,
    "dtype": "float64",
    "loss": None,
    "optimizer": {"name": "sgd", "options": {}, "schedule": None},
    "batch_size": None,
    "augment": None,
    "noise": "common",
    "l1": 0.0,
    "l2": 0.0,
    "weight_decay": 0.0,
    "measured": "parameters",
    "network": {
        "kind": "mlp",
        "hidden": [64],
        "activation": "tanh",
        "init": "normal",
        "scale": 1.0,
        "dropout": 0.0,
        "channels": [8, 16],
        "kernel": 3,
        "pooling": "max",
        "function": None,
        "options": {},
    },
    "target": 0.9,
    "targets": [0.7, 0.8, 0.85, 0.9],
    "stop": "epochs",
    "seed": 0,
    "memory": None,
}


def test_the_paper_preset_is_the_baseline_parameter_for_parameter() -> None:
    assert experiment.load("mnist-paper").model_dump() == BASELINE


@pytest.mark.parametrize("name", ["mnist-quick", "mnist-paper", "mnist-full"])
def test_a_resolved_preset_is_an_experiment_file_of_the_same_experiment(
    name: str, tmp_path: Path
) -> None:
    settings = experiment.load(name)
    copies = {"preset": experiment.presets()[name], "resolved": settings.to_toml()}
    for kind, text in copies.items():
        path = tmp_path / f"{kind}.toml"
        path.write_text(text)
        assert experiment.load(path) == settings


def test_presets_lists_all() -> None:
    assert {"mnist-full", "mnist-paper", "mnist-quick"} < experiment.presets().keys()
    assert all(text.startswith("# ") for text in experiment.presets().values())


def test_a_collection_is_no_experiment() -> None:
    with pytest.raises(UserError, match="figure-6 is a collection of cases: run it with"):
        experiment.load("figure-6")


def test_learning_rates_are_sorted_with_their_inits() -> None:
    overrides = ["learning_rates=[3, 1, 2]", "inits=[30, 10, 20]", "targets=[0.9, 0.5]"]
    settings = experiment.load("mnist-paper", overrides)
    assert settings.learning_rates == [1.0, 2.0, 3.0]
    assert settings.inits == settings.inits_each == [10, 20, 30]
    assert settings.targets == [0.5, 0.9]
    assert settings.balls[9:11] == [(0, 9), (1, 0)]
    assert len(settings.balls) == 60


def test_the_main_target_is_the_largest_unless_given() -> None:
    fields: dict[str, Any] = {"learning_rates": [1.0], "task": "mnist", "targets": [0.9, 0.7]}
    assert experiment.validated(experiment.Experiment, fields).target == 0.9
    assert experiment.validated(experiment.Experiment, {**fields, "target": 0.7}).target == 0.7


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("train_size=2000", "train_size", 2000),
        (" epsilon = 1e-6 ", "epsilon", 1e-6),
        ("epsilon=0", "epsilon", 0.0),
        ("seed=0x10", "seed", 16),
        ("dtype=float32", "dtype", "float32"),
        ('dtype="float32"', "dtype", "float32"),
        ("learning_rates=[1, 2.5]", "learning_rates", [1.0, 2.5]),
    ],
)
def test_override(override: str, field: str, value: object) -> None:
    assert getattr(experiment.load("mnist-paper", [override]), field) == value


def test_override_reaches_inside() -> None:
    overrides = ["network.hidden=[100, 50]", "network.activation=relu"]
    network = experiment.load("mnist-paper", overrides).network
    assert (network.hidden, network.activation, network.init) == ([100, 50], "relu", "normal")


# What is wrong, and what the message must name: the field, the value, the remedy.
WRONG = [
    ("learning_rates=[-1]", ["learning_rates[0] = -1", "above 0"]),
    ("learning_rates=[1e-101]", ["learning_rates[0] = 1e-101", "1e-100 to 1e+100"]),
    ("learning_rates=[1e101]", ["learning_rates[0] = 1e+101", "1e-100 to 1e+100"]),
    ("learning_rates=[1, 0]", ["learning_rates[1] = 0", "above 0"]),
    ("learning_rates=[nan]", ["learning_rates[0] = nan", "finite"]),
    ("learning_rates=[inf]", ["learning_rates[0] = inf", "finite"]),
    ("learning_rates=[]", ["learning_rates = []", "at least 1"]),
    ("learning_rates=[1, 2, 1.0]", ["learning_rates = [1", "1 is given twice", "once"]),
    ("learning_rates=1", ["learning_rates = 1", "a list"]),
    ('learning_rates=["a"]', ["learning_rates[0] = 'a'", "a number"]),
    ("learning_rates=[true]", ["learning_rates[0] = True", "a number"]),
    ("learning_rates=[[1]]", ["learning_rates[0] = [1", "a number"]),
    *(
        (f"{field}={value}", [f"{field} = {shown}", remedy])
        for field in ("replicas", "epochs", "train_size", "test_size", "inits")
        for value, shown, remedy in [
            ("0", "0", "at least"),
            ("-3", "-3", "at least"),
            ("true", "True", "a whole number"),
            ("2.5", "2.5", "a whole number"),
            ("many", "'many'", "a whole number"),
            ("1000000000000000000000", "1000000000000000000000", "at most"),
        ]
    ),
    ("inits=[1, 2]", ["inits = [1, 2]", "2 counts for 16", "one for each"]),
    ("inits=[]", ["inits = []", "0 counts for 16", "one for each"]),
    ("inits=[1, -2]", ["inits[1] = -2", "at least 1"]),
    ("inits=100000", ["inits = 100000", "1.6e+06 balls", "fewer"]),
    ("epochs=1000000", ["epochs = 1000000", "lower"]),
    ("epochs=1", ["epochs = 1", "at least 2"]),
    ("epsilon=-1e-8", ["epsilon = -1e-08", "at least 0"]),
    ("epsilon=nan", ["epsilon = nan", "finite"]),
    ("epsilon=inf", ["epsilon = inf", "finite"]),
    ("target=1.5", ["target = 1.5", "at most 1"]),
    ("target=0.6", ["target = 0.6", "choose one of targets = [0.7"]),
    ("targets=[0.7, 1.5]", ["targets[1] = 1.5", "at most 1"]),
    ("targets=[0.9, 0.9]", ["targets = [0.9, 0.9]", "twice"]),
    ("seed=-1", ["seed = -1", "at least 0"]),
    ("seed=4294967296", ["seed = 4294967296", "below 4294967296"]),
    ("memory=0", ["memory = 0", "above 0"]),
    ("memory=1e300", ["memory = 1e+300", "at most"]),
    ("dtype=float16", ["dtype = 'float16'", "'float64' or 'float32'"]),
    ("optimizer=3", ["optimizer = 3", "table"]),
    ("optimizer={nome='adam'}", ["unknown field optimizer.nome", "did you mean name"]),
    ("l2=-1", ["l2 = -1", "at least 0"]),
    ("batch_size=0", ["batch_size = 0", "at least 1"]),
    ("noise=owm", ["noise = 'owm'", "'common' or 'own'"]),
    ("network.kind=cnm", ["network.kind = 'cnm'", "'mlp' or 'cnn'"]),
    ("network.kernel=5", ["kernel = 5 has no use here", 'give kind = "cnn"']),
    ("network={kind='cnn', dropout=0.5}", ["dropout = 0.5", "only an MLP has it"]),
    ("network.options={a=1}", ["options", "give function"]),
    ("network={function='a:b', hidden=[3]}", ["hidden = [3]", "has options"]),
    ("network.dropout=1.0", ["network.dropout = 1.0", "below 1"]),
    ("task=3", ["task = 3", "a text"]),
    ("network=3", ["network = 3", "table"]),
    ("network.hidden=[0]", ["network.hidden[0] = 0", "at least 1"]),
    ("epoch=3", ["unknown field epoch", "did you mean epochs?"]),
    ("int=3", ["unknown field int", "inits"]),
    ("xyzzy=3", ["unknown field xyzzy", "fields are learning_rates"]),
    ("network.activations=relu", ["unknown field network.activations", "did you mean activation"]),
    ("network.xyzzy=relu", ["unknown field network.xyzzy", "fields are kind"]),
    ("task.name=mnist", ["task has no fields of its own", "task.name"]),
    ("epochs", ["'epochs'", "field=value"]),
    ("=3", ["'=3'", "field=value"]),
    ("network.=3", ["'network.=3'", "field=value"]),
    ("epochs=[1", ["epochs=[1", "not TOML"]),
    ("epochs=", ["epochs=", "not TOML"]),
    ("epochs=2\nseed=3", ["epochs=2", "not TOML"]),
    ("inits=" + "[" * 5000, ["not TOML"]),
    ("inits=" + "9" * 5000, ["not TOML"]),
    ("inits=0x" + "f" * 5000, ["inits = a huge int", "at most"]),
]


@pytest.mark.parametrize(("override", "words"), WRONG, ids=[w[0][:40] for w in WRONG])
def test_a_wrong_value_is_named_with_the_remedy(override: str, words: Sequence[str]) -> None:
    with pytest.raises(UserError) as caught:
        experiment.load("mnist-paper", [override])
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"epochs = ]", ["not valid TOML", "line 1"]),
        (b"a = " + b"[" * 5000, ["not valid TOML", "nested too deeply"]),
        (b"epochs = " + b"9" * 5000, ["not valid TOML"]),
        (b"\xff\xfe\x00\x01", ["not a text file", "TOML"]),
        (b"", ["learning_rates is missing"]),
        (b"learning_rates = [1.0]", ["task is missing"]),
        (b"learning_rate = [1.0]", ["unknown field learning_rate; did you mean learning_rates?"]),
        (b'"a\\nb" = 1', ["unknown field 'a\\nb'"]),
    ],
)
def test_a_broken_file_is_named(content: bytes, words: Sequence[str], tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        experiment.load(path)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("mnist-quik", "did you mean mnist-quick"),
        ("xyzzy", "presets are atlas"),
        (".", "presets are"),
        ("", "presets are"),
        ("a\0b", "presets are"),
        ("x" * 5000, "presets are"),
    ],
)
def test_a_missing_file_is_named_with_the_presets(source: str, hint: str) -> None:
    with pytest.raises(UserError, match="neither a preset nor a readable file") as caught:
        experiment.load(source)
    assert hint in str(caught.value)


def test_difference_names_fields_and_both_values() -> None:
    one = experiment.load("mnist-paper")
    other = experiment.load("mnist-paper", ["epochs=7", "network.hidden=[3]"])
    assert experiment.difference(one, one) == ""
    text = experiment.difference(one, other)
    assert text == "epochs (201 there, 7 here), network.hidden ([64] there, [3] here)"


PYTHON = [
    ({"learning_rates": []}, "learning_rates = []"),
    ({"learning_rates": 1.0}, "learning_rates = 1.0"),
    ({"learning_rates": "abc"}, "learning_rates = 'abc'"),
    ({"learning_rates": np.array([1.0, -1.0])}, "learning_rates[1] = -1.0"),
    ({"learning_rates": [1, 1.0]}, "1 is given twice"),
    ({"inits": 2.0}, "inits = 2.0"),
    ({"inits": True}, "inits = True"),
    ({"inits": (1, 2)}, "inits = [1, 2]"),
    ({"replicas": None}, "replicas = None"),
    ({"epochs": "10"}, "epochs = '10'"),
    ({"epsilon": "small"}, "epsilon = 'small'"),
    ({"epsilon": float("nan")}, "epsilon = nan"),
    ({"epsilon": 1e-20}, "epsilon = 1e-20: float64 rounds it away"),
    ({"targets": 0.9}, "targets = 0.9"),
    ({"target": 2.0}, "target = 2.0"),
    ({"seed": -1}, "seed = -1"),
    ({"memory": 1e-9}, "memory = 1e-09 GiB: one network needs"),
    ({"replicas": 100_000, "memory": 1e-4}, "replicas = 100000"),
    ({"system": "a network"}, "system = 'a network'"),
]


@pytest.mark.parametrize(("fields", "message"), PYTHON, ids=[str(p[0])[:40] for p in PYTHON])
def test_sweep_refuses_before_it_writes(
    fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    arguments = {"system": tiny.MAP, **tiny.GRID, "out": tmp_path / "deep" / "study", **fields}
    with pytest.raises(UserError) as caught:
        ct.sweep(**arguments)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"eta": -1.0}, "eta = -1.0"),
        ({"eta": float("nan")}, "eta = nan"),
        ({"eta": [1.0]}, "eta = [1.0]"),
        ({"epochs": 1}, "epochs = 1"),
        ({"replicas": 0}, "replicas = 0"),
        ({"epsilon": -1e-8}, "epsilon = -1e-08"),
        ({"epsilon": 1e-20}, "epsilon = 1e-20"),
        ({"memory": 0}, "memory = 0"),
        ({"distance": "l3"}, "distance = 'l3'"),
        ({"perturbed": []}, "perturbed = []"),
        ({"perturbed": [np.zeros(3)]}, "perturbed[0]"),
        ({"system": None}, "system = None"),
    ],
)
def test_divergence_names_its_own_arguments(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        ct.divergence(**{"system": tiny.MAP, "eta": 0.5, "epochs": 5, **fields})
    assert message in str(caught.value)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    study = ct.sweep(
        tiny.MAP,
        np.linspace(0.1, 0.9, 3),
        out=tmp_path / "study",
        inits=np.int64(2),
        replicas=np.int32(2),
        epochs=np.int64(12),
        epsilon=np.float32(1e-6),
        targets=np.array([0.5]),
    )
    assert study.grid.inits == 2
    assert study.dataset.sizes["epoch"] == 13


class Integers:
    """A map without a floating number."""

    def init(self, key: Any) -> Any:
        return np.zeros(2, np.int32)

    def step(self, state: Any, eta: Any) -> Any:
        return state + 1

    def observe(self, state: Any) -> dict[str, Any]:
        return {}


def test_a_state_without_floating_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no floating numbers to perturb"):
        ct.sweep(Integers(), [1.0], out=tmp_path / "study")
    assert not list(tmp_path.iterdir())
