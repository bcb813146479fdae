"""DCGAN: convolutional networks that train stably (Radford, Metz & Chintala 2015)."""

import math

from ..errors import InputError
from ..layers import (
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Reshape,
    ResizeConv2D,
    Tanh,
    unit_length,
)
from ..network import Sequential
from .gan import GAN


class DCGAN(GAN):
    """G projects z to size/4 × size/4 × 2·width and doubles the image twice; D halves it twice.

    size (a multiple of 4), width (channels of the larger feature maps) and latent_dim scale it; see GAN for the rest.
    Upsampling is by resize-convolution, which leaves no checkerboard (Odena, Dumoulin & Olah 2016).
    norm: "batch", or "weight" for weight-normalised layers in batch normalisation's place, and in D, too (Xiang & Li 2017).
    lr: Radford et al. use 2e-4; 5e-4, the default with batch norm, draws better digits within 2,000 steps. With weight norm
    G would then soon draw nothing but black: there 2e-4 is the default.
    """

    def __init__(self, *, size=28, width=64, latent_dim=100, norm="batch", lr=None, **options):
        self.latent_dim = latent_dim
        if lr is None:
            lr = 2e-4 if norm == "weight" else 5e-4
        super().__init__(size=size, width=width, latent_dim=latent_dim, norm=norm, lr=lr, **options)

    def networks(self, size, width, latent_dim, norm):
        """852,609 and 212,865 trained parameters by default."""
        if not (isinstance(size, int) and size >= 4 and size % 4 == 0):
            raise InputError(f"{type(self).__name__}: expected as size a positive multiple of 4, got {size!r}")
        if norm not in ("batch", "weight"):
            raise InputError(f"{type(self).__name__}: expected norm batch or weight, got {norm!r}")
        small = (size // 4, size // 4, 2 * width)
        if norm == "batch":
            options = {}
            generator = [
                Dense(math.prod(small)), LeakyReLU(0.2), BatchNorm(), Reshape(*small),
                ResizeConv2D(width, 5), BatchNorm(), LeakyReLU(0.2),
                ResizeConv2D(1, 5), Tanh()]
        else:
            options = dict(weight_norm=True, init=unit_length)
            generator = [
                Dense(math.prod(small), **options), LeakyReLU(0.2), Reshape(*small),
                ResizeConv2D(width, 5, **options), LeakyReLU(0.2),
                ResizeConv2D(1, 5, **options), Tanh()]
        generator = Sequential(*generator, input_shape=(latent_dim + self.classes,), rng=self.rng, dtype=self.dtype)
        discriminator = Sequential(
            Conv2D(width, 5, strides=2, **options), LeakyReLU(0.2), Dropout(0.3),
            Conv2D(2 * width, 5, strides=2, **options), LeakyReLU(0.2), Dropout(0.3),
            Flatten(), Dense(1 + self.classes, **options),
            input_shape=(size, size, 1), rng=self.rng, dtype=self.dtype)
        return generator, discriminator

    def d_loss(self, real, fake, minibatch=None):
        """The mean, not the sum, of the losses on real and on fake images."""
        return super().d_loss(real, fake, minibatch) * 0.5
