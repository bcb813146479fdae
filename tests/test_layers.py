"""Layers and Sequential: shapes, counts, initial values, modes, and what is said when something does not fit."""

import numpy as np
import pytest

import numgan as ng
from numgan import (
    ELU,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    InputError,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    ResizeConv2D,
    Sequential,
    Sigmoid,
    Tanh,
    UpSampling2D,
)

from .proof.edges import MANY_ROWS


def net(*layers, shape, **options):
    return Sequential(*layers, input_shape=shape, rng=np.random.default_rng(0), **options)


@pytest.mark.parametrize(("layer", "shape", "output", "parameters"), [
    (lambda: Dense(5), (3,), (5,), 20), (lambda: Dense(5, use_bias=False), (3,), (5,), 15),
    (lambda: Conv2D(8, 5, strides=2), (28, 28, 1), (14, 14, 8), 208),
    (lambda: Conv2D(8, 5, strides=2), (7, 7, 2), (4, 4, 8), 408),
    (lambda: Conv2D(4, (3, 2), padding="valid"), (7, 7, 2), (5, 6, 4), 52),
    (lambda: Conv2D(4, 3, strides=(1, 2)), (7, 7, 2), (7, 4, 4), 76),
    (lambda: Conv2DTranspose(6, 4), (7, 7, 3), (14, 14, 6), 294),
    (lambda: Conv2DTranspose(6, 4, padding="valid"), (7, 7, 3), (16, 16, 6), 294),
    (lambda: MaxPool2D(3, strides=2), (7, 6, 3), (3, 2, 3), 0),
    (lambda: MaxPool2D((1, 2), padding="same"), (7, 7, 3), (7, 4, 3), 0),
    (lambda: ResizeConv2D(6, 5), (7, 7, 3), (14, 14, 6), 456), (lambda: UpSampling2D(3), (2, 3, 4), (6, 9, 4), 0),
    (BatchNorm, (7, 7, 3), (7, 7, 3), 12), (lambda: Reshape(3, 4), (12,), (3, 4), 0), (Flatten, (2, 3, 4), (24,), 0),
    (lambda: Dropout(0.3), (5,), (5,), 0), (lambda: GaussianNoise(0.3), (5,), (5,), 0), (ELU, (5,), (5,), 0),
    (LeakyReLU, (5,), (5,), 0), (ReLU, (5,), (5,), 0), (Tanh, (5,), (5,), 0),
    (Sigmoid, (5,), (5,), 0)])
def test_shapes_and_counts(layer, shape, output, parameters):
    made = net(layer(), shape=shape)
    assert made.output_shapes == [output]
    assert sum(a.size for a in made.state().values()) == parameters
    assert made(np.ones((2, *shape), np.float32)).shape == (2, *output)


def test_summary_of_the_dcgan_generator():
    made = net(Dense(7 * 7 * 128), LeakyReLU(0.2), BatchNorm(), Reshape(7, 7, 128), UpSampling2D(), Conv2D(64, 5), BatchNorm(),
               LeakyReLU(0.2), UpSampling2D(), Conv2D(1, 5), Tanh(), shape=(100,))
    lines = made.summary().splitlines()
    assert len(lines) == 1 + 11 + 1
    counts = [line.split()[-1] for line in lines[1:-1]]
    assert counts == ["633,472", "0", "25,088", "0", "0", "204,864", "256", "0", "0", "1,601", "0"]
    assert lines[-1] == "total 865,281, trainable 852,609, non-trainable 12,672"
    assert "(28, 28, 1)" in lines[-2]


def test_glorot_uniform_fills_its_range():
    w = ng.glorot_uniform((5, 5, 64, 128), np.random.default_rng(0))
    limit = np.sqrt(6 / (25 * (64 + 128)))
    assert 0.999 * limit < np.abs(w).max() <= limit
    np.testing.assert_allclose(w.var(), limit**2 / 3, rtol=0.02)


@pytest.mark.parametrize("holds", MANY_ROWS, ids=lambda holds: holds.__name__)
def test_batch_norm_of_many_rows(holds):
    holds()


def test_normal_has_its_deviation_and_biases_start_at_zero():
    made = net(Dense(400, init=ng.normal(0.02)), shape=(300,))
    w, b = (p.data for p in made.parameters())
    np.testing.assert_allclose(w.std(), 0.02, rtol=0.02)
    assert w.dtype == np.float32
    assert not b.any()


