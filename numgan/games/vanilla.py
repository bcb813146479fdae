"""The original GAN with fully connected networks (Goodfellow et al. 2014), in three published variants."""

from ..errors import InputError
from ..layers import Dense, Dropout, Flatten, LeakyReLU, ReLU, Reshape, Sigmoid, Tanh, normal
from ..network import Sequential
from .gan import GAN

IMAGE = (28, 28, 1)


def dense():
    """Three hidden layers each, dropout in D. G 1,463,312, D 1,460,225 parameters."""
    generator = (Dense(256), LeakyReLU(0.2), Dense(512), LeakyReLU(0.2), Dense(1024), LeakyReLU(0.2),
                 Dense(784), Tanh(), Reshape(*IMAGE))
    discriminator = (Flatten(), Dense(1024, init=normal(0.02)), LeakyReLU(0.2), Dropout(0.3),
                     Dense(512), LeakyReLU(0.2), Dropout(0.3), Dense(256), LeakyReLU(0.2), Dropout(0.3), Dense(1))
    return generator, discriminator


def shallow():
    """One hidden layer each, all weights from N(0, 0.01²), pixels in [0, 1]."""
    init = normal(0.01)
    generator = Dense(256, init=init), ReLU(), Dense(784, init=init), Sigmoid(), Reshape(*IMAGE)
    discriminator = Flatten(), Dense(256, init=init), ReLU(), Dense(1, init=init)
    return generator, discriminator


def minimal():
    """One hidden layer of 128 each. At its published learning rate, 0.01, G soon collapses to a single image."""
    generator = Dense(128), ReLU(), Dense(784), Tanh(), Reshape(*IMAGE)
    discriminator = Flatten(), Dense(128), ReLU(), Dense(1)
    return generator, discriminator


class VanillaGAN(GAN):
    """variant "dense", "shallow" or "minimal"; see GAN for the other options, whose defaults are each variant's own."""

    VARIANTS = {
        "dense": dict(layers=dense, batch=128, latent_dim=10, pixels=(-1, 1), lr=2e-4, beta1=0.5, real_label=0.9),
        "shallow": dict(layers=shallow, batch=100, latent_dim=128, pixels=(0, 1), lr=2e-4, beta1=0.9, real_label=1.0),
        "minimal": dict(layers=minimal, batch=100, latent_dim=100, pixels=(-1, 1), lr=0.01, beta1=0.9, real_label=1.0),
    }
    shares_z = False
    joint_batch = True

    def __init__(self, *, variant="dense", **options):
        if variant not in self.VARIANTS:
            raise InputError(f"VanillaGAN: expected variant {', '.join(self.VARIANTS)}, got {variant!r}")
        defaults = dict(self.VARIANTS[variant])
        self.variant, self.layers = variant, defaults.pop("layers")
        self.batch, self.latent_dim, self.pixels = (defaults.pop(name) for name in ("batch", "latent_dim", "pixels"))
        super().__init__(variant=variant, **{**defaults, **options})

    def networks(self, variant):
        """G and D, for 28 × 28 × 1 images."""
        generator, discriminator = self.layers()
        return (Sequential(*generator, input_shape=(self.latent_dim,), rng=self.rng, dtype=self.dtype),
                Sequential(*discriminator, input_shape=IMAGE, rng=self.rng, dtype=self.dtype))

    def latent(self, n, rng=None):
        """The dense variant's z is uniform in [-1, 1], the others' normal."""
        if self.variant != "dense":
            return super().latent(n, rng)
        return (rng or self.rng).uniform(-1, 1, (n, self.latent_dim)).astype(self.dtype)

    def d_loss(self, real, fake, minibatch=None):
        """The dense variant takes the mean over one batch of both, the others the sum of two means."""
        loss = super().d_loss(real, fake, minibatch)
        return loss * 0.5 if self.variant == "dense" else loss
