"""What must hold for SGAN: how D's outputs become one, and what features are matched; and for FixMatch: what D's
minibatches consist of, and when a reading counts.
"""

import numpy as np

from numgan import GaussianNoise, no_grad
from numgan.games import FixMatchSGAN, fixmatch
from numgan.games.sgan import ClassesAndFake
from numgan.tensor import Tensor

from .games import images_for, labels_for, small_game


def outputs_of_one_image_may_be_far_from_those_of_another():
    """ln Z of ten outputs 1000 is 1000 + ln 10, that of ten outputs -1000 is -1000 + ln 10."""
    y = Tensor(np.repeat([[1000.0], [-1000.0]], 10, 1), requires_grad=True)
    source = ClassesAndFake().source(y)
    np.testing.assert_allclose(source.data, [[1000 + np.log(10)], [-1000 + np.log(10)]])
    source.backward(np.ones((2, 1)))
    np.testing.assert_allclose(y.grad, 0.1)


def features_are_compared_with_noise_on_every_layer_of_both():
    """Of real images and of fakes; and D's last layer sees the fakes' features."""
    game, seen = small_game("SGAN", dict(size=8, width=24), dropout=True), []
    noises = [layer for layer in game.discriminator.stack if isinstance(layer, GaussianNoise)]
    for layer in noises:
        layer.forward = lambda x, layer=layer: seen.append((layer, layer.training)) or x
    batch = game.minibatch(images_for(game), labels_for(game))
    game.g_step(batch, game.generator(batch.z))
    assert len(noises) == 6
    assert seen == [(layer, True) for layer in noises] * 2
    with no_grad():
        assert game.features(batch.real).shape == (6, 12)


def a_reading_counts_if_it_is_sure_after_correction_for_how_often_its_digit_was_read():
    """p / shares, made to add up to 1: the largest must be above 0.9. The shares are means over some 50 minibatches."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(10, 3.0))
    logits = np.concatenate([rng.normal(0, 6, (200, 10)), np.zeros((1, 10))])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    moved = 0.98 * shares + 0.02 * p.mean(0)
    digits, sure = fixmatch.readings(logits, shares)
    np.testing.assert_allclose(shares, moved)
    expected = np.array([[p[i, j] / moved[j] / sum(p[i] / moved) for j in range(10)] for i in range(201)])
    np.testing.assert_array_equal(digits, expected.argmax(1))
    np.testing.assert_array_equal(sure, [max(row) > 0.9 for row in expected])
    assert (digits != p.argmax(1)).any()
    assert (sure != (p.max(1) > 0.9)).any()
    assert 20 < sure.sum() < 180
    assert digits[-1] == moved.argmin()


def a_minibatch_has_distorted_images_where_the_digit_is_known_and_all_unlabelled_ones_as_they_are():
    """D reads the unlabelled ones without noise and undistorted, and learns from those it is sure of under that digit."""
    game = FixMatchSGAN(size=8, width=24, dtype="float64", rng=np.random.default_rng(1))
    x = np.random.default_rng(2).uniform(-1, 1, (6, 8, 8, 1)).astype(np.float32)
    labels = np.array([3, -1, -1, 5, -1, -1])
    last = game.discriminator.stack[-1]
    with game.discriminator.evaluating():
        read = game.discriminator(Tensor((x[labels < 0].astype(np.float64) + 1) / 2)).data
    last.w.data *= 200
    last.b.data[...] = -200 * read.mean(0)  # so that different digits are read
    digits, sure = fixmatch.readings(200 * (read - read.mean(0)), np.full(10, 0.1))
    assert 0 < sure.sum() < 4
    distorted, fixmatch.distorted = fixmatch.distorted, lambda images, rng: -images
    try:
        batch = game.minibatch(x, labels)
    finally:
        fixmatch.distorted = distorted
    unknown = x[labels < 0]
    expected = np.concatenate([-x[[0, 3]], -unknown[sure], unknown])
    np.testing.assert_allclose(batch.real.data, (expected + 1) / 2)
    np.testing.assert_array_equal(batch.labels, [3, 5, *digits[sure], -1, -1, -1, -1])
    assert len(batch.z) == len(expected)
    np.testing.assert_array_equal(game.state()["shares"], game.shares)
    assert (game.shares != 0.1).any()


SGAN = [outputs_of_one_image_may_be_far_from_those_of_another, features_are_compared_with_noise_on_every_layer_of_both]
PROPERTIES = [a_reading_counts_if_it_is_sure_after_correction_for_how_often_its_digit_was_read,
              a_minibatch_has_distorted_images_where_the_digit_is_known_and_all_unlabelled_ones_as_they_are]
