"""Where users stumbled: dtypes, layers in lists, what is printed, files of a network, and the names of a star import."""

import builtins
import copy
import math

import numpy as np
import pytest

import numgan as ng
from numgan import (
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    MaxPool2D,
    Parameter,
    ReLU,
    Sequential,
    Tensor,
    checkpoint,
    l2,
)

from .errors import refused


def net(*layers, shape=(3,), seed=0, **options):
    return Sequential(*layers, input_shape=shape, rng=np.random.default_rng(seed), **options)


# ---- dtypes


@pytest.mark.parametrize(("made", "given"), [(np.float32, np.float64), (np.float64, np.float32)])
def test_an_input_of_another_dtype_is_told_how_to_become_the_networks(made, given):
    name = np.dtype(made).name
    with refused(f"expected {name} input", f"got {np.dtype(given).name} (2, 3)", f".astype(np.{name})"):
        net(ReLU(), Dense(2), dtype=made)(np.ones((2, 3), given))
    with refused("float32", "float64", ".astype(np.float32)"):
        ng.add(np.ones(2, made), np.ones(2, given))


# ---- parameters and layers in lists, tuples and dicts


class Holder(Layer):
    """Parts of every kind, in every kind of container, in an order that is not the alphabet's."""

    def build(self, shape, rng, dtype):
        self.name, self.sizes = "holder", [1, 2, (3,)]
        self.last = Parameter(np.zeros(2, dtype))
        self.blocks = [net(Dense(2), BatchNorm(), shape=shape, dtype=dtype), Dropout(0.5)]
        self.heads = {"b": Dense(1), "a": (Parameter(np.ones(1, dtype)), np.zeros(3, dtype))}
        self.heads["b"].build((2,), rng, dtype)
        self.blocks[1].build((2,), rng, dtype)
        self.again = self.blocks[:1]  # once more, under another name

    def forward(self, x):
        h = self.blocks[1](self.blocks[0](x)) + self.last
        return self.heads["b"](h) * self.heads["a"][0]


NAMES = ["last", "blocks.0.0_Dense.w", "blocks.0.0_Dense.b", "blocks.0.1_BatchNorm.gamma", "blocks.0.1_BatchNorm.beta",
         "heads.b.w", "heads.b.b", "heads.a.0"]
BUFFERS = ["blocks.0.1_BatchNorm.mean", "blocks.0.1_BatchNorm.variance", "heads.a.1"]


def test_what_stands_in_lists_tuples_and_dicts_is_found_once_and_in_order():
    holder = Holder()
    holder.build((3,), np.random.default_rng(0), np.float32)
    assert [name for name, item in holder.walk() if isinstance(item, Parameter)] == NAMES
    assert set(holder.state()) == {*NAMES, *BUFFERS}
    assert [p.name for p in net(Holder()).parameters()] == [f"0_Holder.{name}" for name in NAMES]


def test_what_stands_in_lists_is_trained_frozen_loaded_and_switched_like_the_rest():
    made, other = net(Holder()), net(Holder(), seed=1)
    x = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    before = {name: a.copy() for name, a in made.state().items()}
    Adam(made.parameters(), 0.01).minimize(l2(made(x), 1.0))
    assert {name for name, a in made.state().items() if np.array_equal(a, before[name])} == {"0_Holder.heads.a.1"}
    with made.frozen():
        assert not made(x).requires_grad
    made.eval()
    assert not any(layer.training for layer in made.all_layers())
    other.load_state(made.state())
    other.eval()
    np.testing.assert_array_equal(other(x).data, made(x).data)


def test_containers_that_contain_themselves_and_layers_that_know_their_owner_end_the_walk():
    layer, inner = Layer(), Layer()
    layer.parts = [inner]
    layer.parts.append(layer.parts)
    inner.owner, inner.w = layer, Parameter(np.ones(1))
    assert [name for name, _ in layer.walk()] == ["parts.0", "parts.0.w"]


