"""Labelled analysis against cases worked out by hand and a plain, slow implementation."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

import chaotrain.analysis
from chaotrain import schema, statistics
from chaotrain.analysis import best_for_epochs, best_for_target, derive, summarise

NAN = np.nan
SHORT = {
    "e": schema.EXPONENTIAL,
    "b": schema.BOUNDED,
    "s": schema.SUBEXPONENTIAL,
    "c": schema.CONTRACTING,
    "u": schema.UNDECIDED,
    "x": schema.BLOW_UP,
    "-": "",
}


def study(
    verdicts: Sequence[str],
    *,
    learning_rates: Sequence[float] | None = None,
    exponents: Any = None,
    times: Any = None,
    targets: Sequence[float] = (0.9,),
    best: Any = 1.0,
    last: int = 100,
    loss: Any = 1.0,
) -> xr.Dataset:
    """A derived data set, one word of verdicts a learning rate, as `derive` would give it."""
    verdict = np.array([[SHORT[letter] for letter in word] for word in verdicts])
    shape = verdict.shape
    absent = verdict == ""
    decided = np.isin(verdict, schema.DECIDED)
    grid = np.arange(1.0, 1 + shape[0]) if learning_rates is None else np.array(learning_rates)
    exponent = np.broadcast_to(0.5 if exponents is None else exponents, shape)
    time = np.broadcast_to(10.0 if times is None else np.array(times, float).T, shape[::-1]).T
    curves = np.broadcast_to(np.atleast_1d(loss), (*shape, last + 1))
    accuracy = np.broadcast_to(np.array(best, float).T, shape[::-1]).T
    accuracy = np.repeat(accuracy[..., None], last + 1, axis=2)
    missing = absent[..., None]
    ball, epoch = (schema.LEARNING_RATE, schema.INIT), (schema.EPOCH,)
    status = np.where(verdict == schema.BLOW_UP, schema.BLOW_UP, schema.FINITE)
    return xr.Dataset(
        {
            "loss": ((*ball, *epoch), np.where(missing, NAN, curves)),
            "test_accuracy": ((*ball, *epoch), np.where(missing, NAN, accuracy)),
            "exponent": (ball, np.where(decided, exponent, NAN)),
            "verdict": (ball, verdict),
            "status": (ball, np.where(absent, schema.ABSENT, status)),
            "training_time": (
                (*ball, schema.TARGET),
                np.repeat(np.where(absent, NAN, time)[..., None], len(targets), axis=2),
            ),
            **{
                name: (ball, np.full(shape, NAN))
                for name in schema.DERIVED
                if name not in ("exponent", "verdict", "status", "training_time")
            },
        },
        {
            schema.LEARNING_RATE: grid,
            schema.INIT: np.arange(shape[1]),
            schema.EPOCH: np.arange(last + 1),
            schema.TARGET: np.array(targets, float),
        },
    )


# derive


def recorded(learning_rates: int = 2, inits: int = 2, replicas: int = 2) -> xr.Dataset:
    """Six epochs of balls that all behave: every curve is flat or falls."""
    sizes = {
        schema.LEARNING_RATE: learning_rates,
        schema.INIT: inits,
        schema.REPLICA: replicas,
        schema.EPOCH: 6,
    }
    variables = {}
    for name, variable in schema.RECORDED.items():
        shape = tuple(sizes[dim] for dim in variable.dims)
        variables[name] = (variable.dims, np.ones(shape))
    variables["loss"][1][:] = [6, 5, 4, 3, 2, 1]
    variables["test_accuracy"][1][:] = [0.1, 0.5, 0.7, 0.6, 0.8, 0.7]
    return xr.Dataset(variables, {dim: np.arange(size) for dim, size in sizes.items()})


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Replace the growth fit: the exponent is ten times the first distance."""
    seen: list[np.ndarray] = []

    def fit(distances: np.ndarray) -> SimpleNamespace:
        seen.append(distances)
        return SimpleNamespace(
            rate=10 * distances[0, 0],
            low=9.0,
            high=11.0,
            start=2,
            stop=4,
            saturation=5.0,
            verdict=schema.EXPONENTIAL,
        )

    monkeypatch.setattr(chaotrain.analysis, "fit_growth", fit)
    return seen


