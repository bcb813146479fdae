"""The adversarial game of Goodfellow et al. 2014, played with Algorithm 1: what all games of one G and one D share.

A generator G turns a code z, a vector of random numbers, into an image G(z). A discriminator D estimates how probable it is
that an image x is real, D(x). With E the mean over images or codes:

    min_G max_D  V(D, G) = E[ln D(x)] + E[ln(1 - D(G(z)))]                                     (eq. 1)
    k times: draw codes z and as many real images; move D up the gradient of V, then          (Algorithm 1)
    once:    draw codes z; move G down the gradient of its part of V; repeat

Which D is best? For images that have density p_data among the real ones and p_g among the fakes, V has the part
p_data ln D + p_g ln(1 - D). Its slope is 0 at D = p_data / (p_data + p_g) (section 4). So when G's images are distributed like
the real ones, the best D is 1/2 everywhere: it can only guess. By default, G maximises ln D(G(z)) instead of moving down V:
crossentropy.py says why.

In this folder `real` and `fake` are images, `y_real` and `y_fake` are D's outputs for them, and a game's `losses` turn these
into both players' losses. Read crossentropy.py next: it has the losses of eq. 1.
"""

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from ..errors import InputError, check_positive, check_rng
from ..network import evaluate
from ..optim import Adam, LinearDecay, MovingAverage
from ..tensor import Tensor
from .game import Game
from .minibatch import Minibatch, PixelRange, check_images, split


