"""StackGAN: from a caption to a digit in two stages, first at half its size, then at full size (Zhang et al. 2017).

Read mixture.py next.
"""

from dataclasses import dataclass

import numpy as np

from ..captions import LENGTH, VOCABULARY, numbers
from ..embedding import Augmentation, Beside, Embedding, divergence
from ..errors import InputError, check_positive
from ..layers import BatchNorm, Conv2D, Dense, Flatten, LeakyReLU, Reshape, ResizeConv2D, Tanh
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
        """Ten codes for each caption: (100, k)."""
        rows = [(digit % 4, digit, (digit + 1) // 2 % 4) for digit in range(10)]
        return game.asking(numbers(np.repeat(rows, 10, 0)), rng)


@dataclass(kw_only=True, eq=False, repr=False)
class StackGAN(GAN):
    """A generator that draws what a caption t asks for, and a discriminator that judges image and caption together.

    Each network has its own embedding φ(t) of the caption, which it learns. G's becomes c = μ(φ) + σ(φ) ε: "conditioning
    augmentation". With t' a caption that does not suit x,

        L_D = -E[ln D(x, t)] - (E[ln(1 - D(x, t'))] + E[ln(1 - D(G, t))]) / 2                           (eq. 3 and 5)
        L_G = -E[ln D(G, t)] + λ KL(N(μ, σ²) || N(0, 1))                                                (eq. 4 and 6)

    where G is G₁(z, c) in stage 1, and G₂(G₁(z, c₁), c) in stage 2: there G₁ is frozen, and no new z is drawn. The equations
    have no t', which the text adds; and they have ln(1 - D(G, t)) in L_G (see CrossEntropy).

    A code is z, or in stage 2 the pixels of the small image; then ε; then the numbers of the caption's words.

    stage        1: images of half the size; or 2: full size
    size         height and width of the images of stage 2, a multiple of 4, at least 8
    width        channels of the networks
    caption_dim  the length of c, and of φ
    kl           λ, 1 in the paper. KL is the mean over the numbers in c
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
        """Make the networks (stage 1: G ... and D ... parameters by default; stage 2: ... and ...), losses and looks."""
        if self.stage not in (1, 2):
            raise InputError(f"expected stage 1 or 2, got {self.stage!r}")
        if not (isinstance(self.size, int) and self.size >= 8 and self.size % 4 == 0 and self.kl >= 0):
            raise InputError(f"expected a size >= 8 that 4 divides, and kl >= 0, got {self.size!r}, {self.kl!r}")
        check_positive("networks", width=self.width, caption_dim=self.caption_dim)
        width, half, size = self.width, self.size // 2, self.stage * self.size // 2
        self.generator = self.network(
            self.latent_dim + self.caption_dim + LENGTH,
            self.conditioned(),
            Dense(2 * width * (half // 2)**2), Reshape(half // 2, half // 2, 2 * width), BatchNorm(), LeakyReLU(),
            ResizeConv2D(width, 5), BatchNorm(), LeakyReLU(),
            Conv2D(1, 5), Tanh())
        if self.stage == 2:
            self.first, self.generator = self.generator, self.network(
                half**2 + self.caption_dim + LENGTH,
                self.conditioned(Reshape(half, half, 1), Conv2D(width, 3), LeakyReLU()),
                Conv2D(width, 3), BatchNorm(), LeakyReLU(),
                Residual(Conv2D(width, 3), LeakyReLU(), Conv2D(width, 3)), LeakyReLU(),
                ResizeConv2D(width // 2, 5), BatchNorm(), LeakyReLU(),
                Conv2D(1, 5), Tanh())
        further = [Conv2D(2 * width, 5, strides=2), LeakyReLU()] * (self.stage - 1)
        self.discriminator = self.network(
            size**2 + LENGTH,
            Beside([Reshape(size, size, 1), Conv2D(width, 5, strides=2), LeakyReLU(), *further,
                    Conv2D(2 * width, 3, strides=2), LeakyReLU()],
                   [Embedding(len(VOCABULARY), self.caption_dim), Dense(self.caption_dim), LeakyReLU()], LENGTH),
            Conv2D(2 * width, 1), LeakyReLU(), Flatten(), Dense(1))
        self.losses = CrossEntropy()
        self.looks = Captions(panels=Samples().panels | {"D(x, t')": ("d_wrong",), "KL, nats": ("kl",)}, columns=10)

    def network(self, inputs, *layers):
        """These layers, for vectors of so many numbers."""
        return Sequential(*layers, input_shape=(inputs,), rng=self.rng, dtype=self.dtype)

    def conditioned(self, *layers):
        """What G begins with: z or a small image, after these layers, beside c."""
        return Beside(layers, [Augmentation(len(VOCABULARY), self.caption_dim)], self.caption_dim + LENGTH)

    def latent(self, n, rng=None):
        """Codes that ask for random captions, all of which are equally probable: (n, k)."""
        rng = rng or self.rng
        return self.asking(numbers(rng.integers(0, (4, 10, 4), (n, 3))), rng)

    def asking(self, words, rng=None):
        """Codes that ask for these captions, word numbers (n, LENGTH): (n, k)."""
        rng, words = rng or self.rng, words.astype(self.dtype)

        def noise(k):
            return self.prior(rng, size=(len(words), k)).astype(self.dtype)

        own = noise(self.latent_dim)
        if self.stage == 2:
            small = evaluate(self.first, self.first, np.concatenate([own, noise(self.caption_dim), words], 1))
            own = small.reshape(len(words), small[0].size)
        return np.concatenate([own, noise(self.caption_dim), words], 1)

    def sketches(self, codes):
        """The small images in codes of stage 2: (n, k) -> (n, size / 2, size / 2, 1)."""
        half = self.size // 2
        return codes[:, :half**2].reshape(len(codes), half, half, 1)

    def check(self, images, labels=None):
        """GAN's checks, and word numbers (N, 2, LENGTH): of a caption that suits the image, and of one that does not."""
        super().check(images, labels)
        words = np.asarray(labels)
        if words.shape != (len(images), 2, LENGTH) or words.dtype.kind not in "iu":
            raise InputError(f"StackGAN.step: expected two captions for each of {len(images)} images, integers "
                             f"({len(images)}, 2, {LENGTH}), got {words.dtype} {words.shape}")
        if not 0 <= words.min() <= words.max() < len(VOCABULARY):
            raise InputError(f"StackGAN.step: expected words 0 … {len(VOCABULARY) - 1}, got {words.min()} … {words.max()}")

    def minibatch(self, images, labels):
        """Images x, both captions of each, and codes that ask for the first of them."""
        return Minibatch(Tensor(images.astype(self.dtype)), labels, self.asking(labels[:, 0]))

    def discriminate(self, images, words):
        """D's outputs for images beside captions, word numbers (n, LENGTH): (n, 1)."""
        pixels = images.reshape(len(words), images.size // len(words))
        return self.discriminator(concatenate([pixels, Tensor(words.astype(self.dtype))], 1))

    def d_step(self, batch, fake):
        """A step down L_D."""
        right, wrong = batch.labels[:, 0], batch.labels[:, 1]
        y_real, y_fake = self.discriminate(batch.real, right), self.discriminate(fake, right)
        y_wrong = self.discriminate(batch.real, wrong)
        loss = self.losses.d_loss(y_real, concatenate([y_wrong, y_fake]), batch)
        self.d_optimizer.minimize(loss)
        return {"d_loss": loss.item(), "d_wrong": float(self.losses.score(y_wrong.data).mean())} | self.losses.d_figures(
            y_real.data, y_fake.data, batch)

    def g_step(self, batch, fake):
        """A step down L_G."""
        with self.discriminator.frozen():  # as in GAN.g_step
            y_fake = self.discriminate(fake, batch.labels[:, 0])
        augmentation = self.generator.stack[0].right.stack[0]
        kl = divergence(*augmentation.moments(Tensor(batch.z[:, -LENGTH:])))
        loss = self.losses.g_loss(y_fake, batch) + kl * self.kl
        self.g_optimizer.minimize(loss)
        return {"g_loss": loss.item(), "kl": kl.item()} | self.losses.g_figures(y_fake.data, batch)
