"""What is derived from recorded curves, a ball at a time, against cases worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import chaotrain.analysis.derived
from chaotrain import schema
from chaotrain.analysis import derive

NAN = np.nan


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
    for name in (schema.FOLLOWED, schema.TRAINED):
        variables[name][1][:] = 5
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

    monkeypatch.setattr(chaotrain.analysis.derived, "fit_growth", fit)
    return seen


def test_derive_adds_what_the_schema_promises(fitted: list[np.ndarray]) -> None:
    dataset = derive(recorded(), targets=[0.7, 0.9])
    for name, variable in {**schema.RECORDED, **schema.DERIVED}.items():
        assert dataset[name].dims == variable.dims
        assert dataset[name].attrs == variable.attrs
    assert schema.COORDINATES.keys() - dataset.coords.keys() == {schema.LAYER}
    for name in dataset.coords:
        assert dataset[name].attrs == schema.COORDINATES[name].attrs
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
    if how == "missing":
        data = data.drop_vars(names)
    else:
        data = data.assign({name: xr.full_like(data[name], NAN) for name in names})
    dataset = derive(data, targets=[0.7])
    assert (dataset.status == schema.FINITE).all()
    assert (dataset.exponent == 10).all()
    for name in ("training_time", "loss_rise_share", "path_ratio"):
        assert dataset[name].isnull().all()


@pytest.mark.parametrize("target", [0.0, -0.1, 1.5, NAN, True])
def test_targets_outside_the_range_are_refused(target: float) -> None:
    with pytest.raises(ValueError, match=f"target = {target} .* above 0 and at most 1"):
        derive(recorded(), targets=[0.7, target])


def test_a_data_set_without_distances_is_refused() -> None:
    with pytest.raises(ValueError, match="neither distance nor tangent_growth is recorded"):
        derive(recorded().drop_vars(["distance", "tangent_growth"]), targets=[0.7])