def test_who_made_attributes_of_a_lists_layers_keeps_their_names():
    class Workaround(Sequential):
        def __init__(self):
            self.parts = [Dense(2), Dense(1)]
            super().__init__(*self.parts, input_shape=(3,), rng=np.random.default_rng(0))

    assert [p.name for p in Workaround().parameters()] == ["0_Dense.w", "0_Dense.b", "1_Dense.w", "1_Dense.b"]


def test_the_names_in_a_sequential_stay():
    made = net(Dense(4), Sequential(Dense(2), BatchNorm()))
    assert list(made.state()) == [
        "0_Dense.w", "0_Dense.b", "1_Sequential.0_Dense.w", "1_Sequential.0_Dense.b", "1_Sequential.1_BatchNorm.gamma",
        "1_Sequential.1_BatchNorm.beta", "1_Sequential.1_BatchNorm.mean", "1_Sequential.1_BatchNorm.variance"]


# ---- what is printed


@pytest.mark.parametrize("text", [
    "Dense(256)", "Conv2D(64, (5, 5), strides=(2, 2))", "LeakyReLU(0.2)", "ReLU()", "BatchNorm(momentum=0.9)",
    "Reshape(7, 7, 128)", "MaxPool2D(3, strides=2, padding='same')"])
def test_a_layer_prints_as_it_was_written(text):
    layer = eval(text, vars(ng))
    assert repr(layer) == repr(copy.deepcopy(layer)) == text


def test_layers_without_options_take_none():
    for wrong in (lambda: ReLU(0.2), lambda: Flatten(1), lambda: Layer(name="mine")):
        with pytest.raises(TypeError):
            wrong()


def test_functions_print_by_name_and_layers_of_ones_own_like_all_others():
    class Block(Layer):
        def __init__(self, *layers, scale):
            self.layers, self.scale = layers, scale

    assert repr(Dense(3, init=ng.normal(0.02))) == "Dense(3, init=normal)"
    assert repr(Block(Dense(2), ReLU(), scale=0.5)) == "Block(Dense(2), ReLU(), scale=0.5)"


def test_a_sequential_prints_its_layers_input_shape_and_parameters():
    made = net(Dense(1000), Sequential(Dense(2), BatchNorm()), LeakyReLU(0.1))
    assert repr(made).splitlines() == [
        "Sequential(  # input (3,), 6,006 parameters",
        "    Dense(1000),",
        "    Sequential(  # input (1000,), 2,006 parameters",
        "        Dense(2),",
        "        BatchNorm()),",
        "    LeakyReLU(0.1))"]
    assert repr(Sequential(Dense(2), Flatten())) == "Sequential(\n    Dense(2),\n    Flatten())"


def test_an_error_that_shows_a_network_stays_in_one_line():
    twice = Sequential(Dense(2), ReLU())
    with refused("layer 1: expected a new Layer", "Dense(2)"):
        Sequential(twice, twice)


# ---- softmax and accuracy


def test_softmax_gives_probabilities_along_any_axis_and_for_any_logits():
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    for axis in (0, 1, 2, -1, -2):
        y = ng.softmax(x, axis).data
        np.testing.assert_allclose(y.sum(axis), 1, rtol=1e-14)
        np.testing.assert_allclose(y, np.exp(x) / np.exp(x).sum(axis, keepdims=True), rtol=1e-13)
    np.testing.assert_array_equal(ng.softmax(np.float32([[1e30, 0, -np.inf]])).data, [[1, 0, 0]])


def test_softmax_cross_entropy_is_the_logarithm_of_softmax():
    x, labels = Tensor(np.random.default_rng(0).standard_normal((4, 3)), requires_grad=True), np.array([0, 2, 1, 2])
    (-ng.log(ng.softmax(x)[np.arange(4), labels]).mean()).backward()
    other = Tensor(x.data, requires_grad=True)
    ng.softmax_cross_entropy(other, labels).backward()
    np.testing.assert_allclose(x.grad, other.grad, rtol=1e-12)


def test_accuracy_is_the_share_of_rows_whose_largest_output_is_at_the_label():
    outputs = np.float32([[0, 1, 2], [5, 1, 2], [0, 1, 0], [3, 0, 0]])
    for x in (outputs, Tensor(outputs), Tensor(outputs, requires_grad=True) * 2):
        share = ng.accuracy(x, [2, 0, 0, 1])
        assert type(share) is float
        assert share == 0.5
    assert ng.accuracy(outputs, np.uint8([2, 0, 1, 0])) == 1


