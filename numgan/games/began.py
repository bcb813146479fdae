"""BEGAN: the discriminator is an autoencoder, and a controller keeps the two players in balance (Berthelot et al. 2017)."""

import numpy as np

from ..errors import InputError
from ..layers import ELU, Conv2D, Dense, Flatten, Reshape, ResizeConv2D, Tanh
from ..network import Sequential
from ..ops import abs
from .gan import GAN, evaluate


class BEGAN(GAN):
    """D reconstructs images; what it says of an image x is how badly, L(x) = mean |x - D(x)| (section 3.1 with η = 1).

        L_D = L(x) - k L(G(z)),   L_G = L(G(z)),   k ← k + λ (γ L(x) - L(G(z))), within [0, 1]       (section 3.4)

    So D attends to fakes only as much as keeps L(G(z)) = γ L(x): gamma in (0, 1], the diversity ratio, trades variety (high)
    for quality (low). M = L(x) + |γ L(x) - L(G(z))| tells how far training has come (section 3.4.1); it is logged as
    "convergence". k_step is λ. With the paper's 0.001 k is below 0.05 after a thousand steps on digits, and G draws one easy
    shape for every z. Decoder and generator are alike, but G ends in a tanh, so that it cannot leave [-1, 1], and D does not:
    on mostly black images it would soon saturate there, at a loss whose gradient is gone. width: their channels.
    """

    batch = 16
    latent_dim = 64
    objectives = ("reconstruction",)
    joint_batch = True
    shares_z = False
    sheet_columns = 10
    panels = {"loss": ("d_loss", "g_loss"), "L(x), L(G(z))": ("d_real", "d_fake"), "k": ("k",), "M": ("convergence",)}
    shown = {"L(x)": "d_real", "L(G(z))": "d_fake", "k": "k", "M": "convergence"}

    def __init__(self, *, gamma=0.95, k_step=0.05, width=32, size=28, latent_dim=64, lr=3e-4, **options):
        if not 0 < gamma <= 1 or not 0 <= k_step <= 1:
            raise InputError(f"BEGAN: expected 0 < gamma <= 1 and 0 <= k_step <= 1, got {gamma} and {k_step}")
        if not (isinstance(size, int) and size >= 4 and size % 4 == 0):
            raise InputError(f"BEGAN: expected as size a positive multiple of 4, got {size!r}")
        if options.get("real_label", 1) != 1:
            raise InputError(f"BEGAN: D has no target for real images: expected real_label 1, got {options['real_label']}")
        self.latent_dim = latent_dim
        super().__init__(width=width, size=size, latent_dim=latent_dim, lr=lr, **options)
        self.settings |= {"gamma": gamma, "k_step": k_step}
        self.gamma, self.k_step, self.k = gamma, k_step, np.zeros((), self.dtype)

    def networks(self, width, size, latent_dim):
        """G, and D = encoder and decoder, for size × size × 1 images."""
        small = size // 4

        def decoder():
            return (Dense(small * small * width), Reshape(small, small, width), Conv2D(width, 3), ELU(),
                    ResizeConv2D(width, 3), ELU(), Conv2D(width, 3), ELU(), ResizeConv2D(width, 3), ELU(), Conv2D(1, 3))

        encoder = (Conv2D(width, 3, strides=2), ELU(), Conv2D(2 * width, 3, strides=2), ELU(), Conv2D(2 * width, 3), ELU(),
                   Flatten(), Dense(latent_dim))
        return (Sequential(*decoder(), Tanh(), input_shape=(latent_dim,), rng=self.rng, dtype=self.dtype),
                Sequential(*encoder, *decoder(), input_shape=(size, size, 1), rng=self.rng, dtype=self.dtype))

    def latent(self, n, rng=None):
        """z is uniform in [-1, 1]."""
        return (rng or self.rng).uniform(-1, 1, (n, self.latent_dim)).astype(self.dtype)

    def judge(self, images):
        """L of each image, (n,)."""
        return abs(images - self.discriminator(images)).mean((1, 2, 3))

    def d_loss(self, real, fake, minibatch=None):
        """L_D."""
        return real.mean() - fake.mean() * self.k

    def g_loss(self, fake, minibatch=None):
        """L_G."""
        return fake.mean()

    def step(self, batch, labels=None):
        """GAN's, then k moves. The log has L(x) and L(G(z)) as d_real and d_fake, k, and M as convergence."""
        metrics = super().step(batch, labels)
        balance = self.gamma * metrics["d_real"] - metrics["g_loss"]
        self.k[...] = np.clip(self.k + self.k_step * balance, 0, 1)
        return metrics | {"k": self.k.item(), "convergence": metrics["d_real"] + np.abs(balance).item()}

    def d_report(self, real, fake, minibatch):
        """L(x) and L(G(z))."""
        return {"d_real": real.mean().item(), "d_fake": fake.mean().item()}

    def g_report(self, fake, minibatch):
        """Nothing beside the loss."""
        return {}

    def reconstruct(self, images):
        """D(x) for images x (n, H, W, 1) in [-1, 1], clipped to that range."""
        return evaluate(self.discriminator, self.discriminator, np.asarray(images, self.dtype)).clip(-1, 1)

    def sheet_latent(self, rng):
        """Two rows."""
        return self.latent(20, rng)

    def exhibit(self, z, real):
        """Two rows each of G(z), D(G(z)), real images x, and D(x)."""
        fake = self.generate(z)
        return np.concatenate([fake, self.reconstruct(fake), real, self.reconstruct(real)])

    def equilibrium(self):
        """No reference lines: where L(x) ends depends on the images."""
        return {}

    def state(self):
        """GAN's, and k."""
        return super().state() | {"k": self.k}
