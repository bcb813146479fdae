"""What must hold for FixMatch: what D's minibatches consist of, and when a reading counts."""

import numpy as np

from numgan.games import FixMatchSGAN, fixmatch
from numgan.tensor import Tensor


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


PROPERTIES = [a_reading_counts_if_it_is_sure_after_correction_for_how_often_its_digit_was_read,
              a_minibatch_has_distorted_images_where_the_digit_is_known_and_all_unlabelled_ones_as_they_are]
