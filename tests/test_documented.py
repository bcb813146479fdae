"""What docstrings promise about defaults, ties and borders: an audit with random changes of the code found nobody watching."""

import inspect

import numpy as np
import pytest

import numgan as ng
from numgan import (
    SGD,
    Adam,
    InputError,
    Parameter,
    Tensor,
    captions,
    doctor,
    games,
    latent,
    layers,
    metrics,
    pictures,
    residual,
)
from numgan.batches import CaptionBatches
from numgan.games.crossentropy import CrossEntropy, Scored
from numgan.games.cyclegan import REMEMBERED, Fakes
from numgan.run import Rationed

from .errors import refused
from .proof.games import small_game

# ---- defaults that papers, or the docstrings of games, name


@pytest.mark.parametrize(("where", "expected"), [
    (Adam, {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}),  # Kingma & Ba 2015, Algorithm 1
    (SGD, {"lr": 0.01, "momentum": 0.0}), (ng.LinearDecay, {"hold": 0.5}),
    (ng.batch_norm, {"eps": 1e-3}), (layers.BatchNorm, {"momentum": 0.99, "eps": 1e-3}), (layers.LeakyReLU, {"slope": 0.2}),
    (games.DCGAN, {"beta1": 0.5, "width": 64, "latent_dim": 100, "categories": 20, "dropout": 0.0, "average": 0.999}),
    (games.BEGAN, {"batch_size": 16}), (games.StackGAN, {"kl": 0.03, "caption_dim": 32}),
    (games.CycleGAN, {"cycle": 40.0, "identity": 0.0, "noise": 0.3, "batch_size": 8}),
    (games.CyCADA, {"cycle": 65.0, "semantic": 3.0}), (games.SRGAN, {"adversarial": 1e-3, "blocks": 4, "width": 32})])
def test_defaults_are_the_documented_ones(where, expected):
    signature = inspect.signature(where).parameters
    assert {name: signature[name].default if name in signature else getattr(where, name) for name in expected} == expected


def test_prelu_begins_with_a_slope_of_a_quarter():  # He et al. 2015, section 2.1
    layer = residual.PReLU()
    layer.build((3,), np.random.default_rng(0), np.float32)
    assert [p.data.tolist() for p in layer.parameters()] == [[0.25] * 3]


# ---- ties and borders


def test_of_equal_outputs_the_first_counts():
    outputs = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])
    assert ng.accuracy(outputs, np.array([0, 1])) == 1
    assert ng.accuracy(outputs, np.array([1, 2])) == 0


def test_above_and_within_are_meant_as_they_are_said():
    assert metrics.confidence(np.array([[0.9, 0.1], [0.91, 0.09]])) == (0.905, 0.5)
    points, centres = np.array([[3.0, 0.0], [3.25, 0.0]]), np.zeros((1, 2))
    assert metrics.modes_covered(points, centres, 1.0) == (1, 0.5)


def test_a_score_of_one_half_is_taken_to_be_fake():
    y = np.zeros((2, 1))
    figures = CrossEntropy().d_figures(y, y, None)
    assert (figures["d_accuracy_real"], figures["d_accuracy_fake"]) == (0, 1)


@pytest.mark.parametrize("block", [2, 3])
def test_six_channels_are_not_a_whole_number_of_blocks(block):
    with refused("depth_to_space", "6"):
        ng.depth_to_space(Tensor(np.zeros((1, 2, 2, 6))), block)


def test_a_transparent_pixel_is_rounded_to_the_nearest_byte():
    assert pictures._opaque(np.array([[[[201, 201, 201, 100]]]], np.uint8)).ravel().tolist() == [234] * 3  # 233.8


def test_one_good_row_does_not_hide_a_bad_one():
    with refused("add up to 1"):
        metrics.digit_score(np.array([[0.5, 0.5], [0.5, 0.4]]))


def test_the_mean_of_no_rows_has_a_gradient():
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    y = ng.mean(x, axis=1)
    assert y.shape == (0,)
    y.sum().backward()
    assert x.grad.shape == (0, 3)


# ---- games


@pytest.mark.parametrize("kind", [games.FixMatchSGAN, games.CyCADA])
def test_at_first_all_digits_are_taken_to_be_equally_frequent(kind):
    np.testing.assert_allclose(kind(rng=np.random.default_rng(0), width=16).shares, 0.1, rtol=1e-6)