@dataclass(kw_only=True, eq=False, repr=False)
class GAN(Game):
    """Two networks, two optimisers, and `step`, one round of Algorithm 1.

    latent_dim  how many random numbers a code has; in most games it has nothing else
    d_steps     k of Algorithm 1: steps of D, each on its own minibatch, per step of G
    lr, beta1   Adam's, for both players
    d_lr        D's learning rate, if it is not lr: each player may need its own (Heusel et al. 2017)
    lr_steps    None, or the number of steps after which the learning rates are 0: they are constant for the first
                lr_hold · lr_steps steps, then fall linearly
    average     None, or the decay, in (0, 1), of a moving average of G's weights and batch statistics; samples are then drawn
                with this average (Yazici et al. 2019)

    A subclass's `build` makes generator, discriminator, losses (an object such as CrossEntropy) and looks.
    """

    latent_dim: int = 100
    d_steps: int = 1
    lr: float = 2e-4
    d_lr: float | None = None
    beta1: float = 0.5
    lr_steps: float | None = None
    lr_hold: float = 0.5
    average: float | None = None

    pixels = PixelRange(-1, 1)  # not annotated, so not a setting: like the four below, a rule of the game
    prior = staticmethod(np.random.Generator.standard_normal)  # of z: a function of a random generator and a shape
    pack = 1  # images that D judges together
    fresh_z = True  # G's step draws new codes; if False, it reuses the fake images of D's last step, and G runs once
    draws = True  # `sample` needs nothing but random numbers

    def __post_init__(self):
        latent_dim = 1 if self.latent_dim is None else self.latent_dim  # None: `build` sets it
        check_positive(type(self).__name__, d_steps=self.d_steps, latent_dim=latent_dim, pack=self.pack)
        super().__post_init__()
        self.image_shape, self.last_step = self.generator.output_shapes[-1], self.lr_steps
        d_lr = self.lr if self.d_lr is None else self.d_lr
        self.g_optimizer = self.optimizer(self.generator.parameters(), self.lr, 1)
        self.d_optimizer = self.optimizer(self.discriminator.parameters(), d_lr, self.d_steps)
        if self.average is not None:
            self.g_average = MovingAverage(self.generator, self.average)

    def optimizer(self, parameters, lr, k):
        """Adam, for a player with k steps per step of the game."""
        decay = None if self.lr_steps is None else LinearDecay(lr, self.lr_steps, hold=self.lr_hold)
        return Adam(parameters, (lambda t: decay(t // k)) if decay else lr, beta1=self.beta1)

    def step(self, images, labels=None):
        """d_steps steps of D and one of G. images: float (N, H, W, C) in [-1, 1], N / d_steps of them for each step of D.

        labels: the images' classes, integers (N,), for the games that need them. Returns both losses and the figures computed
        from D's outputs, in D's last step and in G's. Raises InputError for a bad batch, before anything has changed, and
        FloatingPointError for a loss or gradient that is not finite; that player's step is then not taken.
        """
        self.check(images, labels)
        for i, (real, real_labels) in enumerate(split(images, labels, self.d_steps), 1):
            batch = self.minibatch(real, real_labels)
            reused = i == self.d_steps and not self.fresh_z
            with nullcontext() if reused else self.generator.frozen():  # D's step needs no graph through G
                fake = self.generator(batch.z)
            figures = self.d_step(batch, fake.detach())
        if self.fresh_z:
            batch.z = self.codes(batch.real.data, batch.labels)
            fake = self.generator(batch.z)
        figures |= self.g_step(batch, fake)
        if self.average is not None:
            self.g_average.update()
        return figures

    def d_step(self, batch, fake):
        """Minimise D's loss with respect to D.

        `fake` is detached: if G's step reuses it (fresh_z = False), backward() must not walk into the graph that made it.
        """
        y_real, y_fake = self.d_outputs(batch.real, fake)
        loss = self.losses.d_loss(y_real, y_fake, batch)
        self.d_optimizer.minimize(loss)
        return {"d_loss": loss.item()} | self.losses.d_figures(y_real.data, y_fake.data, batch)

    def g_step(self, batch, fake):
        """Minimise G's loss with respect to G: the gradient flows through D to the fake images, and from there into G.

        D is frozen while its ops are recorded, and `minimize` finds no way to its parameters: see Layer.frozen.
        """
        with self.discriminator.frozen():
            y_fake = self.discriminate(fake)
        loss = self.losses.g_loss(y_fake, batch)
        self.g_optimizer.minimize(loss)
        return {"g_loss": loss.item()} | self.losses.g_figures(y_fake.data, batch)

    def d_outputs(self, real, fake):
        """D's outputs for real and fake images, each its own batch, in case D has BatchNorm (see also `as_one_batch`)."""
        return self.discriminate(real), self.discriminate(fake)

    def discriminate(self, images):
        """D's outputs, as the losses take them: Tensor -> Tensor."""
        return self.discriminator(images)

    def latent(self, n, rng=None):
        """n codes z from the prior, (n, latent_dim), drawn with `rng` (by default the game's own)."""
        return self.prior(self.drawing_rng(rng), size=(n, self.latent_dim)).astype(self.dtype)

    def drawing_rng(self, rng=None):
        """`rng`, or the game's own if that is None. InputError if it is no Generator."""
        check_rng(type(self).__name__, self.rng if rng is None else rng)
        return self.rng if rng is None else rng

    def check(self, images, labels=None):
        """InputError unless `step` can take this batch."""
        check_images(images, self.image_shape, self.d_steps * self.pack, f"{type(self).__name__}.step")
        self.pixels.check(images, f"{type(self).__name__}.step")

    def minibatch(self, images, labels):
        """A Minibatch: images in the networks' range, labels, and codes for as many fake images."""
        real = self.pixels.inward(images.astype(self.dtype))
        return Minibatch(Tensor(real), labels, self.codes(real, labels))

    def codes(self, real, labels):
        """Codes for as many fake images as `real`, in a step of either player. Here random; real and labels may decide."""
        return self.latent(len(real))

    def sample(self, n, rng=None):
        """n generated images (n, H, W, C), float32 in [-1, 1]; codes from `latent`. n: a positive integer, else InputError."""
        check_positive(f"{type(self).__name__}.sample", n=n)
        return self.generate(self.latent(n, rng))

    def generate(self, z):
        """G(z): codes (n, d) -> images (n, H, W, C), float32 in [-1, 1]."""
        network = self.drawing_network
        images = evaluate(network, z, lambda z: Tensor(self.pixels.outward(network(z).data)))
        return images.astype(np.float32, copy=False)

    @property
    def drawing_network(self):
        """The network that draws samples: G, or G with the moving average of its weights.

        InputError if G was trained by a `step` of one's own that never updates the average.
        """
        if self.average is None:
            return self.generator
        if self.g_optimizer.t and not self.g_average.t:
            raise InputError(f"{type(self).__name__}.step: expected self.g_average.update() after each step of G, got none")
        return self.g_average.network

    def outputs(self, images):
        """D's outputs for images (n, H, W, C) in [-1, 1], as an array. InputError for other values."""
        self.pixels.check(images, f"{type(self).__name__}.outputs")
        return evaluate(self.discriminator, self.pixels.inward(np.asarray(images, self.dtype)), self.discriminate, self.pack)
