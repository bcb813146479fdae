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

    scale      the networks see points / scale
    half_life  steps in which both learning rates halve
    """

    batch = 512
    shares_z = False
    joint_batch = True

    def __init__(self, *, scale=1.0, width=128, latent_dim=2, half_life=2000, lr=1e-3, **options):
        if not 0 < scale < np.inf or not 0 < half_life < np.inf:
            raise InputError(f"{type(self).__name__}: expected scale and half_life > 0, got {scale} and {half_life}")
        self.latent_dim, self.pixels = latent_dim, (-1 / scale, 1 / scale)
        super().__init__(width=width, latent_dim=latent_dim, lr=lr, **options)
        self.settings |= {"scale": scale, "half_life": half_life}

    def networks(self, width, latent_dim):
        """Two hidden layers each: 17,282 and 17,025 parameters by default."""
        def network(inputs, outputs):
            return Sequential(Dense(width), ReLU(), Dense(width), ReLU(), Dense(outputs),
                              input_shape=(inputs,), rng=self.rng, dtype=self.dtype)

        return network(latent_dim, 2), network(2, 1)

    def lr_at(self, t):
        """lr · 2^(-t / half_life)."""
        return self.settings["lr"] * 0.5 ** (t / self.settings["half_life"])

    def sheet_latent(self, rng):
        """As many as the protocol scores."""
        return self.latent(2500, rng)


class MixtureLSGAN(LeastSquares, MixtureGAN):
    """Least squares on the same networks."""