def test_every_place_of_the_buffer_is_exchanged():
    fakes = Fakes((1,), np.random.default_rng(0), np.float64)
    fakes.exchanged(np.zeros((REMEMBERED, 1)))
    fakes.exchanged(np.ones((50 * REMEMBERED, 1)))
    assert fakes.images.all()


def test_x_is_translated_with_g_unless_the_way_back_is_asked_for():
    game = games.CycleGAN(rng=np.random.default_rng(0), size=8, width=2, blocks=1)
    x = np.random.default_rng(1).uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(game.translate(x), game.drawn(game.g, x))
    np.testing.assert_array_equal(game.translate(x, back=True), game.drawn(game.f, x))


def test_srgan_has_as_many_parameters_as_documented():
    game = games.SRGAN(rng=np.random.default_rng(0))
    assert [sum(p.size for p in network.parameters()) for network in (game.generator, game.discriminator)] == [162_657, 58_881]


# ---- the doctor's figures


ROW = {"d_loss": 1.0, "g_loss": 1.0, "d_real": 0.8, "d_fake": 0.1}


def test_the_doctor_reads_label_objective_and_scores_from_the_game():
    game = games.VanillaGAN(variant="minimal", objective="saturating", real_label=0.9, rng=np.random.default_rng(0))
    seen = doctor.examine(game, [ROW] * 3, 1, None)
    assert (seen.real_label, seen.saturating) == (0.9, True)
    assert np.isclose(seen.d_real, 0.8)


def test_with_feature_matching_d_s_scores_mean_nothing_to_g():
    game = games.SGAN(width=8, rng=np.random.default_rng(0))
    seen = doctor.examine(game, [ROW], 1, None)
    assert np.isnan([seen.d_real, seen.d_fake]).all()
    assert seen.d_loss == 1


def test_figures_are_means_of_the_last_hundred_steps():
    history = [ROW | {"d_loss": float(i)} for i in range(250)]
    assert doctor.examine(games.MixtureGAN(rng=np.random.default_rng(0)), history, 1, None).d_loss == np.mean(range(150, 250))


# ---- gradients and graphs


def test_every_frozen_input_of_an_op_is_watched():
    for moved in range(2):
        frozen = [Parameter(np.ones(2), name) for name in ("gamma", "beta")]
        x = Tensor(np.array([[1.0, 2.0], [3.0, 5.0]]), requires_grad=True)
        for p in frozen:
            p.requires_grad = False
        y = (ng.batch_norm(x, *frozen)[0] ** 2).sum()
        frozen[moved].moved()
        with pytest.raises(InputError, match=f"before an optimiser moved {frozen[moved].name}"):
            y.backward()


def test_the_gradient_of_a_number_stays_an_array_when_more_is_added():
    x = Tensor(np.array(3.0), requires_grad=True)
    for _ in range(2):
        (x * 2.0).backward()
    assert type(x.grad) is np.ndarray
    assert x.grad == 4


def test_a_graph_from_before_a_game_was_loaded_is_refused():
    game = small_game("DCGAN", {}, "float32")
    other = small_game("DCGAN", {}, "float32")
    y = game.generator(game.latent(2)).sum()
    game.load_state(other.state())
    with pytest.raises(InputError, match="before an optimiser moved"):
        y.backward()


def test_a_descent_leaves_no_gradient_in_g():
    game = small_game("DCGAN", {"average": None}, "float32")
    images = game.sample(2, np.random.default_rng(0))
    latent.reconstruct(game, images, steps=2, rng=np.random.default_rng(1))
    assert {p.grad is None for p in game.generator.parameters()} == {True}


def test_d_s_rate_is_that_of_the_game_s_step_in_all_of_its_own():
    game = games.DCGAN(size=8, width=2, d_steps=2, lr_steps=4, lr_hold=0, d_lr=1.0, rng=np.random.default_rng(0))
    rates = []
    for t in range(8):
        game.d_optimizer.t[...] = t
        rates.append(game.d_optimizer.rate)
    assert rates == [1, 1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25]


def test_weights_of_float64_use_all_their_digits():
    layer = ng.Dense(3)
    layer.build((4,), np.random.default_rng(0), np.float64)
    w = layer.parameters()[0].data
    assert (w != w.astype(np.float32)).any()


# ---- found by reading the documentation closely


