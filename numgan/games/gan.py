"""The adversarial game of Goodfellow et al. 2014, played with Algorithm 1: what all games in this folder share.

A discriminator D learns to tell real images from generated ones, a generator G to make images that D takes for real:

    min_G max_D  V(D, G) = E[ln D(x)] + E[ln(1 - D(G(z)))]        (eq. 1)

Networks output logits; D(x) = sigmoid(logit). A game fills in the networks, and where its paper says so, the losses.
"""

from contextlib import nullcontext

import numpy as np

from ..errors import InputError
from ..losses import bce_with_logits
from ..memory import keep_freed_memory
from ..ops import concatenate, logistic
from ..optim import Adam
from ..tensor import Tensor, no_grad


class GAN:
    """Two networks, two optimisers, and `step`, one round of Algorithm 1.

    objective   G's: "non-saturating" (maximise ln D(G(z))) or "saturating" (minimise ln(1 - D(G(z))), as in eq. 1)
    d_steps     k of Algorithm 1: steps of D, each on its own minibatch, per step of G
    real_label  D's target for real images in (0.5, 1]; below 1 is one-sided label smoothing (Salimans et al. 2016, 3.4)
    lr, beta1   Adam's, for both players
    rng         numpy.random.Generator for initial weights, z and dropout; dtype "float32" to train, "float64" to check

    A subclass sets the class attributes below and defines `networks`. `settings` are the arguments that rebuild the game.
    """

    batch = 32  # images per minibatch unless the user says otherwise
    latent_dim = 100
    pixels = (-1, 1)  # the range of images that the networks work on; step and sample always take and give [-1, 1]
    shares_z = True  # G's step uses the z of D's last step, otherwise fresh ones
    joint_batch = False  # real and fake go through D as one batch (not where D has batch statistics)
    undecided = 0.0  # D's output for an image that it takes for neither

    def __init__(self, *, objective="non-saturating", d_steps=1, real_label=1.0, lr=2e-4, beta1=0.5, dtype="float32", rng,
                 **more):
        where = type(self).__name__
        if objective not in ("non-saturating", "saturating"):
            raise InputError(f"{where}: expected objective non-saturating or saturating, got {objective!r}")
        if not (isinstance(d_steps, int) and d_steps >= 1):
            raise InputError(f"{where}: expected an integer d_steps >= 1, got {d_steps!r}")
        if not 0.5 < real_label <= 1:
            raise InputError(f"{where}: expected 0.5 < real_label <= 1, got {real_label}")
        self.settings = dict(objective=objective, d_steps=d_steps, real_label=real_label, lr=lr, beta1=beta1, dtype=dtype,
                             **more)
        self.objective, self.d_steps, self.real_label, self.rng = objective, d_steps, real_label, rng
        keep_freed_memory()
        self.dtype = np.dtype(dtype)
        self.generator, self.discriminator = self.networks(**more)
        self.image_shape = self.discriminator.input_shape
        self.g_optimizer = Adam(self.generator.parameters(), lr, beta1=beta1)
        self.d_optimizer = Adam(self.discriminator.parameters(), lr, beta1=beta1)

    # ---- the rules: a subclass changes what its paper changes

    def networks(self):
        """The pair (generator, discriminator), built with self.rng and self.dtype."""
        raise NotImplementedError

    def latent(self, n, rng=None):
        """n codes z ~ N(0, 1), shape (n, latent_dim)."""
        return (rng or self.rng).standard_normal((n, self.latent_dim)).astype(self.dtype)

    def d_loss(self, real, fake):
        """-V (if real_label is 1) from the logits of real and generated images: what D minimises."""
        return bce_with_logits(real, self.real_label) + bce_with_logits(fake, 0)

    def g_loss(self, fake):
        """What G minimises, from the logits of its images.

        With p = D(G(z)) for each of n images, dL/d(logit) is -p / n for the saturating objective and (p - 1) / n for the
        other: while D sees through G, p is near 0, so the first is near 0 and the second near its largest.
        """
        if self.objective == "saturating":
            return -bce_with_logits(fake, 0)  # the part of V that depends on G
        return bce_with_logits(fake, 1)  # Goodfellow et al. 2014, section 3: same fixed point, stronger gradient

    def score(self, logits):
        """D(x) from an array of D's outputs; above 0.5, D takes the image for real."""
        return logistic(logits)

    # ---- Algorithm 1

    def step(self, batch):
        """d_steps steps of D and one of G. batch: (N, H, W, C) in [-1, 1], N/d_steps images for each step of D.

        Returns the losses and, as means over the last minibatch, D(x), D(G(z)), the shares of real and of generated
        images that D judges rightly, and of generated ones that fool it in G's step ("G accuracy").
        Raises FloatingPointError, naming the op, when a loss is not finite; the players' last step is then not taken.
        """
        batch = np.asarray(batch, self.dtype)
        if batch.shape[1:] != self.image_shape or len(batch) == 0 or len(batch) % self.d_steps:
            raise InputError(f"{type(self).__name__}.step: expected images (N, {', '.join(map(str, self.image_shape))}), "
                             f"N a positive multiple of d_steps = {self.d_steps}, got {batch.shape}")
        low, high = self.pixels
        minibatches = np.split(batch * ((high - low) / 2) + (high + low) / 2, self.d_steps)
        for i, real in enumerate(minibatches):
            keep = self.shares_z and i == self.d_steps - 1
            with nullcontext() if keep else self.generator.frozen():  # only G's step needs a graph through G
                fake = self.generator(self.latent(len(real)))
            metrics = self.d_step(Tensor(real), fake.detach())
        if not self.shares_z:
            fake = self.generator(self.latent(len(real)))
        return metrics | self.g_step(fake)

    def d_step(self, real, fake):
        """Ascend V in D. Nothing reaches G: `fake` is detached."""
        if self.joint_batch:
            outputs = self.discriminator(concatenate([real, fake]))
            d_real, d_fake = outputs[:len(real)], outputs[len(real):]
        else:
            d_real, d_fake = self.discriminator(real), self.discriminator(fake)
        loss = self.d_loss(d_real, d_fake)
        self.d_optimizer.minimize(loss)
        real_score, fake_score = self.score(d_real.data), self.score(d_fake.data)
        right_real, right_fake = float((real_score > 0.5).mean()), float((fake_score <= 0.5).mean())
        return {"d_loss": loss.item(), "d_real": float(real_score.mean()), "d_fake": float(fake_score.mean()),
                "d_accuracy": (right_real + right_fake) / 2, "d_accuracy_real": right_real, "d_accuracy_fake": right_fake}

    def g_step(self, fake):
        """Descend G's objective in G. Gradients pass through D, whose parameters are frozen: none are computed for them."""
        with self.discriminator.frozen():
            outputs = self.discriminator(fake)
        loss = self.g_loss(outputs)
        self.g_optimizer.minimize(loss)
        return {"g_loss": loss.item(), "g_accuracy": float((self.score(outputs.data) > 0.5).mean())}

    # ---- looking at it

    def sample(self, n, rng=None):
        """n generated images (n, H, W, C), float32 in [-1, 1]; z from `rng`, by default the game's own."""
        if not (isinstance(n, (int, np.integer)) and n >= 1):
            raise InputError(f"{type(self).__name__}.sample: expected a positive number of images, got {n!r}")
        return self.generate(self.latent(n, rng))

    def generate(self, z, chunk=200):
        """G(z) in eval mode, (n, latent_dim) -> (n, H, W, C) float32 in [-1, 1], `chunk` images at a time."""
        low, high = self.pixels
        self.generator.eval()
        with no_grad():
            images = [self.generator(z[i:i + chunk]).data for i in range(0, len(z), chunk)]
        self.generator.train()
        return ((np.concatenate(images) - (high + low) / 2) / ((high - low) / 2)).astype(np.float32, copy=False)

    def equilibrium(self):
        """The losses where D cannot tell real from fake, D(x) = 1/2: the reference lines of the plots (ln 2, 2 ln 2)."""
        undecided = Tensor(np.full((1, 1), self.undecided))
        return {"d_loss": self.d_loss(undecided, undecided).item(), "g_loss": self.g_loss(undecided).item()}

    def state(self):
        """Name -> array (no copy) of all parameters, buffers and moments; the generator `rng` is not among them."""
        parts = {name: getattr(self, name).state() for name in ("generator", "discriminator", "g_optimizer", "d_optimizer")}
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