@pytest.mark.parametrize(("outputs", "labels", "says"), [
    (np.ones(3), np.zeros(3, int), "got (3,) and int64 (3,)"), (np.ones((3, 2)), np.zeros((3, 1), int), "int64 (3, 1)"),
    (np.ones((3, 2)), np.zeros(3), "float64 (3,)"), (np.ones((3, 2)), np.zeros(2, int), "int64 (2,)"),
    (np.ones((2, 2)), [0, 2], "0 … 1"), (np.ones((2, 2)), [-1, 0], "0 … 1"), (np.ones((2, 1)), [0, 1], "0 … 0"),
    (np.ones((2, 2), int), [0, 1], "floating-point"), (np.ones((0, 2)), np.zeros(0, int), "at least one row")])
def test_accuracy_refuses_what_it_cannot_compare(outputs, labels, says):
    with refused(says):
        ng.accuracy(outputs, labels)


# ---- max pooling


def pooled(x, *size, **options):
    """y, and dL/dx for g = 1, 2, 3, ..., of one image of one channel."""
    x = Tensor(np.array(x, np.float64)[None, :, :, None], requires_grad=True)
    y = ng.max_pool2d(x, *size, **options)
    y.backward(np.arange(1.0, y.size + 1).reshape(y.shape))
    return y.data[0, :, :, 0].tolist(), x.grad[0, :, :, 0].tolist()


def test_max_pooling_sends_the_gradient_to_the_largest_pixel_and_nothing_elsewhere():
    assert pooled([[1, 2, 9, 0], [4, 3, 0, 0]]) == ([[4, 9]], [[0, 0, 2, 0], [1, 0, 0, 0]])


def test_a_pixel_that_is_the_largest_of_overlapping_windows_gets_the_sum():
    assert pooled([[1, 5, 2], [0, 1, 3]], 2, strides=1) == ([[5, 5]], [[0, 3, 0], [0, 0, 0]])


def test_equal_pixels_share_the_gradient_as_in_max():
    assert pooled([[7, 7], [0, 7]]) == ([[7]], [[1 / 3, 1 / 3], [0, 1 / 3]])


def test_what_is_left_over_of_odd_sizes_is_dropped_or_gets_a_window_of_its_own():
    image = [[1, 2, 9], [4, 3, 0], [-5, -6, -7]]
    assert pooled(image) == ([[4]], [[0, 0, 0], [1, 0, 0], [0, 0, 0]])
    assert pooled(image, padding="same") == ([[4, 9], [-5, -7]], [[0, 0, 2], [1, 0, 0], [3, 0, 4]])
    assert pooled(image, padding=((1, 0), (1, 0))) == ([[1, 9], [4, 3]], [[1, 0, 2], [3, 4, 0], [0, 0, 0]])


@pytest.mark.parametrize(("make", "says"), [
    (lambda: ng.max_pool2d(np.ones((2, 3, 4))), "(N, H, W, C), got (2, 3, 4)"),
    (lambda: ng.max_pool2d(np.ones((1, 3, 3, 1)), 4), "does not fit"),
    (lambda: ng.max_pool2d(np.ones((1, 3, 3, 1)), 2, padding=((2, 0), (0, 0))), "narrower than the window"),
    (lambda: MaxPool2D(0), "pool_size"), (lambda: MaxPool2D(strides=-1), "strides"),
    (lambda: net(MaxPool2D()), "(N, H, W, C)")])
def test_max_pooling_says_what_does_not_fit(make, says):
    with refused(says):
        make()


def test_a_network_with_max_pooling_learns():
    made = net(Conv2D(4, 3), ReLU(), MaxPool2D(), Flatten(), Dense(1), shape=(5, 5, 1))
    assert made.output_shapes[2] == (2, 2, 4)
    x = np.random.default_rng(0).standard_normal((32, 5, 5, 1)).astype(np.float32)
    optimizer, losses = Adam(made.parameters(), 0.01), []
    for _ in range(60):
        losses.append(loss := l2(made(x), x.max((1, 2))))
        optimizer.minimize(loss)
    assert losses[-1].item() < losses[0].item() / 5


