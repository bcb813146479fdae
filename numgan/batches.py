"""Where minibatches come from: one protocol for images, labelled images, points, and whatever your own game needs.

Batches are an endless iterator with five things that `run.Run` relies on:

    next(batches)        one batch: a tuple, which is passed on as game.step(*batch)
    batches.first()      the batch that `next` will yield, without using it up
    batches.size         how many items a batch has; a checkpoint records it
    batches.rng          the numpy.random.Generator that draws them; its state is saved in a checkpoint and restored from it
    batches.examples(n)  n items of the data to look at, the same every time; batches.rng is not used

Read run.py next.
"""

import numpy as np

from . import captions
from .data import to_images
from .errors import InputError, check_positive, check_rng


class Batches:
    """What all kinds of batches share. A subclass defines `__next__` and `examples`."""

    def __init__(self, size, rng):
        check_positive(type(self).__name__, size=size)
        check_rng(type(self).__name__, rng)
        self.size, self.rng = int(size), rng

    def __iter__(self):
        return self

    def first(self):
        """The batch that the next call of `next` will return. It is not used up: the state of `rng` is put back."""
        state = self.rng.bit_generator.state
        try:
            return next(self)
        finally:
            self.rng.bit_generator.state = state


class ImageBatches(Batches):
    """Random images, drawn with replacement (so there is no smaller last batch), and their labels.

    images  uint8 (n, H, W) or (n, H, W, C); a batch is float32 (size, H, W, C) in [-1, 1]
    labels  integers (n,), -1 for unknown, or None; in a batch (size,) or None
    """

    def __init__(self, images, size, rng, labels=None):
        super().__init__(size, rng)
        if not len(images):
            raise InputError(f"{type(self).__name__}: expected at least one image, got 0 images")
        if labels is not None and len(labels) != len(images):
            raise InputError(f"{type(self).__name__}: expected a label for each of {len(images)} images, got {len(labels)}")
        if labels is not None and np.asarray(labels).dtype.kind not in "iu":
            raise InputError(f"{type(self).__name__}: expected integer labels, got {np.asarray(labels).dtype}")
        to_images(images[:1])  # refuses what is not an image
        self.images, self.labels = images, None if labels is None else np.asarray(labels, np.int64)

    def __next__(self):
        chosen = self.rng.integers(0, len(self.images), self.size)
        return to_images(self.images[chosen]), None if self.labels is None else self.labels[chosen]

    def examples(self, n):
        """n images spread over the whole data set, float32 (n, H, W, C) in [-1, 1]."""
        return to_images(self.images[np.linspace(0, len(self.images) - 1, n).astype(int)])


class HalfLabelledBatches(ImageBatches):
    """For images of which some have labels: half of every batch is drawn from these, the rest from all images.

    The first size // 2 items of a batch have their labels; the others have -1, even where the label is known.
    """

    def __init__(self, images, size, rng, labels):
        super().__init__(images, size, rng, labels)
        self.known = np.flatnonzero([] if labels is None else self.labels >= 0)
        if not len(self.known):
            raise InputError(f"{type(self).__name__}: expected at least one labelled image, got no label but -1 (unknown)")

    def __next__(self):
        half = self.size // 2
        chosen = np.concatenate([self.known[self.rng.integers(0, len(self.known), half)],
                                 self.rng.integers(0, len(self.images), self.size - half)])
        labels = self.labels[chosen]
        labels[half:] = -1
        return to_images(self.images[chosen]), labels


class CaptionBatches(ImageBatches):
    """Random images and their captions, as `captions.forget` leaves them: word numbers (size, LENGTH).

    labels: the images' traits, (n, 3), else InputError.
    """

    def __init__(self, images, size, rng, labels=None):
        super().__init__(images, size, rng, labels)
        if np.shape(self.labels) != (len(images), 3):
            raise InputError(f"CaptionBatches: expected traits as labels, ({len(images)}, 3), got {np.shape(self.labels)}")

    def __next__(self):
        images, described = super().__next__()
        return images, captions.numbers(captions.forget(described, self.rng))


class UnpairedBatches(Batches):
    """Images of two kinds, x and y, equally many of each, not paired. A batch is two arrays.

    x and y are ImageBatches of one size, which share one rng. InputError if not.
    """

    def __init__(self, x, y):
        super().__init__(x.size, x.rng)
        if x.size != y.size or x.rng is not y.rng:
            raise InputError(f"UnpairedBatches: expected one size and one rng for both, got sizes {x.size} and {y.size}")
        self.x, self.y = x, y

    def __next__(self):
        return next(self.x)[0], next(self.y)[0]

    def examples(self, n):
        """n images of each kind, two arrays."""
        return self.x.examples(n), self.y.examples(n)


class PointBatches(Batches):
    """Random points of a distribution: `distribution.sample(n, rng)` gives float32 (n, d). A batch is one such array."""

    def __init__(self, distribution, size, rng):
        super().__init__(size, rng)
        self.distribution = distribution

    def __next__(self):
        return (self.distribution.sample(self.size, self.rng),)

    def examples(self, n):
        """n points."""
        return self.distribution.sample(n, np.random.default_rng(0))
