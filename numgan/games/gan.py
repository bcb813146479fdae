"""The adversarial game of Goodfellow et al. 2014, played with Algorithm 1: what all games in this folder share.

A discriminator D learns to tell real images from generated ones, a generator G to make images that D takes for real:

    min_G max_D  V(D, G) = E[ln D(x)] + E[ln(1 - D(G(z)))]        (eq. 1)

Networks output logits; D(x) = sigmoid(logit). A game fills in the networks, and where its paper says so, the losses.
"""

from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..losses import bce_with_logits
from ..memory import keep_freed_memory
from ..ops import concatenate, logistic
from ..optim import Adam
from ..tensor import Tensor, no_grad


@dataclass
class Minibatch:
    """What a loss may want to know besides D's outputs.

    real    the real images, as the networks see them, Tensor (n, H, W, C)
    labels  their classes, integers (n,), -1 for unknown; None if the game does not ask for them
    z       the codes of the fake images, (n, latent_dim + classes)
    """

    real: Tensor
    labels: np.ndarray | None
    z: np.ndarray


class GAN:
    """Two networks, two optimisers, and `step`, one round of Algorithm 1.

    objective   what G does, one of `objectives`, by default the first: "non-saturating" (maximise ln D(G(z))) or
                "saturating" (minimise ln(1 - D(G(z))), as in eq. 1)
    d_steps     k of Algorithm 1: steps of D, each on its own minibatch, per step of G
    real_label  D's target for real images in (0.5, 1]; below 1 is one-sided label smoothing (Salimans et al. 2016, 3.4)
    lr, beta1   Adam's, for both players
    lr_steps    None, or the number of steps after which the learning rate is 0: it stays for the share lr_hold of them, then
                falls linearly
    average     None, or in (0, 1): samples are drawn with a moving average of G's weights (and batch statistics), of which each
                step keeps this share (Yazici et al. 2019)
    rng         numpy.random.Generator for initial weights, z and dropout; dtype "float32" to train, "float64" to check

    A subclass sets the class attributes below and defines `networks`. `settings` are the arguments that rebuild the game.
    """

    batch = 32  # images per minibatch unless the user says otherwise
    latent_dim = 100
    objectives = ("non-saturating", "saturating")
    pixels = (-1, 1)  # the range of images that the networks work on; step and sample always take and give [-1, 1]
    shares_z = True  # G's step uses the z of D's last step, otherwise fresh ones
    joint_batch = False  # real and fake go through D as one batch (not where D has batch statistics)
    lr_hold = 0.5  # the share of lr_steps for which the learning rate stays as it is
    pack = 1  # images that D judges together (PacGAN)
    labelled = False  # step needs labels
    classes = 0  # one-hot numbers that `latent` appends to z
    panels = {"loss": ("d_loss", "g_loss"), "D(x), D(G(z))": ("d_real", "d_fake"),
              "accuracy": ("d_accuracy_real", "d_accuracy_fake", "g_accuracy")}  # what the plots of a run show
    shown = {"loss D": "d_loss", "G": "g_loss", "D(x)": "d_real", "D(G(z))": "d_fake"}  # what its progress line shows
    sheet_columns = 5

    def __init__(self, *, objective=None, d_steps=1, real_label=1.0, lr=2e-4, beta1=0.5, lr_steps=None,
                 average=None, dtype="float32", rng, **more):
        where = type(self).__name__
        objective = self.objectives[0] if objective is None else objective
        if objective not in self.objectives:
            raise InputError(f"{where}: expected objective {' or '.join(self.objectives)}, got {objective!r}")
        if not (isinstance(d_steps, int) and d_steps >= 1):
            raise InputError(f"{where}: expected an integer d_steps >= 1, got {d_steps!r}")
        if not 0.5 < real_label <= 1:
            raise InputError(f"{where}: expected 0.5 < real_label <= 1, got {real_label}")
        if lr_steps is not None and not lr_steps > 0:
            raise InputError(f"{where}: expected lr_steps > 0 or None, got {lr_steps!r}")
        if average is not None and not 0 < average < 1:
            raise InputError(f"{where}: expected 0 < average < 1 or None, got {average!r}")
        self.settings = dict(objective=objective, d_steps=d_steps, real_label=real_label, lr=lr, beta1=beta1,
                             lr_steps=lr_steps, average=average, dtype=dtype, **more)
        self.objective, self.d_steps, self.real_label, self.rng = objective, d_steps, real_label, rng
        keep_freed_memory()
        self.dtype = np.dtype(dtype)
        self.generator, self.discriminator = self.networks(**more)
        self.sampler = self.generator if average is None else deepcopy(self.generator)  # what draws the samples
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

    def judge(self, images):
        """What D says of a Tensor of images, the outputs that the losses and `score` take: logits (n, 1)."""
        return self.discriminator(images)

    def d_loss(self, real, fake, minibatch=None):
        """-V (if real_label is 1) from the logits of real and generated images: what D minimises."""
        return bce_with_logits(real, self.real_label) + bce_with_logits(fake, 0)

    def g_loss(self, fake, minibatch=None):
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

    def lr_at(self, t):
        """Both players' learning rate after t steps of G."""
        lr, lr_steps = self.settings["lr"], self.settings["lr_steps"]
        return lr if lr_steps is None else lr * min(1, max(0, (1 - t / lr_steps) / (1 - self.lr_hold)))

    # ---- Algorithm 1

    def step(self, batch, labels=None):
        """d_steps steps of D and one of G. batch: (N, H, W, C) in [-1, 1], N/d_steps images for each step of D.

        labels: the images' classes, integers (N,), -1 for unknown; games that are not `labelled` ignore them.
        Returns the losses and, as means over the last minibatch, D(x), D(G(z)), the shares of real and of generated
        images that D judges rightly, and of generated ones that fool it in G's step ("G accuracy").
        Raises FloatingPointError, naming the op, when a loss is not finite; that player's step is then not taken.
        """
        batch = np.asarray(batch, self.dtype)
        if batch.shape[1:] != self.image_shape or len(batch) == 0 or len(batch) % self.d_steps:
            raise InputError(f"{type(self).__name__}.step: expected images (N, {', '.join(map(str, self.image_shape))}), "
                             f"N a positive multiple of d_steps = {self.d_steps}, got {batch.shape}")
        if not np.isfinite(batch).all():
            raise InputError(f"{type(self).__name__}.step: expected images of finite numbers, got inf or NaN among them")
        if self.labelled and (np.shape(labels) != batch.shape[:1] or not np.issubdtype(np.asarray(labels).dtype, np.integer)):
            raise InputError(f"{type(self).__name__}.step: expected {len(batch)} integer labels, got {labels!r:.60}")
        self.d_optimizer.lr = self.g_optimizer.lr = self.lr_at(int(self.g_optimizer.t))
        low, high = self.pixels
        for i in range(self.d_steps):
            mine = slice(i, None, self.d_steps)  # so if the first half of the images is labelled, half of these are
            real = batch[mine] * ((high - low) / 2) + (high + low) / 2
            minibatch = Minibatch(Tensor(real), np.asarray(labels)[mine] if self.labelled else None, self.latent(len(real)))
            keep = self.shares_z and i == self.d_steps - 1
            with nullcontext() if keep else self.generator.frozen():  # only G's step needs a graph through G
                fake = self.generator(minibatch.z)
            metrics = self.d_step(fake.detach(), minibatch)
        if not self.shares_z:
            minibatch.z = self.latent(len(real))
            fake = self.generator(minibatch.z)
        metrics |= self.g_step(fake, minibatch)
        if self.sampler is not self.generator:
            for mean, array in zip(self.sampler.state().values(), self.generator.state().values(), strict=True):
                mean += (1 - self.settings["average"]) * (array - mean)
        return metrics

    def d_step(self, fake, minibatch):
        """Ascend V in D. Nothing reaches G: `fake` is detached."""
        real = minibatch.real
        if self.joint_batch:
            outputs = self.judge(concatenate([real, fake]))
            d_real, d_fake = outputs[:len(real)], outputs[len(real):]
        else:
            d_real, d_fake = self.judge(real), self.judge(fake)
        loss = self.d_loss(d_real, d_fake, minibatch)
        self.d_optimizer.minimize(loss)
        return {"d_loss": loss.item()} | self.d_report(d_real.data, d_fake.data, minibatch)

    def d_report(self, real, fake, minibatch):
        """What the log tells of D's outputs (arrays), beside its loss."""
        real, fake = self.score(real), self.score(fake)
        right_real, right_fake = float((real > 0.5).mean()), float((fake <= 0.5).mean())
        return {"d_real": float(real.mean()), "d_fake": float(fake.mean()),
                "d_accuracy": (right_real + right_fake) / 2, "d_accuracy_real": right_real, "d_accuracy_fake": right_fake}

    def g_step(self, fake, minibatch):
        """Descend G's objective in G. Gradients pass through D, whose parameters are frozen: none are computed for them."""
        with self.discriminator.frozen():
            outputs = self.judge(fake)
        loss = self.g_loss(outputs, minibatch)
        self.g_optimizer.minimize(loss)
        return {"g_loss": loss.item()} | self.g_report(outputs.data, minibatch)

    def g_report(self, fake, minibatch):
        """What the log tells of G's step, beside its loss: the share of its images that D takes for real."""
        return {"g_accuracy": float((self.score(fake) > 0.5).mean())}

    # ---- looking at it

    def exhibit(self, z, real):
        """What a run's sample sheets show, images (n, H, W, C): G(z). `real` are images of the data set to compare with."""
        return self.generate(z)

    def sheet_latent(self, rng):
        """The codes of a run's sample sheets."""
        return self.latent(25, rng)

    def sample(self, n, rng=None):
        """n generated images (n, H, W, C), float32 in [-1, 1]; z from `rng`, by default the game's own."""
        if not (isinstance(n, (int, np.integer)) and n >= 1):
            raise InputError(f"{type(self).__name__}.sample: expected a positive number of images, got {n!r}")
        return self.generate(self.latent(n, rng))

    def generate(self, z):
        """G(z) in eval mode, (n, latent_dim + classes) -> (n, H, W, C) float32 in [-1, 1]."""
        low, high = self.pixels
        images = evaluate(self.sampler, self.sampler, z)
        return ((images - (high + low) / 2) / ((high - low) / 2)).astype(np.float32, copy=False)

    def judgement(self, images):
        """What D says in eval mode of images (n, H, W, C) in [-1, 1]: `judge`'s outputs as an array."""
        low, high = self.pixels
        images = np.asarray(images, self.dtype) * ((high - low) / 2) + (high + low) / 2
        return evaluate(self.discriminator, self.judge, images, 200 * self.pack)

    def undecided(self):
        """D's best output where real and generated images are alike: D(x) = real_label / 2, here as a logit."""
        return np.log(self.settings["real_label"] / (2 - self.settings["real_label"]))

    def equilibrium(self):
        """The losses where D cannot tell real from fake, 2 ln 2 and ln 2 if real_label is 1: reference lines of the plots."""
        undecided = Tensor(np.full((1, 1), self.undecided()))
        return {"d_loss": self.d_loss(undecided, undecided).item(), "g_loss": self.g_loss(undecided).item()}

    def state(self):
        """Name -> array (no copy) of all parameters, buffers and moments; the generator `rng` is not among them."""
        names = ["generator", "discriminator", "g_optimizer", "d_optimizer"]
        if self.sampler is not self.generator:
            names.append("sampler")
        parts = {name: getattr(self, name).state() for name in names}
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


def evaluate(network, function, x, chunk=200):
    """function(x), an array, `chunk` rows at a time, while `network` is in eval mode and nothing is recorded."""
    network.eval()
    try:
        with no_grad():
            y = [function(Tensor(x[i:i + chunk])).data for i in range(0, max(len(x), 1), chunk)]
    finally:
        network.train()
    return np.concatenate(y)