def test_derive_adds_what_the_schema_promises(fitted: list[np.ndarray]) -> None:
    dataset = derive(recorded(), targets=[0.7, 0.9])
    for name, variable in {**schema.RECORDED, **schema.DERIVED}.items():
        assert dataset[name].dims == variable.dims
        assert dataset[name].attrs == variable.attrs
    for name, variable in schema.COORDINATES.items():
        assert dataset[name].attrs == variable.attrs
    assert dataset.target.values.tolist() == [0.7, 0.9]
    assert (dataset.exponent == 10).all()
    assert (dataset.exponent_low == 9).all()
    assert (dataset.growth_start == 2).all()
    assert (dataset.growth_stop == 4).all()
    assert len(fitted) == 4
    assert all(distances.shape == (2, 6) for distances in fitted)


def test_derive_leaves_its_input_alone(fitted: list[np.ndarray]) -> None:
    before = recorded()
    derive(before, targets=[0.7])
    assert before.identical(recorded())


def test_derive_tells_absent_blown_up_and_finite_balls_apart(fitted: list[np.ndarray]) -> None:
    data = recorded(learning_rates=2, inits=3)
    for name in schema.RECORDED:
        data[name][0, 0] = NAN
    data["loss"][0, 1, 3] = np.inf
    data["distance"][1, 2, 1, 5:] = NAN
    dataset = derive(data, targets=[0.7])
    assert dataset.status.values.tolist() == [
        ["absent", "blow-up", "finite"],
        ["finite", "finite", "blow-up"],
    ]
    assert dataset.verdict.values.tolist() == [
        ["", "blow-up", "exponential"],
        ["exponential", "exponential", "blow-up"],
    ]
    np.testing.assert_equal(dataset.blow_up_epoch.values, [[NAN, 3, NAN], [NAN, NAN, 5]])
    finite = dataset.status == schema.FINITE
    for name in ("exponent", "exponent_low", "exponent_high", "growth_start", "saturation"):
        assert (dataset[name].notnull() == finite).all()
    assert len(fitted) == 3
    np.testing.assert_equal(dataset.loss_rise_share.values, [[NAN, NAN, 0], [0, 0, 0]])
    np.testing.assert_equal(dataset.training_time[..., 0].values, [[NAN, 2, 2], [2, 2, 2]])


@pytest.mark.parametrize(
    ("accuracy", "broken_from", "expected"),
    [
        ([0.1, 0.5, 0.7, 0.6, 0.8, 0.7], None, [2, 4, NAN]),
        ([0.1, 0.5, 0.7, 0.6, 0.8, 0.7], 3, [2, NAN, NAN]),  # reached before it blew up
        ([0.1, 0.1, 0.1, 1.0, 1.0, 1.0], 3, [NAN, NAN, NAN]),  # an arg max of NaN is no result
        ([0.9, 0.1, 0.1, 0.1, 0.1, 0.1], None, [0, 0, 0]),
        ([NAN, NAN, 0.7, 0.8, 0.9, 0.9], None, [2, 3, 4]),
    ],
)
def test_training_times(
    fitted: list[np.ndarray], accuracy: list[float], broken_from: int | None, expected: list[float]
) -> None:
    data = recorded(1, 1)
    data["test_accuracy"][0, 0] = accuracy
    if broken_from is not None:
        data["loss"][0, 0, broken_from:] = NAN
    dataset = derive(data, targets=[0.7, 0.8, 0.9])
    np.testing.assert_equal(dataset.training_time[0, 0].values, expected)


def test_measures_of_exploration(fitted: list[np.ndarray]) -> None:
    data = recorded(1, 3)
    data["loss"][0, 0] = [3, 4, 2, 3, 3, 1]  # rises in two of five steps
    data["path_length"][0, :, -1] = [6, 6, 0]
    data["displacement"][0, :, -1] = [2, 6, 0]
    dataset = derive(data, targets=[0.7])
    np.testing.assert_equal(dataset.loss_rise_share.values, [[0.4, 0, 0]])
    np.testing.assert_equal(dataset.path_ratio.values, [[3, 1, NAN]])