@pytest.mark.parametrize("name", ["gamma", "beta"])
def test_batch_norm_collects_statistics_unless_it_is_frozen(name):
    network = ng.Sequential(layers.BatchNorm(momentum=0.5), input_shape=(2,), rng=np.random.default_rng(0))
    (layer,) = network.stack
    getattr(layer, name).requires_grad = False  # not trained, but not frozen
    network(np.full((4, 2), 6, np.float32))
    np.testing.assert_array_equal(layer.mean, [3, 3])
    with network.frozen():
        network(np.full((4, 2), 8, np.float32))
    np.testing.assert_array_equal(layer.mean, [3, 3])


def test_a_generator_that_a_run_was_loaded_with_draws_as_any_other():
    draws = [lambda rng: rng.normal(), lambda rng: rng.standard_normal(), lambda rng: rng.uniform(),
             lambda rng: rng.normal(size=None), lambda rng: rng.uniform(np.zeros(2), np.ones(2)),
             lambda rng: rng.normal(0, 1, (2, 3)), lambda rng: rng.uniform(0, 1, 4)]
    plain, rationed = np.random.default_rng(0), Rationed(np.random.default_rng(0).bit_generator)
    for draw in draws:
        expected, got = draw(plain), draw(rationed)
        assert type(got) is type(expected)
        np.testing.assert_array_equal(got, expected)


def test_bytes_have_no_values_in_the_range_of_images():
    game = games.DCGAN(size=8, width=2, rng=np.random.default_rng(0))
    for value in (-128, -2, 2, 127):
        with refused("[-1, 1]"):
            game.outputs(np.full((1, *game.image_shape), value, np.int8))


def test_gradcheck_says_which_input_it_cannot_take():
    with refused("gradcheck: input 1", "float64", "got int64"):
        ng.gradcheck(ng.add, np.ones(2), np.array([0, 1]))


def test_a_function_that_returns_its_argument_has_slope_1():
    assert abs(ng.numerical_gradient(lambda x: x, np.array(3.0)) - 1) < 1e-9
    np.testing.assert_allclose(ng.numerical_gradient(lambda x: x.reshape(()), np.array([3.0])), [1.0])


def test_a_moving_average_follows_counters():
    class Counting(layers.Layer):
        def build(self, shape, rng, dtype):
            self.n = np.zeros((), np.int64)

        def forward(self, x):
            return x

    network = ng.Sequential(Counting(), layers.Dense(1), input_shape=(2,), rng=np.random.default_rng(0))
    average = ng.MovingAverage(network, 0.9)
    network.stack[0].n += 5
    average.update()
    assert average.network.stack[0].n == 5


def test_a_network_takes_its_own_arrays_under_other_names():
    network = ng.Sequential(layers.Dense(2), layers.Dense(2), input_shape=(2,), rng=np.random.default_rng(0))
    first, second = (layer.w.data.copy() for layer in network.stack)
    state = network.state()
    network.load_state(state | {"0_Dense.w": state["1_Dense.w"], "1_Dense.w": state["0_Dense.w"]})
    np.testing.assert_array_equal(network.stack[0].w.data, second)
    np.testing.assert_array_equal(network.stack[1].w.data, first)


def test_padding_may_be_an_array():
    x, w = np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1))
    padded = ng.conv2d(x, w, padding=np.array([[1, 1], [1, 1]]))
    np.testing.assert_array_equal(padded.data, ng.conv2d(x, w, padding=((1, 1), (1, 1))).data)


@pytest.mark.parametrize("labels", [None, np.zeros(5, np.int64), np.zeros((5, 2), np.int64)])
def test_captions_need_traits(labels):
    with refused("CaptionBatches", "(5, 3)"):
        CaptionBatches(np.zeros((5, 8, 8), np.uint8), 3, np.random.default_rng(0), labels)


@pytest.mark.parametrize("label", [-1, 10])
def test_only_digits_have_traits(label):
    with refused("traits", "0 … 9", label):
        captions.traits(np.zeros((2, 28, 28, 1), np.float32), np.array([3, label]))


def test_losses_of_your_own_need_no_real_label():
    class Hinge(Scored):
        undecided = 0.0

        def d_loss(self, y_real, y_fake, batch):
            return ng.relu(1 - y_real).mean() + ng.relu(1 + y_fake).mean()

        def g_loss(self, y_fake, batch):
            return -y_fake.mean()

        def score(self, y):
            return 1 / (1 + np.exp(-y))

    game = games.DCGAN(size=8, width=2, rng=np.random.default_rng(0))
    game.losses = Hinge()
    images = np.zeros((2, *game.image_shape), np.float32)
    assert doctor.examine(game, [game.step(images)], 2, images, n=2).real_label == 1
    assert game.losses.equilibrium() == {"d_loss": 2, "g_loss": 0}

