"""Codes that ask G for a class, and a sheet that shows whether it complies. Read acgan.py next."""

import numpy as np

from .looks import ClassReader

CLASSES = 10


def asked(codes):
    """The classes that codes ask for: (n, latent_dim + 10) -> integers (n,)."""
    return codes[:, -CLASSES:].argmax(1)


class ClassCodes:
    """What makes a game of images conditional: a code is z followed by the class that it asks for, one-hot.

    To be named before the other base class: class ACGAN(ClassCodes, ConvolutionalGAN).
    """

    @property
    def code_dim(self):
        """Numbers in a code."""
        return super().code_dim + CLASSES

    def noise(self, n, rng=None):
        """z without a class, (n, latent_dim)."""
        return super().latent(n, rng)

    def latent(self, n, rng=None):
        """Codes that ask for random classes, (n, latent_dim + 10)."""
        rng = rng or self.rng
        return self.asking(self.noise(n, rng), rng.integers(0, CLASSES, n))

    def asking(self, z, classes):
        """The codes that ask for these classes: (n, latent_dim) and integers (n,) -> (n, latent_dim + 10)."""
        return np.concatenate([z, np.eye(CLASSES, dtype=self.dtype)[classes]], 1)


class ClassRows(ClassReader):
    """A sheet with a row for each class and a column for each z."""

    def inputs(self, game, rng):
        """Ten z, each with every class: codes (100, latent_dim + 10)."""
        z = game.noise(10, rng)
        return game.asking(np.tile(z, (CLASSES, 1)), np.repeat(np.arange(CLASSES), len(z)))