def test_order_of_dimensions_does_not_matter(fitted: list[np.ndarray]) -> None:
    data = recorded(2, 3)
    data["distance"][1, 2, 0, 0] = 0.05
    expected = derive(data, targets=[0.7])
    turned = derive(data.transpose(*reversed(list(data.sizes))), targets=[0.7])
    assert turned.transpose(*expected.dims).equals(expected)
    assert expected.exponent[1, 2] == 0.5


@pytest.mark.parametrize("how", ["missing", "not a number"])
def test_derive_without_losses_and_accuracies(fitted: list[np.ndarray], how: str) -> None:
    data = recorded()
    names = [name for name in schema.RECORDED if name != "distance"]
    data = data.drop_vars(names) if how == "missing" else data.assign(dict.fromkeys(names, NAN))
    if how != "missing":
        for name in names:
            data[name] = xr.full_like(recorded()[name], NAN)
    dataset = derive(data, targets=[0.7])
    assert (dataset.status == schema.FINITE).all()
    assert (dataset.exponent == 10).all()
    for name in ("training_time", "loss_rise_share", "path_ratio"):
        assert dataset[name].isnull().all()


@pytest.mark.parametrize("target", [0.0, -0.1, 1.5, NAN, True])
def test_targets_outside_the_range_are_refused(target: float) -> None:
    for call in (
        lambda: derive(recorded(), targets=[0.7, target]),
        lambda: best_for_target(recorded(), target),
    ):
        with pytest.raises(ValueError, match=f"target = {target} .* above 0 and at most 1"):
            call()


def test_a_data_set_without_distances_is_refused() -> None:
    with pytest.raises(ValueError, match="distance is not recorded"):
        derive(recorded().drop_vars("distance"), targets=[0.7])


def test_derive_and_summarise_with_the_real_fit() -> None:
    epoch = np.arange(101)
    rates = np.array([[0.0, 0.0, 0.0], [0.4, 0.5, 0.6]])
    jitter = 0.01 * np.random.default_rng(0).normal(size=(2, 3, 2, 101))
    growth = np.minimum(rates[..., None] * epoch, 14.0)[:, :, None] + jitter
    data = recorded(2, 3).drop_vars(list(schema.RECORDED)).drop_vars(schema.EPOCH)
    data["distance"] = (schema.RECORDED["distance"].dims, 1e-6 * np.exp(growth))
    data = data.assign_coords(epoch=epoch, learning_rate=[1.0, 5.0])
    summary = summarise(derive(data, targets=[0.7]), target=0.7)
    assert summary.rho.values.tolist() == [0.0, 1.0]
    assert summary.nmle.values[1] == pytest.approx(0.5, rel=0.02)
    assert summary.nmle_std.values[1] == pytest.approx(0.1, rel=0.05)


# summarise


def test_summary_by_hand() -> None:
    dataset = study(
        ["bbsc", "eebu", "eeex", "uuuu"],
        exponents=[[0.1, 0.2, 0.3, -0.2], [0.5, 0.7, 0.0, 9], [0.6, 0.8, 1.0, 9], [9] * 4],
        times=[[50, 60, NAN, NAN], [20, 30, 40, 50], [10, NAN, NAN, 30], [NAN] * 4],
    )
    summary = summarise(dataset, target=0.9)
    np.testing.assert_allclose(summary.nmle, [0.1, 0.4, 0.8, NAN])
    np.testing.assert_allclose(
        summary.nmle_std, [np.std([0.1, 0.2, 0.3, -0.2], ddof=1), np.sqrt(0.13), 0.2, NAN]
    )
    np.testing.assert_allclose(summary.rho, [0, 2 / 3, 1, NAN])
    assert summary.ran.values.tolist() == [4, 4, 4, 4]
    assert summary.decided.values.tolist() == [4, 3, 3, 0]
    mean = summary.mean_training_time[:, 0]
    np.testing.assert_allclose(mean, [77.5, 35, 60, 100])  # the blown up counts with its 30
    np.testing.assert_allclose(summary.reached[:, 0], [0.5, 1, 0.5, 0])
    np.testing.assert_allclose(summary.reached_training_time[:, 0], [55, 35, 20, NAN])
    low, high = statistics.wilson_interval([0, 2, 3], [4, 3, 3])
    np.testing.assert_allclose(summary.rho_low[:3], low)
    np.testing.assert_allclose(summary.rho_high[:3], high)
    assert (summary.nmle_low < summary.nmle)[:3].all()
    assert (summary.nmle < summary.nmle_high)[:3].all()
    assert (summary.mean_training_time_low[:3] < summary.mean_training_time[:3]).all()
    assert summary.mean_training_time_low[3] == summary.mean_training_time_high[3] == 100
    # ρ = 0, 2/3, 1 at η = 1, 2, 3; at η = 4, trainable, nothing confirms a full onset.
    assert summary.attrs["eta_0"] == pytest.approx(2**0.75)
    assert np.isnan(summary.attrs["eta_1"])
    assert np.isnan(summary.attrs["eta_1_high"])
    assert summary.attrs["eta_fastest"] == 2.0
    assert np.isnan(summary.attrs["eta_ratio"])


