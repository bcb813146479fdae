"""StackGAN: from a caption to a digit in two stages, first small, then at full size (Zhang et al. 2017).

Read mixture.py next.
"""

from dataclasses import dataclass

import numpy as np

from ..captions import DIGITS, LENGTH, VOCABULARY, numbers
from ..embedding import Augmentation, Beside, Embedding, divergence
from ..errors import InputError, check_positive
from ..layers import BatchNorm, Conv2D, Dense, Flatten, LeakyReLU, Reshape, ResizeConv2D, Tanh
from ..losses import bce_with_logits
from ..network import Sequential
from ..ops import concatenate
from ..residual import Residual
from ..tensor import Tensor
from .crossentropy import CrossEntropy
from .game import evaluate
from .gan import GAN
from .looks import Samples
from .minibatch import Minibatch


class Captions(Samples):
    """A sheet with a row for each of ten captions."""

    def inputs(self, game, rng):
        """Ten codes for each caption."""
        rows = [(digit % 4, digit, digit // 2 % 4) for digit in range(len(DIGITS))]
        return game.asking(numbers(np.repeat(rows, 10, 0)), rng)


@dataclass(kw_only=True, eq=False, repr=False)
class StackGAN(GAN):
    """Both stages play the same game."""

    stage: int = 1
    size: int = 28
    width: int = 32
    d: int = 32
    kl: float = 1.0
    lr: float = 1e-3
    d_lr: float | None = 5e-4
    average: float | None = 0.999

    fresh_z = False

    def build(self):
        """Make the networks, losses and looks."""
        width, d, half = self.width, self.d, self.size // 2
        if self.stage == 1:
            self.generator = self.first_generator()
            size = half
        else:
            self.first = self.first_generator()
            size = self.size
            g = [
                Beside([Reshape(half, half, 1), Conv2D(width, 3), LeakyReLU()], [Augmentation(len(VOCABULARY), d)], d + LENGTH),
                Conv2D(width, 3), BatchNorm(), LeakyReLU(),
                Residual(Conv2D(width, 3), BatchNorm(), LeakyReLU(), Conv2D(width, 3), BatchNorm()), LeakyReLU(),
                ResizeConv2D(width // 2, 5), BatchNorm(), LeakyReLU(),
                Conv2D(1, 5), Tanh()]
            self.generator = self.made(half**2 + d + LENGTH, *g)
        more = [Conv2D(2 * width, 5, strides=2), LeakyReLU()] if self.stage == 2 else []
        self.discriminator = self.made(
            size**2 + LENGTH,
            Beside([Reshape(size, size, 1), Conv2D(width, 5, strides=2), LeakyReLU(), *more,
                    Conv2D(2 * width, 3, strides=2), LeakyReLU()],
                   [Embedding(len(VOCABULARY), d), Dense(d), LeakyReLU()], LENGTH),
            Conv2D(2 * width, 1), LeakyReLU(), Flatten(), Dense(1))
        self.losses = CrossEntropy(weight=0.5)
        self.looks = Captions(columns=10)

    def made(self, inputs, *layers):
        return Sequential(*layers, input_shape=(inputs,), rng=self.rng, dtype=self.dtype)

    def first_generator(self):
        width, quarter = self.width, self.size // 4
        return self.made(
            self.latent_dim + self.d + LENGTH,
            Beside([], [Augmentation(len(VOCABULARY), self.d)], self.d + LENGTH),
            Dense(quarter**2 * 2 * width), LeakyReLU(), BatchNorm(), Reshape(quarter, quarter, 2 * width),
            ResizeConv2D(width, 5), BatchNorm(), LeakyReLU(), Conv2D(1, 5), Tanh())

    def asking(self, words, rng=None):
        """Codes that ask for these captions, integers (n, LENGTH): (n, k)."""
        rng = rng or self.rng
        n = len(words)
        words = words.astype(self.dtype)
        noise = lambda k: self.prior(rng, size=(n, k)).astype(self.dtype)
        own = noise(self.latent_dim)
        if self.stage == 2:
            own = evaluate(self.first, self.first, np.concatenate([own, noise(self.d), words], 1)).reshape(n, -1)
        return np.concatenate([own, noise(self.d), words], 1)

    def minibatch(self, images, captions):
        return Minibatch(Tensor(images.astype(self.dtype)), captions, self.asking(captions[:, 0]))

    def judge(self, images, words):
        """D's outputs"""
        n = len(words)
        return self.discriminator(concatenate([images.reshape(n, images.size // n), Tensor(words.astype(self.dtype))], 1))

    def d_step(self, batch, fake):
        right, wrong = batch.labels[:, 0], batch.labels[:, 1]
        y_real, y_wrong, y_fake = self.judge(batch.real, right), self.judge(batch.real, wrong), self.judge(fake, right)
        loss = bce_with_logits(y_real, 1) + (bce_with_logits(y_wrong, 0) + bce_with_logits(y_fake, 0)) * 0.5
        self.d_optimizer.minimize(loss)
        return {"d_loss": loss.item(), "d_wrong": float(self.losses.score(y_wrong.data).mean())} | self.losses.d_figures(y_real.data, y_fake.data, batch)

    def g_step(self, batch, fake):
        with self.discriminator.frozen():
            y_fake = self.judge(fake, batch.labels[:, 0])
        kl = divergence(*self.generator.stack[0].right.stack[0].moments(Tensor(batch.z[:, -LENGTH:])))
        loss = self.losses.g_loss(y_fake, batch) + kl * self.kl
        self.g_optimizer.minimize(loss)
        return {"g_loss": loss.item(), "kl": kl.item()} | self.losses.g_figures(y_fake.data, batch)

    def latent(self, n, rng=None):
        raise InputError("later")
