"""What one step of a player uses: images in the networks' range, their labels, and codes.

Read looks.py next.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, described
from ..ops import concatenate
from ..tensor import Tensor


@dataclass
class Minibatch:
    """The images and codes of one step.

    real    real images, Tensor (n, H, W, C) in the networks' range
    labels  their classes, integers (n,), -1 for unknown; or None. StackGAN: the word numbers of their captions, (n, LENGTH)
    z       the codes of the fake images, (n, d). SRGAN: small images
    """

    real: Tensor
    labels: np.ndarray | None
    z: np.ndarray


@dataclass(frozen=True)
class PixelRange:
    """The range of pixel values, low … high, in a game's networks. Outside the game, images are always in [-1, 1]."""

    low: float = -1
    high: float = 1

    def check(self, images, where):
        """InputError unless all values lie in [-1, 1]."""
        if not (images.min() >= -1 and images.max() <= 1):  # also refuses NaN, for which every comparison is false
            raise InputError(f"{where}: expected finite values in [-1, 1], got {images.min():g} … {images.max():g}")

    def inward(self, images):
        """[-1, 1] -> [low, high]."""
        return images * ((self.high - self.low) / 2) + (self.high + self.low) / 2

    def outward(self, values):
        """[low, high] -> [-1, 1]."""
        return (values - (self.high + self.low) / 2) / ((self.high - self.low) / 2)


def check_images(images, shape, multiple, where):
    """InputError unless `images` is a float array (N, *shape), N a positive multiple of `multiple`."""
    if not (isinstance(images, np.ndarray) and images.dtype.kind == "f" and images.shape[1:] == shape
            and len(images) and len(images) % multiple == 0):
        raise InputError(f"{where}: expected float images (N, {', '.join(map(str, shape))}), N a positive multiple of "
                         f"{multiple} (d_steps, times the points that D judges together), got {described(images)}")


def check_labels(labels, images, lowest, where):
    """InputError unless `labels` are integers in lowest … 9, one for each image."""
    if labels is None:
        raise InputError(f"{where}: expected {len(images)} integer labels, got images without labels")
    labels = np.asarray(labels)
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise InputError(f"{where}: expected {len(images)} integer labels, got {labels.dtype} {labels.shape}")
    if not lowest <= labels.min() <= labels.max() <= 9:
        raise InputError(f"{where}: expected labels {lowest} … 9, got {labels.min()} … {labels.max()}")


def split(images, labels, k):
    """Split images and labels into k shares: share i takes every k-th of them, starting from the i-th.

    So if the first half of the images is labelled and the second is not, every share has some of both: as many of one as of
    the other, if k divides the halves.
    """
    for i in range(k):
        yield images[i::k], None if labels is None else np.asarray(labels)[i::k]


def as_one_batch(discriminate, real, fake):
    """D's outputs for real and fake images, computed as one batch. Not for a D with batch norm."""
    y = discriminate(concatenate([real, fake]))
    return y[:len(real)], y[len(real):]