def test_summary_is_what_the_schema_promises() -> None:
    summary = summarise(study(["bbb", "eee"], targets=[0.7, 0.9]), target=0.7)
    assert list(summary.data_vars) == list(schema.SUMMARY)
    for name, variable in schema.SUMMARY.items():
        assert summary[name].dims == variable.dims
        assert summary[name].attrs == variable.attrs
    assert set(summary.attrs) == {*schema.SUMMARY_ATTRIBUTES, "target"}
    assert all(type(value) is float for value in summary.attrs.values())
    assert summary.attrs["target"] == 0.7


def test_eta_1_comes_with_the_tested_learning_rate_before_it() -> None:
    attributes = summarise(study(["bbb", "bbb", "eee", "eee"]), target=0.9).attrs
    limits = tuple(attributes[f"eta_1{limit}"] for limit in ("_low", "", "_high"))
    assert limits == (2.0, 3.0, 3.0)
    assert summarise(study(["eee"]), target=0.9).attrs["eta_1_low"] == 0.0


def test_fastest_and_ratio_for_every_target() -> None:
    dataset = study(["bbb", "eee", "eee"], targets=[0.8, 0.9])
    times = np.full((3, 3, 2), NAN)
    times[..., 0] = [[5, 6, 7], [15, 16, 17], [25, 26, 27]]
    times[1, :2, 1] = 30  # two of three reach it
    times[2, :1, 1] = 10
    summary = summarise(dataset.assign(training_time=(dataset.training_time.dims, times)), 0.9)
    assert summary.eta_fastest.values.tolist() == [1.0, 2.0]
    assert summary.eta_ratio.values.tolist() == [0.5, 1.0]
    assert summary.attrs["eta_fastest"] == 2.0
    assert summary.attrs["eta_ratio"] == 1.0
    assert summary.eta_fastest_low.values[0] == summary.eta_fastest_high.values[0] == 1.0


EPOCH = np.arange(101)
FLAT, FALLING = np.ones(101), 3.0 - 1e-4 * EPOCH


@pytest.mark.parametrize(
    ("verdicts", "best", "loss", "expected"),
    [
        ("bbb", 0.95, FLAT, "exploitation"),
        ("ebb", 0.95, FLAT, "exploitation"),
        ("eeb", 0.95, FLAT, "exploration-exploitation"),
        ("ebuu", 0.95, FLAT, "exploration-exploitation"),  # ρ = 1/2 of the decided
        ("ccc", 0.5, FALLING, "too slow"),
        ("eee", 0.5, FALLING, "too slow"),
        ("eee", 0.5, FLAT, "no learning"),
        ("xxx", 0.5, np.where(EPOCH < 50, 3.0, np.inf), "no learning"),
        ("eee", [[0.95, 0.95, 0.5]], FLAT, "exploration-exploitation"),  # by the median
        ("eee", [[0.95, 0.5, 0.5]], FLAT, "no learning"),
        ("uuu", 0.95, FLAT, ""),  # trainable, but ρ is not known
        ("---", 0.95, FLAT, ""),
    ],
)
def test_regimes(verdicts: str, best: Any, loss: np.ndarray, expected: str) -> None:
    summary = summarise(study([verdicts], best=best, loss=loss, targets=[0.95, 0.9]), target=0.95)
    assert summary.regime.values.tolist() == [expected]


