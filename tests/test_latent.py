"""Ways between codes, and the way back from images to codes."""

import itertools

import numpy as np
import pytest

import numgan as ng
from numgan import InputError, latent
from numgan.games import DCGAN, GAN, StackGAN
from numgan.games.minibatch import PixelRange
from numgan.latent import descend, lerp, reconstruct, slerp


def unit(angle):
    return np.array([np.cos(angle), np.sin(angle)])


# ---- from code to code


def test_known_ways():
    a, b = unit(0), unit(np.pi / 2)
    np.testing.assert_allclose(lerp(a, b, 0.25), [0.75, 0.25])
    np.testing.assert_allclose(slerp(a, b, 0.5), [np.sqrt(0.5)] * 2)
    np.testing.assert_allclose(slerp(a, unit(1.5), [0, 1 / 3, 1]), [unit(0), unit(0.5), unit(1.5)], atol=1e-15)
    np.testing.assert_allclose(slerp(2 * a, 3 * b, 1 / 3), [2 * np.sin(np.pi / 3), 3 * np.sin(np.pi / 6)])


def test_arcs_keep_the_length_and_turn_evenly():
    a, b = np.random.default_rng(0).standard_normal((2, 50, 1, 100))
    b *= np.linalg.norm(a, axis=-1, keepdims=True) / np.linalg.norm(b, axis=-1, keepdims=True)
    t = np.linspace(0, 1, 7)
    way, length = slerp(a, b, t), np.linalg.norm(a, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(way, axis=-1) / length, 1)
    np.testing.assert_allclose(way[:, [0, -1]], np.concatenate([a, b], 1))
    turned = np.arccos(np.clip((way * a).sum(-1) / length**2, -1, 1))
    np.testing.assert_allclose(turned, turned[:, -1:] * t, atol=1e-6)
    straight = np.linalg.norm(lerp(a, b, t), axis=-1) / length
    assert straight[:, 3].max() < 0.9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arcs_between_parallel_opposite_and_vanishing_codes_are_straight(dtype):
    a = np.random.default_rng(1).standard_normal(100).astype(dtype)
    t = np.array([0, 0.25, 1], dtype)
    close = np.nextafter(a, np.inf, dtype=dtype)
    for b in a, 3 * a, close, -a, -2 * a, 0 * a:
        for ends in (a, b), (b, a):
            got = slerp(*ends, t)
            assert got.dtype == dtype
            np.testing.assert_allclose(got, lerp(*ends, t), atol=20 * np.finfo(dtype).eps)
    assert not slerp(0 * a, 0 * a, 0.5).any()


def test_small_angles_lose_no_digits():
    for angle in 1e-3, 1e-5, 2e-6:
        np.testing.assert_allclose(slerp(unit(0), unit(angle), 0.25)[1], np.sin(angle / 4), rtol=1e-9)


def test_shapes_and_dtypes_of_ways():
    a, b = np.zeros((4, 1, 3), np.float32), np.ones((1, 5, 3), np.float32)
    for way in lerp, slerp:
        assert way(a, b, np.zeros((2, 1, 1))).shape == (2, 4, 5, 3)
        assert way(a, b, 0.5).dtype == np.float32
        assert way(a, b.astype(np.float64), 0.5).dtype == np.float64


@pytest.mark.parametrize(("a", "b", "t"), [
    (np.zeros(3), np.zeros(2), 0.5), (np.zeros(1), np.zeros(2), 0.5), (np.zeros(3, int), np.zeros(3), 0.5),
    (np.float64(1), np.zeros(3), 0.5), (np.zeros(3), np.zeros(3), np.nan)])
def test_codes_that_do_not_fit_are_refused(a, b, t):
    for way in lerp, slerp:
        with pytest.raises(InputError, match=way.__name__) as caught:
            way(a, b, t)
        assert "\n" not in str(caught.value)


# ---- from image to code


