"""DCGAN: convolutional networks that train stably (Radford, Metz & Chintala 2016).

Read vanilla.py next, or the other games in any order.
"""

import math
from dataclasses import dataclass

import numpy as np

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
from .crossentropy import CrossEntropy
from .images import ImageGAN, square_shape
from .looks import Samples


@dataclass(kw_only=True, eq=False, repr=False)
class ConvolutionalGAN(ImageGAN):
    """DCGAN's networks, for games with any losses.

    G projects z to size/4 × size/4 × 2·width and doubles height and width twice; D halves them twice. Upsampling is
    by resize-convolution, which avoids checkerboard artefacts (Odena, Dumoulin & Olah 2016). Both players' steps use the
    same fake images. Radford et al. have transposed convolutions, batch norm in D as well, ReLU in G, and a uniform z.

    width       channels of the larger feature maps
    norm        "batch": batch norm in G, none in D; or "weight": weight-normalised layers in both (after Xiang & Li 2017,
                where only the last layer has a length g, and activations are translated PReLUs)
    dropout     the rate of D's Dropout layers
    categories  how many categories there are: the first numbers of z name one (see `prior`); with 0, all of z is normal
    lr          None for the defaults of lr and d_lr: `rates`, or both 2e-4 with weight norm (at 5e-4, G soon draws only black)

    The default recipe differs from one that is common in tutorials: Adam at 2e-4 for both players, dropout in D and a normal z.
    Each player has its own learning rate (Heusel et al. 2017; here G's is four times D's), D has no dropout, samples are drawn
    with an average of G's weights (Yazici et al. 2019), and codes have categories, as in ClusterGAN (Mukherjee et al. 2019),
    but without its encoder. It draws better digits in the same time: demos/README.md has the figures.
    """

    width: int = 64
    norm: str = "batch"
    dropout: float = 0.0
    categories: int = 20
    lr: float | None = None
    average: float | None = 0.999

    rates = 2e-3, 5e-4  # G's and D's
    mark = 3.5  # the category's number in z: if it is much less, G ignores it; if it is much more, some digits are lost
    fresh_z = False

    def prior(self, rng, size):
        """Codes z (n, latent_dim): normal numbers, but of the first `categories` the largest becomes `mark`, the others 0.

        A normal z has no gaps, and G is continuous: between codes that draw a 3 and codes that draw an 8, there are some that
        draw neither (Khayatkhoei et al. 2018, who train several generators instead). Between categories there is a gap.
        Nobody tells G what they mean.
        """
        z, k = super().prior(rng, size=size), self.categories
        if k:
            z[:, :k] = self.mark * np.eye(k)[z[:, :k].argmax(1)]
        return z

    def check(self, images, labels=None):
        """GAN's checks, and at least two images for each step where G has batch statistics."""
        super().check(images, labels)
        if self.norm == "batch" and len(images) < 2 * self.d_steps:
            raise InputError(f"{type(self).__name__}.step: expected at least 2 images for each step (BatchNorm), got "
                             f"{len(images) // self.d_steps}")

    def build_networks(self, outputs=1):
        """Make G and D, by default with 852,609 and 212,865 parameters. `outputs` is how many D has."""
        shape, width = square_shape(self.size, self.channels, 4), self.width
        if type(self.categories) is not int or not 0 <= self.categories < self.latent_dim:
            raise InputError(f"expected categories (0 for none) below latent_dim = {self.latent_dim}, got {self.categories!r}")
        if self.norm not in ("batch", "weight"):
            raise InputError(f"expected norm batch or weight, got {self.norm!r}")
        if self.lr is None:
            self.lr, d_lr = (2e-4, 2e-4) if self.norm == "weight" else self.rates
            self.d_lr = d_lr if self.d_lr is None else self.d_lr
        small = (self.size // 4, self.size // 4, 2 * width)
        if self.norm == "batch":
            options = {}
            generator = [  # tutorials have the bias before BatchNorm, too, though it does nothing: see chapter 6 of the tour
                Dense(math.prod(small)), LeakyReLU(0.2), BatchNorm(), Reshape(*small),
                ResizeConv2D(width, 5), BatchNorm(), LeakyReLU(0.2),
                ResizeConv2D(self.channels, 5), Tanh()]
        else:
            options = dict(weight_norm=True, init=unit_length)
            generator = [
                Dense(math.prod(small), **options), LeakyReLU(0.2), Reshape(*small),
                ResizeConv2D(width, 5, **options), LeakyReLU(0.2),
                ResizeConv2D(self.channels, 5, **options), Tanh()]
        discriminator = [
            Conv2D(width, 5, strides=2, **options), LeakyReLU(0.2), Dropout(self.dropout),
            Conv2D(2 * width, 5, strides=2, **options), LeakyReLU(0.2), Dropout(self.dropout),
            Flatten(), Dense(outputs, **options)]
        self.generator = Sequential(*generator, input_shape=(self.code_dim,), rng=self.rng, dtype=self.dtype)
        self.discriminator = Sequential(*discriminator, input_shape=shape, rng=self.rng, dtype=self.dtype)


@dataclass(kw_only=True, eq=False, repr=False)
class DCGAN(ConvolutionalGAN):
    """DCGAN's networks and cross-entropy. D minimises the mean, not the sum, of its losses on real and on fake images.

    objective and real_label are as in CrossEntropy.
    """

    objective: str = "non-saturating"
    real_label: float = 1.0

    def build(self):
        """Make the networks, losses and looks."""
        self.build_networks()
        self.losses = CrossEntropy(self.objective, self.real_label, weight=0.5)
        self.looks = Samples(references=self.losses.equilibrium())