def test_the_median_loss_counts_a_blow_up_as_infinite() -> None:
    loss = np.stack([FALLING, FALLING, np.where(EPOCH < 50, 3.0, NAN)])
    assert summarise(study(["bbx"], best=0.5, loss=loss), 0.9).regime.item() == "too slow"
    loss[1] = loss[2]
    assert summarise(study(["bxx"], best=0.5, loss=loss), 0.9).regime.item() == "no learning"


def test_trainability_is_the_median_at_the_lowest_target() -> None:
    dataset = study(["eeee", "bbbb"], best=[[0.6, 0.7, 0.8, 0.9], [0.6, 0.6, 0.78, 0.9]])
    dataset = dataset.assign_coords(target=[0.75])
    summary = summarise(dataset, target=0.75)
    np.testing.assert_allclose(summary.best_accuracy, [0.75, 0.69])
    assert summary.regime.values.tolist() == ["exploration-exploitation", "no learning"]
    assert summary.attrs["eta_1"] == 1.0  # the larger one is not trainable


def random_study(seed: int = 0) -> xr.Dataset:
    """A ragged study with all kinds of balls, chaotic for large learning rates."""
    generator = np.random.default_rng(seed)
    grid = np.array([1.0, 2.5, 5.0, 7.5, 10.0, 15.0])
    shape = (grid.size, 12)
    letters = np.array(list("besux"))
    chances = [[0.0, 0.8, 0.2, 0, 0], [0.1, 0.9, 0, 0, 0], [0.4, 0.4, 0, 0.2, 0]]
    chances += [[0.9, 0.1, 0, 0, 0], [0.98, 0, 0, 0.02, 0], [0.8, 0, 0, 0.1, 0.1]]
    words = [letters[generator.choice([1, 0, 2, 3, 4], 12, p=chance)] for chance in chances]
    for word in (words[0], words[-1]):
        word[5:] = "-"
    times = generator.integers(20, 120, size=shape) / [[0.5], [1], [2], [3], [2], [0.5]]
    return study(
        ["".join(word) for word in words],
        learning_rates=list(grid),
        exponents=generator.normal(0.5, 0.2, size=shape),
        times=np.where(times > 100, NAN, np.ceil(times)),
        best=generator.uniform(0.85, 0.99, size=shape),
    )


def plain_summary(dataset: xr.Dataset, drawn: list[np.ndarray]) -> dict[str, Any]:
    """The definitions once more, for one sample: drawn[r] are the initialisations at rate r."""
    grid = dataset.learning_rate.values
    last = float(dataset.epoch[-1])
    nmle, rho, decided, trainable, time, reached = [], [], [], [], [], []
    for rate, members in enumerate(drawn):
        balls = dataset.isel(learning_rate=rate, init=members)
        verdict = balls.verdict.values
        known = np.isin(verdict, schema.DECIDED)
        decided.append(known.sum())
        rho.append((verdict == "exponential").sum() / known.sum() if known.any() else NAN)
        nmle.append(balls.exponent.values[known].mean() if known.any() else NAN)
        trainable.append(np.median(balls.test_accuracy.max("epoch")) >= 0.9)
        tau = balls.training_time.values[:, 0]
        time.append(np.where(np.isnan(tau), last, tau).mean())
        reached.append((~np.isnan(tau)).mean())
    eta_1 = np.inf
    for rate in range(grid.size):
        larger = [s for s in range(rate + 1, grid.size) if trainable[s]]
        if all(decided[s] > 0 and rho[s] == 1 for s in [rate, *larger]):
            eta_1 = grid[rate]
            break
    before = max([0.0, *(g for g, d in zip(grid, decided, strict=True) if d and g < eta_1)])
    able = [rate for rate in range(grid.size) if reached[rate] >= 0.5]
    eta_fastest = grid[min(able, key=lambda rate: time[rate])] if able else NAN
    # Isotonic regression by its max-min formula: max over starts of min over ends of the mean.
    known = [rate for rate in range(grid.size) if decided[rate]]
    share, weight = np.array(rho)[known], np.array(decided)[known]
    fit = [
        max(
            min(
                np.average(share[a : b + 1], weights=weight[a : b + 1])
                for b in range(k, len(known))
            )
            for a in range(k + 1)
        )
        for k in range(len(known))
    ]
    fit = np.round(fit, 12)
    if fit[0] >= 0.5 or fit[-1] <= 0.5:
        eta_0 = 0.0 if fit[-1] > 0.5 else np.inf if fit[0] < 0.5 else NAN
    else:
        position = np.log(grid[known])
        # The generalised inverse from below and from above.
        fine = [np.interp(0.5 + side, fit, position) for side in (-1e-11, 1e-11)]
        eta_0 = np.exp(np.mean(fine))
    return {
        "nmle": np.array(nmle),
        "mean_training_time": np.array(time),
        "eta_0": eta_0,
        "eta_1": eta_1,
        "before": before,
        "eta_fastest": eta_fastest,
    }