class Rotation(GAN):
    """G(z) is z turned, as an image of 2 × 2 pixels: every image has exactly one code."""

    def build(self):
        turn = ng.Dense(4, init=lambda shape, rng: np.linalg.qr(rng.standard_normal(shape))[0])
        made = dict(rng=self.rng, dtype=self.dtype)
        self.generator = ng.Sequential(turn, ng.Reshape(2, 2, 1), input_shape=(4,), **made)
        self.discriminator = ng.Sequential(ng.Flatten(), ng.Dense(1), input_shape=(2, 2, 1), **made)


class Halves(Rotation):
    """The same around 1/2, for pixels in [0, 1]."""

    pixels = PixelRange(0, 1)

    def build(self):
        super().build()
        self.generator.stack[0].b.data += 0.5


def rotation(kind=Rotation):
    return kind(latent_dim=4, rng=np.random.default_rng(0), dtype="float64")


def small(**options):
    """A DCGAN of 8 × 8 images whose batch statistics are not those of its first step."""
    game = DCGAN(size=8, width=2, latent_dim=24, rng=np.random.default_rng(0), dtype="float64", **options)
    for p in game.generator.parameters():
        p.data += 0.3 * np.random.default_rng(1).standard_normal(p.shape)
    for _ in range(3):
        game.generator(game.latent(8))
    return game


@pytest.mark.parametrize("kind", [Rotation, Halves])
def test_an_invertible_generator_gives_the_codes_back(kind):
    game = rotation(kind)
    z = np.random.default_rng(1).uniform(-0.2, 0.2, (7, 4))
    images = game.generate(z)
    found, errors = reconstruct(game, images, steps=250, lr=0.1, rng=np.random.default_rng(2))
    np.testing.assert_allclose(found, z, atol=1e-3)
    assert found.shape == (7, 4)
    assert errors.shape == (7,)
    assert errors.max() < 1e-6


def test_errors_are_means_over_the_pixels_in_minus_one_to_one():
    for game, centre in (rotation(), 0.0), (rotation(Halves), 0.5):
        turn = game.generator.stack[0]
        turn.w.data[...], turn.b.data[...] = 0, centre  # a grey image, whatever z is
        images = np.array([[1, 1, 1, 1], [-1, 1, 0, 0], [0.5, 0.5, 0.5, -0.5], [0, 0, 0, 0]], np.float32).reshape(4, 2, 2, 1)
        start = game.latent(4)
        z, errors = descend(game, start, images, steps=2)
        np.testing.assert_allclose(errors, [1, 0.5, 0.25, 0])
        np.testing.assert_array_equal(z, start)  # no slope


def test_the_slope_is_that_of_each_codes_own_error(monkeypatch):
    monkeypatch.setattr(latent, "Adam", lambda parameters, lr: ng.SGD(parameters, lr))
    game = small(average=None)
    images = np.random.default_rng(3).uniform(-1, 1, (3, 8, 8, 1))
    start = game.latent(3)
    moved, _ = descend(game, start, images, steps=1, lr=1.0)
    game.generator.eval()
    for z, image, gradient in zip(start, images, start - moved, strict=True):
        expected = ng.numerical_gradient(lambda z, image=image: ((game.generator(z[None]).data[0] - image) ** 2).mean(), z)
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-8)


def test_more_restarts_are_never_worse_and_keep_the_best():
    game = small()
    images = np.random.default_rng(4).uniform(-1, 1, (6, 8, 8, 1)).astype(np.float32)
    found = [reconstruct(game, images, steps=10, restarts=k, rng=np.random.default_rng(5)) for k in (1, 2, 5)]
    for (_, few), (_, more) in itertools.pairwise(found):
        assert (more <= few + 1e-6).all()
        assert (more < few - 1e-4).any()
    z, errors = found[-1]
    starts = game.latent(30, np.random.default_rng(5))
    codes, each = descend(game, starts, np.tile(images, (5, 1, 1, 1)), steps=10)
    np.testing.assert_allclose(errors, each.reshape(5, 6).min(0), atol=1e-6)
    np.testing.assert_allclose(z, codes.reshape(5, 6, -1)[each.reshape(5, 6).argmin(0), np.arange(6)], atol=1e-6)
    np.testing.assert_allclose(errors, ((game.generate(z) - images) ** 2).mean((1, 2, 3)), atol=1e-6)


