"""Mixtures of Gaussians in the plane: where one sees, and counts, which modes of the data a generator has lost.

A GAN that collapses makes some kinds of images well and others never, and pictures do not tell what is missing. In a mixture
every kind is a mode with a known centre: `metrics.modes_covered` counts those that are reached, and the share of points that
lie near one. Protocol: Srivastava et al. 2017 (VEEGAN) and Lin et al. 2018 (PacGAN), 2,500 points.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..layers import Dense, ReLU
from ..network import Sequential
from ..ops import reshape
from .gan import GAN
from .lsgan import LeastSquares


@dataclass(frozen=True)
class Mixture:
    """Gaussians N(c, sigma² I) of equal weight around centres c, (k, 2)."""

    centres: np.ndarray
    sigma: float

    @property
    def scale(self):
        """The largest coordinate of a centre: divided by it, the centres fill [-1, 1]."""
        return float(np.abs(self.centres).max())

    def sample(self, n, rng):
        """n points, float32 (n, 2)."""
        modes = rng.integers(0, len(self.centres), n)
        return (self.centres[modes] + self.sigma * rng.standard_normal((n, 2))).astype(np.float32)


def ring():
    """Eight Gaussians on the unit circle."""
    angles = np.arange(8) * (np.pi / 4)
    return Mixture(np.stack([np.cos(angles), np.sin(angles)], 1), sigma=0.01)


def grid():
    """Twenty-five Gaussians on {-4, -2, 0, 2, 4}²."""
    ticks = np.arange(-4.0, 5.0, 2.0)
    return Mixture(np.array([(x, y) for x in ticks for y in ticks]), sigma=0.05)


MIXTURES = {"ring": ring(), "grid": grid()}


class Points:
    """Random minibatches of a mixture: iterating gives pairs, float32 (size, 2) and None for labels that there are not."""

    shape, labels = (2,), None

    def __init__(self, mixture, size, rng):
        if not (isinstance(size, (int, np.integer)) and size >= 1):
            raise InputError(f"Points: expected a size >= 1, got {size!r}")
        self.mixture, self.size, self.rng = mixture, size, rng

    def __iter__(self):
        return self

    def __next__(self):
        return self.mixture.sample(self.size, self.rng), None

    def examples(self, n):
        """n points: the same ones every time."""
        return self.mixture.sample(n, np.random.default_rng(0))


class MixtureGAN(GAN):
    """Points take the place of images, and small multilayer perceptrons that of convolutions.

    scale  the networks see points / scale
    pack   points that D judges together, side by side in one input, all real or all generated: among them it sees when
           G repeats itself (Lin et al. 2018, PacGAN)
    """

    batch = 512
    shares_z = False
    lr_hold = 0

    def __init__(self, *, scale=1.0, pack=2, width=128, latent_dim=2, lr=1e-3, **options):
        if not 0 < scale < np.inf:
            raise InputError(f"{type(self).__name__}: expected 0 < scale < inf, got {scale}")
        if not (isinstance(pack, int) and pack >= 1):
            raise InputError(f"{type(self).__name__}: expected an integer pack >= 1, got {pack!r}")
        self.latent_dim, self.pixels = latent_dim, (-1 / scale, 1 / scale)
        super().__init__(pack=pack, width=width, latent_dim=latent_dim, lr=lr, **options)
        self.settings["scale"] = scale
        self.pack, self.image_shape = pack, (2,)

    def networks(self, pack, width, latent_dim):
        """Two hidden layers each: 17,154 and 17,281 parameters by default."""
        def network(inputs, outputs):
            return Sequential(Dense(width), ReLU(), Dense(width), ReLU(), Dense(outputs),
                              input_shape=(inputs,), rng=self.rng, dtype=self.dtype)

        return network(latent_dim, 2), network(2 * pack, 1)

    def judge(self, images):
        """One logit for `pack` points, (n, 2) -> (n / pack, 1)."""
        if len(images) % self.pack:
            raise InputError(f"{type(self).__name__}: expected a multiple of {self.pack} points, its pack, got {len(images)}")
        return self.discriminator(reshape(images, (len(images) // self.pack, 2 * self.pack)))

    def sheet_latent(self, rng):
        """As many as the protocol scores."""
        return self.latent(2500, rng)


class MixtureLSGAN(LeastSquares, MixtureGAN):
    """Least squares on the same networks."""