def test_summary_is_that_of_a_plain_implementation() -> None:
    dataset = random_study()
    samples = 150
    summary = summarise(dataset, target=0.9, samples=samples, seed=4)
    ran = dataset.verdict.values != ""
    weights = statistics.resample(ran, samples, 4)
    point = plain_summary(dataset, [np.flatnonzero(row) for row in ran])
    replicates = [
        plain_summary(dataset, [np.repeat(np.arange(12), weights[:, s, r]) for r in range(6)])
        for s in range(samples)
    ]
    np.testing.assert_allclose(summary.nmle, point["nmle"])
    np.testing.assert_allclose(summary.mean_training_time[:, 0], point["mean_training_time"])
    for name in ("eta_0", "eta_1", "eta_fastest"):
        assert summary.attrs[name] == pytest.approx(point[name], rel=1e-9)
    assert summary.attrs["eta_ratio"] == point["eta_fastest"] / point["eta_1"]

    def limits(name: str, size: Any) -> tuple[np.ndarray, np.ndarray]:
        return statistics.bootstrap_interval(np.array([r[name] for r in replicates]), size)

    decided = summary.decided.values
    np.testing.assert_allclose((summary.nmle_low, summary.nmle_high), limits("nmle", decided))
    np.testing.assert_allclose(
        (summary.mean_training_time_low[:, 0], summary.mean_training_time_high[:, 0]),
        limits("mean_training_time", summary.ran.values),
    )
    grid = dataset.learning_rate.values
    size_0 = statistics.supporting_size(grid, decided, point["eta_0"])
    size_1 = statistics.supporting_size(grid, decided, point["eta_1"])
    size_1 = min(size_1, statistics.supporting_size(grid, decided, point["before"]))
    assert size_0 >= 3
    assert size_1 >= 3
    attributes = summary.attrs
    low, high = statistics.half_crossing_interval(
        grid,
        (dataset.verdict.values == "exponential").sum(axis=1),
        decided,
        np.array([replicate["eta_0"] for replicate in replicates]),
        size_0,
    )
    assert (attributes["eta_0_low"], attributes["eta_0_high"]) == pytest.approx((low, high), 1e-6)
    assert attributes["eta_1_low"] == limits("before", size_1)[0]
    assert attributes["eta_1_high"] == limits("eta_1", size_1)[1]
    assert attributes["eta_1_low"] < attributes["eta_1"] <= attributes["eta_1_high"]
    size = statistics.supporting_size(grid, summary.ran.values, point["eta_fastest"])
    assert (attributes["eta_fastest_low"], attributes["eta_fastest_high"]) == tuple(
        map(float, limits("eta_fastest", size))
    )


def test_summary_repeats_itself_to_the_byte() -> None:
    first, second = (summarise(random_study(), target=0.9) for _ in range(2))
    assert first.to_dict().__repr__() == second.to_dict().__repr__()
    for name in first.data_vars:
        assert first[name].values.tobytes() == second[name].values.tobytes()


def test_permuted_initialisations_and_learning_rates_change_no_estimate() -> None:
    dataset = random_study()
    turned = dataset.isel(
        init=np.random.default_rng(1).permutation(12), learning_rate=slice(None, None, -1)
    )
    first, second = (summarise(data, target=0.9) for data in (dataset, turned))
    for name in schema.SUMMARY:
        if not name.endswith(("_low", "_high")) and name != "regime":
            np.testing.assert_allclose(first[name].values, second[name].values, rtol=1e-12)
    assert first.regime.equals(second.regime)
    for name in ("eta_0", "eta_1", "eta_fastest", "eta_ratio"):
        assert first.attrs[name] == pytest.approx(second.attrs[name], rel=1e-12, nan_ok=True)