def test_the_seed_decides_on_the_initial_parameters():
    first, second = (net(Dense(4), shape=(3,)).state() for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_names_say_where_a_parameter_sits():
    made = net(Dense(4), Sequential(Dense(2), BatchNorm()), shape=(3,))
    names = ["0_Dense.w", "0_Dense.b", "1_Sequential.0_Dense.w", "1_Sequential.0_Dense.b", "1_Sequential.1_BatchNorm.gamma",
             "1_Sequential.1_BatchNorm.beta"]
    assert [p.name for p in made.parameters()] == names
    assert set(made.state()) == {*names, "1_Sequential.1_BatchNorm.mean", "1_Sequential.1_BatchNorm.variance"}
    assert made(np.ones((3, 3), np.float32)).shape == (3, 2)


def test_modes_reach_inner_layers():
    made = net(Sequential(Dropout(0.5)), shape=(50,))
    x = np.ones((2, 50), np.float32)
    made.eval()
    assert np.array_equal(made(x).data, x)
    made.train()
    assert not np.array_equal(made(x).data, x)


def test_loading_another_networks_state_changes_nothing():
    made, other = net(Dense(4), shape=(3,)), net(Dense(5), shape=(3,))
    before = {name: a.copy() for name, a in made.state().items()}
    for state in (other.state(), {}, before | {"extra": np.ones(1)}, {n: a.astype(np.float64) for n, a in before.items()}):
        with pytest.raises(InputError, match="Sequential") as caught:
            made.load_state(state)
        assert "\n" not in str(caught.value)
        assert all(np.array_equal(before[name], a) for name, a in made.state().items())


@pytest.mark.parametrize(("make", "says"), [
    (lambda: Dense(0), "outputs"), (lambda: Dense(2.5), "outputs"), (lambda: Conv2D(4, 0), "kernel_size"),
    (lambda: Conv2D(4, 3, strides=0), "strides"), (lambda: Reshape(2, -1), "axis 1"), (lambda: UpSampling2D(0), "factor"),
    (lambda: GaussianNoise(0), "deviation"),
    (lambda: Dropout(1.0), "rate"), (lambda: Dropout(-0.1), "rate"), (lambda: BatchNorm(momentum=1.0), "momentum"),
    (lambda: BatchNorm(eps=0), "eps"), (lambda: net(LeakyReLU(1.5), shape=(5,)), "slope"), (lambda: ng.normal(0), "deviation")])
def test_options_out_of_range(make, says):
    with pytest.raises(InputError, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_number_alone_does_not_become_an_option_by_accident():
    with pytest.raises(TypeError):
        BatchNorm(0.8)


@pytest.mark.parametrize(("layers", "shape", "says"), [
    ([Dense(4), Conv2D(2, 3)], (3,), r"layer 1 \(Conv2D\), input \(4,\): expected images"),
    ([Conv2D(2, 3), Dense(4)], (5, 5, 1), r"layer 1 \(Dense\), input \(5, 5, 2\): expected vectors.*Flatten"),
    ([Dense(10), Reshape(3, 3)], (4,), r"layer 1 \(Reshape\), input \(10,\): expected 9 elements .* got 10"),
    ([Conv2D(2, 5, padding="valid")], (4, 4, 1), r"layer 0 \(Conv2D\).*does not fit"),
    ([Dense], (4,), "layer 0: expected a new Layer"),
    ([layer := ReLU(), layer], (4,), "layer 1: expected a new Layer")])
def test_what_does_not_fit_in_a_sequential_is_named_at_construction(layers, shape, says):
    with pytest.raises(InputError, match=says) as caught:
        net(*layers, shape=shape)
    assert "\n" not in str(caught.value)


def test_a_generator_is_demanded_and_inputs_are_checked():
    with pytest.raises(InputError, match="default_rng"):
        Sequential(Dense(2), input_shape=(3,), rng=0)
    with pytest.raises(InputError, match=r"\(N, 3\), got \(2, 4\)"):
        net(Dense(2), shape=(3,))(np.ones((2, 4), np.float32))
    with pytest.raises(InputError, match="at least 2"):
        net(BatchNorm(), shape=(3,))(np.ones((1, 3), np.float32))
    with pytest.raises(InputError, match="expected float32 input"):
        net(Dense(2), shape=(3,))(np.ones((2, 3)))


def test_a_layer_without_forward_says_so():
    with pytest.raises(NotImplementedError):
        ng.Layer()(np.ones((1, 1)))


def test_slips_of_newcomers_are_explained():
    with pytest.raises(InputError, match=r"as a tuple, such as \(100,\), got 100"):
        net(Dense(2), shape=100)
    with pytest.raises(InputError, match="not built yet"):
        Sequential(Dense(2))(np.ones((2, 3), np.float32))
    with pytest.raises(InputError, match="positive integer or a pair as kernel_size"):
        Conv2D(4, (3, 3, 3))
    with pytest.raises(InputError, match="positive integer as outputs"):
        Dense((2, 3))
    assert Dropout(1 - 1e-9).threshold == 2**16 - 1
