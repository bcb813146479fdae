"""BEGAN: the discriminator is an autoencoder, and a controller keeps the two players in balance.

Berthelot, Schumm & Metz 2017. Read srgan.py next.
"""

from dataclasses import dataclass

import numpy as np

from .. import ops
from ..errors import InputError
from ..layers import ELU, Conv2D, Dense, Flatten, Reshape, ResizeConv2D, Tanh
from ..network import Sequential, evaluate
from .images import ImageGAN, square_shape
from .looks import Looks
from .minibatch import as_one_batch


class Balance:
    """The losses, from D's outputs L(x) and L(G(z)); `k` is the array that the controller adjusts."""

    def __init__(self, k):
        self.k = k

    def d_loss(self, y_real, y_fake, batch):
        """L_D = L(x) - k L(G(z))."""
        return y_real.mean() - y_fake.mean() * self.k

    def g_loss(self, y_fake, batch):
        """L_G = L(G(z))."""
        return y_fake.mean()

    def d_figures(self, y_real, y_fake, batch):
        """L(x) and L(G(z)) in D's step."""
        return {"d_real": y_real.mean().item(), "d_fake": y_fake.mean().item()}

    def g_figures(self, y_fake, batch):
        """L(G(z)) in G's step is its loss, which is reported already."""
        return {}


class Reconstructions(Looks):
    """A sheet of two rows each of G(z), D(G(z)), real images x, and D(x)."""

    def inputs(self, game, rng):
        """Two rows of codes."""
        return game.latent(20, rng)

    def sheet(self, game, inputs, examples):
        """Eight rows of ten."""
        fake, real = game.generate(inputs), examples(len(inputs))
        return np.concatenate([fake, game.reconstruct(fake), real, game.reconstruct(real)])


@dataclass(kw_only=True, eq=False, repr=False)
class BEGAN(ImageGAN):
    """D reconstructs images. Its output for an image x is the error L(x) = mean |x - D(x)| (section 3.1 with η = 1).

        L_D = L(x) - k L(G(z)),   L_G = L(G(z)),   k ← k + λ (γ L(x) - L(G(z))), within [0, 1]       (section 3.4)

    k weights the fake images in L_D so that L(G(z)) stays near γ L(x): if D reconstructs fakes too well, k grows, and D works
    harder at reconstructing them badly. M = L(x) + |γ L(x) - L(G(z))| measures convergence (section 3.4.1). It is logged as
    "convergence", k as "k".

    gamma   γ in (0, 1], the diversity ratio: a low one trades variety for quality
    k_step  λ in [0, 1]. With the paper's 0.001, k is still below 0.05 after a thousand steps on digits, and G draws the same
            easy shape for every z
    width   base number of channels in both networks

    G has the decoder's layers and a final tanh, which keeps images in [-1, 1]. The decoder has no tanh: on mostly black
    images it would soon saturate, and the gradient would vanish.
    """

    gamma: float = 0.95
    k_step: float = 0.05
    width: int = 32
    latent_dim: int = 64
    lr: float = 3e-4

    batch_size = 16

    def build(self):
        """Make G, D (an encoder and a decoder), k, the losses and the looks."""
        if not 0 < self.gamma <= 1 or not 0 <= self.k_step <= 1:
            raise InputError(f"expected 0 < gamma <= 1 and 0 <= k_step <= 1, got {self.gamma} and {self.k_step}")
        shape, width, small = square_shape(self.size, self.channels, 4), self.width, self.size // 4

        def decoder():
            return (Dense(small * small * width), Reshape(small, small, width), Conv2D(width, 3), ELU(),
                    ResizeConv2D(width, 3), ELU(), Conv2D(width, 3), ELU(), ResizeConv2D(width, 3), ELU(),
                    Conv2D(self.channels, 3))

        encoder = (Conv2D(width, 3, strides=2), ELU(), Conv2D(2 * width, 3, strides=2), ELU(), Conv2D(2 * width, 3), ELU(),
                   Flatten(), Dense(self.latent_dim))
        made = dict(rng=self.rng, dtype=self.dtype)
        self.generator = Sequential(*decoder(), Tanh(), input_shape=(self.latent_dim,), **made)
        self.discriminator = Sequential(*encoder, *decoder(), input_shape=shape, **made)
        self.k = np.zeros((), self.dtype)
        self.losses = Balance(self.k)
        self.looks = Reconstructions(
            panels={"loss": ("d_loss", "g_loss"), "L(x), L(G(z))": ("d_real", "d_fake"), "k": ("k",), "M": ("convergence",)},
            progress={"L(x)": "d_real", "L(G(z))": "d_fake", "k": "k", "M": "convergence"}, columns=10)

    def prior(self, rng, size):
        """z is uniform in [-1, 1]."""
        return rng.uniform(-1, 1, size)

    def discriminate(self, images):
        """L(x) of each image x: Tensor (n, H, W, C) -> (n,)."""
        return ops.abs(images - self.discriminator(images)).mean((1, 2, 3))

    def d_outputs(self, real, fake):
        """Real and fake images pass through D as one batch."""
        return as_one_batch(self.discriminate, real, fake)

    def step(self, images, labels=None):
        """GAN's step, then the update of k."""
        figures = super().step(images, labels)
        balance = self.gamma * figures["d_real"] - figures["g_loss"]
        self.k[...] = np.clip(self.k + self.k_step * balance, 0, 1)
        return figures | {"k": self.k.item(), "convergence": figures["d_real"] + abs(balance)}

    def reconstruct(self, images):
        """D(x) for images x (n, H, W, C) in [-1, 1], clipped to that range."""
        return evaluate(self.discriminator, np.asarray(images, self.dtype)).clip(-1, 1)