def test_ragged_study_has_intervals_where_enough_was_run() -> None:
    # Two initialisations everywhere, six around the onset.
    dataset = study(
        ["bb----", "bb----", "bbbbbb", "eeeeeb", "eeeeee", "ee----"],
        learning_rates=[1, 2.5, 5, 7.5, 10, 15],
        exponents=np.linspace(0.4, 0.9, 6),
        times=[[NAN] * 6, [90] * 6, [50] * 6, [25, 30, 35, 20, 35, 25], [70] * 6, [NAN] * 6],
        best=[[0.99] * 6] * 5 + [[0.5] * 6],
    )
    summary = summarise(dataset, target=0.9)
    assert summary.ran.values.tolist() == [2, 2, 6, 6, 6, 2]
    enough = summary.ran.values >= 3
    assert (np.isfinite(summary.nmle_low.values) == enough).all()
    assert (np.isfinite(summary.mean_training_time_high.values[:, 0]) == enough).all()
    attributes = summary.attrs
    assert attributes["eta_1"] == 10.0
    assert (attributes["eta_1_low"], attributes["eta_1_high"]) == (5.0, 10.0)
    assert 5 < attributes["eta_0_low"] <= attributes["eta_0"] <= attributes["eta_0_high"] < 10
    assert attributes["eta_fastest_low"] == attributes["eta_fastest_high"] == 7.5
    assert attributes["eta_ratio"] == 0.75
    assert np.isfinite(attributes["eta_ratio_low"])


def test_two_initialisations_give_estimates_without_intervals() -> None:
    summary = summarise(study(["bb", "eb", "ee"]), target=0.9)
    assert summary.attrs["eta_0"] == 2.0
    assert summary.attrs["eta_1"] == 3.0
    for name, value in summary.attrs.items():
        assert np.isnan(value) == name.endswith(("_low", "_high"))
    assert summary.nmle_low.isnull().all()
    assert summary.rho_low.notnull().all()


def test_summary_without_an_accuracy() -> None:
    dataset = study(["bbbb", "eeee", "eeee", "xxxe"]).drop_vars("test_accuracy")
    dataset["training_time"] = xr.full_like(dataset.training_time, NAN)
    summary = summarise(dataset, target=0.9)
    for name in ("mean_training_time", "reached", "best_accuracy", "eta_fastest"):
        assert summary[name].isnull().all()
    assert (summary.regime == "").all()
    assert summary.attrs["eta_1"] == 2.0


def test_summary_of_a_study_without_targets() -> None:
    dataset = study(["bbbb", "eeee"], targets=[]).drop_vars("test_accuracy")
    summary = summarise(dataset, target=NAN)
    assert summary.attrs["eta_1"] == 2.0
    assert np.isnan(summary.attrs["target"])
    assert np.isnan(summary.attrs["eta_fastest"])
    assert summary.mean_training_time.shape == (2, 0)


def test_summary_of_a_study_that_has_not_begun() -> None:
    summary = summarise(study(["---", "---"]), target=0.9)
    assert (summary.ran == 0).all()
    assert (summary.regime == "").all()
    assert summary.nmle.isnull().all()
    assert summary.reached.isnull().all()
    assert all(np.isnan(summary.attrs[name]) for name in schema.SUMMARY_ATTRIBUTES)


def test_a_target_that_the_study_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"target = 0.5 is not a target .* choose from 0.9"):
        summarise(study(["bbb"]), target=0.5)


# best


def accuracies(curves: Any) -> xr.Dataset:
    """Recorded test accuracies, shape (learning_rate, init, epoch), learning rates 1, 2, ..."""
    values = np.asarray(curves, dtype=float)
    return xr.Dataset(
        {"test_accuracy": (schema.RECORDED["test_accuracy"].dims, values)},
        {
            schema.LEARNING_RATE: np.arange(1.0, 1 + values.shape[0]),
            schema.EPOCH: np.arange(values.shape[2]),
        },
    )


