"""StackGAN: from a caption to a digit in two stages, first at half its size, then at full size (Zhang et al. 2017).

Read cyclegan.py next.
"""

from dataclasses import dataclass

import numpy as np

from ..captions import LENGTH, VOCABULARY, check_words, numbers
from ..embedding import Augmentation, Beside, Embedding, divergence
from ..errors import InputError, check_positive
from ..layers import BatchNorm, Conv2D, Dense, Flatten, LeakyReLU, Reshape, ResizeConv2D, Tanh
from ..network import Sequential, evaluate
from ..ops import concatenate
from ..residual import Residual
from ..tensor import Tensor
from .crossentropy import CrossEntropy
from .gan import GAN
from .looks import Samples


class Captions(Samples):
    """A sheet with a row for each of ten captions."""

    def inputs(self, game, rng):
        """Ten codes for each caption: (100, k)."""
        rows = [(digit % 4, digit, (digit + 1) // 2 % 4) for digit in range(10)]
        return game.asking(numbers(np.repeat(rows, 10, 0)), rng)


@dataclass(kw_only=True, eq=False, repr=False)
class StackGAN(GAN):
    """G draws what a caption t asks for; D judges image and caption together.

    Each network learns its own embedding φ(t) of the caption. G's becomes c = μ(φ) + σ(φ) ε, "conditioning augmentation".
    With a caption t' that does not belong to the image x,

        L_D = -E[ln D(x, t)] - (E[ln(1 - D(x, t'))] + E[ln(1 - D(G, t))]) / 2                           (eq. 3 and 5)
        L_G = -E[ln D(G, t)] + λ KL(N(μ, σ²) || N(0, 1))                                                (eq. 4 and 6)

    where G is G₁(z, c) in stage 1. In stage 2 it is G₂(G₁(z, c₁), c), and G₁ does not learn any more: its weights are to be
    loaded into `first`. The pair (x, t') is in the paper's text, not in its equations (after Reed et al. 2016): t' is another
    image's caption; now and then it is true of x, too. L_G has the form that DCGAN uses (see CrossEntropy).
    KL, the Kullback-Leibler divergence, says how far the distribution of c is from noise.

    A code is z, or in stage 2 the pixels of G₁'s image; then ε; then the numbers of the caption's words.

    stage        1: images of half the size; 2: of full size
    size         height and width in stage 2, a multiple of 4, at least 8
    width        channels of the networks
    caption_dim  the length of c and of φ(t)
    kl           λ, for the mean of KL over the numbers in c, as in the authors' code, where it is 2 (the paper: 1, for the sum)
    """

    stage: int = 1
    size: int = 28
    width: int = 32
    caption_dim: int = 32
    kl: float = 0.03
    lr: float = 2e-3
    d_lr: float | None = 1e-3
    average: float | None = 0.999

    fresh_z = False

    def build(self):
        """Make the networks (parameters: G 472,097 and D 28,289 in stage 1; 53,377 and 97,985 in stage 2), losses and looks."""
        if not (self.stage in (1, 2) and isinstance(self.size, int) and self.size >= 8 and self.size % 4 == 0 and self.kl >= 0):
            raise InputError("expected stage 1 or 2, a size >= 8 divisible by 4, and kl >= 0, got stage "
                             f"{self.stage!r}, size {self.size!r} and kl {self.kl!r}")
        check_positive("networks", width=self.width, caption_dim=self.caption_dim)
        width, half, size = self.width, self.size // 2, self.stage * self.size // 2
        self.generator = self.network(
            self.latent_dim + self.caption_dim + LENGTH, self.conditioned(),
            Dense(2 * width * (half // 2)**2), Reshape(half // 2, half // 2, 2 * width), BatchNorm(), LeakyReLU(),
            ResizeConv2D(width, 5), BatchNorm(), LeakyReLU(),
            Conv2D(1, 5), Tanh())
        if self.stage == 2:
            self.first, self.generator = self.generator, self.network(
                half**2 + self.caption_dim + LENGTH, self.conditioned(Reshape(half, half, 1), Conv2D(width, 3), LeakyReLU()),
                Conv2D(width, 3), BatchNorm(), LeakyReLU(),
                Residual(Conv2D(width, 3), LeakyReLU(), Conv2D(width, 3)), LeakyReLU(),
                ResizeConv2D(width // 2, 5), BatchNorm(), LeakyReLU(),
                Conv2D(1, 5), Tanh())
        further = [Conv2D(2 * width, 5, strides=2), LeakyReLU()] * (self.stage - 1)
        self.discriminator = self.network(
            size**2 + LENGTH, Beside(
                [Reshape(size, size, 1), Conv2D(width, 5, strides=2), LeakyReLU(), *further, Conv2D(2 * width, 3, strides=2),
                 LeakyReLU()], [Embedding(len(VOCABULARY), self.caption_dim), Dense(self.caption_dim), LeakyReLU()], LENGTH),
            Conv2D(2 * width, 1), LeakyReLU(), Flatten(), Dense(1))
        self.losses = CrossEntropy()
        self.looks = Captions(panels=Samples().panels | {"D(x, t')": ("d_wrong",), "KL, nats": ("kl",)}, columns=10)

    def network(self, inputs, *layers):
        """These layers as a network whose inputs are vectors of `inputs` numbers."""
        return Sequential(*layers, input_shape=(inputs,), rng=self.rng, dtype=self.dtype)

    def conditioned(self, *layers):
        """What G begins with: z or a small image, after these layers, beside c."""
        return Beside(layers, [Augmentation(len(VOCABULARY), self.caption_dim)], self.caption_dim + LENGTH)

    def latent(self, n, rng=None):
        """Codes that ask for random captions, all of which are equally probable: (n, k)."""
        return self.asking(numbers(self.drawing_rng(rng).integers(0, (4, 10, 4), (n, 3))), rng)

    def asking(self, words, rng=None):
        """Codes that ask for these captions, word numbers (n, LENGTH): (n, k)."""
        rng, words = self.drawing_rng(rng), words.astype(self.dtype)
        noise = lambda k: self.prior(rng, size=(len(words), k)).astype(self.dtype)
        own = noise(self.latent_dim)
        if self.stage == 2:
            small = evaluate(self.first, np.concatenate([own, noise(self.caption_dim), words], 1))
            own = small.reshape(len(words), (self.size // 2)**2)
        return np.concatenate([own, noise(self.caption_dim), words], 1)

    def check(self, images, labels=None):
        """GAN's checks, word numbers (N, LENGTH) of the images' captions, and at least two images for each step of D."""
        super().check(images, labels)
        check_words(labels, (len(images), LENGTH), "StackGAN.step")
        if len(images) < 2 * self.d_steps:  # t' is another image's caption
            raise InputError(f"StackGAN.step: expected at least 2 images for each step, got {len(images) // self.d_steps}")

    def codes(self, real, labels):
        """Codes that ask for the captions of real images."""
        return self.asking(labels)

    def discriminate(self, images, words):
        """D's outputs for images beside captions, word numbers (n, LENGTH): (n, 1)."""
        pixels = images.reshape(len(words), images.size // len(words))
        return self.discriminator(concatenate([pixels, Tensor(words.astype(self.dtype))], 1))

    def outputs(self, images, words):
        """D's outputs for images (n, H, W, 1) in [-1, 1] beside captions, word numbers (n, LENGTH): array (n, 1)."""
        rows = np.concatenate([images.reshape(len(words), -1), words], 1).astype(self.dtype)
        return evaluate(self.discriminator, rows)

    def d_step(self, batch, fake):
        """A step down L_D. Each image's t' is the caption of the image before it."""
        pairs = (batch.real, batch.labels), (fake, batch.labels), (batch.real, np.roll(batch.labels, 1, 0))
        y_real, y_fake, y_wrong = (self.discriminate(*pair) for pair in pairs)
        loss = self.losses.d_loss(y_real, concatenate([y_wrong, y_fake]), batch)
        self.d_optimizer.minimize(loss)
        figures = self.losses.d_figures(y_real.data, y_fake.data, batch)
        return {"d_loss": loss.item(), "d_wrong": float(self.losses.score(y_wrong.data).mean()), **figures}

    def g_step(self, batch, fake):
        """A step down L_G."""
        with self.discriminator.frozen():  # as in GAN.g_step
            y_fake = self.discriminate(fake, batch.labels)
        augmentation = self.generator.stack[0].right.stack[0]
        kl = divergence(*augmentation.moments(Tensor(batch.z[:, -LENGTH:])))
        loss = self.losses.g_loss(y_fake, batch) + kl * self.kl
        self.g_optimizer.minimize(loss)
        return {"g_loss": loss.item(), "kl": kl.item()} | self.losses.g_figures(y_fake.data, batch)
