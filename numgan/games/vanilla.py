"""The game of Goodfellow et al. 2014 with fully connected networks, in three variants known from tutorials. Read lsgan.py next.

The networks are the tutorials' (the paper's D has maxout units). The recipes are not: samples are drawn with an average of
G's weights; in "dense" and "shallow", G's learning rate is higher than D's, as in DCGAN; and "shallow" has beta1 = 0.5, not
0.9. The tutorials' recipes of these two are `--recipe tutorial` of demos/mnist_gan.py.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..layers import Dense, Dropout, Flatten, LeakyReLU, ReLU, Reshape, Sigmoid, Tanh, normal
from ..network import Sequential
from .crossentropy import CrossEntropy
from .gan import GAN
from .images import ImageGAN, square_shape
from .looks import Samples
from .minibatch import PixelRange, as_one_batch


def dense(shape):
    """Three hidden layers each, dropout in D. For 28 × 28 × 1 images, G has 1,463,312 and D 1,460,225 parameters."""
    generator = (Dense(256), LeakyReLU(0.2), Dense(512), LeakyReLU(0.2), Dense(1024), LeakyReLU(0.2),
                 Dense(math.prod(shape)), Tanh(), Reshape(*shape))
    discriminator = (Flatten(), Dense(1024, init=normal(0.02)), LeakyReLU(0.2), Dropout(0.3),
                     Dense(512), LeakyReLU(0.2), Dropout(0.3), Dense(256), LeakyReLU(0.2), Dropout(0.3), Dense(1))
    return generator, discriminator


def shallow(shape):
    """One hidden layer each, all weights from N(0, 0.01²), pixels in [0, 1]."""
    init = normal(0.01)
    generator = Dense(256, init=init), ReLU(), Dense(math.prod(shape), init=init), Sigmoid(), Reshape(*shape)
    discriminator = Flatten(), Dense(256, init=init), ReLU(), Dense(1, init=init)
    return generator, discriminator


def minimal(shape):
    """One hidden layer of 128 each. At the tutorials' learning rate, 0.01, G soon collapses to a single image."""
    generator = Dense(128), ReLU(), Dense(math.prod(shape)), Tanh(), Reshape(*shape)
    discriminator = Flatten(), Dense(128), ReLU(), Dense(1)
    return generator, discriminator


@dataclass(frozen=True)
class Variant:
    """Networks, and how they are trained. weight: as in CrossEntropy."""

    layers: callable
    lr: float
    d_lr: float
    batch_size: int = 100
    latent_dim: int = 100
    prior: callable = np.random.Generator.standard_normal
    pixels: PixelRange = GAN.pixels
    beta1: float = 0.5
    real_label: float = 1.0
    weight: float = 1


VARIANTS = {
    "dense": Variant(dense, lr=1e-3, d_lr=2.5e-4, batch_size=128, latent_dim=10, real_label=0.9, weight=0.5,
                     prior=lambda rng, size: rng.uniform(-1, 1, size)),
    "shallow": Variant(shallow, lr=2e-3, d_lr=5e-4, latent_dim=128, pixels=PixelRange(0, 1)),
    "minimal": Variant(minimal, lr=0.01, d_lr=0.01, beta1=0.9),
}


@dataclass(kw_only=True, eq=False, repr=False)
class VanillaGAN(ImageGAN):
    """Fully connected networks. A setting that is None takes the value of the variant: "dense", "shallow" or "minimal".

    If lr is given, d_lr is the same unless it is given, too.

    objective and real_label are as in CrossEntropy.
    """

    variant: str = "dense"
    latent_dim: int | None = None
    lr: float | None = None
    beta1: float | None = None
    objective: str = "non-saturating"
    real_label: float | None = None
    average: float | None = 0.999

    def build(self):
        """Make the networks, the losses and the looks."""
        shape = square_shape(self.size, self.channels, 1)
        if self.variant not in VARIANTS:
            raise InputError(f"expected variant {', '.join(VARIANTS)}, got {self.variant!r}")
        variant = VARIANTS[self.variant]
        if self.lr is None and self.d_lr is None:
            self.d_lr = variant.d_lr
        for name in ("latent_dim", "lr", "beta1", "real_label"):
            if getattr(self, name) is None:
                setattr(self, name, getattr(variant, name))
        self.batch_size, self.prior, self.pixels = variant.batch_size, variant.prior, variant.pixels
        generator, discriminator = variant.layers(shape)
        self.generator = Sequential(*generator, input_shape=(self.code_dim,), rng=self.rng, dtype=self.dtype)
        self.discriminator = Sequential(*discriminator, input_shape=shape, rng=self.rng, dtype=self.dtype)
        self.losses = CrossEntropy(self.objective, self.real_label, weight=variant.weight)
        self.looks = Samples(references=self.losses.equilibrium())

    def d_outputs(self, real, fake):
        """Real and fake images pass through D as one batch."""
        return as_one_batch(self.discriminate, real, fake)