CURVES = [
    [[0.1, 0.8, 0.85, 0.9], [0.1, 0.8, 0.85, 0.88], [0.1, 0.8, 0.85, 0.88]],
    [[0.1, 0.5, 0.92, 0.92], [0.1, 0.5, 0.7, 0.91], [0.1, 0.5, 0.6, 0.7]],
    [[0.1, 0.1, 0.99, 0.99], [0.1, 0.1, 0.2, 0.3], [0.1, 0.1, 0.2, 0.3]],
]


def test_best_for_a_target_by_hand() -> None:
    best = best_for_target(accuracies(CURVES), target=0.9)
    assert best.learning_rate == 2.0  # 3 is faster once but only a third reach it
    assert best.time == pytest.approx((2 + 3 + 3) / 3)
    assert best.share == pytest.approx(2 / 3)
    # In more than 5% of the samples no learning rate qualifies.
    assert np.isnan(best.low)
    assert np.isnan(best.high)
    assert np.isnan(best.score)
    assert best.epochs == 3
    assert str(best).startswith("The learning rate 2 (no interval from these initialisations) ")
    assert "0.9 first: mean time 2.7 of 3 epochs, reached by 67% of the" in str(best)
    best = best_for_target(accuracies(CURVES), target=0.8)
    assert (best.learning_rate, best.low, best.high) == (1.0, 1.0, 1.0)


def test_best_for_epochs_by_hand() -> None:
    best = best_for_epochs(accuracies(CURVES), epochs=2)
    assert (best.learning_rate, best.score) == (1.0, pytest.approx(0.85))
    assert best.low <= best.learning_rate <= best.high
    assert str(best).endswith("has the best test accuracy after 2 epochs: 0.8500.")
    assert np.isnan(best.time)
    assert np.isnan(best.target)


def test_best_counts_a_blow_up_with_nothing() -> None:
    curves = np.array(CURVES)
    curves[0, :2, 2:] = NAN
    assert best_for_epochs(accuracies(curves), epochs=2).learning_rate == 2.0


def test_best_agrees_with_the_summary() -> None:
    dataset = accuracies(np.random.default_rng(3).uniform(size=(5, 8, 30)) ** 0.2)
    dataset["distance"] = (
        schema.RECORDED["distance"].dims,
        np.ones((5, 8, 1, 30)) + 0.01 * np.random.default_rng(4).uniform(size=(5, 8, 1, 30)),
    )
    derived = derive(dataset, targets=[0.99, 0.995])
    summary = summarise(derived, target=0.99)
    best = best_for_target(derived, target=0.99)
    assert best.learning_rate == summary.attrs["eta_fastest"]
    assert best.low == summary.attrs["eta_fastest_low"]
    assert best.high == summary.attrs["eta_fastest_high"]
    assert best.time == summary.mean_training_time.sel(learning_rate=best.learning_rate)[0]


def test_nothing_qualifies() -> None:
    best = best_for_target(accuracies(CURVES), target=1.0)
    assert np.isnan([best.learning_rate, best.low, best.high, best.time, best.share]).all()
    assert str(best) == (
        "No learning rate reaches a test accuracy of 1 within 3 epochs in at least half of the "
        "initialisations."
    )


def test_two_initialisations_choose_without_an_interval() -> None:
    best = best_for_epochs(accuracies(np.array(CURVES)[:, :2]), epochs=3)
    assert best.learning_rate == 2.0
    assert np.isnan(best.low)
    assert np.isnan(best.high)
    assert "no interval" in str(best)


@pytest.mark.parametrize("epochs", [0, -1, 4, 1.5, True, NAN])
def test_epochs_outside_the_run_are_refused(epochs: Any) -> None:
    with pytest.raises(ValueError, match=f"epochs = {epochs} is not in the run: .* 1 to 3"):
        best_for_epochs(accuracies(CURVES), epochs)


def test_best_needs_an_accuracy() -> None:
    data = recorded().drop_vars("test_accuracy")
    for call in (lambda: best_for_target(data, 0.9), lambda: best_for_epochs(data, 3)):
        with pytest.raises(ValueError, match="test_accuracy is not recorded"):
            call()
