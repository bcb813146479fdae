"""What `numgan.batches` promises: the documented law, labels that stay with their images, one clear line for bad input."""


import numpy as np
import pytest

from numgan import InputError, data
from numgan.batches import HalfLabelledBatches, ImageBatches, PointBatches
from numgan.games import build
from numgan.run import Run

from .errors import refused
from .runs import SMALL


def test_batches_are_float32_images_in_the_range_of_the_networks():
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 5), np.uint8)
    before = images.copy()
    batches = ImageBatches(images, 4, np.random.default_rng(1))
    known = {image.tobytes() for image in data.to_images(images)}
    for _, (batch, labels) in zip(range(20), batches, strict=False):
        assert labels is None
        assert (batch.shape, batch.dtype) == ((4, 3, 5, 1), np.float32)
        assert {image.tobytes() for image in batch} <= known
        assert batch.min() >= -1
        assert batch.max() <= 1
    np.testing.assert_array_equal(images, before)


def test_batches_are_drawn_with_replacement_evenly_from_all_images():
    images = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((2, 2), np.uint8)
    batch, _ = next(ImageBatches(images, 5000, np.random.default_rng(0)))  # more than there are
    counts = np.unique(batch[:, 0, 0, 0], return_counts=True)[1]
    assert len(counts) == 5
    assert (np.abs(counts - 1000) < 150).all()  # five standard deviations


def test_batches_depend_on_the_seed_only():
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 5), np.uint8)
    first, same, other = (ImageBatches(images, 4, np.random.default_rng(seed)) for seed in (1, 1, 2))
    drawn = [[next(batches)[0].tobytes() for _ in range(5)] for batches in (first, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 5


def test_labels_stay_with_their_images():
    images = np.arange(9, dtype=np.uint8)[:, None, None] * np.ones((2, 2), np.uint8)
    batch, labels = next(ImageBatches(images, 500, np.random.default_rng(0), np.arange(9)))
    np.testing.assert_array_equal(data.to_pixels(batch)[:, 0, 0], labels)
    assert labels.dtype == np.int64
    assert len(np.unique(labels)) == 9


def test_where_labels_are_unknown_half_of_a_minibatch_has_known_ones():
    images = np.arange(9, dtype=np.uint8)[:, None, None] * np.ones((2, 2), np.uint8)
    own = np.where(np.arange(9) % 4 == 0, np.arange(9), -1)
    batch, labels = next(HalfLabelledBatches(images, 1001, np.random.default_rng(0), own))
    digits = data.to_pixels(batch)[:, 0, 0]
    np.testing.assert_array_equal(labels[:500], digits[:500])
    assert set(labels[:500]) == {0, 4, 8}
    assert set(labels[500:]) == {-1}
    assert len(np.unique(digits[500:])) == 9
    assert (own >= 0).sum() == 3  # the data set's labels are as they were


@pytest.mark.parametrize("labels", [
    None, np.zeros(2, int), np.zeros(4, int), np.full(3, -1), np.zeros(3), np.zeros(3, bool)])
def test_labels_that_do_not_suit_the_images_are_refused(labels):
    with refused("Batches"):
        HalfLabelledBatches(np.zeros((3, 8, 8), np.uint8), 2, np.random.default_rng(0), labels)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
def test_labels_may_be_integers_of_any_kind(dtype):
    images, labels = np.zeros((3, 8, 8), np.uint8), np.array([4, 5, 6], dtype)
    _, drawn = next(HalfLabelledBatches(images, 4, np.random.default_rng(0), labels))
    assert drawn.dtype == np.int64
    assert set(drawn[:2]) <= {4, 5, 6}
    assert list(drawn[2:]) == [-1, -1]


@pytest.mark.parametrize("images", [np.zeros((3, 8, 8)), np.zeros((3, 64), np.uint8)])
def test_what_is_no_image_is_refused_before_a_batch_is_drawn(images):
    with refused("images"):
        ImageBatches(images, 2, np.random.default_rng(0))


def test_a_first_batch_that_fails_is_not_used_up_either():
    class Failing(Line):
        def sample(self, n, rng):
            raise InputError(f"not {super().sample(n, rng)}")

    batches = PointBatches(Failing(), 1, np.random.default_rng(0))
    state = batches.rng.bit_generator.state
    with refused("not"):
        batches.first()
    assert batches.rng.bit_generator.state == state


def test_examples_are_the_same_every_time_and_from_everywhere():
    images = np.arange(90, dtype=np.uint8)[:, None, None] * np.ones((2, 2), np.uint8)
    batches = ImageBatches(images, 4, np.random.default_rng(0))
    state = batches.rng.bit_generator.state
    np.testing.assert_array_equal(data.to_pixels(batches.examples(10))[:, 0, 0], [0, 9, 19, 29, 39, 49, 59, 69, 79, 89])
    assert batches.rng.bit_generator.state == state


def test_a_game_of_labelled_images_is_refused_without_labels(tmp_path):
    game = build("ACGAN", SMALL, np.random.default_rng(0))
    with refused("ACGAN", "labels"):
        Run(game, ImageBatches(np.zeros((3, 8, 8), np.uint8), 2, np.random.default_rng(0)), tmp_path)


def test_another_batch_size_is_refused(finished):
    run, _ = finished
    with refused(run.path, "batches of 6", "got 5"):
        Run.load(run.path, ImageBatches(run.batches.images, 5, np.random.default_rng(0), run.batches.labels), run.out)


@pytest.mark.parametrize(("n", "size"), [(3, 0), (3, -1), (3, 1.5), (3, "2"), (3, None), (0, 2)])
def test_batches_of_nothing_are_refused(n, size):
    with refused("Batches", repr(size) if n else f"{n} images"):
        ImageBatches(np.zeros((n, 8, 8), np.uint8), size, np.random.default_rng(0))


@pytest.mark.parametrize("rng", [None, 3, np.random.RandomState(0)])
def test_batches_need_a_generator(rng):
    with refused("ImageBatches", "default_rng"):
        ImageBatches(np.zeros((3, 8, 8), np.uint8), 2, rng)


class Line:
    """Points on a line."""

    def sample(self, n, rng):
        return rng.uniform(-1, 1, (n, 1)).astype(np.float32)


@pytest.mark.parametrize("make", [
    lambda rng: ImageBatches(np.arange(90, dtype=np.uint8).reshape(10, 3, 3), 4, rng, np.arange(10)),
    lambda rng: HalfLabelledBatches(np.arange(90, dtype=np.uint8).reshape(10, 3, 3), 4, rng, np.arange(-5, 5)),
    lambda rng: PointBatches(Line(), 4, rng)], ids=["images", "half labelled", "points"])
def test_every_kind_keeps_the_protocol(make):
    batches, same = make(np.random.default_rng(1)), make(np.random.default_rng(1))
    assert iter(batches) is batches
    assert batches.size == 4
    first = batches.first()
    for batch in first, next(batches):
        for got, expected in zip(batch, next(make(np.random.default_rng(1))), strict=True):
            np.testing.assert_array_equal(got, expected)  # `first` draws nothing
    next(same)
    batches.rng.bit_generator.state = same.rng.bit_generator.state
    for got, expected in zip(next(batches), next(same), strict=True):
        np.testing.assert_array_equal(got, expected)
    state = batches.rng.bit_generator.state
    np.testing.assert_array_equal(batches.examples(3), batches.examples(3))
    assert len(batches.examples(3)) == 3
    assert batches.rng.bit_generator.state == state
