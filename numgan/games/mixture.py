"""Mixtures of Gaussians in the plane: where the modes that a generator has lost can be seen and counted.

A collapsed GAN draws some kinds of images well and others never, and its samples do not show what is missing. In a mixture,
every kind is a mode with a known centre: `metrics.modes_covered` counts the modes that are reached, and the share of points
near one. Protocol: Srivastava et al. 2017 (VEEGAN) and Lin et al. 2018 (PacGAN), 2,500 points.

Read batches.py next.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..layers import Dense, ReLU
from ..network import Sequential
from ..ops import reshape
from .crossentropy import CrossEntropy
from .gan import GAN
from .looks import Samples
from .lsgan import LeastSquares
from .minibatch import PixelRange


@dataclass(frozen=True)
class Mixture:
    """Gaussians N(c, sigma² I) of equal weight around centres c, (k, 2)."""

    centres: np.ndarray
    sigma: float

    @property
    def scale(self):
        """The largest coordinate of a centre: divided by it, the centres span [-1, 1]."""
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


class Points(PixelRange):
    """For points, which have no bounds: [-1, 1] becomes [low, high], and what lies outside is scaled as well."""

    def check(self, points, where):
        """InputError unless all of them are finite."""
        if not np.isfinite(points).all():
            raise InputError(f"{where}: expected finite points, got inf or NaN among them")


@dataclass(kw_only=True, eq=False, repr=False)
class PointGAN(GAN):
    """Points instead of images, and small multilayer perceptrons instead of convolutions. For games with any losses.

    scale  the networks see points / scale
    pack   points that D judges together, side by side in one input, all real or all fake: D then notices when G repeats
           itself (Lin et al. 2018, PacGAN)
    width  of the two hidden layers of each network
    """

    scale: float = 1.0
    pack: int = 2
    width: int = 128
    latent_dim: int = 2
    lr: float = 1e-3
    lr_hold: float = 0.0

    batch_size = 512

    def build_networks(self):
        """Two hidden layers each: 17,154 and 17,281 parameters by default."""
        if not 0 < self.scale < np.inf:
            raise InputError(f"expected 0 < scale < inf, got {self.scale}")

        def network(inputs, outputs):
            return Sequential(Dense(self.width), ReLU(), Dense(self.width), ReLU(), Dense(outputs),
                              input_shape=(inputs,), rng=self.rng, dtype=self.dtype)

        self.pixels = Points(-1 / self.scale, 1 / self.scale)
        self.generator, self.discriminator = network(self.latent_dim, 2), network(2 * self.pack, 1)

    def discriminate(self, points):
        """One output for every `pack` points, (n, 2) -> (n / pack, 1)."""
        if len(points) % self.pack:
            raise InputError(f"{type(self).__name__}: expected a multiple of {self.pack} points, its pack, got {len(points)}")
        return self.discriminator(reshape(points, (len(points) // self.pack, 2 * self.pack)))


@dataclass(kw_only=True, eq=False, repr=False)
class MixtureGAN(PointGAN):
    """Cross-entropy; objective and real_label are as in CrossEntropy."""

    objective: str = "non-saturating"
    real_label: float = 1.0

    def build(self):
        """Make the networks, losses and looks; a sheet has as many samples as the protocol scores."""
        self.build_networks()
        self.losses = CrossEntropy(self.objective, self.real_label)
        self.looks = Samples(references=self.losses.equilibrium(), n=2500)


@dataclass(kw_only=True, eq=False, repr=False)
class MixtureLSGAN(PointGAN):
    """The same networks and least squares."""

    real_label: float = 1.0

    def build(self):
        """Make the networks, losses and looks; a sheet has as many samples as the protocol scores."""
        self.build_networks()
        self.losses = LeastSquares(self.real_label)
        self.looks = Samples(references=self.losses.equilibrium(), n=2500)
