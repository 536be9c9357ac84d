"""Initialisations, activations, convolutions, pooling and dropout against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, test_util
from scipy import special, stats

import chaotrain as ct
from chaotrain.networks.conv import average_pool, direct, im2col, im2col_by_rows, max_pool
from chaotrain.networks.inits import init_named

# The standard deviation of a normal cut at two of its standard deviations.
CUT = stats.truncnorm(-2, 2).std()
Convolve = Callable[[Array, Array], Array]
SHAPES = [(300, 200), (3, 3, 20, 120)]


@pytest.fixture(autouse=True)
def in_float64() -> object:
    with jax.enable_x64(True):
        yield


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def expected(init: str, shape: tuple[int, ...], scale: float) -> stats.rv_continuous:
    inputs, outputs = fans(shape)
    if init == "normal":
        return stats.norm(0, scale)
    if init == "pytorch":
        bound = scale / math.sqrt(inputs)
        return stats.uniform(-bound, 2 * bound)
    variance = 2 / inputs if init == "he" else 2 / (inputs + outputs)
    return stats.truncnorm(-2, 2, scale=scale * math.sqrt(variance) / CUT)


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("shape", SHAPES, ids=["dense", "convolution"])
@pytest.mark.parametrize("init", ["normal", "glorot", "he", "pytorch"])
def test_weights_follow_their_distribution(init: str, shape: tuple[int, ...], scale: float) -> None:
    weight, bias = init_named(init, scale)(jax.random.key(3), shape, jnp.float64)
    wanted = expected(init, shape, scale)
    values = np.ravel(weight)
    assert stats.kstest(values, wanted.cdf).pvalue > 1e-3
    assert values.std() == pytest.approx(wanted.std(), rel=5 / math.sqrt(values.size))
    assert bias.shape == shape[-1:]
    if init == "pytorch":
        bound = 1 / math.sqrt(fans(shape)[0])
        assert stats.kstest(bias, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3
    else:
        assert not np.any(bias)


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (3, 3, 2, 6)])
def test_orthogonal_weights_are_orthogonal(shape: tuple[int, ...], scale: float) -> None:
    weight, bias = init_named("orthogonal", scale)(jax.random.key(0), shape, jnp.float64)
    matrix = weight.reshape(-1, shape[-1])
    small = matrix.T @ matrix if len(matrix) >= shape[-1] else matrix @ matrix.T
    np.testing.assert_allclose(small, scale**2 * np.eye(len(small)), atol=1e-12)
    assert not np.any(bias)


def test_orthogonal_weights_are_uniform() -> None:
    """An entry of a uniform 3 × 3 orthogonal matrix is uniform on (-1, 1), as Archimedes knew."""
    draw = init_named("orthogonal")
    keys = jax.random.split(jax.random.key(0), 4000)
    entries = jax.vmap(lambda key: draw(key, (3, 3), jnp.float64)[0][1, 2])(keys)
    assert stats.kstest(entries, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_scale_of_one_leaves_every_bit() -> None:
    for init, distribution in ct.networks.INITS.items():
        weight, _ = init_named(init)(jax.random.key(1), (20, 30), jnp.float64)
        plain = distribution(jax.random.key(1), (20, 30), jnp.float64)
        np.testing.assert_array_equal(weight, plain)


def test_pytorch_init_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = [torch.nn.Linear(300, 200), torch.nn.Conv2d(20, 120, 3)]
    for layer, shape in zip(layers, SHAPES, strict=True):
        weight, bias = init_named("pytorch")(jax.random.key(3), shape, jnp.float64)
        for ours, theirs in ((weight, layer.weight), (bias, layer.bias)):
            assert stats.ks_2samp(np.ravel(ours), theirs.detach().numpy().ravel()).pvalue > 1e-3


def test_normal_weights_are_standard_normal_and_biases_zero() -> None:
    first, last = ct.networks.mlp([784, 64, 10]).init(jax.random.key(0), "float64")
    assert first["weight"].shape == (64, 784)
    assert last["weight"].shape == (10, 64)
    assert stats.kstest(np.ravel(first["weight"]), stats.norm.cdf).pvalue > 1e-3
    assert not np.any(first["bias"])
    assert not np.any(last["bias"])


def test_scale_multiplies_the_weights_of_a_network() -> None:
    makers: list[Callable[[float], ct.Network]] = [
        lambda scale: ct.networks.mlp([5, 4, 3], init="pytorch", scale=scale),
        lambda scale: ct.networks.cnn((4, 4, 1), 3, init="pytorch", scale=scale),
    ]
    for make in makers:
        one, three = (make(s).init(jax.random.key(0), "float64") for s in (1.0, 3.0))
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(three), strict=True):
            np.testing.assert_allclose(b, 3 * a if a.ndim >= 2 else a, rtol=1e-15)
        assert make(3.0).name == f"{make(1.0).name} scale 3.0"


CLOSED_FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": special.expit,
    "gelu": lambda x: x * special.ndtr(x),
    "softplus": lambda x: np.logaddexp(0, x),
    "sin": np.sin,
    "identity": lambda x: x,
}


def test_activations_are_their_closed_forms() -> None:
    assert CLOSED_FORMS.keys() == ct.networks.ACTIVATIONS.keys()
    x = np.linspace(-30, 30, 1001)
    for name, activation in ct.networks.ACTIVATIONS.items():
        np.testing.assert_allclose(
            activation(jnp.asarray(x)), CLOSED_FORMS[name](x), rtol=1e-12, atol=1e-15
        )


@pytest.mark.slow
@pytest.mark.parametrize("own", [im2col, im2col_by_rows])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(1, 6, 7, 3), (4, 5, 4, 2), (2, 2, 9, 1)])
def test_im2col_is_convolution(own: Convolve, kernel: int, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    signal = jnp.asarray(random.normal(size=shape))
    weight = jnp.asarray(random.normal(size=(2, 3, kernel, kernel, shape[0])))

    def value(convolve: Convolve) -> Convolve:
        return lambda weight, signal: jnp.sum(jnp.sin(convolve(weight, signal)))

    ours, theirs = own(weight[0], signal), direct(weight[0], signal)
    assert ours.shape == theirs.shape == (3, *shape[1:])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    for axes in (0, None), (0, 0):
        signals = signal if axes[1] is None else jnp.stack([signal, 2 * signal])
        slopes = [
            jax.vmap(jax.grad(value(convolve), argnums=(0, 1)), axes)(weight, signals)
            for convolve in (own, direct)
        ]
        for a, b in zip(*slopes, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_other_backends_convolve_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    network, elsewhere = (ct.networks.cnn((8, 6, 2), 3) for _ in range(2))
    parameters = network.init(jax.random.key(0), "float64")
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(4, 96)))
    here = network.apply(parameters, inputs)
    assert "conv_general_dilated" not in str(jax.make_jaxpr(network.apply)(parameters, inputs))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert "conv_general_dilated" in str(jax.make_jaxpr(elsewhere.apply)(parameters, inputs))
    np.testing.assert_allclose(elsewhere.apply(parameters, inputs), here, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_pooling_takes_squares(size: tuple[int, int]) -> None:
    signal = np.random.default_rng(0).normal(size=(3, *size, 2))
    rows, columns = size[0] // 2, size[1] // 2
    squares = signal[:, : 2 * rows, : 2 * columns].reshape(3, rows, 2, columns, 2, 2)
    np.testing.assert_array_equal(max_pool(jnp.asarray(signal)), squares.max(axis=(2, 4)))
    means = average_pool(jnp.asarray(signal))
    np.testing.assert_allclose(means, squares.mean(axis=(2, 4)), rtol=1e-12, atol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_cnn_is_that_of_pytorch(pooling: str) -> None:
    torch = pytest.importorskip("torch")
    network = ct.networks.cnn((9, 8, 2), 3, (4, 5), hidden=(6,), init="pytorch", pooling=pooling)
    parameters = network.init(jax.random.key(0), "float64")
    images = np.random.default_rng(0).normal(size=(5, 9, 8, 2))
    pool = {"max": torch.nn.MaxPool2d, "average": torch.nn.AvgPool2d}[pooling]
    layers = [
        *(torch.nn.Conv2d(2, 4, 3, padding="same"), torch.nn.Tanh(), pool(2)),
        *(torch.nn.Conv2d(4, 5, 3, padding="same"), torch.nn.Tanh(), pool(2), torch.nn.Flatten()),
        *(torch.nn.Linear(20, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3)),
    ]
    model = torch.nn.Sequential(*layers).double()
    own = [*parameters["convolutions"], *parameters["dense"]]
    theirs = [layer for layer in layers if hasattr(layer, "weight")]
    for ours, layer in zip(own, theirs, strict=True):
        weight = np.asarray(ours["weight"])
        layer.weight.data = torch.tensor(
            weight if weight.ndim == 2 else weight.transpose(0, 3, 1, 2)
        )
        layer.bias.data = torch.tensor(np.asarray(ours["bias"]))
    outputs = model(torch.tensor(images.transpose(0, 3, 1, 2)))
    outputs.sin().sum().backward()
    flat = jnp.asarray(images.reshape(5, -1))
    np.testing.assert_allclose(
        network.apply(parameters, flat), outputs.detach(), rtol=1e-12, atol=1e-12
    )
    slopes = jax.grad(lambda p: jnp.sum(jnp.sin(network.apply(p, flat))))(parameters)
    for ours, layer in zip([*slopes["convolutions"], *slopes["dense"]], theirs, strict=True):
        slope = layer.weight.grad.numpy()
        slope = slope if slope.ndim == 2 else slope.transpose(0, 2, 3, 1)
        np.testing.assert_allclose(ours["weight"], slope, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(ours["bias"], layer.bias.grad, rtol=1e-10, atol=1e-12)


def test_images_may_come_in_their_shape_or_flat() -> None:
    network = ct.networks.cnn((4, 6, 2), 3)
    parameters = network.init(jax.random.key(0), "float64")
    images = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4, 6, 2)))
    flat = network.apply(parameters, images.reshape(5, -1))
    np.testing.assert_array_equal(network.apply(parameters, images), flat)


def test_dropout_needs_a_key_and_keeps_the_mean() -> None:
    rate = 0.3
    network = ct.networks.mlp([4, 2000, 1], "identity", dropout=rate)
    assert network.stochastic
    assert not ct.networks.mlp([4, 5, 1]).stochastic
    parameters = network.init(jax.random.key(0), "float64")
    plain = ct.networks.mlp([4, 2000, 1], "identity").apply
    x = jnp.ones((1, 4))
    np.testing.assert_array_equal(network.apply(parameters, x, None), plain(parameters, x))

    # With one output the sum over hidden units is Σ v h m/(1 - p) with independent m: its mean and
    # variance over keys are known.
    keys = jax.random.split(jax.random.key(1), 3000)
    outputs = jax.vmap(lambda key: network.apply(parameters, x, key)[0, 0])(keys)
    terms = parameters[1]["weight"][0] * (parameters[0]["weight"] @ x[0])
    deviation = float(jnp.sqrt(jnp.sum(terms**2) * rate / (1 - rate)))
    mean = float(jnp.sum(terms))
    assert float(outputs.mean()) == pytest.approx(mean, abs=4 * deviation / math.sqrt(3000))
    assert float(outputs.std()) == pytest.approx(deviation, rel=0.06)


def test_dropout_has_the_gradient_of_what_its_key_leaves() -> None:
    """In evaluation it is that of any network: tests/test_conformance.py."""
    network = ct.networks.mlp([5, 6, 6, 3], dropout=0.3)
    parameters = network.init(jax.random.key(0), "float64")
    x = jnp.asarray(np.random.default_rng(1).normal(size=(7, 5)))

    def value(parameters: ct.networks.Parameters) -> Array:
        return jnp.sum(jnp.sin(network.apply(parameters, x, jax.random.key(5))))

    tolerance = {"atol": 1e-7, "rtol": 1e-7, "eps": 1e-5}
    test_util.check_grads(value, (parameters,), 1, ("fwd", "rev"), **tolerance)


def test_dropout_draws_every_layer_and_sample_anew_and_each_key_once() -> None:
    network = ct.networks.mlp([3, 50, 50, 50], "identity", init="orthogonal", dropout=0.5)
    parameters = network.init(jax.random.key(0), "float64")
    x = jnp.ones((2, 3))
    first, second = network.apply(parameters, x, jax.random.key(1))
    assert not np.allclose(first, second)
    again = network.apply(parameters, x, jax.random.key(1))
    np.testing.assert_array_equal(again, [first, second])
    assert not np.allclose(network.apply(parameters, x, jax.random.key(2)), again)
    # Members that share a key share the masks: in a ball the noise is common.
    block = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), parameters)
    a, b = jax.vmap(network.apply, (0, None, None))(block, x, jax.random.key(1))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ct.networks.mlp([5]), r"layers = \[5\]"),
        (lambda: ct.networks.mlp([5, 0, 3]), r"layers = \[5, 0, 3\]"),
        (lambda: ct.networks.mlp([5, 3], "tanhh"), "'tanhh' is unknown; did you mean tanh?"),
        (lambda: ct.networks.mlp([5, 3], "xyz"), "activation = 'xyz' is unknown; choose one of ta"),
        (lambda: ct.networks.mlp([5, 3], init="norm"), "'norm' is unknown; did you mean normal?"),
        (
            lambda: ct.networks.mlp([5, 3], init="xyz"),
            "init = 'xyz' is unknown; choose one of norm",
        ),
        (lambda: ct.networks.mlp([5, 3], scale=0.0), "scale = 0.0: give a number above 0"),
        (lambda: ct.networks.mlp([5, 3], scale=math.nan), "scale = nan"),
        (lambda: ct.networks.mlp([5, 3], dropout=1.0), "dropout = 1.0: give a share"),
        (lambda: ct.networks.mlp([5, 3], dropout=-0.1), "dropout = -0.1"),
        (lambda: ct.networks.cnn((8, 8), 3), r"shape = \(8, 8\): give height, width and channels"),
        (lambda: ct.networks.cnn((3, 8, 1), 3), r"channels = \[8, 16\]: 2 poolings leave nothing"),
        (lambda: ct.networks.cnn((8, 8, 1), 0), "outputs = 0: give a whole number of at least 1"),
        (lambda: ct.networks.cnn((8, 8, 1), 3, ()), r"channels = \[\]: give"),
        (lambda: ct.networks.cnn((8, 8, 1), 3, (4, 0)), r"channels = \[4, 0\]: give channels, wh"),
        (lambda: ct.networks.cnn((8, 8, 1), 3, kernel=0), "kernel = 0: give a whole number"),
        (lambda: ct.networks.cnn((8, 8, 1), 3, hidden=(0,)), r"hidden = \[0\]: give widths, whole"),
        (lambda: ct.networks.cnn((8, 8, 1), 3, pooling="mean"), "pooling = 'mean' is unknown; cho"),
        (lambda: ct.networks.cnn((8, 8, 1), 3, pooling="maxi"), "did you mean max"),
        (lambda: ct.networks.cnn((8, 8, 1), 3, activation="rel"), "did you mean relu"),
    ],
)
def test_bad_networks_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ct.UserError, match=message) as refusal:
        make()
    assert "\n" not in str(refusal.value)