# ---- a network's own file


def test_a_saved_network_comes_back_bit_for_bit(tmp_path):
    made, other = (net(Dense(4), BatchNorm(), Dense(1), seed=seed) for seed in (1, 2))
    x = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    Adam(made.parameters(), 0.01).minimize(l2(made(x), 1.0))
    made.save(tmp_path / "net.npz")
    assert checkpoint.load(tmp_path / "net.npz")[0]["network"] == "Sequential"
    stale = l2(other(x), 1.0)
    other.load(str(tmp_path / "net.npz"))
    assert all(np.array_equal(a, other.state()[name]) for name, a in made.state().items())
    with refused("moved"):
        stale.backward()
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]


def test_a_file_that_does_not_fit_is_named_and_changes_nothing(tmp_path):
    made = net(Dense(4), Dense(1))
    files = {"sizes": lambda path: net(Dense(5), Dense(1)).save(path), "class": lambda path: Dense(4).save(path),
             "kind": lambda path: checkpoint.save(path, {"game": "DCGAN"}, made.state()),
             "garbage": lambda path: path.write_bytes(b"PK" * 99), "none": lambda path: None,
             "odd": lambda path: checkpoint.save(path, {"network": ["a\nb"] * 99}, made.state()),
             "cut": lambda path: (made.save(path), path.write_bytes(path.read_bytes()[:-200]))}
    before = {name: a.copy() for name, a in made.state().items()}
    for name, write in files.items():
        write(tmp_path / f"{name}.npz")
        for p in made.parameters():
            p.data += 1
        changed, born = {name: a.copy() for name, a in made.state().items()}, [p.born for p in made.parameters()]
        with refused(f"{name}.npz"):
            made.load(tmp_path / f"{name}.npz")
        assert all(np.array_equal(a, changed[name]) for name, a in made.state().items())
        assert born == [p.born for p in made.parameters()]
    assert not np.array_equal(before["0_Dense.w"], made.state()["0_Dense.w"])


def test_a_failed_save_leaves_the_older_file(tmp_path, monkeypatch):
    made, path = net(Dense(2)), tmp_path / "net.npz"
    made.save(path)
    older = path.read_bytes()
    monkeypatch.setattr(np.lib.format, "write_array", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made.save(path)
    assert path.read_bytes() == older
    assert list(tmp_path.iterdir()) == [path]


# ---- the public names, and single numbers


def test_a_star_import_leaves_pythons_own_names_alone():
    namespace = {}
    exec("from numgan import *", namespace)
    del namespace["__builtins__"]
    assert [name for name in namespace if hasattr(builtins, name)] == []
    assert {"Tensor", "Dense", "MaxPool2D", "max_pool2d", "softmax", "accuracy", "exp", "InputError"} <= set(namespace)
    assert not any(type(value) is type(math) for value in namespace.values())
    assert ng.abs(np.array([-2.0])).item() == ng.max(np.array([1.0, 2.0])).item() == ng.sum(np.array([1.5, 0.5])).item() == 2


def test_a_tensor_with_one_element_is_a_number_and_others_are_not():
    assert float(Tensor([[2.5]])) == 2.5
    assert type(float(l2(Tensor(np.float32([1, 2])), 0.0))) is float
    assert f"{float(Tensor(0.125)):.2f}" == "0.12"
    with pytest.raises(ValueError, match="size 1"):
        float(Tensor([1.0, 2.0]))


def test_bce_keeps_the_digits_of_small_probabilities():
    p = np.float32([1e-12, 1e-9, 3e-8])
    for each in p:
        np.testing.assert_allclose(ng.bce(np.array(each), 0).item(), -math.log1p(-float(each)), rtol=1e-6)
    assert ng.bce(np.float32([1]), 0).item() == -np.log(np.finfo(np.float32).tiny)
    assert ng.bce(np.float32([0]), 0).item() == 0
