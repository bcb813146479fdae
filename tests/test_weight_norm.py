"""Weight normalisation, w = g v / |v|: the same function at first, and gradients for g and for the direction of v."""

import numpy as np
import pytest

import numgan as ng
from numgan import Parameter, Sequential, Tensor, checkpoint
from numgan.batches import ImageBatches
from numgan.games import DCGAN
from numgan.run import Run, load_game

from .proof import reference as ref

KINDS = {  # layer, its input, the reference's op, the axis of the outputs in w
    "Dense": (lambda **options: ng.Dense(3, **options), (5,), np.matmul, -1),
    "Conv2D": (lambda **options: ng.Conv2D(3, (3, 2), strides=2, **options), (5, 4, 2),
               lambda x, w: ref.conv2d(x, w, 2), -1),
    "ResizeConv2D": (lambda **options: ng.ResizeConv2D(3, 3, **options), (2, 3, 2), ref.resize_conv2d, -1),
    "Conv2DTranspose": (lambda **options: ng.Conv2DTranspose(3, 4, **options), (2, 3, 2), ref.conv2d_transpose, -2)}


def built(kind, dtype=np.float64, **options):
    make, shape, *_ = KINDS[kind]
    return Sequential(make(**options), input_shape=shape, rng=np.random.default_rng(0), dtype=dtype)


def moved(kind):
    """A network with weight_norm whose g is no longer |v|, and a bias that is not 0."""
    net, rng = built(kind, weight_norm=True), np.random.default_rng(1)
    for p in net.parameters():
        p.data += 0.3 * rng.standard_normal(p.shape)
    return net


def inputs(kind, n=2):
    return np.random.default_rng(2).standard_normal((n, *KINDS[kind][1]))


def channels(kind, w):
    """One row of numbers for each output channel."""
    return np.moveaxis(w, KINDS[kind][3], 0).reshape(3, -1)


def naive(kind, x, v, g, b):
    """One output channel after another."""
    op, axis = KINDS[kind][2:]
    w = np.zeros_like(v + g)
    for k in range(3):
        one = (slice(None),) * (v.ndim + axis) + (k,)
        w[one] = np.ravel(g)[k] * v[one] / np.sqrt(sum(number * number for number in v[one].ravel()))
    return op(x, w) + b


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_the_complex_step_of_the_formula(kind):
    net, x = moved(kind), Tensor(inputs(kind), requires_grad=True)
    y = net(x)
    upstream = np.random.default_rng(3).standard_normal(y.shape)
    y.backward(upstream)
    leaves = [x, *net.parameters()]
    arrays = [leaf.data for leaf in leaves]

    def function(*arrays):
        return naive(kind, *arrays)

    np.testing.assert_allclose(y.data, function(*arrays), rtol=0, atol=1e-12)
    for i, leaf in enumerate(leaves):
        expected = ref.gradient(function, arrays, i, upstream)
        assert np.abs(expected).max() > 1e-2
        assert np.abs(leaf.grad - expected).max() <= 1e-10 * np.abs(expected).max()


@pytest.mark.parametrize("kind", KINDS)
def test_at_first_it_is_the_layer_without_bit_for_bit(kind):
    for dtype in np.float32, np.float64:
        x = inputs(kind).astype(dtype)
        plain, normed = built(kind, dtype), built(kind, dtype, weight_norm=True)
        assert np.array_equal(plain(x).data, normed(x).data)
        assert {p.dtype for p in normed.parameters()} == {np.dtype(dtype)} == {normed(x).dtype}


