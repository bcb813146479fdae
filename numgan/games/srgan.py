"""SRGAN: a generator that enlarges images four times, and draws what the small image does not say (Ledig et al. 2017).

Read mixture.py next.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, check_positive
from ..layers import Conv2D, Dense, Flatten, LeakyReLU
from ..losses import l2
from ..metrics import load_classifier
from ..network import Sequential
from ..resample import bicubic, shrink
from ..residual import PixelShuffle, PReLU, Residual
from ..tensor import Tensor
from .crossentropy import CrossEntropy
from .gan import GAN
from .looks import Looks, Samples
from .minibatch import Minibatch, as_one_batch

FACTOR = 4


class Content:
    """The content loss of section 2.2.1: mean (φ(x) - φ(G(z)))², for images (n, H, W, 1) in [-1, 1].

    φ is the output of the fourth convolution, after its ReLU, of the digit classifier in metrics.py, which has the place of
    VGG. The classifier is constant.
    """

    def __init__(self, dtype):
        self.layers = load_classifier(dtype).net.stack[:12]
        for layer in self.layers:
            for p in layer.parameters():
                p.requires_grad = False

    def features(self, images):
        """φ, (n, H / 4, W / 4, 48)."""
        for layer in self.layers:
            images = layer(images)
        return images

    def __call__(self, fake, real):
        return l2(self.features(fake), self.features(real))


class Rows(Looks):
    """A sheet of four rows of ten: z, bicubic interpolation, G(z), original."""

    def inputs(self, game, rng):
        """None: z is made from the examples."""
        return np.zeros(0)

    def sheet(self, game, inputs, examples):
        """Four rows."""
        originals = examples(self.columns)
        z = game.small(originals)
        blocks, smooth = z.repeat(FACTOR, 1).repeat(FACTOR, 2), bicubic(z, FACTOR).clip(-1, 1)
        return np.concatenate([blocks, smooth, game.generate(z), originals])


@dataclass(kw_only=True, eq=False, repr=False)
class SRGAN(GAN):
    """A code z is a small image: every pixel is the mean of 4 × 4 pixels of a real image x. G(z) is to look like x.

        L_G = mean (φ(x) - φ(G(z)))² - 10⁻³ mean ln D(G(z))                                                  (eq. 3, 5, 6)

    Many images x have the same z. The mean squared error of the pixels is least for their mean, which is blurred. Features
    φ of what an image shows, and D, which knows sharp images only, want one of them.

    objective    "perceptual": L_G; "mse": the mean squared error of the pixels, and D does not play. The paper's G starts
                 with the weights that this has found ("SRResNet")
    adversarial  10⁻³
    width        channels in G; blocks: its residual blocks (the paper has 64 and 16)
    size         height and width of the images, a multiple of 4

    Unlike the paper's, these networks have no batch normalisation: without it, enlarged images are better (Lim et al. 2017,
    Wang et al. 2018).
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

    def build(self):
        """Make the networks, losses and looks."""
        if self.objective not in ("perceptual", "mse"):
            raise InputError(f"expected objective perceptual or mse, got {self.objective!r}")
        if not (isinstance(self.size, int) and self.size >= FACTOR and self.size % FACTOR == 0):
            raise InputError(f"expected a size that is a positive multiple of {FACTOR}, got {self.size!r}")
        check_positive("networks", width=self.width, blocks=self.blocks)
        width, small = self.width, self.size // FACTOR
        generator = [
            Conv2D(width, 9), PReLU(),
            Residual(*(Residual(Conv2D(width, 3), PReLU(), Conv2D(width, 3)) for _ in range(self.blocks)), Conv2D(width, 3)),
            Conv2D(4 * width, 3), PixelShuffle(2), PReLU(),
            Conv2D(4 * width, 3), PixelShuffle(2), PReLU(),
            Conv2D(1, 9)]
        discriminator = [
            Conv2D(width, 3, strides=2), LeakyReLU(0.2), Conv2D(2 * width, 3), LeakyReLU(0.2),
            Conv2D(2 * width, 3, strides=2), LeakyReLU(0.2), Flatten(), Dense(1)]
        made = dict(rng=self.rng, dtype=self.dtype)
        self.generator = Sequential(*generator, input_shape=(small, small, 1), **made)
        self.discriminator = Sequential(*discriminator, input_shape=(self.size, self.size, 1), **made)
        self.losses, self.content = CrossEntropy(weight=0.5), Content(self.dtype)
        panels, progress = {"loss": ("g_loss",)}, {"loss": "g_loss"}
        if self.objective == "perceptual":
            samples = Samples()
            panels, progress = samples.panels | {"content": ("content",)}, samples.progress
        self.looks = Rows(panels=panels | {"PSNR, dB": ("psnr",)}, progress=progress | {"PSNR": "psnr"}, columns=10)

    def small(self, images):
        """z for images (n, H, W, 1): (n, H / 4, W / 4, 1)."""
        return shrink(images.astype(self.dtype), FACTOR)

    def latent(self, n, rng=None):
        """InputError: there are no codes without images."""
        raise InputError("SRGAN: draws nothing without small images, game.generate(game.small(images)); see demos/srgan.py")

    def generate(self, z):
        """G(z), clipped to [-1, 1]: small images (n, H / 4, W / 4, 1) -> (n, H, W, 1), float32."""
        return super().generate(z).clip(-1, 1)

    def minibatch(self, images, labels):
        """The images, and z for each of them."""
        return Minibatch(Tensor(images.astype(self.dtype)), labels, self.small(images))

    def d_outputs(self, real, fake):
        """Real and fake images pass through D as one batch."""
        return as_one_batch(self.discriminate, real, fake)

    def d_step(self, batch, fake):
        """GAN's, if D plays."""
        return super().d_step(batch, fake) if self.objective == "perceptual" else {}

    def g_step(self, batch, fake):
        """A step down L_G, or down the mean squared error."""
        loss, figures = l2(fake, batch.real), {}
        psnr = 10 * np.log10(4 / loss.item())
        if self.objective == "perceptual":
            with self.discriminator.frozen():  # as in GAN.g_step
                y_fake = self.discriminate(fake)
            content = self.content(fake, batch.real)
            loss = content + self.losses.g_loss(y_fake, batch) * self.adversarial
            figures = {"content": content.item()} | self.losses.g_figures(y_fake.data, batch)
        self.g_optimizer.minimize(loss)
        return {"g_loss": loss.item(), "psnr": float(psnr)} | figures
