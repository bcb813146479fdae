"""Codes that ask G for a class, and a sheet that shows whether it complies. Read acgan.py next."""

from dataclasses import dataclass

import numpy as np

from .looks import ClassReader
from .minibatch import check_labels

CLASSES = 10


def asked(codes):
    """The classes that codes ask for: (n, latent_dim + 10) -> integers (n,)."""
    return codes[:, -CLASSES:].argmax(1)


class ClassCodes:
    """What makes a game of images conditional: a code is z followed by the class that it asks for, one-hot.

    It is the first of the base classes, so that its `latent` and `code_dim` take precedence over the other's.
    """

    @property
    def code_dim(self):
        """How many numbers a code has."""
        return super().code_dim + CLASSES

    def noise(self, n, rng=None):
        """z without a class, (n, latent_dim)."""
        return super().latent(n, rng)

    def latent(self, n, rng=None):
        """Codes that ask for random classes, (n, latent_dim + 10)."""
        rng = self.drawing_rng(rng)
        return self.asking(self.noise(n, rng), rng.integers(0, CLASSES, n))

    def asking(self, z, classes):
        """The codes that ask for these classes: (n, latent_dim) and integers 0 … 9 (n,) -> (n, latent_dim + 10)."""
        check_labels(classes, z, 0, f"{type(self).__name__}.asking")
        return np.concatenate([z, np.eye(CLASSES, dtype=self.dtype)[classes]], 1)


@dataclass(kw_only=True)
class ClassRows(ClassReader):
    """A sheet with a row for each class and a column for each z."""

    columns: int = 10

    def inputs(self, game, rng):
        """Each z with every class: codes (10 columns, latent_dim + 10)."""
        z = game.noise(self.columns, rng)
        return game.asking(np.tile(z, (CLASSES, 1)), np.repeat(np.arange(CLASSES), len(z)))