@pytest.mark.parametrize("kind", KINDS)
def test_g_is_the_length_of_each_output_channels_weights_and_v_only_their_direction(kind):
    net, x = moved(kind), inputs(kind)
    v, g, _ = net.parameters()
    assert g.size == 3
    y = net(x).data
    for k, row in enumerate(np.moveaxis(v.data, KINDS[kind][3], 0)):
        row *= 2.0 ** (k - 1)  # views: each channel another scale
    np.testing.assert_array_equal(net(x).data, y)
    net.stack[0].b.data[...] = 0
    y = net(x).data
    g.data *= 3
    np.testing.assert_allclose(net(x).data, 3 * y, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_v_are_orthogonal_to_v_in_every_channel(kind):
    net = moved(kind)
    y = net(inputs(kind))
    y.backward(np.random.default_rng(3).standard_normal(y.shape))
    v = net.parameters()[0]
    along, lengths = (channels(kind, v.data) * channels(kind, v.grad)).sum(1), np.linalg.norm(channels(kind, v.grad), axis=1)
    assert lengths.min() > 1e-2
    assert np.abs(along).max() <= 1e-13


def test_names_and_counts():
    net = built("Conv2DTranspose", weight_norm=True)
    assert {name: a.shape for name, a in net.state().items()} == {
        "0_Conv2DTranspose.v": (4, 4, 3, 2), "0_Conv2DTranspose.g": (1, 1, 3, 1), "0_Conv2DTranspose.b": (3,)}
    assert [p.name for p in net.parameters()] == list(net.state())
    assert built("Dense").state().keys() == {"0_Dense.w", "0_Dense.b"}
    assert built("Dense", weight_norm=True, use_bias=False).state().keys() == {"0_Dense.v", "0_Dense.g"}


def test_frozen_weights_get_no_gradients():
    net, x = moved("Conv2D"), Parameter(inputs("Conv2D"))
    with net.frozen():
        net(x).sum().backward()
    assert x.grad is not None
    assert [p.grad for p in net.parameters()] == [None] * 3


# ---- DCGAN with norm="weight"


SMALL = dict(size=8, width=2, latent_dim=32)


def test_the_weight_normalised_generator_has_no_batch_statistics():
    game = DCGAN(norm="weight", rng=np.random.default_rng(0))
    state = game.generator.state()
    assert {name.rpartition(".")[2] for name in state} == {"v", "g", "b"}
    assert sum(a.size for a in state.values()) == 852_609 - 2 * (6_272 + 64) + (6_272 + 64 + 1)  # gamma, beta; g
    z = game.latent(4)
    together = game.generator(z).data
    np.testing.assert_allclose(game.generator(z[:1]).data, together[:1], atol=1e-6)  # also in training


def test_all_weights_of_both_networks_are_normalised_and_begin_with_length_1():
    game = DCGAN(**SMALL, norm="weight", rng=np.random.default_rng(0))
    names = [name for name in game.state() if "optimizer" not in name and "average" not in name]
    assert [name for name in names if name.endswith(".w")] == []
    lengths = [game.state()[name] for name in names if name.endswith(".g")]
    assert len(lengths) == 6
    assert [length.size for length in lengths] == [16, 2, 1, 2, 4, 1]
    for length in lengths:
        np.testing.assert_allclose(length, 1, rtol=1e-6)


def test_each_norm_has_its_own_rate_unless_one_is_given():
    given = {}, {"d_lr": 1e-4}, {"lr": 1e-3}, {"lr": 1e-3, "d_lr": 1e-4}
    games = [DCGAN(**SMALL, norm=norm, **options, rng=np.random.default_rng(0))
             for norm in ("batch", "weight") for options in given]
    assert [(game.g_optimizer.rate, game.d_optimizer.rate) for game in games] == [
        (2e-3, 5e-4), (2e-3, 1e-4), (1e-3, 1e-3), (1e-3, 1e-4), (2e-4, 2e-4), (2e-4, 1e-4), (1e-3, 1e-3), (1e-3, 1e-4)]


def test_checkpoints_rebuild_the_norm_and_go_on_bit_for_bit(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (20, 8, 8), np.uint8)

    def run(name):
        game = DCGAN(**SMALL, norm="weight", rng=np.random.default_rng(0))
        return Run(game, ImageBatches(images, 4, np.random.default_rng(2)), tmp_path / name, draw=lambda path, run: None)

    def go_on(run, steps):
        for _ in range(steps):
            run.history.append({"step": run.step + 1, **run.game.step(*next(run.batches))})
        run.save()

    straight, first = run("straight"), run("first")
    go_on(straight, 4)
    go_on(first, 2)
    resumed = Run.load(first.path, ImageBatches(images, 4, np.random.default_rng(9)), tmp_path / "resumed")
    go_on(resumed, 2)
    (about, arrays), (_, others) = checkpoint.load(straight.path), checkpoint.load(resumed.path)
    assert about["settings"]["norm"] == "weight"
    assert arrays.keys() == others.keys()
    assert {"game.generator.0_Dense.v", "game.generator.0_Dense.g", "game.g_optimizer.0_Dense.v.moment1"} <= arrays.keys()
    assert all(arrays[name].tobytes() == others[name].tobytes() for name in arrays)
    z = straight.game.latent(2)
    np.testing.assert_array_equal(load_game(straight.path).generate(z), straight.game.generate(z))


def test_checkpoints_from_before_there_was_a_choice_have_batch_norm(tmp_path):
    game = DCGAN(**SMALL, norm="batch", rng=np.random.default_rng(0))
    settings = {name: value for name, value in game.settings.items() if name != "norm"}
    about = {"game": "DCGAN", "settings": settings, "rng": {"game": game.rng.bit_generator.state}}
    checkpoint.save(tmp_path / "old.npz", about, {f"game.{name}": a for name, a in game.state().items()})
    z = game.latent(2)
    np.testing.assert_array_equal(load_game(tmp_path / "old.npz").generate(z), game.generate(z))


def test_other_norms_are_refused():
    with pytest.raises(ng.InputError, match="norm batch or weight, got 'layer'"):
        DCGAN(norm="layer", rng=np.random.default_rng(0))
