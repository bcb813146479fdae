"""SRGAN: a generator that enlarges images four times, and draws what the small image does not show (Ledig et al. 2017).

Read stackgan.py next.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, check_positive
from ..layers import Conv2D, Dense, Flatten, LeakyReLU
from ..losses import l2
from ..network import Sequential, through
from ..ops import relu
from ..resample import bicubic, shrink
from ..residual import PixelShuffle, PReLU, Residual
from .crossentropy import CrossEntropy
from .gan import GAN
from .images import square_shape
from .looks import Looks, Samples

FACTOR = 4


class Features:
    """φ(x): the output of the fourth convolution, after its ReLU, of the digit classifier in metrics.py, which does not learn.

    (n, H, W, 1) -> (n, H / 4, W / 4, 48). The paper has VGG in the classifier's place (section 2.2.1).
    """

    def __init__(self, dtype):
        from ..metrics import load_classifier  # here, since most games do not read digits

        net = load_classifier(dtype).net
        for p in net.parameters():
            p.requires_grad = False
        self.layers = net.stack[:12]

    def __call__(self, images):
        return through(self.layers, images)


def clip(images):
    """G's output, which has no bounds, clipped to [-1, 1], as it is shown; the gradient is 0 where something was cut off."""
    return relu(images + 1) - relu(images - 1) - 1


class Rows(Looks):
    """A sheet of four rows: z, its bicubic interpolation, G(z), x."""

    def sheet(self, game, inputs, examples):
        """A column for each of the examples x, from which z is made."""
        x = examples(self.columns)
        z = game.small(x)
        return np.concatenate([z.repeat(FACTOR, 1).repeat(FACTOR, 2), bicubic(z, FACTOR).clip(-1, 1), game.generate(z), x])


@dataclass(kw_only=True, eq=False, repr=False)
class SRGAN(GAN):
    """A code z is a small image: each pixel is the mean of 4 × 4 pixels of a real image x. G(z) is to look like x.

        L_G = mean (φ(x) - φ(G(z)))² - 10⁻³ mean ln D(G(z))                                            (eq. 3, 5 and 6)

    Many x have the same z. The mean squared error of pixels is least for the mean of these x, which is blurred. The
    features φ, and D, which learns that real images are sharp, ask for one of these x instead.

    objective    "perceptual": L_G; or "mse": the mean squared error of pixels, and D does not play. The paper first
                 trains its G in this way ("SRResNet")
    adversarial  10⁻³
    size         height and width of x, a multiple of 4
    width        channels in G and in D's first layer
    blocks       residual blocks in G. The paper has 16, and a width of 64

    The paper's networks have batch normalisation. Images are better without it (Lim et al. 2017, Wang et al. 2018). Codes are
    not drawn, so latent_dim is not used.
    """

    objective: str = "perceptual"
    adversarial: float = 1e-3
    size: int = 28
    width: int = 32
    blocks: int = 4
    lr: float = 3e-4
    beta1: float = 0.9

    batch_size = 16
    fresh_z = False
    draws = False

    def build(self):
        """Make the networks (G 162,657 and D 58,881 parameters by default), losses and looks."""
        if self.objective not in ("perceptual", "mse"):
            raise InputError(f"expected objective perceptual or mse, got {self.objective!r}")
        shape = square_shape(self.size, 1, FACTOR)
        check_positive("networks", width=self.width, blocks=self.blocks)
        width, small, made = self.width, self.size // FACTOR, dict(rng=self.rng, dtype=self.dtype)
        blocks = [Residual(Conv2D(width, 3), PReLU(), Conv2D(width, 3)) for _ in range(self.blocks)]
        self.generator = Sequential(
            Conv2D(width, 9), PReLU(), Residual(*blocks, Conv2D(width, 3)),
            Conv2D(4 * width, 3), PixelShuffle(2), PReLU(), Conv2D(4 * width, 3), PixelShuffle(2), PReLU(),
            Conv2D(1, 9), input_shape=(small, small, 1), **made)
        self.discriminator = Sequential(
            Conv2D(width, 3, strides=2), LeakyReLU(0.2), Conv2D(2 * width, 3), LeakyReLU(0.2),
            Conv2D(2 * width, 3, strides=2), LeakyReLU(0.2), Flatten(), Dense(1), input_shape=shape, **made)
        self.losses, self.features = CrossEntropy(weight=0.5), Features(self.dtype)
        panels, progress = {"loss": ("g_loss",)}, {"loss": "g_loss"}
        if self.objective == "perceptual":
            panels, progress = Samples().panels | {"content": ("content",)}, Samples().progress
        self.looks = Rows(panels=panels | {"PSNR, dB": ("psnr",)}, progress=progress | {"PSNR": "psnr"}, columns=10)

    def small(self, images):
        """The code z of each image x: (n, H, W, 1) -> (n, H / 4, W / 4, 1)."""
        return shrink(images.astype(self.dtype), FACTOR)

    def latent(self, n, rng=None):
        """InputError: there are no codes without images."""
        raise InputError("SRGAN enlarges images, and cannot draw any without small ones: see demos/srgan.py")

    def generate(self, z):
        """G(z), clipped: (n, H / 4, W / 4, 1) -> (n, H, W, 1), float32 in [-1, 1]."""
        return super().generate(z).clip(-1, 1)

    def codes(self, real, labels):
        """z for each real image x."""
        return self.small(real)

    def d_step(self, batch, fake):
        """GAN's, if D plays."""
        return super().d_step(batch, clip(fake)) if self.objective == "perceptual" else {}

    def g_step(self, batch, fake):
        """A step down L_G, or down the mean squared error."""
        shown, figures, loss = clip(fake), {}, l2(fake, batch.real)
        with np.errstate(divide="ignore"):
            psnr = float(10 * np.log10(4 / l2(shown, batch.real).data))
        if self.objective == "perceptual":
            with self.discriminator.frozen():  # as in GAN.g_step
                y_fake = self.discriminate(shown)
            content = l2(self.features(shown), self.features(batch.real))
            loss = content + self.losses.g_loss(y_fake, batch) * self.adversarial
            figures = {"content": content.item()} | self.losses.g_figures(y_fake.data, batch)
        self.g_optimizer.minimize(loss)
        return {"g_loss": loss.item(), "psnr": psnr} | figures