def test_chunks_do_not_change_the_result_nor_do_images_change_their_neighbours():
    game = small()
    images, start = np.random.default_rng(4).uniform(-1, 1, (5, 8, 8, 1)), game.latent(5)
    z, errors = descend(game, start, images, steps=5)
    for chunk in 1, 2, 5:
        others = descend(game, start, images, steps=5, chunk=chunk)
        np.testing.assert_allclose(others[0], z, atol=1e-9)
        np.testing.assert_allclose(others[1], errors, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_game_is_as_it_was_bit_for_bit(training):
    game = small()
    game.generator.train(training)
    before = {name: array.tobytes() for name, array in game.state().items()}
    rng, images = game.rng.bit_generator.state, np.zeros((3, 8, 8, 1), np.float32)
    start = game.latent(3, np.random.default_rng(1))
    kept = start.copy()
    descend(game, start, images, steps=3)
    reconstruct(game, images, steps=2, rng=np.random.default_rng(0))
    assert {name: array.tobytes() for name, array in game.state().items()} == before
    assert game.rng.bit_generator.state == rng
    assert np.array_equal(start, kept)
    assert not images.any()
    assert all(p.requires_grad and p.grad is None for p in game.generator.parameters())
    assert {layer.training for layer in (game.generator, *game.generator.stack)} == {training}


def test_the_descent_goes_through_the_network_that_draws_the_samples():
    game = small(average=0.5)
    for p in game.g_average.network.parameters():
        p.data += 0.1
    z = game.latent(3, np.random.default_rng(1))
    images = game.generate(z)
    _, errors = descend(game, z, images, steps=1, lr=0.0)
    assert (errors == 0).all()
    game.average = None  # drawn with G itself, the images are others
    assert (descend(game, z, images, steps=1, lr=0.0)[1] > 1e-6).all()


def test_a_generator_that_is_not_finite_is_told_and_left_as_it_was():
    game = small(average=None)
    game.generator.parameters()[0].data[0, 0] = np.nan
    with pytest.raises(FloatingPointError):
        descend(game, game.latent(2), np.zeros((2, 8, 8, 1)), steps=2)
    assert all(p.requires_grad for p in game.generator.parameters())
    assert all(layer.training for layer in game.generator.stack)


GOOD = np.zeros((2, 8, 8, 1), np.float32)


@pytest.mark.parametrize(("change", "says"), [
    (dict(images=GOOD[0]), "images"), (dict(images=GOOD[:0]), "images"), (dict(images=GOOD + 2), r"\[-1, 1\]"),
    (dict(images=GOOD * np.nan), r"\[-1, 1\]"), (dict(images=GOOD.astype(np.uint8)), "uint8"), (dict(images=[[0.5]]), "list"),
    (dict(images=np.zeros((2, 28, 28, 1))), "8, 8, 1"), (dict(steps=0), "steps"), (dict(steps=2.5), "steps"),
    (dict(restarts=0), "restarts"), (dict(restarts=1.5), "restarts"), (dict(lr=-1.0), "lr"), (dict(lr=np.nan), "lr"),
    (dict(rng=None), "rng"), (dict(rng=3), "rng"), (dict(game=object()), "game"),
    (dict(game=StackGAN(size=8, width=2, rng=np.random.default_rng(0))), "got StackGAN")])
def test_bad_input_to_reconstruct_is_refused_in_one_line(change, says):
    with pytest.raises(InputError, match=says) as caught:
        reconstruct(**dict(game=small(), images=GOOD, rng=np.random.default_rng(0), steps=2) | change)
    assert "\n" not in str(caught.value)


def test_codes_and_images_of_different_numbers_are_refused():
    game = small()
    with pytest.raises(InputError, match="code for each of 2 images"):
        descend(game, game.latent(3), GOOD)
    with pytest.raises(InputError, match=r"\(N, 24\)"):
        descend(game, np.zeros((2, 4)), GOOD)
